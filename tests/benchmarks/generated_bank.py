# SPDX-License-Identifier: GPL-3.0-or-later
"""A bank to measure backups with: accounts, stored_events, transactions and ledger_entries, made by the server itself.

The payloads hold hashes in hex, as a bank's do: hard to compress. About 660 bytes of SQL text for each event with all that belongs to
it, so 1,600,000 events are a dump of about 1 GiB.
"""

from __future__ import annotations

import pymysql

EVENTS_OF_A_GIB = 1_600_000
PER_ACCOUNT = 60
TABLES = [
    """CREATE TABLE accounts (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, uuid CHAR(36) NOT NULL UNIQUE, owner VARCHAR(60) NOT NULL,
    balance BIGINT NOT NULL, created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL)""",
    """CREATE TABLE stored_events (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, aggregate_uuid CHAR(36) NULL,
    aggregate_version BIGINT UNSIGNED NULL, event_version TINYINT UNSIGNED NOT NULL DEFAULT 1, event_class VARCHAR(255) NOT NULL,
    event_properties JSON NOT NULL, meta_data JSON NOT NULL, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE KEY versions (aggregate_uuid, aggregate_version), KEY (event_class), KEY (aggregate_uuid))""",
    """CREATE TABLE transactions (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, account_id BIGINT UNSIGNED NOT NULL,
    uuid CHAR(36) NOT NULL, amount BIGINT NOT NULL, kind VARCHAR(20) NOT NULL,
    created_at TIMESTAMP NULL, UNIQUE KEY (uuid), KEY (account_id, created_at))""",
    """CREATE TABLE ledger_entries (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, transaction_id BIGINT UNSIGNED NOT NULL,
    account_id BIGINT UNSIGNED NOT NULL, debit DECIMAL(20,4) NOT NULL, credit DECIMAL(20,4) NOT NULL, KEY (transaction_id),
    KEY (account_id))""",
]


def uuid(number: str) -> str:
    """SQL for a UUID that follows from a number."""
    return f"INSERT(INSERT(INSERT(INSERT(MD5({number}), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')"


def fill(connection: pymysql.connections.Connection, database: str, events: int = EVENTS_OF_A_GIB) -> None:
    """Make ``database`` with that many events and transactions and twice as many ledger entries."""
    accounts = max(events // PER_ACCOUNT, 1)
    account = f"MOD(seq, {accounts}) + 1"
    at = "FROM_UNIXTIME(1700000000 + seq)"
    properties = 'CONCAT(\'{"money":{"amount":\', MOD(seq, 100000), \'},"hash":{"hash":"\', SHA2(seq, 512), \'"}}\')'
    meta = (
        'CONCAT(\'{"aggregate-root-uuid":"\', u, \'","aggregate-root-version":\', v, \',"created-at":"\', at, '
        "'\",\"stored-event-id\":', seq, '}')"
    )
    numbers = f"SELECT seq, {uuid(account)} AS u, (seq - 1) DIV {accounts} + 1 AS v, {at} AS at FROM seq_1_to_{events}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
        cursor.execute(f"USE `{database}`")
        cursor.execute("SET time_zone = '+00:00', sql_log_bin = 0, sql_mode = 'PIPES_AS_CONCAT'")
        for table in TABLES:
            cursor.execute(table + " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4")
        cursor.execute(
            f"INSERT INTO accounts SELECT seq, {uuid('seq')}, CONCAT('Owner ', seq), seq * 100, {at}, {at} FROM seq_1_to_{accounts}"
        )
        cursor.execute(
            f"INSERT INTO stored_events SELECT seq, u, v, 1, IF(v = 1, 'account_created', 'money_added'), {properties}, {meta}, at "
            f"FROM ({numbers}) x"
        )
        cursor.execute(
            f"INSERT INTO transactions SELECT seq, {account}, {uuid('seq + 1000000000')}, MOD(seq, 100000), 'deposit', {at} "
            f"FROM seq_1_to_{events}"
        )
        cursor.execute(
            f"INSERT INTO ledger_entries SELECT seq, (seq + 1) DIV 2, MOD((seq + 1) DIV 2, {accounts}) + 1, "
            f"IF(seq % 2, 12.5, 0), IF(seq % 2, 0, 12.5) FROM seq_1_to_{events * 2}"
        )
        cursor.execute("ANALYZE TABLE accounts, stored_events, transactions, ledger_entries")
