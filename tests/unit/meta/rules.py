# SPDX-License-Identifier: GPL-3.0-or-later
"""The house rules as functions: plain data in, a list of complaints out (empty: all well)."""

from __future__ import annotations

import ast
import re
from typing import Any

#: Option names that look like a secret; each must say in its argument spec whether it is one.
SECRET = re.compile(r"pass(?!ive)|secret|token|key|credential", re.I)

#: Fragment (plugins/doc_fragments) -> action group whose members share its options.
GROUP_OF_FRAGMENT = {
    "finaegis.runbook._kubernetes": "kubernetes",
    "finaegis.runbook._mysql": "mysql",
    "finaegis.runbook._redis": "redis",
    "finaegis.runbook._s3": "s3",
    "finaegis.runbook._transport": "laravel",
}

TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "complex": (dict,),
    "dict": (dict,),
    "float": (int, float),
    "int": (int,),
    "list": (list,),
    "path": (str,),
    "raw": (object,),
    "str": (str,),
}


def options_match(documented: dict[str, Any], spec: dict[str, Any], where: str = "") -> list[str]:
    """Compare documented options (fragments merged) with an argument spec, suboptions included."""
    complaints = [
        f"{where}{name}: documented, not in argument_spec()" for name in sorted(documented.keys() - spec.keys())
    ]
    complaints += [
        f"{where}{name}: in argument_spec(), not documented" for name in sorted(spec.keys() - documented.keys())
    ]
    for name in sorted(documented.keys() & spec.keys()):
        doc, code = documented[name], spec[name]
        pairs = {
            "type": (doc.get("type", "str"), code.get("type", "str")),
            "required": (bool(doc.get("required", False)), bool(code.get("required", False))),
            "default": (doc.get("default"), code.get("default")),
            # Choices may be documented as a mapping of choice -> description.
            "choices": (list(doc.get("choices") or []), list(code.get("choices") or [])),
            "elements": (doc.get("elements"), code.get("elements")),
            "aliases": (sorted(doc.get("aliases") or []), sorted(code.get("aliases") or [])),
        }
        for key, (said, done) in pairs.items():
            # 1 == True in Python, but not for a reader.
            if said != done or isinstance(said, bool) != isinstance(done, bool):
                complaints.append(f"{where}{name}: {key} is documented as {said!r}, argument_spec() has {done!r}")
        complaints += options_match(doc.get("suboptions") or {}, code.get("options") or {}, f"{where}{name}.")
    return complaints


def secrets_declared(spec: dict[str, Any], where: str = "") -> list[str]:
    """Every option that looks like a secret has an explicit ``no_log``, suboptions included."""
    complaints = []
    for name, code in sorted(spec.items()):
        if SECRET.search(name) and not isinstance(code.get("no_log"), bool):
            complaints.append(f"{where}{name}: looks like a secret; say no_log: True or False")
        complaints += secrets_declared(code.get("options") or {}, f"{where}{name}.")
    return complaints


def has_type(value: Any, name: str) -> bool:
    """Whether a sample is of a documented type; a bool is no number."""
    if name in ("int", "float") and isinstance(value, bool):
        return False
    return isinstance(value, TYPES.get(name, ()))


def returns_sound(returned: dict[str, Any], where: str = "") -> list[str]:
    """Every return value is described, with a sample of its type; a sample shows no key that ``contains`` lacks."""
    complaints = []
    for name, entry in sorted(returned.items()):
        here = f"{where}{name}"
        # Inside of "contains" the parent's condition and sample speak for their keys.
        wanted = ("description", "type") if where else ("description", "returned", "type", "sample")
        complaints += [f"{here}: no {key}" for key in wanted if key not in entry]
        contains = entry.get("contains") or {}
        if "sample" in entry and "type" in entry:
            sample, elements = entry["sample"], entry.get("elements")
            if not has_type(sample, entry["type"]):
                complaints.append(f"{here}: sample {sample!r} is not of type {entry['type']}")
            items = sample if isinstance(sample, list) else [sample]
            if isinstance(sample, list) and elements and not all(has_type(item, elements) for item in items):
                complaints.append(f"{here}: sample {sample!r} has elements that are not of type {elements}")
            if contains:
                unknown = sorted(
                    {key for item in items if isinstance(item, dict) for key in item.keys() - contains.keys()}
                )
                complaints += [f"{here}: the sample's {key} is not in contains" for key in unknown]
        complaints += returns_sound(contains, f"{here}.")
    return complaints


def action_groups(modules: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """The ``action_groups`` of meta/runtime.yml for modules (name -> its own DOCUMENTATION, fragments not merged)."""
    groups: dict[str, list[str]] = {"all": sorted(modules)}
    for group in GROUP_OF_FRAGMENT.values():
        groups[group] = []
    for name, documentation in sorted(modules.items()):
        for fragment in documentation.get("extends_documentation_fragment") or []:
            if fragment in GROUP_OF_FRAGMENT:
                groups[GROUP_OF_FRAGMENT[fragment]].append(name)
    return groups


def module_size(source: str) -> list[str]:
    """A module is a door: at most 350 lines, main() at most 40, with argument_spec() at the top level."""
    complaints = []
    if len(source.splitlines()) > 350:
        complaints.append(f"{len(source.splitlines())} lines, more than 350")
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    complaints += [f"no function {name}()" for name in ("argument_spec", "main") if name not in functions]
    if "main" in functions:
        length = (functions["main"].end_lineno or 0) - functions["main"].lineno + 1
        if length > 40:
            complaints.append(f"main() has {length} lines, more than 40")
    return complaints


def role_inputs(defaults: str, values: dict[str, Any], options: dict[str, Any], role: str) -> list[str]:
    """Every input stands in defaults/main.yml (``# name:`` where there is no sane default) and in argument_specs.yml.

    :param defaults: text of defaults/main.yml.
    :param values: the same, parsed.
    :param options: options of all entry points of the role.
    """
    commented = set(re.findall(r"^# ?([a-z]\w*):", defaults, re.M))
    complaints = [f"{name}: in defaults, not in argument_specs" for name in sorted(values.keys() - options.keys())]
    complaints += [
        f"{name}: in argument_specs, not in defaults" for name in sorted(options.keys() - values.keys() - commented)
    ]
    complaints += [
        f"{name}: an input's name starts with {role}_"
        for name in sorted(values.keys() | options.keys())
        if not name.startswith(f"{role}_")
    ]
    for name in sorted(values.keys() & options.keys()):
        default = options[name].get("default", values[name])
        if default != values[name]:
            complaints.append(f"{name}: default is {values[name]!r}, argument_specs say {default!r}")
        if options[name].get("required"):
            complaints.append(f"{name}: required in argument_specs, but has a default")
        if "default" not in options[name] and "{{" not in str(values[name]):
            complaints.append(f"{name}: argument_specs do not tell its default {values[name]!r}")
    return complaints


def playbook_thin(plays: list[dict[str, Any]]) -> list[str]:
    """A playbook says which roles run where: no tasks of its own, no handlers."""
    complaints = []
    for play in plays:
        name = play.get("name")
        if not name:
            complaints.append("a play without a name")
        if "import_playbook" in play or "ansible.builtin.import_playbook" in play:
            continue
        if not play.get("roles"):
            complaints.append(f"{name}: lists no roles")
        logic = {"handlers", "post_tasks", "pre_tasks", "tasks"} & play.keys()
        complaints += [f"{name}: has {key}; logic belongs in a role" for key in sorted(logic)]
    return complaints


def ignores_explained(text: str) -> list[str]:
    """Each line of a sanity ignore file gives its reason after `` # ``."""
    return [f"no reason given: {line}" for line in text.splitlines() if not re.search(r" # \S", line)]
