#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: binlog_archive
short_description: Ship binary logs to where the backups are, without a gap
version_added: 1.0.0
author: FinAegis contributors (@FinAegis)
description:
  - Ships each binary log of a MySQL or MariaDB server that is closed and not yet archived, so that a backup can be brought forward to any
    second after it. Meant to be run on a schedule; every run says whether the chain is whole and how old the newest unshipped data are.
  - Closes the log in use (FLUSH BINARY LOGS) when what is in it would otherwise become older than O(max_age_seconds) before the next run.
  - A log is fetched as a replica gets it (C(mariadb-binlog) or C(mysqlbinlog) with C(--read-from-remote-server --raw)), so no access to the
    server's files is needed. Every event in it is held to its checksum, and its size to the server's, before it is stored.
  - A log counts as archived when its record is there, which is written last. A run that was killed is simply gone on with.
options:
  dest:
    description:
      - Directory, or address such as C(s3://bucket/prefix/), of the backups that the logs belong to. The logs lie below C(binlog/) in it.
      - One server for each; another server's logs are refused.
    type: str
    required: true
  max_age_seconds:
    description: The most seconds that what was written may be in no archived log. Older makes the verdict V(critical).
    type: int
    default: 300
  interval_seconds:
    description: Seconds until this task is run again, at the latest. A log in use is closed in time for that.
    type: int
    default: 60
  compression:
    description: How to compress; the program V(zstd) or V(gzip) is needed where the task runs.
    type: str
    choices: [zstd, gzip, none]
    default: zstd
  encrypt_to:
    description: File with the public keys to encrypt to, as with M(finaegis.runbook.backup_create). Omitted, nothing is encrypted.
    type: path
  work_dir:
    description: Directory below which a private one holds the log on its way, where this task runs. It needs room for the largest log.
    type: path
    default: /var/tmp
  fail_on:
    default: [critical, unknown]
extends_documentation_fragment:
  - finaegis.runbook._mysql
  - finaegis.runbook._s3
  - finaegis.runbook._judgement
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.ACTIONGROUP_MYSQL_S3
attributes:
  check_mode:
    support: full
    details:
      - Nothing is closed and nothing shipped. RV(shipped) are the logs that would be.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - When the server wrote nothing since the last run, nothing is closed and nothing shipped; only the time up to which the archive is
        complete moves on.
notes:
  - The user needs RELOAD, REPLICATION SLAVE, and BINLOG MONITOR (MariaDB) or REPLICATION CLIENT (MySQL).
  - Logs that the server purged before they were shipped are a gap that can't be closed. Let it keep them longer than the longest time that
    the archive may be out of reach (C(binlog_expire_logs_seconds)).
"""

EXAMPLES = r"""
- name: Every minute, so that no more than five minutes can be lost
  finaegis.runbook.binlog_archive:
    config_file: /etc/mysql/backup.cnf
    dest: s3://finaegis-backups/production/
    max_age_seconds: 300
    interval_seconds: 60

- name: Ship everything now, before the server is taken away
  finaegis.runbook.binlog_archive:
    config_file: /etc/mysql/backup.cnf
    dest: /var/backups/mysql/
    max_age_seconds: 1
"""

RETURN = r"""
rotated:
  description: Whether the log in use was (check mode, would be) closed.
  returned: when the server could be looked at
  type: bool
  sample: true
shipped:
  description: Logs that were (check mode, would be) shipped. The name of one that is yet to be closed is that of the log in use.
  returned: when the server could be looked at
  type: list
  elements: str
  sample: [binlog.000042]
shipped_bytes:
  description: Bytes stored for them.
  returned: when the server could be looked at
  type: int
  sample: 4193280
active:
  description: The log in use.
  returned: when the server could be looked at
  type: str
  sample: binlog.000043
covered_until:
  description: Up to when the archive holds everything that the server wrote, by the server's clock; null when that is not known.
  returned: when the server could be looked at
  type: str
  sample: '2026-01-31T02:05:00Z'
archived:
  description: How many logs are archived.
  returned: when the server could be looked at
  type: int
  sample: 42
seconds:
  description: How long it all took.
  returned: when the server could be looked at
  type: float
  sample: 0.8
verdict:
  description: The worst of RV(findings).
  returned: when the server could be looked at
  type: str
  sample: ok
findings:
  description: C(chain), whether archived logs follow one another, and C(unshipped), the age of what is in none.
  returned: when the server could be looked at
  type: list
  elements: dict
  sample:
    - {check: chain, verdict: ok, observed: [], threshold: [], message: 42 logs follow one another without a gap., advice: ''}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import binlog_ship
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options, verdict
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {
        **options.mysql(),
        **options.s3(),
        **options.judgement("critical", "unknown"),
        "dest": {"type": "str", "required": True},
        "max_age_seconds": {"type": "int", "default": 300},
        "interval_seconds": {"type": "int", "default": 60},
        "compression": {"type": "str", "choices": ["zstd", "gzip", "none"], "default": "zstd"},
        "encrypt_to": {"type": "path"},
        "work_dir": {"type": "path", "default": "/var/tmp"},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        result = binlog_ship.run(module.params, module.check_mode)
        diff = result.pop("diff")
        if module._diff:
            result["diff"] = diff
        if result["verdict"] in module.params["fail_on"]:
            reasons = verdict.explain(verdict.Finding(**one) for one in result["findings"])
            raise Failed("The archive of binary logs is %s: %s" % (result["verdict"], reasons), **result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
