# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs a backup is made with: which one, its dialect, how to compress, encrypt, and back."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..core.errors import BadInput, Unavailable
from ..mysql.dialect import Server

SUFFIXES = {"zstd": ".zst", "gzip": ".gz", "none": ""}
#: Level 1 of zstd made the smaller file in a third of the time on hex-heavy event payloads, and keeps up with a dump on one core.
DEFAULT_LEVELS = {"zstd": 1, "gzip": 6, "none": 0}
LARGEST_LEVELS = {"zstd": 19, "gzip": 9, "none": 0}
ENCRYPTION_SUFFIXES = {"age": ".age", "gpg": ".gpg"}
#: Largest public key file looked at, in bytes.
_KEY_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Program:
    """``text`` is its own version line, ``launcher`` the words that a command with it begins with."""

    path: str
    text: str
    launcher: List[str] = dataclasses.field(default_factory=list)

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.text.lower()

    @property
    def version(self) -> Tuple[int, int]:
        """Of the distribution it came with; its own counts differently in old ones. 0.0 when it can't be told."""
        found = re.search(r"Distrib (\d+)\.(\d+)", self.text) or re.search(
            r"(?:Ver|[Vv]ersion|mydumper) v?(\d+)\.(\d+)", self.text
        )
        return (int(found.group(1)), int(found.group(2))) if found else (0, 0)

    def is_native_to(self, server: Server) -> bool:
        return self.is_mariadb == server.is_mariadb


@dataclasses.dataclass(frozen=True)
class Encryption:
    """To a public key: this host can't decrypt what it wrote. ``recipients`` are public too."""

    kind: str
    argv: List[str]
    recipients: List[str]

    def as_dict(self) -> Dict[str, Any]:
        return {"kind": self.kind, "recipients": self.recipients}


def find(names: Sequence[str], package: str) -> Program:
    """The first of ``names`` (on PATH, or paths) that is there, with its version.

    :raises Unavailable: when there is none, or it does not run; ``package`` says what to install.
    """
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        raise Unavailable("There is no %s where this task runs." % " or ".join(names), "Install %s." % package)
    try:
        # run_command belongs to the module, and this room knows none.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [path, "--version"], capture_output=True, timeout=10, check=True, text=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable("%s can't be run: %s." % (path, error), "Check the option program.") from error
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return Program(path, lines[-1] if lines else "")


def buffered(program: Program) -> List[str]:
    """The launcher with which a program that writes 4 KiB at a time writes four times as much, which saves a tenth of a dump's CPU; none
    where that does not go well. Not more, because a dump's first bytes are waited for under a lock.
    """
    path = shutil.which("stdbuf")
    if path is None:
        return []
    words = [path, "-o16K"]
    try:
        # run_command belongs to the module.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [*words, program.path, "--version"], capture_output=True, timeout=10, check=True, text=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [] if done.stderr else words


def level(compression: str, wanted: Optional[int]) -> int:
    """The level of compression to use.

    :raises BadInput: when the program has no such level.
    """
    largest = LARGEST_LEVELS[compression]
    if wanted is None:
        return DEFAULT_LEVELS[compression]
    if not 1 <= wanted <= largest:
        raise BadInput(
            "compression_level is %d; %s takes %s." % (wanted, compression, "1 to %d" % largest if largest else "none")
        )
    return wanted


def _needed(name: str, advice: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Unavailable("There is no %s where this task runs." % name, advice)
    return path


def compressor_argv(compression: str, level: int) -> List[str]:
    """The command that compresses its input to its output; none for ``none``.

    :raises Unavailable: when the program is missing.
    """
    if compression == "none":
        return []
    path = _needed(compression, "Install it, or choose another compression (gzip, none).")
    quiet = ["-q"] if compression == "zstd" else ["-n"]
    return [path, *quiet, "-c", "-%d" % level]


def encryption(public_key: Optional[str], home: str) -> Optional[Encryption]:
    """How to encrypt to the key in the file ``public_key``: age for one of age's or SSH's, GnuPG for one of its own; None without a key.

    ``home`` is an empty private directory that GnuPG may use.

    :raises BadInput: when the file holds no public key, or a secret one. :raises Unavailable: when the program is missing.
    """
    if not public_key:
        return None
    try:
        with open(public_key, "rb") as handle:
            text = handle.read(_KEY_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise BadInput(
            "The public key %s can't be read: %s." % (public_key, error.strerror), "Check encrypt_to."
        ) from error
    if "AGE-SECRET-KEY" in text or "PRIVATE KEY" in text:
        raise BadInput(
            "%s holds a secret key. A host that makes backups must not be able to decrypt them." % public_key,
            "Give the public key (age-keygen -y, gpg --export --armor), and remove the secret one from this host.",
        )
    recipients = re.findall(r"^(age1[0-9a-z]+|ssh-(?:ed25519|rsa) \S+)", text, re.MULTILINE)
    if recipients:
        path = _needed("age", "Install the package age, or give a public key of GnuPG.")
        return Encryption("age", [path, "--encrypt", "-R", public_key], recipients)
    if "BEGIN PGP PUBLIC KEY BLOCK" not in text:
        raise BadInput(
            "%s holds no public key of age, SSH or GnuPG." % public_key,
            "Give lines that begin with age1, or the output of gpg --export --armor.",
        )
    path = _needed("gpg", "Install the package gnupg.")
    argv = [
        path,
        "--homedir",
        home,
        "--batch",
        "--quiet",
        "--no-options",
        "--trust-model",
        "always",
        "--compress-algo",
        "none",
    ]
    return Encryption(
        "gpg", [*argv, "--recipient-file", public_key, "--encrypt"], _fingerprints(path, home, public_key)
    )


def _fingerprints(path: str, home: str, public_key: str) -> List[str]:
    argv = [
        path,
        "--homedir",
        home,
        "--batch",
        "--with-colons",
        "--import-options",
        "show-only",
        "--import",
        public_key,
    ]
    # run_command belongs to the module.
    done = subprocess.run(  # pylint: disable=ansible-bad-function
        argv, capture_output=True, timeout=30, check=False, text=True
    )
    found = re.findall(r"^pub:.*\n(?:.*\n)*?fpr:+([0-9A-F]+):", done.stdout, re.MULTILINE)
    if not found:
        raise BadInput("GnuPG finds no key in %s: %s" % (public_key, done.stderr.strip()), "Check encrypt_to.")
    return found


def unpack_argv(
    compression: str, encrypted: Optional[Dict[str, Any]], identity: Optional[str], home: str
) -> List[List[str]]:
    """The commands, each reading the one before it, that give back what was packed. ``identity`` is the file with the secret key, or for
    GnuPG None when ``home`` has it already.

    :raises BadInput: when a key is needed and none is given. :raises Unavailable: when a program is missing.
    """
    found: List[List[str]] = []
    if encrypted:
        kind = encrypted["kind"]
        if kind == "age":
            if not identity:
                raise BadInput(
                    "The backup is encrypted to %s and no key was given." % ", ".join(encrypted["recipients"])
                )
            found.append([_needed("age", "Install the package age."), "--decrypt", "-i", identity])
        else:
            path = _needed("gpg", "Install the package gnupg.")
            found.append(
                [
                    path,
                    "--homedir",
                    home,
                    "--batch",
                    "--quiet",
                    "--no-options",
                    "--pinentry-mode",
                    "loopback",
                    "--decrypt",
                ]
            )
    if compression != "none":
        found.append([_needed(compression, "Install it."), "-q", "-d", "-c"])
    return found


def environment() -> Dict[str, str]:
    """For all programs of ours: MySQL's read saved logins whatever the option file says, and those must not win over ours."""
    return dict(os.environ, MYSQL_TEST_LOGIN_FILE=os.devnull, LC_ALL="C")
