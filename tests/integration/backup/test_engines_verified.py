# SPDX-License-Identifier: GPL-3.0-or-later
"""What backup_create makes, with each engine and encrypted, is proven by backup_verify."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import create, verify
from ansible_collections.finaegis.runbook.plugins.module_utils.events.restored import event_rules
from ansible_collections.finaegis.runbook.plugins.modules import backup_create, backup_verify
from integration.backup import handmade
from integration.servers import MysqlServer


@pytest.fixture(scope="module")
def bank(mysql_server: MysqlServer) -> MysqlServer:
    handmade.make_bank(mysql_server, "engines")
    handmade.sql(mysql_server, "DROP TABLE engines.`we``ird name`")  # mydumper 0.10 can't dump such a name, and says so
    return mysql_server


def take(server: MysqlServer, directory: Path, **more: Any) -> Path:
    options = {**server.options, "database": "engines", "dest": str(directory), "min_free_bytes": 0, **more}
    found = ArgumentSpecValidator(backup_create.argument_spec()).validate(options)
    assert not found.error_messages
    return Path(create.run(found.validated_parameters, False)["path"])


def check(path: Path, **more: Any) -> dict[str, Any]:
    options = {"src": str(path), "scratch_dir": str(path.parent), "scratch_memory_bytes": 128 << 20, **more}
    found = ArgumentSpecValidator(backup_verify.argument_spec()).validate(options)
    return verify.run(found.validated_parameters, False, event_rules({}))


@pytest.mark.parametrize("engine", ["dump", "mydumper", "physical"])
def test_each_engine_is_proven(bank: MysqlServer, tmp_path: Path, engine: str) -> None:
    path = take(bank, tmp_path, engine=engine)
    result = check(path)
    assert result["level"] == "L4" and result["verdict"] == "ok", result["findings"]
    assert not list(tmp_path.glob("finaegis-scratch-*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    spoilt = check(path)
    assert spoilt["level"] == "L0" and spoilt["verdict"] == "critical", spoilt["findings"]
    assert not list(tmp_path.glob("finaegis-scratch-*"))


def test_an_encrypted_backup_needs_its_key(bank: MysqlServer, tmp_path: Path) -> None:
    keys = [tmp_path / name for name in ("right", "wrong")]
    for key in keys:
        subprocess.run(["age-keygen", "-o", str(key)], check=True, capture_output=True)
    public = tmp_path / "right.pub"
    public.write_bytes(subprocess.run(["age-keygen", "-y", str(keys[0])], check=True, capture_output=True).stdout)
    path = take(bank, tmp_path, encrypt_to=str(public))
    wrong = check(path, age_identity=str(keys[1]))
    assert wrong["level"] == "L0" and wrong["verdict"] == "critical", wrong["findings"]
    assert "can't unpack" in next(one for one in wrong["findings"] if one["check"] == "L1")["message"]
    with pytest.raises(verify.RunbookError, match="no key was given"):
        check(path)
    assert check(path, age_identity=str(keys[0]))["level"] == "L4"
    assert not list(tmp_path.glob("finaegis-scratch-*"))
