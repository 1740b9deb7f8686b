# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules themselves: each must fail on a defect."""

from __future__ import annotations

from typing import Any

import pytest
from unit.meta import rules

DOCUMENTED: dict[str, Any] = {
    "host": {"type": "str", "default": "a"},
    "many": {"type": "list", "elements": "str", "choices": {"x": "the x", "y": "the y"}, "default": ["x"]},
    "deep": {"type": "dict", "suboptions": {"on": {"type": "bool", "default": True}}},
}
SPEC: dict[str, Any] = {
    "host": {"default": "a"},
    "many": {"type": "list", "elements": "str", "choices": ["x", "y"], "default": ["x"]},
    "deep": {"type": "dict", "options": {"on": {"type": "bool", "default": True}}},
}


def test_equal_documentation_and_spec_are_accepted() -> None:
    assert rules.options_match(DOCUMENTED, SPEC) == []


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"host": {"default": "b"}}, "host: default is documented as 'a'"),
        ({"host": {"type": "int", "default": "a"}}, "host: type is"),
        ({"host": {"default": "a", "required": True}}, "host: required is"),
        ({"host": {"default": "a", "aliases": ["h"]}}, "host: aliases is"),
        ({"many": {**SPEC["many"], "choices": ["x"]}}, "many: choices is"),
        ({"many": {**SPEC["many"], "elements": "int"}}, "many: elements is"),
        ({"deep": {"type": "dict", "options": {"on": {"type": "bool", "default": 1}}}}, "deep.on: default is"),
        ({"deep": {"type": "dict"}}, "deep.on: documented, not in"),
        ({"more": {}}, "more: in argument_spec(), not documented"),
    ],
)
def test_a_difference_between_documentation_and_spec_is_found(changed: dict[str, Any], complaint: str) -> None:
    (found,) = rules.options_match(DOCUMENTED, {**SPEC, **changed})
    assert complaint in found


@pytest.mark.parametrize(
    ("spec", "complaints"),
    [
        ({"login_password": {"no_log": True}, "client_key": {"no_log": False}, "passive": {}}, 0),
        ({"login_password": {}}, 1),
        ({"s3": {"options": {"secret_key": {}, "access_key": {"no_log": True}}}}, 1),
    ],
)
def test_a_secret_without_no_log_is_found(spec: dict[str, Any], complaints: int) -> None:
    assert len(rules.secrets_declared(spec)) == complaints


def returned(**changed: Any) -> dict[str, Any]:
    return {"x": {"description": "d", "returned": "always", "type": "int", "sample": 1, **changed}}


def test_sound_return_values_are_accepted() -> None:
    assert rules.returns_sound(returned()) == []
    contains = {"a": {"description": "d", "type": "str"}}
    assert rules.returns_sound(returned(type="list", elements="dict", sample=[{"a": "b"}], contains=contains)) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"sample": "1"},
        {"sample": True},
        {"sample": None},
        {"type": "number"},
        {"type": "dict", "sample": []},
        {"type": "list", "elements": "dict", "sample": ["a"]},
        {"type": "dict", "sample": {"b": 1}, "contains": {"a": {"description": "d", "type": "int"}}},
        {"type": "dict", "sample": {}, "contains": {"a": {"type": "int"}}},
    ],
)
def test_an_unsound_return_value_is_found(changed: dict[str, Any]) -> None:
    assert len(rules.returns_sound(returned(**changed))) == 1


@pytest.mark.parametrize("key", ["description", "returned", "type", "sample"])
def test_an_incomplete_return_value_is_found(key: str) -> None:
    entry = returned()
    del entry["x"][key]
    assert rules.returns_sound(entry) == [f"x: no {key}"]


def test_action_groups_follow_the_fragments() -> None:
    modules = {
        "b": {"extends_documentation_fragment": ["finaegis.runbook._redis", "finaegis.runbook._wait"]},
        "a": {"extends_documentation_fragment": ["finaegis.runbook._transport", "finaegis.runbook._redis"]},
    }
    groups = rules.action_groups(modules)
    assert groups == {"all": ["a", "b"], "kubernetes": [], "laravel": ["a"], "mysql": [], "redis": ["a", "b"], "s3": []}


@pytest.mark.parametrize(
    ("source", "complaints"),
    [
        ("def argument_spec(): ...\ndef main(): ...\n", 0),
        ("def argument_spec(): ...\ndef main(): ...\n" + "\n" * 349, 1),
        ("def argument_spec(): ...\ndef main():\n" + "    pass\n" * 40, 1),
        ("def main(): ...\n", 1),
    ],
)
def test_a_module_that_is_too_big_is_found(source: str, complaints: int) -> None:
    assert len(rules.module_size(source)) == complaints


@pytest.mark.parametrize(
    ("values", "options", "complaints"),
    [
        ({"r_a": 1}, {"r_a": {"default": 1}, "r_b": {"required": True}}, 0),
        ({"r_a": "{{ x }}"}, {"r_a": {}}, 0),
        ({"r_a": 1}, {}, 1),
        ({}, {"r_c": {}}, 1),
        ({"a": 1}, {"a": {"default": 1}}, 1),
        ({"r_a": 1}, {"r_a": {"default": 2}}, 1),
        ({"r_a": 1}, {"r_a": {"default": 1, "required": True}}, 1),
        ({"r_a": 1}, {"r_a": {}}, 1),
    ],
)
def test_a_role_input_missing_on_one_side_is_found(values: Any, options: Any, complaints: int) -> None:
    assert len(rules.role_inputs("# r_b:\n", values, options, "r")) == complaints


@pytest.mark.parametrize(
    ("play", "complaints"),
    [
        ({"name": "n", "hosts": "all", "roles": ["x"]}, 0),
        ({"name": "n", "ansible.builtin.import_playbook": "x.yml"}, 0),
        ({"name": "n", "hosts": "all"}, 1),
        ({"hosts": "all", "roles": ["x"]}, 1),
        ({"name": "n", "hosts": "all", "roles": ["x"], "tasks": []}, 1),
    ],
)
def test_a_playbook_with_logic_is_found(play: dict[str, Any], complaints: int) -> None:
    assert len(rules.playbook_thin([play])) == complaints


def test_an_ignore_without_a_reason_is_found() -> None:
    assert rules.ignores_explained("a.py pep8:E1 # because\n") == []
    assert len(rules.ignores_explained("a.py pep8:E1\na.py pep8:E2 #\n")) == 2
