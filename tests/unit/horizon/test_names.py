# SPDX-License-Identifier: GPL-3.0-or-later
"""Slugs, hosts and prefixes."""

from __future__ import annotations

import fnmatch
import string

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon import names
from hypothesis import given
from hypothesis import strategies as st

APPS = st.from_regex(r"[a-z0-9]+([ _-][a-z0-9]+)*", fullmatch=True).filter(lambda app: not app.endswith("horizon"))
TOKENS = st.text(string.ascii_letters + string.digits, min_size=4, max_size=4)


@pytest.mark.parametrize(
    ("text", "separator", "slug"),
    [  # as Laravel's Str::slug answers
        ("Web_1.example.com", "-", "web-1examplecom"),
        ("vm", "-", "vm"),
        ("FinAegis", "_", "finaegis"),
        ("Sandbox Bank", "_", "sandbox_bank"),
        ("ref-bank 13", "_", "ref_bank_13"),
        ("Ref_Bank", "-", "ref-bank"),
        ("  Crème  brûlée!  ", "-", "creme-brulee"),
        ("ops@host", "-", "ops-at-host"),
    ],
)
def test_slug(text: str, separator: str, slug: str) -> None:
    assert names.slug(text, separator) == slug


@given(st.text(max_size=40))
def test_a_slug_is_its_own_slug(text: str) -> None:
    assert names.slug(names.slug(text)) == names.slug(text)


@given(st.text(max_size=40), TOKENS)
def test_the_host_comes_back_out_of_a_masters_name(hostname: str, token: str) -> None:
    host = names.slug(hostname)
    assert names.host_of(f"{host}-{token}") == host


def test_a_name_of_another_form_is_its_own_host() -> None:
    assert names.host_of("worker") == "worker"


@given(APPS, st.sampled_from(["{0}_horizon:", "{{{0}_horizon:}}", "{0}-horizon:"]), st.sampled_from(names.ENDINGS))
def test_one_key_gives_the_application_away(app: str, form: str, ending: str) -> None:
    separator = "-" if "-horizon" in form else "_"
    prefix = form.format(names.slug(app, separator))
    noise = [
        "laravel_database_queues:default",
        prefix + "8380ba31-c54f-4878-a648-b40cce0027b9",
        prefix + "failed:masters",
    ]
    assert names.find_applications([prefix + ending, *noise]) == [prefix]
    assert names.slug(names.app_of(prefix)) == names.slug(app)


@pytest.mark.parametrize("ending", names.ENDINGS)
def test_the_pattern_finds_every_ending_and_no_job(ending: str) -> None:
    assert fnmatch.fnmatchcase("any_horizon:" + ending, names.ENDINGS_PATTERN)
    assert not any(fnmatch.fnmatchcase("any_horizon:" + digit, names.ENDINGS_PATTERN) for digit in string.hexdigits)


@pytest.mark.parametrize(
    ("keys", "prefixes"),
    [
        (["horizon:masters"], ["horizon:"]),
        (["{bank_horizon:}masters", "{bank_horizon:}recent_jobs"], ["{bank_horizon:}"]),
        (["bank_horizon:masters", "shop_horizon:masters"], ["bank_horizon:", "shop_horizon:"]),
        (["myapp:masters", "myapp:recent_jobs"], ["myapp:"]),  # HORIZON_PREFIX=myapp:
        (["webmasters"], []),  # one word of another program
        (["bank_database_queues:masters", "bank_database_queues:supervisors"], []),  # queues of these names
        (["bank_horizon:recent_failed_jobs"], ["bank_horizon:"]),
        (["bank_horizon:masters", "bank_horizon:failed:failed_jobs"], ["bank_horizon:"]),  # a tag
        ([], []),
    ],
)
def test_applications(keys: list[str], prefixes: list[str]) -> None:
    assert names.find_applications(keys) == prefixes


@pytest.mark.parametrize(
    ("key", "parsed"),
    [
        ("bank_database_queues:default", ("bank_database_", names.QueueKey("default", "queues:default"))),
        ("bank_database_queues:a:b:delayed", ("bank_database_", names.QueueKey("a:b", "queues:a:b"))),
        ("queues:x:reserved", ("", names.QueueKey("x", "queues:x"))),
        ("p:queues:{pay}:notify", ("p:", names.QueueKey("pay", "queues:{pay}"))),
        ("c_illuminate:queues:paused", None),
        ("bank_horizon:masters", None),
    ],
)
def test_queue_keys(key: str, parsed: tuple[str, names.QueueKey] | None) -> None:
    assert names.parse_queue_key(key) == parsed
