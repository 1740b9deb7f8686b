# SPDX-License-Identifier: GPL-3.0-or-later
"""event_store_verify: each rule's fault planted in the captured store is found, and nothing else is; the store itself is clean."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.finaegis.runbook.plugins.module_utils.events import passes, verify_task
from ansible_collections.finaegis.runbook.plugins.module_utils.events.rules import RULES
from ansible_collections.finaegis.runbook.plugins.module_utils.events.session import open_session
from ansible_collections.finaegis.runbook.plugins.modules import event_store_verify
from integration.events.stores import Captured
from integration.servers import MysqlServer

CLASSES = ["App\\Events\\AccountOpened", "App\\Events\\MoneyDeposited", "App\\Events\\MoneyWithdrawn"]
MONEY = {
    "name": "accounts",
    "event_table": "stored_events",
    "adds": [{"event_class": CLASSES[1], "amount": "$.amount"}],
    "subtracts": [{"event_class": CLASSES[2], "amount": "$.amount"}],
    "projection_table": "accounts",
    "key_column": "uuid",
    "value_column": "balance",
}
DROP_UNIQUE = "ALTER TABLE stored_events DROP INDEX stored_events_aggregate_uuid_aggregate_version_unique"
#: MariaDB keeps what is not JSON out with a CHECK of the column; MySQL's type can't hold it.
NO_CHECK = "ALTER TABLE {} MODIFY {} longtext NOT NULL"
META = "UPDATE stored_events SET meta_data = JSON_SET(meta_data, '$.\"{}\"', {}) WHERE id = {}"
FIRST = "(SELECT * FROM (SELECT aggregate_uuid FROM stored_events WHERE id = 1) x)"
#: A copy of the first aggregate's event with a new id, and metadata that is right for what its columns become.
AGAIN = (
    "INSERT INTO stored_events (id, aggregate_uuid, aggregate_version, event_class, event_properties, meta_data, created_at) "
    "SELECT 4000, {uuid}, {version}, 'App\\\\Events\\\\AccountOpened', '{{}}', {meta}, MAX(created_at) FROM stored_events"
)
ARCHIVE = "DELETE FROM stored_events WHERE aggregate_uuid = (SELECT aggregate_uuid FROM snapshots WHERE id = 1) AND aggregate_version < {}"
NOBODY = "00000000-0000-4000-8000-000000000000"


@dataclass
class Fault:
    """``found`` are the rules that must speak up, each with the ids of its samples."""

    name: str
    changes: list[str]
    found: dict[str, list[Any]]
    options: dict[str, Any] | None = None
    mariadb_only: bool = False


FAULTS = [
    Fault("clean", [], {}),
    Fault("unique_index", [DROP_UNIQUE], {"unique_index": [None]}),
    Fault(
        "duplicate_version",
        [
            DROP_UNIQUE,
            AGAIN.format(
                uuid=FIRST,
                version=f"MAX(IF(aggregate_uuid = {FIRST}, aggregate_version, 1))",
                meta="'{}'",
            ),
            META.format("aggregate-root-uuid", FIRST, 4000),
            META.format(
                "aggregate-root-version",
                "(SELECT * FROM (SELECT aggregate_version FROM stored_events WHERE id = 4000) z)",
                4000,
            ),
        ],
        {"unique_index": [None], "duplicate_version": [4000]},
    ),
    Fault("gap", ["DELETE FROM stored_events WHERE id = 4"], {"version_gap": [5]}, {"money": []}),
    Fault("first_events_gone", ["DELETE FROM stored_events WHERE id IN (1, 2)"], {"version_gap": [3]}, {"money": []}),
    Fault(
        "version_0",
        [
            "UPDATE stored_events SET aggregate_version = 0 WHERE id = 1",
            META.format("aggregate-root-version", 0, 1),
        ],
        {"version_gap": [1, 2]},
    ),
    Fault(
        "archived_behind_a_snapshot",
        [ARCHIVE.format(11)],
        {},
        {"money": []},
    ),
    Fault(
        "archived_too_far",
        [ARCHIVE.format(12)],
        {"version_gap": [60]},
        {"money": []},
    ),
    Fault(
        "null_version",
        [
            "UPDATE stored_events SET aggregate_version = NULL, meta_data = JSON_REMOVE(meta_data, '$.\"aggregate-root-version\"') "
            "WHERE id = 3398",
        ],
        {"half_aggregate": [3398]},
    ),
    Fault(
        "null_uuid",
        [AGAIN.format(uuid="NULL", version=5, meta="'{\"aggregate-root-version\": 5}'")],
        {"half_aggregate": [4000]},
    ),
    Fault("no_aggregate_is_legal", [AGAIN.format(uuid="NULL", version="NULL", meta="'{}'")], {}),
    Fault(
        "versions_against_ids",
        [
            "UPDATE stored_events SET aggregate_version = 999 WHERE id = 3",
            "UPDATE stored_events SET aggregate_version = 3 WHERE id = 4",
            "UPDATE stored_events SET aggregate_version = 4 WHERE id = 3",
            META.format("aggregate-root-version", 4, 3),
            META.format("aggregate-root-version", 3, 4),
        ],
        {"version_order": [3]},
    ),
    Fault(
        "broken_properties",
        [
            NO_CHECK.format("stored_events", "event_properties"),
            "UPDATE stored_events SET event_properties = '{\"owner\":' WHERE id = 1",
        ],
        {"invalid_json": [1]},
        mariadb_only=True,
    ),
    Fault(
        "broken_metadata",
        [
            NO_CHECK.format("stored_events", "meta_data"),
            "UPDATE stored_events SET meta_data = CONCAT(meta_data, '}') WHERE id = 9",
        ],
        {"invalid_json": [9]},
        mariadb_only=True,
    ),
    Fault("meta_uuid", [META.format("aggregate-root-uuid", f"'{NOBODY}'", 11)], {"meta_uuid": [11]}),
    Fault("meta_version", [META.format("aggregate-root-version", 77, 12)], {"meta_version": [12]}),
    Fault("meta_stored_event_id", [META.format("stored-event-id", 13000, 13)], {"meta_stored_event_id": [13]}),
    Fault(
        "no_stored_event_id_is_legal",
        ["UPDATE stored_events SET meta_data = JSON_REMOVE(meta_data, '$.\"stored-event-id\"') WHERE id = 14"],
        {},
    ),
    Fault("more_metadata_is_legal", [META.format("tenant_id", "'t1'", 15)], {}),
    Fault(
        "back_in_time",
        ["UPDATE stored_events SET created_at = created_at - INTERVAL 90 SECOND WHERE id = 1500"],
        {"created_at_order": [1500]},
    ),
    Fault(
        "back_within_tolerance",
        ["UPDATE stored_events SET created_at = created_at - INTERVAL 30 SECOND WHERE id = 1500"],
        {},
    ),
    Fault(
        "future",
        ["UPDATE stored_events SET created_at = NOW() + INTERVAL 1 DAY WHERE id = 3398"],
        {"created_at_future": [3398]},
    ),
    Fault(
        "unknown_class",
        ["UPDATE stored_events SET event_class = 'app\\\\events\\\\accountopened' WHERE id = 1"],
        {"unknown_class": [1]},
    ),
    Fault("event_version", ["UPDATE stored_events SET event_version = 0 WHERE id = 18"], {"event_version": [18]}),
    Fault("snapshot_ahead", ["UPDATE snapshots SET aggregate_version = 99 WHERE id = 1"], {"snapshot_ahead": [1]}),
    Fault(
        "snapshot_orphan",
        [f"UPDATE snapshots SET aggregate_uuid = '{NOBODY}' WHERE id = 2"],
        {"snapshot_orphan": [2]},
    ),
    Fault(
        "snapshot_order",
        [
            "INSERT INTO snapshots (id, aggregate_uuid, aggregate_version, state) "
            "SELECT 90, aggregate_uuid, 5, state FROM snapshots WHERE id = 6"
        ],
        {"snapshot_order": [90]},
    ),
    Fault("snapshot_empty", ["UPDATE snapshots SET state = '[]' WHERE id = 3"], {"snapshot_empty": [3]}),
    Fault(
        "snapshot_json",
        [NO_CHECK.format("snapshots", "state"), "UPDATE snapshots SET state = '{' WHERE id = 4"],
        {"snapshot_json": [4]},
        mariadb_only=True,
    ),
    Fault(
        "balance_off_by_one",
        [f"UPDATE accounts SET balance = balance + 1 WHERE uuid = {FIRST}"],
        {"money": [None]},
    ),
    Fault("account_without_row", [f"DELETE FROM accounts WHERE uuid = {FIRST}"], {"money": [None]}),
    Fault(
        "balance_without_events",
        [f"INSERT INTO accounts (uuid, owner, currency, balance) VALUES ('{NOBODY}', 'x', 'EUR', 7)"],
        {"money": [None]},
    ),
    Fault(
        "amount_that_is_none",
        ["UPDATE stored_events SET event_properties = JSON_SET(event_properties, '$.amount', '12 EUR') WHERE id = 2"],
        {"money": [2]},
    ),
    Fault(
        "behind_its_watermark",
        [
            "DELETE FROM accounts WHERE uuid <> " + FIRST,
            "UPDATE accounts a JOIN stored_events e ON e.aggregate_uuid = a.uuid AND e.aggregate_version = 3 "
            "SET a.last_event_id = e.id, a.balance = (SELECT SUM(JSON_VALUE(x.event_properties, '$.amount')) FROM stored_events x "
            "WHERE x.aggregate_uuid = a.uuid AND x.aggregate_version IN (2, 3))",
            "DELETE FROM snapshots",
            "DELETE FROM stored_events WHERE aggregate_uuid <> " + FIRST,
        ],
        {},
        {"money": [{**MONEY, "watermark_column": "last_event_id"}]},
    ),
]


def verify(server: MysqlServer, database: str, **more: Any) -> dict[str, Any]:
    """What the module returns, without the second that Ansible takes; test_verify_runs.py goes through Ansible."""
    asked = {
        "login_db": database,
        "known_classes": CLASSES,
        "money": [MONEY],
        "chunk_rows": 500,
        **server.options,
        **more,
    }
    checked = ArgumentSpecValidator(event_store_verify.argument_spec()).validate(asked)
    assert checked.error_messages == []
    return dict(verify_task.run(checked.validated_parameters, check_mode=False))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_finds_exactly_the_fault(either_server: MysqlServer, captured: Captured, fault: Fault) -> None:
    if fault.mariadb_only and either_server is not captured.server:
        pytest.skip("MySQL's JSON type can't hold it")
    database = captured.copy(either_server, "fault_store", *fault.changes)
    result = verify(either_server, database, **fault.options or {})
    assert result["complete"] is True
    found = {one["check"]: [sample["id"] for sample in one["samples"]] for one in result["anomalies"]}
    counts = {one["check"]: one["count"] for one in result["anomalies"]}
    assert found == fault.found
    assert counts == {check: len(ids) for check, ids in fault.found.items()}
    wrong = {finding["check"] for finding in result["findings"] if finding["verdict"] != "ok"}
    assert wrong == set(found)
    assert (result["verdict"] == "ok") == (not found)


def with_hashes(captured: Captured, server: MysqlServer, database: str) -> None:
    """Give the events of each aggregate the chained hashes of FinAegis, computed here from the definition."""
    captured.copy(server, database)
    rows = captured.run(
        server,
        database,
        "SELECT id, aggregate_uuid, event_properties FROM stored_events WHERE event_class <> 'App\\\\Events\\\\AccountOpened' "
        "AND id <= 600 ORDER BY aggregate_uuid, aggregate_version",
    )
    before: dict[str, str] = {}
    changes = []
    for number, uuid, text in rows:
        amount = json.loads(text)["amount"]
        before[uuid] = hashlib.sha3_512((before.get(uuid, "") + str(amount)).encode()).hexdigest()
        properties = json.dumps({"money": {"amount": amount}, "hash": {"hash": before[uuid]}})
        changes.append(f"UPDATE stored_events SET event_properties = '{properties}' WHERE id = {number}")
    captured.run(server, database, "DELETE FROM stored_events WHERE id > 600", "DELETE FROM snapshots", *changes)


def test_hashes_of_the_application(either_server: MysqlServer, captured: Captured) -> None:
    def found(change: str) -> tuple[str, list[int]]:
        with_hashes(captured, either_server, "hashed_store")
        captured.run(either_server, "hashed_store", change)
        result = verify(either_server, "hashed_store", money=[], event_hashes={"event_classes": CLASSES[1:]})
        return result["verdict"], [sample["id"] for one in result["anomalies"] for sample in one["samples"]]

    update = "UPDATE stored_events SET event_properties = {} WHERE id = 5"
    assert found("SELECT 1") == ("ok", [])
    assert found(update.format("JSON_SET(event_properties, '$.money.amount', 1)")) == ("critical", [5])
    assert found(update.format("JSON_REMOVE(event_properties, '$.hash')")) == ("critical", [5, 6])
    # Archived with a snapshot: the first hash there is has nothing to be compared with.
    archived = "DELETE FROM stored_events WHERE id < 5 AND aggregate_uuid = " + FIRST
    result_of_gap = found(archived)
    assert result_of_gap == ("critical", [5]), "the gap alone, for there is no snapshot"


def test_tables_of_other_collations(either_server: MysqlServer, captured: Captured) -> None:
    changes = [
        "ALTER TABLE snapshots MODIFY aggregate_uuid char(36) CHARACTER SET ascii NOT NULL",
        "ALTER TABLE stored_events MODIFY aggregate_uuid char(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        ARCHIVE.format(11),
    ]
    captured.copy(either_server, "mixed_store", *changes)
    assert verify(either_server, "mixed_store", money=[])["anomalies"] == []


def test_every_rule_has_its_fault() -> None:
    elsewhere = {"event_hash", "history"}  # above, and in test_verify_runs.py
    assert {check for fault in FAULTS for check in fault.found} | elsewhere == set(RULES)


@pytest.mark.parametrize("ids", ["uuid", "char(36)"])
def test_ids_that_are_no_numbers(captured: Captured, tmp_path: Path, ids: str) -> None:
    """UUID version 7 as the key, whose order is that of time."""
    ordered = "CONCAT('01928f5e-', LPAD(HEX(o.id), 4, '0'), '-7000-8000-', LPAD(HEX(o.id), 12, '0'))"
    captured.copy(
        captured.server,
        "uuid_store",
        "ALTER TABLE stored_events RENAME old_events",
        f"CREATE TABLE stored_events (id {ids} CHARACTER SET ascii PRIMARY KEY, aggregate_uuid char(36), aggregate_version int, "
        "event_class varchar(255), event_properties longtext, meta_data longtext NULL, created_at datetime(6), "
        "UNIQUE (aggregate_uuid, aggregate_version))".replace("uuid CHARACTER SET ascii", "uuid"),
        f"INSERT INTO stored_events SELECT {ordered}, aggregate_uuid, aggregate_version, event_class, event_properties, "
        f"IF(o.id % 2, NULL, JSON_SET(meta_data, '$.\"stored-event-id\"', LOWER({ordered}))), created_at FROM old_events o",
        "DROP TABLE old_events",
    )
    if ids != "uuid":
        captured.run(captured.server, "uuid_store", "UPDATE stored_events SET id = LOWER(id)")
    asked = {"checkpoint": str(tmp_path / "c.json"), "hash_chain": True}
    assert verify(captured.server, "uuid_store", **asked)["verdict"] == "ok"
    again = verify(captured.server, "uuid_store", **asked)
    assert (again["verdict"], again["changed"]) == ("ok", False)
    last = captured.run(captured.server, "uuid_store", "SELECT MAX(id) FROM stored_events")[0][0]
    assert again["tables"][0]["verified_to"] == str(last)
    captured.run(
        captured.server, "uuid_store", "UPDATE stored_events SET aggregate_version = 40 WHERE id = '%s'" % last
    )
    assert {one["check"] for one in verify(captured.server, "uuid_store", **asked)["anomalies"]} >= {
        "version_gap",
        "history",
    }


def test_times_without_a_zone_are_of_the_application(captured: Captured) -> None:
    """A DATETIME written by an application in UTC+2 lies in the future for whoever takes it for UTC."""
    captured.copy(
        captured.server,
        "zone_store",
        "ALTER TABLE stored_events MODIFY created_at datetime NOT NULL",
        "UPDATE stored_events SET created_at = created_at + INTERVAL 2 HOUR",
    )
    here = verify(captured.server, "zone_store", time_zone="+02:00")
    assert here["verdict"] == "ok"
    elsewhere = verify(captured.server, "zone_store")
    assert {one["check"] for one in elsewhere["anomalies"]} == {"created_at_future"}


def test_the_event_before_a_range_counts_also_when_ids_are_missing(captured: Captured) -> None:
    """The range up to 1000 ends with an id that is not there; the event before 1001 is 998, half an hour later."""
    changes = (
        "DELETE FROM stored_events WHERE id IN (999, 1000)",
        "UPDATE stored_events SET created_at = created_at + INTERVAL 30 MINUTE WHERE id = 998",
    )
    store = captured.copy(captured.server, "hole_store", *changes)
    asked = {"login_db": store, "checks": ["created_at_order"], "chunk_rows": 1000, **captured.server.options}
    options = ArgumentSpecValidator(event_store_verify.argument_spec()).validate(asked).validated_parameters
    result = verify_task.run(options, True)
    assert [sample["id"] for one in result["anomalies"] for sample in one["samples"]] == [1001]


def test_workers_and_ranges_change_nothing(either_server: MysqlServer, captured: Captured) -> None:
    faults = [
        "UPDATE stored_events SET event_version = 0 WHERE id % 400 = 0",
        "UPDATE stored_events SET created_at = created_at - INTERVAL 2 HOUR WHERE id IN (500, 501, 1000, 1001)",
        "DELETE FROM stored_events WHERE id IN (1500, 2001)",
        "UPDATE snapshots SET aggregate_version = 99 WHERE id % 10 = 0",
        "UPDATE accounts SET balance = balance + 1 ORDER BY uuid LIMIT 7",
    ]
    captured.copy(either_server, "many_faults", *faults)
    results = [
        verify(either_server, "many_faults", workers=workers, chunk_rows=rows, samples=3)["anomalies"]
        for workers, rows in ((1, 100000), (1, 500), (4, 100), (8, 1000))
    ]
    assert {one["check"]: one["count"] for one in results[0]} == {
        "event_version": 8,
        "created_at_order": 2,
        "version_gap": 2,
        "snapshot_ahead": 5,
        "money": 9,
    }
    assert results[1:] == results[:1] * 3


def test_a_store_without_an_index_on_the_uuid_is_not_judged_by_it(captured: Captured) -> None:
    captured.copy(
        captured.server,
        "bare_store",
        DROP_UNIQUE,
        "ALTER TABLE stored_events DROP INDEX stored_events_aggregate_uuid_index",
    )
    result = verify(captured.server, "bare_store")
    verdicts = {finding["check"]: finding["verdict"] for finding in result["findings"]}
    assert {check for check, verdict in verdicts.items() if verdict == "unknown"} == {
        "version_gap",
        "duplicate_version",
        "version_order",
        "snapshot_ahead",
        "snapshot_orphan",
        "snapshot_order",
        "snapshot_empty",
        "snapshot_json",
        "money",
    }
    assert verdicts["unique_index"] == "critical"
    assert verdicts["event_version"] == "ok"


@pytest.mark.parametrize("find", [passes.id_range, passes.key_range])
def test_finding_the_next_range_reads_no_more_than_the_range(
    either_server: MysqlServer, captured: Captured, find: Callable[..., passes.Range | None]
) -> None:
    captured.copy(either_server, "range_store")
    options = ArgumentSpecValidator(event_store_verify.argument_spec()).validate(dict(either_server.options))
    connection, _server = open_session(options.validated_parameters)

    def read() -> int:
        rows = connection.rows("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(row["Value"]) for row in rows if not row["Variable_name"].endswith("rnd_next"))

    with connection:
        before = read()
        part = find(connection, "range_store.stored_events", "id", 100, 3398, 50)
        assert part is not None
        assert (part.upto, part.full) == (150, True)
        assert read() - before < 60
