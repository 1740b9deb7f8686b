# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.dump_text import DumpText
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.engines.dump import as_utf8
from hypothesis import given
from hypothesis import strategies as st

HEADER = b"""-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
-- Host: localhost    Database: b
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
"""
POSITION = b"""
-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.000001', MASTER_LOG_POS=11678;
"""
ROWS = b"INSERT INTO `a` VALUES (1,'-- Dump completed on 2026-01-01  1:02:03');\n"
TRAILER = b"\n-- Dump completed on 2026-11-23 18:37:00\n"
WHOLE = HEADER + POSITION + ROWS * 50 + TRAILER


def fed(*chunks: bytes) -> DumpText:
    text = DumpText()
    for chunk in chunks:
        text.feed(chunk)
    return text


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_how_the_text_is_cut_makes_no_difference(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(WHOLE)]
    text = fed(*(WHOLE[start:end] for start, end in zip(places, places[1:], strict=False)))
    assert (text.size, text.past_snapshot, text.position, text.complete) == (
        len(WHOLE),
        True,
        ("binlog.000001", 11678),
        True,
    )


@given(st.integers(0, len(WHOLE) - 1))
def test_a_text_cut_short_is_never_complete(end: int) -> None:
    assert not fed(WHOLE[:end]).complete


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        (b"", False),
        (b"\n-- Dump completed\n", True),
        (b"\n-- Dump completed on 2026-11-23  8:07:00\n", True),
        (b"-- Dump completed on 2026-11-23  8:07:00\nmore", False),
        (ROWS, False),
        (TRAILER + b"\n", False),
    ],
)
def test_only_the_trailer_at_the_very_end_counts(text: bytes, complete: bool) -> None:
    assert fed(text).complete is complete


def test_the_snapshot_is_not_yet_open_while_only_the_header_came() -> None:
    assert not fed(HEADER).past_snapshot
    assert fed(HEADER, b"\n--\n").past_snapshot


@pytest.mark.parametrize(
    ("line", "position"),
    [
        (b"CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='b.000002', SOURCE_LOG_POS=157;", ("b.000002", 157)),
        (b"-- CHANGE MASTER TO MASTER_USE_GTID=slave_pos;", None),
        (b"INSERT INTO x VALUES ('CHANGE MASTER TO MASTER_LOG_FILE='b', MASTER_LOG_POS=1')", None),
    ],
)
def test_the_position_is_read_in_both_dialects(line: bytes, position: tuple[str, int] | None) -> None:
    assert fed(HEADER, line).position == position


NAMES = b"-- dump\n/*!40101 SET NAMES binary */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n"


@pytest.mark.parametrize("size", [1, 7, 20, 1000])
def test_bytes_taken_as_they_are_are_told_to_be_utf8(size: int) -> None:
    text = NAMES + b"INSERT INTO `t` VALUES ('SET NAMES binary');\n"
    chunks = [text[place : place + size] for place in range(0, len(text), size)]
    assert b"".join(as_utf8(chunks)) == text.replace(b"binary", b"utf8mb4", 1)


@pytest.mark.parametrize("text", [b"", b"short", b"long enough " * 5000])
def test_text_without_the_line_stays(text: bytes) -> None:
    assert b"".join(as_utf8([text[:9], text[9:]])) == text
