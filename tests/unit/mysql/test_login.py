# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.login import Login, client_options, resolve

FILE = """[client]
user=filed
password="s#cret"
host=db.example
port=3307
socket=/run/db.sock
database=bank
ssl-ca=/etc/ca.pem
"""


def params(**given: Any) -> dict[str, Any]:
    return {**{name: option.get("default") for name, option in options.mysql().items()}, **given}


@pytest.fixture
def config_file(tmp_path: Path) -> str:
    path = tmp_path / "my.cnf"
    path.write_text(FILE)
    return str(path)


def test_without_anything_it_is_this_user_on_this_machine() -> None:
    assert resolve(params()) == Login("127.0.0.1", 3306, getpass.getuser())


def test_the_file_gives_what_the_options_leave_out(config_file: str) -> None:
    login = resolve(params(config_file=config_file))
    assert login == Login(
        "db.example", 3307, "filed", "s#cret", unix_socket="/run/db.sock", database="bank", ca_cert="/etc/ca.pem"
    )


def test_options_win_over_the_file_and_a_host_over_its_socket(config_file: str) -> None:
    login = resolve(
        params(config_file=config_file, login_host="other", login_port=1, login_user="me", login_password="pw")
    )
    assert (login.host, login.port, login.user, login.password, login.unix_socket) == ("other", 1, "me", "pw", None)


@pytest.mark.parametrize("content", [None, b"\xff", b"[client]\nport=many\n"])
def test_a_file_that_can_not_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "my.cnf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=str(path)):
        resolve(params(config_file=str(path)))


def test_the_password_is_not_in_the_text_of_a_login() -> None:
    assert "s3cret" not in repr(Login("h", 1, "u", "s3cret"))


@pytest.mark.parametrize(
    ("login", "mariadb", "expected"),
    [
        (Login("localhost", 3306, "u"), True, {"protocol": "TCP", "host": "localhost", "port": "3306"}),
        (Login("h", 1, "u", unix_socket="/s"), True, {"protocol": "SOCKET", "socket": "/s"}),
        (Login("h", 1, "u", unix_socket="/s", ca_cert="/c"), True, {"ssl": "1", "ssl-verify-server-cert": "1"}),
        (Login("h", 1, "u", ca_cert="/c"), False, {"ssl-ca": "/c", "ssl-mode": "VERIFY_IDENTITY"}),
        (Login("h", 1, "u", ca_cert="/c", check_hostname=False), False, {"ssl-mode": "VERIFY_CA"}),
        (Login("h", 1, "u", client_cert="/c", client_key="/k"), False, {"ssl-key": "/k", "ssl-mode": "REQUIRED"}),
    ],
)
def test_client_programs_log_in_the_same_way(login: Login, mariadb: bool, expected: dict[str, str]) -> None:
    options_ = client_options(login, mariadb)
    assert {**options_, **expected} == options_
