# SPDX-License-Identifier: GPL-3.0-or-later
"""What a replay covers and why it is refused, from the application's words alone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Failed, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.events import replay_counts, replay_options, replay_plan
from ansible_collections.finaegis.runbook.plugins.module_utils.events.replay_app import Facts

ACCOUNTS = "App\\Projectors\\AccountProjector"
TOTALS = "App\\Projectors\\DailyTotalsProjector"
DEPOSITED = "App\\Events\\MoneyDeposited"


def facts(**more: Any) -> Facts:
    known = {
        "php": "8.2.0",
        "laravel": "11.0",
        "proof": None,
        "down": False,
        "database": "bank",
        "default_connection": True,
        "connections": [],
        "model": "M",
        "table": "stored_events",
        "key": "id",
        "driver_fits": True,
        "own_repository": None,
        "catch_exceptions": False,
        "class_map": {},
        "projectors": {
            ACCOUNTS: {"events": [DEPOSITED, "App\\Events\\AccountOpened"], "reset": True, "queued": False},
            TOTALS: {"events": [DEPOSITED], "reset": False, "queued": True},
            "App\\Projectors\\Silent": {"events": [], "reset": False, "queued": False},
        },
    }
    return Facts(**{**known, **more})


def params(**more: Any) -> dict[str, Any]:
    defaults = {name: one.get("default") for name, one in replay_options.replay_spec().items()}
    return {**defaults, "login_db": "bank", "projectors": [ACCOUNTS], "projection_tables": ["accounts"], **more}


def test_a_leading_backslash_and_a_doubled_name_are_one_projector() -> None:
    scope = replay_plan.scope_of(params(projectors=["\\" + ACCOUNTS, ACCOUNTS]), facts())
    assert scope.projectors == (ACCOUNTS,)
    assert scope.classes == (DEPOSITED, "App\\Events\\AccountOpened")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("AccountProjector", f"Did you mean {ACCOUNTS}"),
        ("App\\AcountProjektor", f"Did you mean {ACCOUNTS}"),
        ("Zzz", "It has App\\Projectors\\AccountProjector,"),
    ],
)
def test_an_unknown_projector_is_answered_with_the_nearest(name: str, told: str) -> None:
    with pytest.raises(Refused) as error:
        replay_plan.scope_of(params(projectors=[name]), facts())
    assert told in str(error.value)


def test_a_projector_without_events_by_name_is_refused() -> None:
    with pytest.raises(Refused, match="handles an event class by name"):
        replay_plan.scope_of(params(projectors=["App\\Projectors\\Silent"]), facts())


def test_other_names_of_a_class_are_known_as_hidden() -> None:
    mapped = facts(class_map={"money_deposited": DEPOSITED, "deposit": DEPOSITED, "x": "Other"})
    scope = replay_plan.scope_of(params(projectors=[TOTALS]), mapped)
    assert scope.classes == ("money_deposited",)
    assert scope.hidden == ("deposit", DEPOSITED)


@pytest.mark.parametrize(
    ("known", "engine", "told"),
    [
        ({"key": "uuid"}, "artisan", "go by a numeric id"),
        ({"own_repository": "App\\Own"}, "driver", "App.Own, which the driver would replace"),
        ({"driver_fits": False}, "driver", "Use engine artisan"),
    ],
)
def test_engines_that_do_not_fit(known: dict[str, Any], engine: str, told: str) -> None:
    with pytest.raises(Refused, match=told):
        replay_plan.refuse_engine(facts(**known), engine)
    if engine == "driver":
        replay_plan.refuse_engine(facts(**known), "artisan")


def test_several_workers_need_every_projector_declared() -> None:
    scope = replay_plan.scope_of(params(projectors=[ACCOUNTS, TOTALS]), facts())
    replay_plan.refuse_workers(scope, 1, [])
    replay_plan.refuse_workers(scope, 2, ["\\" + ACCOUNTS, TOTALS])
    with pytest.raises(Refused, match="DailyTotalsProjector is not declared safe"):
        replay_plan.refuse_workers(scope, 2, [ACCOUNTS])


@pytest.mark.parametrize(
    "more",
    [
        {"workers": 0},
        {"chunk_events": 10001},
        {"settle_seconds": -1},
        {"login_db": None},
        {"projectors": []},
        {"projection_tables": []},
        {"ignore_columns": {"other": ["id"]}},
        {"activate": True, "from_id": 5},
        {"activate": True, "aggregate_uuid": "u", "aggregate_columns": {"accounts": "uuid"}},
        {"aggregate_uuid": "u"},
        {"engine": "artisan", "workers": 2},
        {"queues": ["events"]},
    ],
)
def test_bad_input(more: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        replay_plan.check(params(**more))


def test_good_input() -> None:
    replay_plan.check(params())
    replay_plan.check(params(undo=True, projectors=[], projection_tables=[]))
    replay_plan.check(params(aggregate_uuid="u", aggregate_columns={"accounts": "uuid"}))


def test_the_scope_as_sql_has_as_many_marks_as_arguments() -> None:
    scope = replay_plan.scope_of(params(aggregate_uuid="u"), facts())
    text, args = scope.where(99, parts=2, part=1)
    assert text.count("%s") == len(args)
    assert args == [1, 99, DEPOSITED, "App\\Events\\AccountOpened", "u", 2, 1]
    assert "IFNULL(CRC32(aggregate_uuid) %% %s, 0)" in text  # one without an aggregate is in part 0
    assert scope.is_partial


@pytest.mark.parametrize(
    ("wanted", "applied"), [({"a": 2}, {"a": 1}), ({"a": 2}, {}), ({}, {"a": 1}), ({"a": 1, "b": 1}, {"a": 1, "b": 2})]
)
def test_other_counts_than_sql_has_fail(wanted: dict[str, int], applied: dict[str, int]) -> None:
    with pytest.raises(Failed) as error:
        replay_counts.compare_counts(wanted, applied, 9)
    assert error.value.data["counts"]


def test_equal_counts_pass() -> None:
    replay_counts.compare_counts({"a": 2, "b": 0}, {"a": 2}, 9)
