# SPDX-License-Identifier: GPL-3.0-or-later
"""backup_verify from an S3 that is slow, times out, answers 500 or closes mid-body: slow is well, the rest is unknown and never ok."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.config
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import verify
from ansible_collections.finaegis.runbook.plugins.module_utils.events.restored import event_rules
from ansible_collections.finaegis.runbook.plugins.module_utils.storage import s3
from ansible_collections.finaegis.runbook.plugins.modules import backup_verify
from integration.backup import handmade
from integration.backup.handmade import sql
from integration.s3_server import answer
from integration.servers import MysqlServer


@pytest.fixture
def stored(mysql_server: MysqlServer, bucket: dict[str, Any], tmp_path: Path) -> str:
    """A good backup in the bucket; its name."""
    handmade.make_bank(mysql_server, "faraway")
    path = handmade.take(mysql_server, "faraway", tmp_path)
    storage = s3.S3Storage("bank", "faraway/", bucket)
    for one in tmp_path.iterdir():
        if one.is_file():
            storage.put(one.name, one.read_bytes())
    return path.name


def check(server: MysqlServer, name: str, s3: dict[str, Any], base: Path) -> dict[str, Any]:
    options = {**server.options, **s3, "src": f"s3://bank/faraway/{name}", "target": "server", "scratch_dir": str(base)}
    params = ArgumentSpecValidator(backup_verify.argument_spec()).validate(options).validated_parameters
    try:
        return verify.run(params, False, event_rules({}))
    finally:
        assert sql(server, "SHOW DATABASES LIKE 'faraway\\_%'") == []
        assert not list(base.glob("finaegis-*"))


def of_the_dump(request: Any) -> bool:
    return request.command == "GET" and request.path.partition("?")[0].endswith(".sql.zst")


def mute(request: Any) -> bool:
    if of_the_dump(request):
        time.sleep(1.5)  # longer than the test's own read timeout
        request.close_connection = True
        return True
    return False


FAULTS: dict[str, Callable[[Any], bool]] = {
    "answers 500": lambda request: of_the_dump(request) and answer(request, 500),
    "answers 403": lambda request: of_the_dump(request) and answer(request, 403),
    "times out": mute,
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    real = botocore.config.Config
    monkeypatch.setattr(s3, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(
        botocore.config,
        "Config",
        lambda **given: real(**{**given, "read_timeout": 1, "retries": {"total_max_attempts": 1}}),
    )


@pytest.mark.parametrize("fault", [*FAULTS, "closes mid-body"])
def test_what_can_not_be_read_is_unknown_and_never_ok(
    mysql_server: MysqlServer,
    stored: str,
    unwell: Any,
    impatient: None,
    tmp_path: Path,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler, options = unwell
    if fault in FAULTS:
        handler.fault = staticmethod(FAULTS[fault])
    else:

        def cut(self: Any, sent: bytes) -> bytes:
            self.close_connection = of_the_dump(self)
            return sent[:100] if of_the_dump(self) else sent

        monkeypatch.setattr(handler, "cut", cut)
    result = check(mysql_server, stored, options, tmp_path)
    unread = next(one for one in result["findings"] if one["check"] == "L1")
    assert unread["verdict"] == "unknown" and "Reading s3://bank/faraway/" in unread["message"], result["findings"]
    assert result["level"] == "L0" and result["verdict"] == "critical"
    proofs = verify.catalogue.read(verify.open_storage("s3://bank/faraway/", options)).backups[-1].proofs
    assert proofs[-1].verdict == "unknown"


def test_a_slow_one_is_waited_for(
    mysql_server: MysqlServer,
    stored: str,
    unwell: Any,
    impatient: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler, options = unwell

    def slow(self: Any, sent: bytes) -> bytes:
        if not of_the_dump(self):
            return sent
        for place in range(0, len(sent), 10000):
            self.wfile.write(sent[place : place + 10000])
            self.wfile.flush()
            time.sleep(0.02)
        return b""

    monkeypatch.setattr(handler, "cut", slow)
    result = check(mysql_server, stored, options, tmp_path)
    assert result["level"] == "L4" and result["verdict"] == "ok", result["findings"]


def test_a_list_that_is_refused_fails_the_task(
    mysql_server: MysqlServer, stored: str, unwell: Any, impatient: None, tmp_path: Path
) -> None:
    handler, options = unwell
    handler.fault = staticmethod(lambda request: answer(request, 500))
    with pytest.raises(verify.RunbookError, match="failed"):
        check(mysql_server, stored, options, tmp_path)
