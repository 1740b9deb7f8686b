# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB's plugin metadata_lock_info, which Debian ships with the whole server and not with the core that tests run."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from integration.runner import CHECKOUT

FILE = "usr/lib/mysql/plugin/metadata_lock_info.so"


@cache
def plugin_directory() -> Path | None:
    """Where the plugin is, taken out of its package where it is not installed; None when this machine can't have it."""
    installed = Path("/", FILE)
    if installed.exists():
        return installed.parent
    if not shutil.which("apt-get"):
        return None
    # A plugin of this kind runs in the very version that it was built with.
    of_core = ["dpkg-query", "-W", "-f=${Version}", "mariadb-server-core"]
    version = subprocess.run(of_core, capture_output=True, text=True, check=False).stdout
    directory = CHECKOUT / ".cache/mariadb-plugin" / version.replace(":", "_")
    if not (directory / "metadata_lock_info.so").exists():
        directory.mkdir(parents=True, exist_ok=True)
        download = ["apt-get", "download", "-qq", f"mariadb-server={version}"]
        done = subprocess.run(download, cwd=directory, capture_output=True, check=False)
        packages = list(directory.glob("mariadb-server_*.deb"))
        if done.returncode or not packages:
            return None
        archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", packages[0]], capture_output=True, check=True).stdout
        taken = [
            "tar",
            "-x",
            "--no-same-owner",
            f"--strip-components={FILE.count('/') + 1}",
            "-C",
            directory,
            f"./{FILE}",
        ]
        subprocess.run(taken, input=archive, check=True)
        packages[0].unlink()
    return directory
