# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements of a dump: none is lost, none is cut, keys are taken out only where that is safe."""

from __future__ import annotations

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.restore_text import (
    CREATE,
    OTHER,
    ROWS,
    Statement,
    defer_keys,
    statements,
)

DUMP = rb"""/*M!999999\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: bank

/*!40101 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;

DROP TABLE IF EXISTS `we``ird; name`;
CREATE TABLE `we``ird; name` (
  `a` int(11) DEFAULT NULL COMMENT 'x;\n'
) ENGINE=InnoDB;
LOCK TABLES `we``ird; name` WRITE;
/*!40000 ALTER TABLE `we``ird; name` DISABLE KEYS */;
INSERT INTO `we``ird; name` VALUES
(1,'a;\nb'),
(2,'-- c');
/*!40000 ALTER TABLE `we``ird; name` ENABLE KEYS */;
UNLOCK TABLES;
DELIMITER ;;
/*!50003 CREATE*/ /*!50003 TRIGGER keep BEFORE DELETE ON a FOR EACH ROW BEGIN
  SET @x = 1;
END */;;
DELIMITER ;
/*!50001 DROP VIEW IF EXISTS `v`*/;
-- Dump completed on 2026-01-31  2:00:00
"""
TABLE = b"""CREATE TABLE `t` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `a` varchar(36) NOT NULL COMMENT 'KEY `x` (`a`),',
  `j` longtext CHECK (json_valid(`j`)),
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`a`),
  KEY `k` (`a`,`j`(10)),
  FULLTEXT KEY `f` (`j`),
  CONSTRAINT `fk` FOREIGN KEY (`a`) REFERENCES `o` (`x`) ON DELETE CASCADE,
  CONSTRAINT `c` CHECK (`id` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4"""


def lines(text: bytes) -> list[bytes]:
    return text.splitlines(keepends=True)


def test_statements_of_a_dump() -> None:
    found = list(statements(lines(DUMP)))
    assert [(one.kind, one.table) for one in found] == [
        (OTHER, ""),
        (OTHER, ""),
        (CREATE, "we`ird; name"),
        (ROWS, "we`ird; name"),
        (OTHER, ""),
        (OTHER, ""),
    ]
    assert found[0].sql == b"/*!40101 SET NAMES utf8mb4 */"
    assert found[3].sql.endswith(b"(2,'-- c')") and b"(1,'a;\\nb')" in found[3].sql
    assert found[4].sql.endswith(b"SET @x = 1;\nEND */")


def test_a_statement_that_is_cut_off_is_still_run_so_that_the_server_refuses_it() -> None:
    assert list(statements(lines(b"INSERT INTO `t` VALUES (1,'x"))) == [
        Statement(ROWS, "t", b"INSERT INTO `t` VALUES (1,'x")
    ]


def test_secondary_keys_and_foreign_keys_come_after_the_rows() -> None:
    deferred = defer_keys(TABLE)
    assert deferred is not None
    assert deferred.create == TABLE.replace(b"  UNIQUE KEY `u` (`a`),\n  KEY `k` (`a`,`j`(10)),\n", b"").replace(
        b"  CONSTRAINT `fk` FOREIGN KEY (`a`) REFERENCES `o` (`x`) ON DELETE CASCADE,\n", b""
    )
    assert deferred.alter == (
        b"ALTER TABLE `t` ADD UNIQUE KEY `u` (`a`), ADD KEY `k` (`a`,`j`(10)), ADD CONSTRAINT `fk` FOREIGN KEY (`a`) "
        b"REFERENCES `o` (`x`) ON DELETE CASCADE"
    )


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("no primary key", b"  PRIMARY KEY (`id`),\n", b""),
        ("another engine", b"ENGINE=InnoDB", b"ENGINE=Aria"),
        ("partitions", b"utf8mb4", b"utf8mb4\n PARTITION BY HASH (`id`)"),
        ("a counter that a secondary key carries", b"PRIMARY KEY (`id`)", b"PRIMARY KEY (`a`)"),
    ],
)
def test_tables_that_need_their_keys_from_the_start(what: str, old: bytes, new: bytes) -> None:
    assert defer_keys(TABLE.replace(old, new)) is None, what


def test_a_table_without_secondary_keys_is_left_alone() -> None:
    assert defer_keys(b"CREATE TABLE `t` (\n  `a` int,\n  PRIMARY KEY (`a`)\n) ENGINE=InnoDB") is None
