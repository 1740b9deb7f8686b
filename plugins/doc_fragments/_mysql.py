# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of core.options.mysql(); the names are those of community.mysql.
    DOCUMENTATION = r"""
options:
  login_host:
    description: Name or address of the MySQL or MariaDB server.
    type: str
    default: 127.0.0.1
  login_port:
    description: TCP port of the server.
    type: int
    default: 3306
  login_user:
    description: User to log in as; omitted, the one in O(config_file), else the user the task runs as.
    type: str
  login_password:
    description: Password of the user; omitted, the one in O(config_file), else none.
    type: str
  login_unix_socket:
    description: Path of the server's socket; when given, O(login_host) and O(login_port) are ignored.
    type: path
  login_db:
    description: Database to select after the login; omitted, none is selected.
    type: str
  config_file:
    description:
      - An option file whose C([client]) section gives user, password, host, port and socket where the options here are omitted.
      - An option that has its default counts as omitted; a O(login_host) other than the default wins over a socket in the file.
      - C(!include) lines are not followed. Omitted, no option file is read.
    type: path
  ca_cert:
    description: File with the certificate authority, in PEM; when given, TLS is required and the certificate verified.
    type: path
  client_cert:
    description: File with the client's certificate, in PEM, for servers that ask for one.
    type: path
  client_key:
    description: File with the key of O(client_cert), in PEM.
    type: path
  check_hostname:
    description: Whether the name in the server's certificate must be O(login_host); only looked at when O(ca_cert) is given.
    type: bool
    default: true
  connect_timeout:
    description: Seconds to wait for a connection before the task fails.
    type: int
    default: 10
requirements:
  - PyMySQL (the Python library) where the task runs
  - cryptography, for MySQL 8 and later over TCP without TLS
"""
