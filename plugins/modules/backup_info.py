#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: What backups there are, how much would be lost now, and what was proven
version_added: 1.0.0
author: FinAegis contributors (@FinAegis)
description:
  - Reads the manifests, proofs and records of archived binary logs in a directory or an S3 prefix, as M(finaegis.runbook.backup_create),
    M(finaegis.runbook.backup_verify) and M(finaegis.runbook.binlog_archive) leave them. No data are read and no server is asked.
  - Judges the age of the newest whole backup, what would be lost if the server were lost now, gaps in the binary logs, and when a backup
    was last restored and found equal.
  - A backup counts as proven from level V(L3) on. After a failed verification it does not, whatever came before.
options:
  src:
    description: Directory or address such as C(s3://bucket/prefix/) in which the backups lie.
    type: path
    required: true
  database:
    description: Name of the database whose backups are meant; omitted, all.
    type: str
  environment:
    description: Name of the environment whose backups are meant; omitted, all.
    type: str
  max_age_seconds:
    description:
      - The most seconds since the state in the newest whole backup; older is V(critical). The default is 25 hours, for a daily one.
    type: float
    default: 90000
  max_proof_age_seconds:
    description: The most seconds since the newest proven backup was proven; older is a V(warning). The default is 32 days.
    type: float
    default: 2764800
  scenario:
    description: Row of the runbook's table of objectives whose RPO counts.
    type: str
    choices: [complete_outage, database_failure, application_failure, region_failure]
    default: database_failure
  rpo_seconds:
    description: Seconds of data that may be lost; more is V(critical). Omitted, the RPO of O(scenario).
    type: float
  fail_on:
    default: []
extends_documentation_fragment:
  - finaegis.runbook._s3
  - finaegis.runbook._judgement
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.INFO_MODULE
  - finaegis.runbook._attributes.ACTIONGROUP_S3
"""

EXAMPLES = r"""
- name: Would we keep the promise right now?
  finaegis.runbook.backup_info:
    src: s3://finaegis-backups/production/
    database: finaegis
    environment: production
    fail_on: [critical, unknown]
  register: backups

- name: The backup to restore from
  ansible.builtin.debug:
    msg: "{{ backups.newest_proven }}"

- name: Those that were never proven
  ansible.builtin.debug:
    msg: "{{ backups.backups | rejectattr('proven') | map(attribute='path') | list }}"
"""

RETURN = r"""
backups:
  description: The backups whose manifest can be read, by the time of the state in them, oldest first.
  returned: when the storage could be read
  type: list
  elements: dict
  sample:
    - path: s3://finaegis-backups/production/finaegis-20260131T020000Z.sql.zst.age
      database: finaegis
      environment: production
      engine: dump
      encryption: age
      taken: '2026-01-31T02:00:00Z'
      age_seconds: 36000
      size_bytes: 140962304
      consistent: true
      position: {file: binlog.000042, position: 73915, gtid: 0-1-2048}
      missing: []
      level: L4
      proven: true
      proven_at: '2026-01-31T03:00:00Z'
      proof_verdict: ok
  contains:
    path: {description: The backup., type: str}
    database: {description: The database it is of., type: str}
    environment: {description: The environment it is of; null when none was named., type: str}
    engine: {description: How it was taken., type: str}
    encryption: {description: V(age) or V(gpg); null when it is not encrypted., type: str}
    taken: {description: Time of the state in it., type: str}
    age_seconds: {description: Seconds since then., type: int}
    size_bytes: {description: Its size., type: int}
    consistent: {description: Whether its manifest was read in the very state that is in it., type: bool}
    position: {description: Its place in the binary log; null when it is not known., type: dict}
    missing: {description: Objects of it that are not there or have another size., type: list, elements: str}
    level: {description: 'The highest level proven, C(none) to C(L5).', type: str}
    proven: {description: Whether that is C(L3) at least., type: bool}
    proven_at: {description: Time of its last verification; null without one., type: str}
    proof_verdict: {description: What its last verification found; null without one., type: str}
newest:
  description: The newest whole backup; null without one.
  returned: when the storage could be read
  type: str
  sample: s3://finaegis-backups/production/finaegis-20260131T020000Z.sql.zst.age
newest_proven:
  description: The newest backup that was restored and found equal; null without one.
  returned: when the storage could be read
  type: str
  sample: s3://finaegis-backups/production/finaegis-20260131T020000Z.sql.zst.age
loss_seconds:
  description:
    - Seconds of data that would be lost if the server were lost now. Archived binary logs count when they lead on from the newest whole
      backup without a gap. Null when there is nothing to restore.
  returned: when the storage could be read
  type: int
  sample: 140
rpo_seconds:
  description: What RV(loss_seconds) was held against; null when the scenario names none.
  returned: when the storage could be read
  type: float
  sample: 900.0
binlogs:
  description: The archived binary logs. C(covered_until) is the time up to which they hold everything; C(gaps) says what is missing.
  returned: when the storage could be read
  type: dict
  sample:
    first: binlog.000042
    last: binlog.000108
    count: 67
    size_bytes: 193484832
    covered_until: '2026-01-31T11:57:40Z'
    gaps: []
strays:
  description: Objects that belong to no backup, of runs killed before the manifest or not ours.
  returned: when the storage could be read
  type: list
  elements: str
  sample: []
unreadable:
  description: Records that count for nothing, with the reason.
  returned: when the storage could be read
  type: dict
  sample: {}
verdict:
  description: The worst of RV(findings).
  returned: when the storage could be read
  type: str
  sample: ok
findings:
  description: The checks behind the verdict, C(newest), C(rpo), C(binlogs), C(proven), C(whole), C(records).
  returned: when the storage could be read
  type: list
  elements: dict
  sample:
    - check: rpo
      verdict: ok
      observed: 140
      threshold: 900.0
      message: If the server were lost now, the last 2 min 20 s would be lost.
      advice: ''
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import info
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.core.thresholds import RECOVERY_SECONDS


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return dict(
        {**options.s3(), **options.judgement()},
        src={"type": "path", "required": True},
        database={"type": "str"},
        environment={"type": "str"},
        max_age_seconds={"type": "float", "default": 90000},
        max_proof_age_seconds={"type": "float", "default": 2764800},
        scenario={"type": "str", "choices": list(RECOVERY_SECONDS), "default": "database_failure"},
        rpo_seconds={"type": "float"},
    )


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        result = info.run(module.params)
        if result["verdict"] in module.params["fail_on"]:
            bad = [one["message"] for one in result["findings"] if one["verdict"] != "ok"]
            raise Failed(
                "The backups in %s are %s: %s" % (module.params["src"], result["verdict"], " ".join(bad)), **result
            )
        module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
