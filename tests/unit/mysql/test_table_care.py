# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan, the refusals, and what the server's rows mean; the answers are what real servers said."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import care
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.care import Policy, Row
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.dialect import parse_version
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.tables import Disk, Settings, Table

MIB = 1024 * 1024
MARIADB = parse_version("10.11.19-MariaDB-0+deb12u1-log")
MYSQL = parse_version("9.7.4-2")
DISK = Disk("/var/lib/mysql/", 10 * 1024 * MIB)


def policy(operations: str = "optimize", **more: Any) -> Policy:
    defaults = {
        "min_free_ratio": 0.2,
        "min_free_bytes": 64 * MIB,
        "allow_blocking": False,
        "max_transaction_seconds": 60,
        "local": False,
    }
    return Policy(operations=operations.split(), **{**defaults, **more})


def table(name: str = "orders", **more: Any) -> Table:
    return Table("bank", name, **{"file_bytes": 200 * MIB, "free_bytes": 150 * MIB, **more})


def rows(tables: list[Table], wanted: Policy, settings: Settings | None = None) -> list[Row]:
    return [row for _, row in care.plan(tables, wanted, MYSQL, settings or Settings())]


@pytest.mark.parametrize(
    ("what", "wanted", "outcome", "said"),
    [
        (table(), policy(), "planned", ""),
        (table(free_bytes=60 * MIB), policy(), "skipped", "not fragmented"),
        (table(free_bytes=80 * MIB, file_bytes=2000 * MIB), policy(), "skipped", "not fragmented"),
        (table(free_bytes=0), policy(min_free_bytes=0, min_free_ratio=0), "planned", ""),
        (table(free_bytes=8 * MIB), policy(min_free_bytes=1, min_free_ratio=0), "skipped", "not fragmented"),
        (table(file_bytes=None), policy(), "skipped", "shares its file"),
        (table(file_bytes=None), policy(min_free_bytes=0, min_free_ratio=0), "planned", ""),
        (table(indexes=("FULLTEXT",)), policy(), "skipped", "FULLTEXT index); allow_blocking"),
        (table(indexes=("FULLTEXT",)), policy(allow_blocking=True), "planned", "FULLTEXT"),
        (table(engine="MyISAM", file_bytes=None), policy(), "skipped", "allow_blocking"),
        (table(engine="MEMORY", file_bytes=None), policy(allow_blocking=True), "skipped", "nothing to optimize"),
        (table(kind="VIEW", engine="", file_bytes=None, free_bytes=0), policy(), "skipped", "a view"),
        (table(kind="VIEW", engine="", file_bytes=None, free_bytes=0), policy("analyze"), "skipped", "a view"),
        (table(kind="VIEW", engine="", file_bytes=None, free_bytes=0), policy("check"), "planned", ""),
        (table(kind="SEQUENCE"), policy("check"), "skipped", "a sequence"),
        (table(kind="SYSTEM VERSIONED"), policy(), "skipped", "system versioning"),
        (table(kind="SYSTEM VERSIONED"), policy("analyze"), "planned", ""),
    ],
)
def test_one_table(what: Table, wanted: Policy, outcome: str, said: str) -> None:
    (row,) = rows([what], wanted)
    assert row.outcome == outcome
    assert said in row.reason
    assert (row.rebuild is not None) is (outcome == "planned" and row.operation == "optimize")
    assert (row.needed_bytes > 0) is (row.rebuild is not None)


def test_operations_have_their_order_and_an_optimized_table_is_not_analyzed_again() -> None:
    planned = rows([table("a"), table("b", free_bytes=0)], policy("analyze optimize check"))
    assert [(row.table, row.operation, row.outcome) for row in planned] == [
        ("bank.a", "check", "planned"),
        ("bank.a", "optimize", "planned"),
        ("bank.a", "analyze", "skipped"),
        ("bank.b", "check", "planned"),
        ("bank.b", "optimize", "skipped"),
        ("bank.b", "analyze", "planned"),
    ]


@pytest.mark.parametrize(
    ("wanted", "settings", "disk", "said"),
    [
        (policy(), Settings(fulltext_only=True), DISK, "innodb_optimize_fulltext_only"),
        (policy(), Settings(read_only=True), DISK, "local: true"),
        (policy("analyze"), Settings(read_only=True), DISK, "local: true"),
        (policy(), Settings(), Disk("/var/lib/mysql/", 10 * MIB), "bank.orders (needs up to"),
        (policy("check"), Settings(fulltext_only=True, read_only=True), Disk("/", 0), ""),
        (policy(local=True), Settings(read_only=True), DISK, ""),
        (policy(), Settings(), Disk("/", None, "elsewhere"), ""),
        (policy(min_free_bytes=10**12), Settings(fulltext_only=True, read_only=True), Disk("/", 0), ""),
    ],
)
def test_conditions_that_forbid_it_all(wanted: Policy, settings: Settings, disk: Disk, said: str) -> None:
    planned = rows([table()], wanted, settings)
    if not said:
        care.refuse_bad_conditions(planned, wanted, settings, disk)
        return
    with pytest.raises(Refused) as refused:
        care.refuse_bad_conditions(planned, wanted, settings, disk)
    assert said in str(refused.value)
    assert "Nothing was done" in str(refused.value)


@pytest.mark.parametrize(
    ("operation", "version", "quiet"),
    [
        ("optimize", "9.7.4", True),
        ("optimize", "10.11.19-MariaDB", True),
        ("analyze", "8.0.23", True),
        ("analyze", "8.0.24", False),
        ("analyze", "5.5.5-10.11.19-MariaDB", False),
        ("check", "8.0.23", False),
    ],
)
def test_what_an_open_transaction_stops(operation: str, version: str, quiet: bool) -> None:
    assert care.needs_quiet(operation, parse_version(version)) is quiet


@pytest.mark.parametrize(
    ("name", "operation", "local", "sql"),
    [
        ("orders", "optimize", False, "OPTIMIZE TABLE `bank`.`orders`"),
        ("orders", "optimize", True, "OPTIMIZE LOCAL TABLE `bank`.`orders`"),
        ("orders", "check", True, "CHECK TABLE `bank`.`orders`"),
        ("a`b", "analyze", False, "ANALYZE TABLE `bank`.`a``b`"),
    ],
)
def test_statements(name: str, operation: str, local: bool, sql: str) -> None:
    wanted = policy(operation, local=local)
    ((what, row),) = care.plan([table(name)], wanted, MYSQL, Settings())
    assert care.statement(row, what, wanted) == sql


UNABLE = ("note", "The storage engine for the table doesn't support analyze")
RECREATE = ("note", "Table does not support optimize, doing recreate + analyze instead")


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        ([("status", "OK")], "ok", ""),
        ([("status", "Table is already up to date")], "ok", ""),
        ([RECREATE, ("status", "OK")], "ok", ""),
        (
            [
                RECREATE,
                ("error", "Lock wait timeout exceeded; try restarting transaction"),
                ("status", "Operation failed"),
            ],
            "failed",
            "Lock wait timeout exceeded; try restarting transaction",
        ),
        (
            [("Error", "Table 'd.missing' doesn't exist"), ("status", "Operation failed")],
            "failed",
            "Table 'd.missing' doesn't exist",
        ),
        (
            [("Error", "View 'd.bv' refers to nothing"), ("error", "Corrupt")],
            "failed",
            "View 'd.bv' refers to nothing; Corrupt",
        ),
        (
            [("warning", "InnoDB: Index 'a' contains 1 entries, should be 2."), ("error", "Corrupt")],
            "failed",
            "Corrupt",
        ),
        ([("status", "Operation failed")], "failed", "Operation failed"),
        ([UNABLE], "skipped", "The storage engine for the table doesn't support analyze"),
        ([RECREATE, ("Error", "x")], "failed", "x"),
        ([("warning", "x")], "failed", "the server did not say that it was done"),
        ([], "failed", "the server did not say that it was done"),
    ],
)
def test_what_the_rows_of_the_server_mean(answer: list[tuple[str, str]], outcome: str, reason: str) -> None:
    said = [{"Table": "d.t", "Op": "x", "Msg_type": kind, "Msg_text": text} for kind, text in answer]
    messages = [f"{kind.lower()}: {text}" for kind, text in answer]
    assert care.judge(said) == (outcome, reason, messages)


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_free_ratio": -0.1},
        {"min_free_ratio": 1.1},
        {"min_free_bytes": -1},
        {"lock_wait_timeout": 0},
        {"max_transaction_seconds": -1},
    ],
)
def test_numbers_out_of_range(wrong: dict[str, Any]) -> None:
    params = {**vars(policy()), "lock_wait_timeout": 5}
    assert care.policy_of(params) == policy()
    with pytest.raises(BadInput):
        care.policy_of({**params, **wrong})


def test_the_report_tells_a_plan_as_a_change() -> None:
    planned = rows([table("a"), table("b", free_bytes=0)], policy("optimize check"))
    told = care.report(planned)
    assert (told["changed"], told["summary"]) == (True, {"ok": 0, "failed": 0, "skipped": 1, "planned": 3})
    assert care.diff(planned)["after"] == "optimize bank.a\n"
    for row in planned:
        row.outcome = "ok" if row.outcome == "planned" else row.outcome
    planned[1].bytes_after = 50 * MIB
    done = care.report(planned)
    assert (done["changed"], done["freed_bytes"]) == (True, 150 * MIB)
    assert care.report(rows([table()], policy("check")))["changed"] is False
