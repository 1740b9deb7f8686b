# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what a sandbox draws once (ports, secrets), find the programs it runs, and write both to sandbox.json.

Prints one JSON object: ``changed``, and ``missing`` (what is not installed; then nothing is written).
Exit status 1 with a sentence on stderr when the directory can't be a sandbox.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import re
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from processes import find, supervisor  # beside this file

# Below Linux' own range for outgoing connections (32768 and up), so that no client takes a port of ours meanwhile.
PORTS = range(20000, 30000)
# sockaddr_un holds 107 characters; the longest socket name below the directory takes 20.
LONGEST_DIRECTORY = 85
EXTENSIONS = ("redis", "pdo_mysql", "mbstring", "dom", "curl", "pcntl", "posix")
FRAMEWORK = Path("/usr/share/php/Illuminate/Foundation/Application.php")
OLDEST_FRAMEWORK = 8
SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin"


def find_programs(directory: Path) -> tuple[dict[str, str], list[str]]:
    """Paths by name, and what is missing in words."""
    beside = os.path.dirname(sys.executable)
    programs, missing = {}, []
    for name in ("php", "mariadbd", "mariadb-install-db", "redis-server"):
        programs[name.replace("-", "_")] = shutil.which(name, path=SYSTEM_PATH) or ""
    for name in ("supervisord", "supervisorctl", "moto_server"):
        programs[name] = shutil.which(name, path=beside) or ""
    check = shutil.which("redis-check-rdb", path=SYSTEM_PATH)
    if not programs["redis_server"] and check:
        # Debian ships one binary under several names; under this one it is the server.
        programs["redis_server"] = str(directory / "bin" / "redis-server")
    missing += [name for name, path in programs.items() if not path]
    if programs["php"]:
        # The name with the version lasts while "php" may be switched to another one.
        programs["php"] = os.path.realpath(programs["php"])
        missing += missing_in_php(programs["php"])
    return programs, missing


def missing_in_php(php: str) -> list[str]:
    listed = subprocess.run([php, "-m"], capture_output=True, text=True, check=True).stdout.lower().split()
    missing = [f"php extension {name}" for name in EXTENSIONS if name not in listed]
    if not FRAMEWORK.is_file():
        return [*missing, "php-laravel-framework"]
    found = re.search(r"VERSION = '(\d+)", FRAMEWORK.read_text(encoding="utf-8"))
    if not found or int(found.group(1)) < OLDEST_FRAMEWORK:
        missing.append(f"php-laravel-framework of version {OLDEST_FRAMEWORK} or later")
    return missing


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def draw_ports(names: list[str], kept: dict[str, int], running: bool) -> dict[str, int]:
    """Keep the ports that were drawn, unless the sandbox is down and something else has taken one meanwhile."""
    ports = {name: kept[name] for name in names if name in kept and (running or is_free(kept[name]))}
    for name in names:
        while name not in ports:
            port = random.choice(PORTS)
            if port not in ports.values() and is_free(port):
                ports[name] = port
    return ports


def draw_secrets(kept: dict[str, str]) -> dict[str, str]:
    drawn = {name: secrets.token_hex(16) for name in ("mysql_app", "mysql_admin", "redis", "s3_access", "s3_secret")}
    drawn["app_key"] = "base64:" + base64.b64encode(secrets.token_bytes(32)).decode()
    return {**drawn, **kept}


def describe(
    directory: Path, hosts: list[str], programs: dict[str, str], ports: dict[str, int], secret: dict[str, str]
) -> dict[str, Any]:
    """Everything a user of the sandbox may want to know, in the words of the inventory."""
    return {
        "dir": str(directory),
        "programs": programs,
        "ports": ports,
        "secrets": secret,
        "supervisor": {"config": f"{directory}/supervisord.conf", "ctl": programs["supervisorctl"]},
        "mysql": {
            "host": "127.0.0.1",
            "port": ports["mysql"],
            "socket": f"{directory}/run/mysql.sock",
            "database": "bank",
            "app": {"user": "bank", "password": secret["mysql_app"]},
            "admin": {"user": "operator", "password": secret["mysql_admin"]},
        },
        "redis": {"host": "127.0.0.1", "port": ports["redis"], "password": secret["redis"], "db": 0, "cache_db": 1},
        "s3": {
            "endpoint_url": f"http://127.0.0.1:{ports['s3']}",
            "region": "us-east-1",
            "bucket": "backups",
            "access_key": secret["s3_access"],
            "secret_key": secret["s3_secret"],
        },
        "app": {
            "name": "Sandbox Bank",
            "key": secret["app_key"],
            "queue_prefix": "sandbox_bank_database_",
            "horizon_prefix": "sandbox_bank_horizon:",
        },
        "hosts": {
            host: {
                "root": f"{directory}/hosts/{host}",
                "current": f"{directory}/hosts/{host}/current",
                "port": ports[host],
                "url": f"http://127.0.0.1:{ports[host]}",
                "web_program": f"{host}-web",
                "horizon_program": f"{host}-horizon",
            }
            for host in hosts
        },
    }


def refuse(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(1)


def check_directory(directory: Path) -> None:
    if not re.fullmatch(r"[\w./@+-]+", str(directory)):
        refuse(f"{directory} holds characters that the programs' configurations can't; take a plainer sandbox_dir.")
    if len(str(directory)) > LONGEST_DIRECTORY:
        refuse(
            f"{directory} is {len(str(directory))} characters long; a Unix socket below it would have too long a name. "
            f"Take a sandbox_dir of at most {LONGEST_DIRECTORY} characters."
        )
    if directory.is_dir() and any(directory.iterdir()) and not (directory / "sandbox.json").is_file():
        refuse(f"{directory} is not empty and not a sandbox; take another sandbox_dir or empty it yourself.")


def write_privately(path: Path, text: str) -> None:
    """Whole or not at all, readable by the owner alone from the first moment."""
    part = path.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)
    os.replace(part, path)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--hosts", required=True, help="names, separated by commas")
    parser.add_argument("--check", action="store_true", help="only say whether something would change")
    options = parser.parse_args()
    directory, hosts = options.directory.resolve(), options.hosts.split(",")
    check_directory(directory)
    programs, missing = find_programs(directory)
    if missing:
        print(json.dumps({"changed": False, "missing": missing}))
        return
    file = directory / "sandbox.json"
    before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    # What a killed supervisor left behind holds our ports too, and is ended before it is started again.
    running = supervisor(directory) is not None or bool(find(directory))
    ports = draw_ports(["mysql", "redis", "s3", *hosts], before.get("ports", {}), running)
    after = describe(directory, hosts, programs, ports, draw_secrets(before.get("secrets", {})))
    if after != before and not options.check:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        # First of all, so that a set-up killed right here leaves a directory that is known for a sandbox.
        write_privately(file, json.dumps(after, indent=2) + "\n")
        for folder in ("bin", "run", "log", "tmp", "data", "hosts", "records", "backups"):
            (directory / folder).mkdir(mode=0o700, exist_ok=True)
        link = directory / "bin" / "redis-server"
        if programs["redis_server"] == str(link) and not link.is_symlink():
            link.symlink_to(shutil.which("redis-check-rdb", path=SYSTEM_PATH) or "")
    print(json.dumps({"changed": after != before, "missing": []}))


if __name__ == "__main__":
    main()
