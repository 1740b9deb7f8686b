# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for terraform where it can't be had: a program of ours that keeps to what community.general.terraform asks of it.

That is: ``version -json``, ``init``, ``workspace list``, ``validate``, ``plan -detailed-exitcode -out FILE`` (0 nothing to
do, 1 failed, 2 changes), ``show -json FILE``, ``apply FILE`` and ``output -json``. It builds the file ``built`` in the
project. It does not show that a real terraform's words stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROGRAM = r"""#!/bin/sh
cd "$(dirname "$0")"  # the module asks for the version elsewhere
echo "$*" >>calls
if [ -e "broken_$1" ]; then
  echo "Error: creating Instance: UnauthorizedOperation ($1)" >&2
  exit 1
fi
case $1 in
version) echo '{"terraform_version": "1.9.8"}' ;;
workspace) echo '* default' ;;
plan)
  if [ -e built ]; then
    echo 'No changes. Your infrastructure matches the configuration.'
    exit 0
  fi
  for argument; do [ "$before" = -out ] && echo plan >"$argument"; before=$argument; done
  echo '  # aws_db_instance.bank will be created'
  echo '      + password = "@SECRET@"'
  echo 'Plan: 1 to add, 0 to change, 0 to destroy.'
  exit 2
  ;;
show)
  echo '{"resource_changes": [{"address": "aws_db_instance.bank",
    "change": {"actions": ["create"], "before": null, "after": {"password": "@SECRET@"}}}]}'
  ;;
apply)
  touch built
  echo 'Apply complete! Resources: 1 added, 0 changed, 0 destroyed.'
  ;;
output) echo '{"password": {"sensitive": true, "type": "string", "value": "@SECRET@"}}' ;;
esac
"""


@dataclass
class Terraform:
    """A project in ``directory``, the program in it, and ``secret`` in its plan and outputs."""

    directory: Path
    secret: str

    def __post_init__(self) -> None:
        self.directory.mkdir()
        program = self.directory / "terraform"
        program.write_text(PROGRAM.replace("@SECRET@", self.secret))
        program.chmod(0o755)

    @property
    def options(self) -> dict[str, object]:
        return {
            "project_path": str(self.directory),
            "binary_path": str(self.directory / "terraform"),
            "variables": {"region": "eu-central-1"},
        }

    def calls(self) -> list[str]:
        """The commands it was given since the last time asked, without their options."""
        path = self.directory / "calls"
        found = [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def break_at(self, command: str) -> None:
        (self.directory / f"broken_{command}").touch()
