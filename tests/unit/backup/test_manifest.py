# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.manifest import Manifest, Part, parse
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput

WHOLE = Manifest(
    engine="dump",
    database="bänk",
    environment=None,
    file="b.sql.zst",
    compression="zstd",
    server={"flavor": "mariadb", "version": "10.11.19-MariaDB"},
    program="mariadb-dump",
    started="2026-01-31T02:00:00Z",
    tables={"a": {"rows": 3, "engine": "InnoDB", "consistent": True}},
    parts=[Part("b.sql.zst", "whole", "ab" * 32, 10, 20)],
    size_bytes=10,
    uncompressed_bytes=20,
    finished="2026-01-31T02:00:01Z",
)


def test_what_is_written_is_read_back() -> None:
    assert parse(WHOLE.render(), "m") == WHOLE


def test_keys_of_a_later_version_are_left_out() -> None:
    assert parse(json.dumps({**WHOLE.as_dict(), "chain": "x"}), "m") == WHOLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 1}',
        json.dumps({**WHOLE.as_dict(), "format": 2}),
        WHOLE.render()[:-20],
        dataclasses.replace(WHOLE, parts=[]).render(),
        dataclasses.replace(WHOLE, finished=None).render(),
        dataclasses.replace(WHOLE, file="../b.sql.zst").render(),
        dataclasses.replace(WHOLE, parts=[Part("/etc/passwd", "whole", "ab" * 32, 10, 20)]).render(),
        WHOLE.render().replace('"role": "whole",', ""),
    ],
)
def test_anything_else_proves_nothing(text: Any) -> None:
    with pytest.raises(BadInput, match="^m "):
        parse(text, "m")
