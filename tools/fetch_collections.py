# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack the collections we depend on from one pinned wheel, and link our own beside them.

Usage: fetch_collections.py CHECKOUT. The wheel (version, sha256) and the collections that only tests need stand in
requirements/collections.txt, all others in galaxy.yml with their bounds. Needs no Galaxy server.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet

PIN = "requirements/collections.txt"


def wanted(checkout: Path) -> dict[str, str]:
    """Collection name -> version bounds ("*": any), of galaxy.yml and of the tests' own."""
    names = dict(yaml.safe_load((checkout / "galaxy.yml").read_text())["dependencies"])
    for name in re.findall(r"^# collection: (\S+)", (checkout / PIN).read_text(), re.M):
        names[name] = "*"
    return names


def unpack(wheel: zipfile.ZipFile, names: dict[str, str], target: Path) -> dict[str, str]:
    """Unpack the named collections and, in turn, what they depend on. Returns name -> version unpacked."""
    versions: dict[str, str] = {}
    todo = list(names.items())
    while todo:
        name, bounds = todo.pop()
        folder = f"ansible_collections/{name.replace('.', '/')}/"
        try:
            info = json.loads(wheel.read(folder + "MANIFEST.json"))["collection_info"]
        except KeyError:
            sys.exit(f"fetch_collections.py: {wheel.filename} does not contain {name}: change {PIN} or galaxy.yml")
        if bounds != "*" and info["version"] not in SpecifierSet(bounds):
            sys.exit(f"fetch_collections.py: {name} is {info['version']} in the pinned wheel, outside of {bounds}")
        if name not in versions:
            wheel.extractall(target, [member for member in wheel.namelist() if member.startswith(folder)])
            versions[name] = info["version"]
            todo += info["dependencies"].items()
    return versions


def main() -> None:
    checkout = Path(sys.argv[1]).resolve()
    target = checkout / ".collections"
    with tempfile.TemporaryDirectory(dir=checkout) as tmp:
        # pip checks the hash. The wheel declares a newer Python than ours may be; we only read files from it.
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        pip += ["--require-hashes", "--only-binary", ":all:", "--python-version", "3.14", "--dest", tmp]
        subprocess.run([*pip, "-r", str(checkout / PIN)], check=True)
        (path,) = Path(tmp).glob("*.whl")
        shutil.rmtree(target, ignore_errors=True)
        with zipfile.ZipFile(path) as wheel:
            versions = unpack(wheel, wanted(checkout), target)
    own = target / "ansible_collections" / "finaegis"
    own.mkdir()
    (own / "runbook").symlink_to("../../..", target_is_directory=True)
    print("collections: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())))


if __name__ == "__main__":
    main()
