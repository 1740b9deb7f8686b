# SPDX-License-Identifier: GPL-3.0-or-later
"""Event stores by their columns."""

from __future__ import annotations

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.events import options, stores

EVENTS = ["id", "aggregate_uuid", "aggregate_version", "event_class", "event_properties", "meta_data", "created_at"]
SNAPSHOTS = ["id", "aggregate_uuid", "aggregate_version", "state", "created_at", "updated_at"]


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (EVENTS, "events"),
        ([*EVENTS, "event_version", "updated_at", "tenant_id"], "events"),
        ([name for name in EVENTS if name != "meta_data"], "events"),
        ([name for name in EVENTS if name != "created_at"] + ["original_created_at", "archived_at"], None),
        ([name for name in EVENTS if name != "event_properties"], None),
        (SNAPSHOTS, "snapshots"),
        ([*EVENTS, "state"], "events"),
        (["id", "account_uuid", "amount"], None),
        ([], None),
    ],
)
def test_kinds(columns: list[str], kind: str | None) -> None:
    assert stores.kind(columns) == kind


def table(schema: str, name: str, indexes: dict[str, tuple[bool, list[str]]] | None = None) -> stores.Table:
    primary = {"PRIMARY": (True, ["id"])}
    columns = dict.fromkeys(EVENTS, "longtext")
    return stores.describe(schema, name, columns, None, primary if indexes is None else indexes, 5)


@pytest.mark.parametrize(
    ("indexes", "key", "unique", "by_uuid"),
    [
        ({}, None, False, False),
        ({"PRIMARY": (True, ["id"])}, "id", False, False),
        ({"PRIMARY": (True, ["a", "b"])}, None, False, False),
        ({"u": (True, ["aggregate_uuid", "aggregate_version"])}, None, True, True),
        ({"u": (True, ["aggregate_version", "aggregate_uuid"])}, None, True, False),
        ({"u": (False, ["aggregate_uuid", "aggregate_version"])}, None, False, True),
        ({"u": (True, ["aggregate_uuid", "aggregate_version", "id"])}, None, False, True),
        ({"u": (True, ["aggregate_uuid"])}, None, False, True),
    ],
)
def test_what_the_indexes_allow(
    indexes: dict[str, tuple[bool, list[str]]], key: str | None, unique: bool, by_uuid: bool
) -> None:
    one = table("bank", "stored_events", indexes)
    assert (one.key, one.unique_versions, one.uuid_index) == (key, unique, by_uuid)


def test_snapshots_belong_to_the_paired_table_or_to_all_of_their_schema() -> None:
    events = (table("a", "transactions"), table("a", "ledgers"), table("b", "transactions"))
    pictures = table("a", "transaction_snapshots")
    open_ended = stores.Found(("a", "b"), events, (pictures,))
    assert open_ended.events_of(pictures) == [events[0], events[1]]
    paired = stores.Found(("a", "b"), events, (pictures,), {"transaction_snapshots": "transactions"})
    assert paired.events_of(pictures) == [events[0]]
    assert [store.snapshots for store in paired.stores()] == [(pictures,), (), ()]


def test_schemas_by_pattern() -> None:
    there = ["bank", "mysql", "tenant1", "tenant2", "tenants"]
    assert stores.choose_schemas(["tenant[0-9]"], there) == ["tenant1", "tenant2"]
    assert stores.choose_schemas(["tenant*", "tenant1", "bank"], there) == ["tenant1", "tenant2", "tenants", "bank"]
    assert stores.choose_schemas(["*"], there) == ["bank", "tenant1", "tenant2", "tenants"]
    for nothing in ("mysql", "other*", "BANK"):
        with pytest.raises(Refused, match="There is no database"):
            stores.choose_schemas(["bank", nothing], there)


def test_names_in_statements_with_arguments() -> None:
    assert table("50%", "a`b").sql == "`50%%`.`a``b`"


def test_uuids_of_tables_with_other_collations_can_be_compared() -> None:
    text = stores.describe("s", "t", dict.fromkeys(EVENTS, "char"), "utf8mb4_unicode_ci", {}, 0)
    assert text.of_uuid("e", "s.u") == "e.aggregate_uuid = CONVERT(s.u USING utf8mb4) COLLATE utf8mb4_unicode_ci"
    assert table("s", "t").of_uuid("e", "s.u") == "e.aggregate_uuid = s.u"


@pytest.mark.parametrize(
    ("given", "schemas"),
    [
        ({"schemas": ["a", "b"]}, ["a", "b"]),
        ({"login_db": "bank"}, ["bank"]),
        ({"schemas": ["a"], "login_db": "bank"}, ["a"]),
    ],
)
def test_which_schemas_are_meant(given: dict[str, object], schemas: list[str]) -> None:
    assert options.wanted_schemas({"schemas": [], "login_db": None, "time_zone": "+00:00", **given}) == schemas


@pytest.mark.parametrize(
    "given", [{}, {"login_db": "bank", "time_zone": "UTC"}, {"login_db": "bank", "time_zone": "+1:00"}]
)
def test_options_that_can_not_be(given: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        options.wanted_schemas({"schemas": [], "login_db": None, "time_zone": "+00:00", **given})
