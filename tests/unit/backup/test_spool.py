# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import spool as spools
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput


def test_a_spool_is_private_and_gone_afterwards_and_a_dead_ones_is_found(tmp_path: Path) -> None:
    with spools.spool(str(tmp_path)) as path:
        assert Path(path).stat().st_mode & 0o777 == 0o700
        assert spools.leftovers(str(tmp_path)) == []
        dead = tmp_path / ".finaegis-spool-dead"
        (dead / "files").mkdir(parents=True)
        (dead / "files" / "bank.sql").touch()
        assert spools.clean(str(tmp_path)) == [str(dead)]
    assert list(tmp_path.iterdir()) == [] and spools.clean(str(tmp_path / "no")) == []
    with pytest.raises(BadInput, match="No directory can be made"), spools.spool(str(tmp_path / "no")):
        pass
