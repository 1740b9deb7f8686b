# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection held to its own rules (rules.py): what the documentation says is what the code does."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.meta import rules

ROOT = Path(__file__).parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").glob("*") if path.is_dir())
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
IGNORES = sorted((ROOT / "tests/sanity").glob("ignore-*.txt"))
each_module = pytest.mark.parametrize("module", MODULES)


def parsed(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def tracked() -> list[Path]:
    """Files of the repository, relative; those not committed yet included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [Path(name) for name in names if name and (ROOT / name).is_file()]


def source(module: str) -> str:
    return (ROOT / f"plugins/modules/{module}.py").read_text()


def own_documentation(module: str) -> dict[str, Any]:
    """DOCUMENTATION as it stands in the file, fragments not merged."""
    for node in ast.parse(source(module)).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
            return dict(yaml.safe_load(ast.literal_eval(node.value)))
    raise AssertionError(f"{module} has no DOCUMENTATION")


def argument_spec(module: str) -> dict[str, Any]:
    code = importlib.import_module(f"ansible_collections.finaegis.runbook.plugins.modules.{module}")
    return dict(code.argument_spec())


@pytest.fixture(scope="module")
def documentation(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ansible-doc tells users of each module, fragments merged."""
    ansible_doc = Path(sys.executable).with_name("ansible-doc")
    names = [f"finaegis.runbook.{module}" for module in MODULES]
    environment = {**os.environ, "ANSIBLE_HOME": str(tmp_path_factory.mktemp("ansible"))}
    command = [str(ansible_doc), "--json", "-t", "module", *names]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return {name.rsplit(".", 1)[1]: entry for name, entry in told.items()}


@each_module
def test_documented_options_are_those_of_the_code(module: str, documentation: dict[str, Any]) -> None:
    assert rules.options_match(documentation[module]["doc"].get("options") or {}, argument_spec(module)) == []


@each_module
def test_options_that_look_secret_say_whether_they_are(module: str) -> None:
    assert rules.secrets_declared(argument_spec(module)) == []


@each_module
def test_argument_spec_is_made_anew_for_each_caller(module: str) -> None:
    assert argument_spec(module) == argument_spec(module)
    assert argument_spec(module) is not argument_spec(module)


@each_module
def test_return_values_are_described_with_samples_of_their_type(module: str, documentation: dict[str, Any]) -> None:
    assert rules.returns_sound(documentation[module]["return"] or {}) == []


@each_module
def test_attributes_are_declared(module: str, documentation: dict[str, Any]) -> None:
    attributes = documentation[module]["doc"].get("attributes") or {}
    assert {"action_group", "check_mode", "diff_mode", "idempotent"} <= attributes.keys()
    for name, attribute in attributes.items():
        assert attribute.get("support"), f"{name} does not say its support"
        if attribute["support"] in ("none", "partial"):
            assert attribute.get("details"), f"{name} is {attribute['support']} without details"


@each_module
def test_documented_action_groups_are_those_of_the_runtime(module: str, documentation: dict[str, Any]) -> None:
    groups = parsed("meta/runtime.yml")["action_groups"]
    member_of = {f"finaegis.runbook.{group}" for group, members in groups.items() if module in members}
    assert set(documentation[module]["doc"]["attributes"]["action_group"]["membership"]) == member_of


@each_module
def test_a_module_is_small(module: str) -> None:
    assert rules.module_size(source(module)) == []


def test_action_groups_are_the_modules_on_disk() -> None:
    expected = rules.action_groups({module: own_documentation(module) for module in MODULES})
    assert parsed("meta/runtime.yml")["action_groups"] == expected


def test_files_of_shared_code_are_small() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / "plugins").rglob("*.py")}
    assert [f"{path}: {length} lines" for path, length in lengths.items() if length > 400] == []


@pytest.mark.parametrize("role", ROLES)
def test_role_inputs_have_a_default_and_a_description(role: str) -> None:
    entry_points = parsed(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
    options = {name: spec for entry in entry_points.values() for name, spec in (entry.get("options") or {}).items()}
    text = (ROOT / f"roles/{role}/defaults/main.yml").read_text()
    assert rules.role_inputs(text, yaml.safe_load(text) or {}, options, role) == []


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_playbooks_only_list_roles(playbook: Path) -> None:
    assert re.fullmatch(r"[a-z0-9_]+\.yml", playbook.name), "can't be called by its collection name"
    assert rules.playbook_thin(yaml.safe_load(playbook.read_text())) == []


@pytest.mark.parametrize("path", IGNORES, ids=lambda path: path.name)
def test_ignored_sanity_errors_have_a_reason(path: Path) -> None:
    assert rules.ignores_explained(path.read_text()) == []


def test_the_floor_is_the_ansible_core_that_is_tested() -> None:
    (tested,) = re.findall(r"^ansible-core==(\d+\.\d+)\.\*$", (ROOT / "requirements/floor.in").read_text(), re.M)
    assert parsed("meta/runtime.yml")["requires_ansible"] == f">={tested}.0"


def test_execution_environment_gets_the_libraries_that_are_tested() -> None:
    def names(path: str) -> set[str]:
        return {line for line in (ROOT / path).read_text().splitlines() if line and not line.startswith("#")}

    assert names("meta/ee-requirements.txt") == names("requirements/runtime.in")


def test_every_file_has_a_licence() -> None:
    # JSON, recordings and what tools write have no place for a comment; ansible-test takes none in its ignore files.
    exempt = re.compile(
        r"LICENSE|CHANGELOG\.rst|changelogs/changelog\.yaml|tests/sanity/ignore-.*|(.*/)?fixtures/.*|.*\.(json|png|svg)|"
        r"(.*/)?\.gitkeep"
    )
    missing = []
    for path in tracked():
        if not exempt.fullmatch(str(path)) and b"SPDX-License-Identifier:" not in (ROOT / path).read_bytes()[:1000]:
            missing.append(str(path))
    assert missing == []


def test_plugins_carry_the_whole_licence_note() -> None:
    note = "# Copyright: (c) 2026, FinAegis contributors\n# GNU General Public License v3.0+ (see LICENSE or "
    assert [str(path) for path in (ROOT / "plugins").rglob("*.py") if note not in path.read_text()[:300]] == []


def test_the_version_stands_in_one_place() -> None:
    elsewhere = re.compile(r"^\s*(?:__version__|version)\s*[:=]\s*[\"']?\d+\.\d+", re.M)
    own = re.compile(
        r"galaxy\.yml|changelogs/.*|requirements/.*|tests/.*|docs/.*|(.*/)?composer\.(json|lock)|roles/.*/files/.*"
    )
    found = [
        str(path)
        for path in tracked()
        if path.suffix in (".cfg", ".py", ".toml", ".yaml", ".yml")
        and not own.fullmatch(str(path))
        and elsewhere.search((ROOT / path).read_text())
    ]
    assert found == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path in tracked():
        if path.suffix == ".md" and "fixtures" not in path.parts:
            for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", (ROOT / path).read_text()):
                if not (ROOT / path.parent / target).exists():
                    broken.append(f"{path}: {target}")
    assert broken == []
