# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack the bank into <build directory>/bank-<id>.tar, the id being a hash of what is in it; prints {id, file, changed}.

The tar holds releases/<id>/..., with links to the storage and the .env that outlive a release.
The file .complete comes last: where it lies, the release was unpacked whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path

LINKS = {"storage": "../../storage", ".env": "../../.env"}


def entry(name: str, size: int = 0, mode: int = 0o644) -> tarfile.TarInfo:
    """No times, no owners: the same bank gives the same bytes anywhere."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    return info


def main() -> None:
    bank, build = Path(sys.argv[1]), Path(sys.argv[2])
    files = sorted(path for path in bank.rglob("*") if path.is_file() and path.suffix != ".swp")
    contents = {str(path.relative_to(bank)): path.read_bytes() for path in files}
    digest = hashlib.sha256(json.dumps(LINKS).encode())
    for name, data in contents.items():
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    release = digest.hexdigest()[:12]
    file = build / f"bank-{release}.tar"
    if changed := not file.is_file():
        build.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        with tarfile.open(part, "w") as tar:
            root = Path("releases", release)
            # Directories have entries of their own, or whoever unpacks them would own them.
            for place in sorted(
                {parent for name in contents for parent in (root / Path(name)).parents if parent.is_relative_to(root)}
            ):
                directory = entry(str(place), mode=0o755)
                directory.type = tarfile.DIRTYPE
                tar.addfile(directory)
            for name, data in contents.items():
                tar.addfile(entry(f"{root}/{name}", len(data), 0o755 if name == "artisan" else 0o644), io.BytesIO(data))
            for name, target in LINKS.items():
                link = entry(f"{root}/{name}", mode=0o777)
                link.type, link.linkname = tarfile.SYMTYPE, target
                tar.addfile(link)
            tar.addfile(entry(f"{root}/.complete"))
        os.replace(part, file)
        for old in set(build.glob("bank-*.tar")) - {file}:
            old.unlink()
    print(json.dumps({"id": release, "file": str(file), "changed": changed}))


if __name__ == "__main__":
    main()
