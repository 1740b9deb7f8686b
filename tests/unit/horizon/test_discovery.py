# SPDX-License-Identifier: GPL-3.0-or-later
"""Which application and which prefixes are meant."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.discovery import Place, Wanted, locate
from fixtures.redis import keyspace
from unit.horizon.fake_wire import FakeWire

ZSET: dict[str, Any] = {"type": "zset", "pttl": -1, "value": [["x", 1.0]]}
LIST: dict[str, Any] = {"type": "list", "pttl": -1, "value": ["{}"]}


def place(keys: list[str], cache: list[str] | None = None, **wanted: Any) -> Place:
    main = {key: LIST if "queues:" in key or "commands:" in key else ZSET for key in keys}
    return locate(FakeWire({0: main, 1: dict.fromkeys(cache or [], ZSET)}, 0.0), Wanted(**wanted))


@pytest.mark.parametrize(
    ("keys", "horizon_prefix", "queue_prefix", "settled"),
    [
        (["bank_horizon:masters", "bank_database_queues:a"], "bank_horizon:", "bank_database_", True),
        (["bank_horizon:masters", "bank-database-queues:a"], "bank_horizon:", "bank-database-", True),
        (["my_bank_horizon:masters", "my-bank-database-queues:a"], "my_bank_horizon:", "my-bank-database-", True),
        (["{bank_horizon:}masters", "bank_database_queues:{a}"], "{bank_horizon:}", "bank_database_", True),
        (["horizon:masters", "queues:a"], "horizon:", "", True),
        (["bank_horizon:masters", "odd:queues:a"], "bank_horizon:", "odd:", True),  # the only one
        (["bank_horizon:masters"], "bank_horizon:", "bank_database_", False),  # all empty: the default, for now
        (["bank_database_queues:a"], None, "bank_database_", False),
        ([], None, "", False),
    ],
)
def test_found(keys: list[str], horizon_prefix: str | None, queue_prefix: str, settled: bool) -> None:
    found = place(keys)
    assert (found.horizon_prefix, found.queue_prefix, found.settled) == (horizon_prefix, queue_prefix, settled)


BOTH = ["bank_horizon:masters", "bank_database_queues:a", "shop_horizon:masters", "shop_database_queues:b"]


def test_several_applications_and_none_chosen() -> None:
    with pytest.raises(
        BadInput, match="app 'bank' with prefix 'bank_horizon:', app 'shop' with prefix 'shop_horizon:'"
    ):
        place(BOTH)


@pytest.mark.parametrize("app", ["shop", "Shop", "SHOP"])
def test_one_chosen_by_name(app: str) -> None:
    found = place(BOTH, app=app)
    assert (found.horizon_prefix, found.queue_prefix, list(found.queues)) == ("shop_horizon:", "shop_database_", ["b"])


def test_one_chosen_by_prefix() -> None:
    assert place(BOTH, horizon_prefix="bank_horizon:").queue_prefix == "bank_database_"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="No Horizon of the application 'kiosk'.*app 'bank'"):
        place(BOTH, app="kiosk")


def test_queues_of_another_application_are_not_taken_for_ours() -> None:
    found = place([*BOTH[:1], *BOTH[2:]], app="bank")
    assert (found.queue_prefix, found.queues) == ("bank_database_", {})


def test_prefixes_that_fit_nobody() -> None:
    with pytest.raises(BadInput, match="Give queue_prefix"):
        place(["bank_horizon:masters", "odd:queues:a", "other:queues:a"])


def test_given_prefixes_are_taken_as_given() -> None:
    found = place(
        ["odd:queues:a", "bank_horizon:commands:master:web-1-abcd"], horizon_prefix="bank_horizon:", queue_prefix="odd:"
    )
    assert (found.queue_prefix, list(found.queues), found.settled) == ("odd:", ["a"], True)
    assert found.command_lists == {"master:web-1-abcd"}


def test_without_discovery_nothing_is_asked() -> None:
    wire = FakeWire({}, 0.0)
    assert locate(wire, Wanted("h:", "q:", discover=False)) == Place("h:", "q:", {})
    assert wire.trips == 0


@pytest.mark.parametrize("wanted", [Wanted(discover=False), Wanted("h:", discover=False)])
def test_without_discovery_both_prefixes_are_needed(wanted: Wanted) -> None:
    with pytest.raises(BadInput, match="needs horizon_prefix and queue_prefix"):
        locate(FakeWire({}, 0.0), wanted)


def test_names_on_clusters_stand_in_braces() -> None:
    found = place(["{bank_horizon:}masters", "bank_database_queues:{a}"])
    assert found.queue("a").key == "queues:{a}"
    assert found.queue("unseen").key == "queues:{unseen}"
    assert place(["bank_horizon:masters", "bank_database_queues:a"]).queue("unseen").key == "queues:unseen"


@pytest.mark.parametrize(
    ("cache", "prefix"),
    [
        (["bank_database_bank_cache_illuminate:queue:restart"], "bank_database_bank_cache_"),
        (["bank_database_illuminate:queue:paused:redis:a"], "bank_database_"),
        (["bank-cache-illuminate:queue:restart"], "bank-cache-"),
        (["shop_database_shop_cache_illuminate:queue:restart"], None),  # another application's
        (["bank_database_x_illuminate:queue:restart", "bank_database_y_illuminate:queue:restart"], None),
        ([], None),
    ],
)
def test_where_the_cache_is(cache: list[str], prefix: str | None) -> None:
    assert place(BOTH, cache, app="bank", cache_database=1).cache_prefix == prefix


def test_two_applications_in_two_databases() -> None:
    databases = keyspace.load("27-after-queue-flush")
    for database, prefix in ((0, "ref_bank_horizon:"), (2, "ref_bank_13_horizon:")):
        assert locate(FakeWire(databases, 0.0, database), Wanted()).horizon_prefix == prefix
