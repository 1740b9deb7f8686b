# SPDX-License-Identifier: GPL-3.0-or-later
"""Acting, on a server made of a dict."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Unavailable
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.connection import SqlError
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.enter import enter, way_taken
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.kill import (
    BATCH,
    Killing,
    judge_again,
    kill,
    statement,
    survivors,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.match import Policy
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.processlist import Process, Threads, Transaction

from .test_login import params


def idle(number: int, **changes: Any) -> Process:
    return dataclasses.replace(Process(number, "app", f"10.0.0.1:{number}", "bank", "Sleep", 400.0), **changes)


class FakeServer:
    """The connection and its reader. ``errors`` maps statements to what the server answers them with; ``resting`` are the ids
    that a server which numbers its statements knows to be at rest.
    """

    id = 1

    def __init__(
        self,
        *processes: Process,
        errors: dict[str, int] | None = None,
        procedures: Sequence[str] = (),
        resting: Sequence[int] = (),
    ) -> None:
        self.resting = set(resting)
        self.processes = {process.id: process for process in processes}
        self.errors = errors or {}
        self.procedures = procedures
        self.said: list[str] = []
        self.looks = 0

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return [{"name": name} for name in self.procedures]

    def each(self, statements: Sequence[str]) -> Iterator[SqlError | None]:
        for sql in statements:
            self.said.append(sql)
            code = self.errors.get(sql, 0)
            if code == 2013:
                raise SqlError("lost", code)
            yield SqlError(f"refused {sql}", code) if code else None

    def at_rest(self, processes: Sequence[Process]) -> set[int]:
        return self.resting & {process.id for process in processes}

    def again(self, ids: Sequence[int]) -> dict[int, Process]:
        self.looks += 1
        return {number: self.processes[number] for number in ids if number in self.processes}


def run(server: FakeServer, candidates: list[Process], wanted: int, **policy: Any) -> Killing:
    done = Killing()
    kill(server, candidates, wanted, Policy(**policy), server, lambda: 0.0, done)
    return done


def numbers(found: list[Any]) -> list[int]:
    return [(one[0] if isinstance(one, tuple) else one).id for one in found]


def test_each_is_looked_at_again_and_only_the_unchanged_are_ended() -> None:
    candidates = [idle(number) for number in range(10, 16)]
    server = FakeServer(
        idle(10, seconds=401.0),
        idle(11, command="Query", seconds=0.0),
        idle(12, host="10.0.0.9:1"),
        idle(13, transaction=Transaction(0, 0, 0)),
        idle(15, locks=["User lock"]),
    )
    done = run(server, candidates, 6)
    assert server.said == ["KILL 10"]
    assert (numbers(done.killed), numbers(done.gone), numbers(done.spared)) == ([10], [14], [15, 13, 12, 11])
    assert {process.id: reason for process, reason in done.spared}[13] == "a transaction is open"


def test_only_those_not_seen_at_rest_are_read_whole() -> None:
    candidates = [idle(number) for number in range(10, 15)]
    server = FakeServer(idle(11, command="Query", seconds=0.0), resting=[10, 12, 14])
    done = run(server, candidates, 5)
    assert server.said == ["KILL 14", "KILL 12", "KILL 10"] and server.looks == 1
    assert (numbers(done.spared), numbers(done.gone)) == ([11], [13])
    server = FakeServer(resting=range(10, 15))
    assert len(run(server, candidates, 5).killed) == 5 and server.looks == 0


def test_the_spared_are_made_up_for_by_the_next_but_never_more_than_wanted() -> None:
    candidates = [idle(number) for number in range(10, 20)]
    server = FakeServer(*(idle(number, command="Query" if number % 2 else "Sleep") for number in range(10, 20)))
    done = run(server, candidates, 3)
    assert sorted(numbers(done.killed)) == [10, 12, 14] and sorted(numbers(done.spared)) == [11, 13]


def test_a_thread_that_is_gone_stops_nothing() -> None:
    candidates = [idle(number) for number in range(10, 15)]
    done = run(FakeServer(*candidates, errors={"KILL 10": 1094, "KILL 12": 1094}), candidates, 5)
    assert (numbers(done.gone), numbers(done.killed)) == ([12, 10], [14, 13, 11])


def test_one_that_may_not_be_ended_stops_nothing_but_all_of_them_do() -> None:
    candidates = [idle(number) for number in range(10, 13)]
    done = run(FakeServer(*candidates, errors={"KILL 11": 1095}), candidates, 3)
    assert (numbers(done.refused), numbers(done.killed)) == ([11], [12, 10])
    many = [idle(number) for number in range(10, 10 + 2 * BATCH)]
    server = FakeServer(*many, errors={f"KILL {process.id}": 1227 for process in many})
    done = run(server, many, len(many))
    assert len(done.refused) == BATCH and len(server.said) == BATCH


def test_a_lost_connection_tells_how_far_it_came() -> None:
    candidates = [idle(number) for number in range(10, 15)]
    server, done = FakeServer(*candidates, errors={"KILL 12": 2013}), Killing()
    with pytest.raises(SqlError):
        kill(server, candidates, 5, Policy(), server, lambda: 0.0, done)
    assert numbers(done.killed) == [14, 13]


def test_many_are_looked_at_with_few_statements() -> None:
    candidates = [idle(number) for number in range(10, 2010)]
    server = FakeServer(*candidates)
    assert len(run(server, candidates, 2000).killed) == 2000
    assert server.looks == 2000 / BATCH


@pytest.mark.parametrize(
    ("mode", "procedures", "sql"),
    [
        ("idle", [], "KILL 5"),
        ("long_running", [], "KILL QUERY 5"),
        ("idle", ["rds_kill", "rds_kill_query"], "CALL mysql.rds_kill(5)"),
        ("long_running", ["rds_kill", "rds_kill_query"], "CALL mysql.rds_kill_query(5)"),
        ("long_running", ["rds_kill"], "KILL QUERY 5"),
    ],
)
def test_the_provider_s_procedures_are_used_where_they_exist(mode: str, procedures: list[str], sql: str) -> None:
    assert statement(5, mode, procedures) == sql


def test_the_program_of_a_backup_is_remembered_at_the_second_look() -> None:
    assert "a backup" in (judge_again(idle(5, program="mydumper"), idle(5), Policy(), 1) or "")


def test_survivors_are_the_same_connections_still_there() -> None:
    killed = [idle(5), idle(6), idle(7)]
    now = {5: idle(5, command="Killed", seconds=0.0), 7: idle(7, host="10.0.0.1:9999")}
    assert numbers(survivors(killed, now, "idle")) == [5]
    running = [idle(5, command="Query"), idle(6, command="Query")]
    now = {5: idle(5, command="Query", seconds=401.0), 6: idle(6, seconds=0.0)}
    assert numbers(survivors(running, now, "long_running")) == [5]


FULL = SqlError("Too many connections (error 1040).", 1040)


def opened(*answers: Any) -> Any:
    told = list(answers)

    def open_way(to: Any, several: bool) -> Any:
        answer = told.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return (answer, to.host, to.port, to.unix_socket)

    return open_way


WAYS = params(login_unix_socket="/s", extra_port=3307, admin_address="10.0.0.2", admin_port=33062)


def test_the_ways_in_are_tried_in_order() -> None:
    assert enter(WAYS, opened("in"))[:2] == (("in", "127.0.0.1", 3306, "/s"), "normal")
    assert enter(WAYS, opened(FULL, "in"))[:2] == (("in", "127.0.0.1", 3307, None), "extra_port")
    connection, way, failed = enter(WAYS, opened(FULL, SqlError("refused", 2003), "in"))
    assert (connection, way) == (("in", "10.0.0.2", 33062, None), "admin_address")
    assert [one["way"] for one in failed] == ["normal", "extra_port"]


def test_another_error_than_full_is_the_users_to_solve() -> None:
    with pytest.raises(SqlError, match="denied"):
        enter(WAYS, opened(SqlError("denied", 1045)))


def test_without_a_way_in_it_says_what_to_configure() -> None:
    nothing = params(extra_port=None, admin_address=None, admin_port=33062)
    with pytest.raises(Unavailable, match="Too many connections.*extra_port and extra_max_connections"):
        enter(nothing, opened(FULL))


@pytest.mark.parametrize(("connected", "way"), [(151, "normal"), (152, "reserved_slot")])
def test_the_reserved_slot_is_told_from_a_normal_one(connected: int, way: str) -> None:
    assert way_taken("normal", Threads(connected, 1, 151)) == way
    assert way_taken("extra_port", Threads(connected, 1, 151)) == "extra_port"
