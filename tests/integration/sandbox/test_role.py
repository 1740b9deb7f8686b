# SPDX-License-Identifier: GPL-3.0-or-later
"""The role: set up, set up again, mend what was killed, remove, and leave nothing; two sandboxes at once."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.runner import BIN, CHECKOUT, environment, warm_python
from integration.sandbox.contract import command_line, wait_until

pytestmark = pytest.mark.timeout(600)

MARKER = "FINAEGIS_SANDBOX"
PROGRAMS = {"mariadb", "redis", "s3", "app1-web", "app1-horizon", "app2-web", "app2-horizon"}


class Sandbox:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def argv(self) -> list[str]:
        inventory = ["-i", str(CHECKOUT / "inventories" / "sandbox")]
        return [str(BIN / "ansible-playbook"), *inventory, str(CHECKOUT / "playbooks" / "sandbox.yml")]

    @property
    def environment(self) -> dict[str, str]:
        return {**environment(), "RUNBOOK_SANDBOX_DIR": str(self.directory)}

    def play(self, *options: str) -> subprocess.CompletedProcess[str]:
        modules = ["-e", json.dumps({"ansible_python_interpreter": warm_python()})]
        return subprocess.run(
            [*self.argv, *modules, *options],
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def changed(self, *options: str) -> int:
        """How many tasks of a successful run reported a change."""
        done = self.play(*options)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout[done.stdout.index("{\n") :])["stats"]["localhost"]["changed"]

    @property
    def facts(self) -> dict[str, Any]:
        return json.loads((self.directory / "sandbox.json").read_text(encoding="utf-8"))

    def get(self, host: str, path: str = "/health") -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.facts["hosts"][host]["url"] + path, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def healthy(self) -> bool:
        answers = [self.get(host) for host in self.facts["hosts"]]
        return all(status == 200 and json.loads(body)["horizon"] == "running" for status, body in answers)

    def states(self) -> dict[str, tuple[str, int]]:
        """State and pid by program."""
        argv = [str(BIN / "supervisorctl"), "-c", str(self.directory / "supervisord.conf"), "status"]
        told = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        found = re.findall(r"^(\S+)\s+(\w+)\s+(?:pid (\d+))?", told, re.MULTILINE)
        return {name: (state, int(pid or 0)) for name, state, pid in found}

    def processes(self) -> list[int]:
        """Found by the marker in their environment, as the role's own look does, but by other means."""
        told = subprocess.run(["ps", "axeww", "-o", "pid,args"], capture_output=True, text=True, check=True).stdout
        pattern = re.compile(rf"^\s*(\d+) .*\b{MARKER}={re.escape(str(self.directory))}( |$)", re.MULTILINE)
        return [int(pid) for pid, _ in pattern.findall(told)]

    def artisan(self, host: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [self.facts["programs"]["php"], "artisan", *arguments]
        home = self.facts["hosts"][host]["current"]
        return subprocess.run(argv, cwd=home, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of the role's scripts, called as the role calls it."""
    argv = [sys.executable, str(CHECKOUT / "roles/sandbox/files" / name), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def make() -> Iterator[Sandbox]:
    # Not below pytest's own directory: its path is too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="sandbox-") as parent:
        sandbox = Sandbox(Path(parent) / "s")
        yield sandbox
        try:
            sandbox.changed("-e", "sandbox_state=absent")
            assert sandbox.processes() == []
            assert not sandbox.directory.exists()
        finally:
            for pid in sandbox.processes():
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    for made in make():
        assert made.changed("--check") == 1
        assert not made.directory.exists()
        assert made.changed() > 10
        yield made


@pytest.fixture(scope="module")
def second() -> Iterator[Sandbox]:
    yield from make()


def test_it_runs(sandbox: Sandbox) -> None:
    assert {name: state for name, (state, _) in sandbox.states().items()} == dict.fromkeys(PROGRAMS, "RUNNING")
    assert sandbox.healthy()
    for host in ("app1", "app2"):
        assert f"Host {host}: 40 accounts" in sandbox.get(host, "/")[1]
        assert {sandbox.get(host, path)[0] for path in ("/up", "/health/db", "/health/redis", "/api/health")} == {200}
    listed = sandbox.artisan("app2", "horizon:list").stdout
    assert re.search(r"app1-\w{4} .* running", listed)
    assert re.search(r"app2-\w{4} .* running", listed)
    assert sandbox.artisan("app1", "bank:smoke").returncode == 0
    pending = re.findall(r"\| No .*", sandbox.artisan("app1", "migrate:status").stdout)
    assert len(pending) == 1
    assert "add_reviewed_at" in pending[0]


def test_accounts_are_served_and_missing_ones_are_not(sandbox: Sandbox) -> None:
    status, body = sandbox.get("app1", "/accounts/c667b5d4-064a-4e5f-a9f8-736c05428488")
    assert (status, json.loads(body)["owner"]) == (200, "Owner 1")
    assert sandbox.get("app1", "/accounts/nobody")[0] == 404


def test_hosts_go_down_apart(sandbox: Sandbox) -> None:
    assert sandbox.artisan("app1", "down", "--render=errors::503").returncode == 0
    assert sandbox.get("app1", "/")[0] == 503
    assert "Down for maintenance" in sandbox.get("app1", "/health")[1]
    assert sandbox.get("app1", "/up")[0] == sandbox.get("app2", "/")[0] == 200
    assert sandbox.artisan("app1", "up").returncode == 0
    assert sandbox.healthy()


def test_again_changes_nothing_and_secrets_stay_secret(sandbox: Sandbox) -> None:
    done = sandbox.play("-vvvv", "--diff")
    stats = json.loads(done.stdout[done.stdout.index("{\n") :])["stats"]["localhost"]
    assert (done.returncode, stats["changed"]) == (0, 0)
    told = done.stdout + done.stderr + "".join(command_line(pid) for pid in sandbox.processes())
    secrets = sandbox.facts["secrets"]
    assert [name for name, secret in secrets.items() if secret in told] == []
    for file in sandbox.directory.rglob("*"):
        holds = file.is_file() and any(secret.encode() in file.read_bytes() for secret in secrets.values())
        # MariaDB keeps a hash and Redis the password in its own file; nobody else may even look.
        assert not holds or file.stat().st_mode & 0o077 == 0, file
    assert sandbox.directory.stat().st_mode & 0o777 == 0o700


FACTS = """
- hosts: app1,db1,localhost
  gather_facts: false
  tasks:
    - debug:
        msg:
          redis: "{{ runbook_redis }}"
          mysql: "{{ runbook_mysql }}"
          s3: "{{ runbook_s3 }}"
          app: "{{ runbook_app_dir | default('none') }}"
          workers: "{{ runbook_workers | default('none') }}"
          urls: "{{ runbook_verify_urls | default('none') }}"
"""


def test_the_inventory_knows_it(sandbox: Sandbox, tmp_path: Path) -> None:
    play = tmp_path / "facts.yml"
    play.write_text(FACTS, encoding="utf-8")
    argv = [*sandbox.argv[:-1], str(play)]
    done = subprocess.run(argv, cwd=CHECKOUT, env=sandbox.environment, capture_output=True, text=True, check=True)
    hosts = json.loads(done.stdout[done.stdout.index("{\n") :])["plays"][0]["tasks"][0]["hosts"]
    told, facts = {name: result["msg"] for name, result in hosts.items()}, sandbox.facts
    assert told["app1"]["urls"] == [facts["hosts"]["app1"]["url"] + "/"]
    assert told["app1"]["app"] == facts["hosts"]["app1"]["current"]
    assert told["app1"]["workers"] == {
        "manager": "supervisor",
        "config": str(sandbox.directory / "supervisord.conf"),
        "program": "app1-horizon",
        "ctl": str(BIN / "supervisorctl"),
    }
    assert told["db1"]["app"] == told["localhost"]["workers"] == "none"
    for one in told.values():
        assert (one["redis"]["redis_port"], one["redis"]["redis_password"]) == (
            facts["redis"]["port"],
            facts["redis"]["password"],
        )
        assert (one["mysql"]["login_port"], one["mysql"]["login_user"]) == (facts["mysql"]["port"], "operator")
        assert one["s3"]["endpoint_url"] == facts["s3"]["endpoint_url"]


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_a_killed_program_is_started_again(sandbox: Sandbox, program: str) -> None:
    before = sandbox.states()[program][1]
    os.kill(before, signal.SIGKILL)
    wait_until(
        f"{program} again", lambda: sandbox.states()[program][0] == "RUNNING" and sandbox.states()[program][1] != before
    )
    wait_until("healthy", sandbox.healthy)
    assert sandbox.artisan("app1", "bank:smoke").returncode == 0


def test_a_killed_supervisor_is_replaced_and_what_it_left_is_ended(sandbox: Sandbox) -> None:
    before, ports = sandbox.processes(), sandbox.facts["ports"]
    os.kill(int((sandbox.directory / "run/supervisord.pid").read_text()), signal.SIGKILL)
    assert sandbox.changed() == 2  # the programs, and the bucket that the S3 server lost
    assert not set(before) & set(sandbox.processes())
    assert {state for state, _ in sandbox.states().values()} == {"RUNNING"}
    assert sandbox.facts["ports"] == ports
    assert sandbox.healthy()
    assert sandbox.artisan("app1", "bank:smoke").returncode == 0
    s3 = sandbox.facts["s3"]
    with urllib.request.urlopen(f"{s3['endpoint_url']}/{s3['bucket']}", timeout=10) as response:
        assert response.status == 200


def test_a_stopped_program_is_started_again(sandbox: Sandbox) -> None:
    argv = [str(BIN / "supervisorctl"), "-c", str(sandbox.directory / "supervisord.conf"), "stop", "app2-horizon"]
    subprocess.run(argv, check=True, capture_output=True)
    # What the master that was killed before left in Redis lives up to 15 seconds.
    wait_until("inactive", lambda: json.loads(sandbox.get("app2")[1])["horizon"] == "inactive")
    done = script("processes.py", "start", str(sandbox.directory), "--seconds", "60")
    assert json.loads(done.stdout) == {"changed": True, "done": ["app2-horizon started"]}
    wait_until("healthy", sandbox.healthy)
    again = script("processes.py", "start", str(sandbox.directory))
    assert json.loads(again.stdout) == {"changed": False, "done": []}


def test_a_second_sandbox_whose_set_up_was_killed_half_way(sandbox: Sandbox, second: Sandbox) -> None:
    """Killed twice: when MariaDB's tables are being made, and when the programs have just been started."""
    for sign in ("data/mysql.part", "run/supervisor.sock"):
        setup = subprocess.Popen(
            second.argv, cwd=CHECKOUT, env=second.environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        until = time.monotonic() + 120
        while not (second.directory / sign).exists() and setup.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        os.killpg(setup.pid, signal.SIGKILL)
        setup.wait()
    assert second.changed() > 0
    assert second.healthy()
    assert sandbox.healthy()
    assert second.artisan("app1", "bank:smoke").returncode == 0
    assert not set(second.processes()) & set(sandbox.processes())
    assert not set(second.facts["ports"].values()) & set(sandbox.facts["ports"].values())
    # Ending the second leaves the first alone.
    before = sandbox.states()
    assert second.changed("-e", "sandbox_state=absent") == 2
    assert second.processes() == []
    assert sandbox.states() == before
    assert sandbox.healthy()


@pytest.mark.parametrize(
    ("directory", "sentence"),
    [
        ("/tmp/with a space", "take a plainer sandbox_dir"),
        ("/tmp/" + "long" * 30, "of at most 85 characters"),
    ],
)
def test_a_directory_that_can_not_be_one_is_refused(directory: str, sentence: str) -> None:
    done = script("settings.py", directory, "--hosts", "app1")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert not Path(directory).exists()


def test_a_directory_that_depends_on_where_one_stands_is_refused() -> None:
    done = Sandbox(Path("/nonexistent")).play("-e", "sandbox_dir=somewhere/else")
    assert done.returncode != 0
    assert "give it from the root" in done.stdout


@pytest.mark.parametrize(
    ("name", "arguments"), [("settings.py", ["--hosts", "app1"]), ("processes.py", [])], ids=["present", "absent"]
)
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, name: str, arguments: list[str]) -> None:
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    done = script(name, *(["end"] if name == "processes.py" else []), str(tmp_path), *arguments)
    assert done.returncode == 1
    assert "not a sandbox" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_port_that_was_taken_meanwhile_is_drawn_anew(tmp_path: Path) -> None:
    home = tmp_path / "s"
    assert script("settings.py", str(home), "--hosts", "app1").returncode == 0
    before = json.loads((home / "sandbox.json").read_text(encoding="utf-8"))
    assert json.loads(script("settings.py", str(home), "--hosts", "app1").stdout)["changed"] is False
    with socket.socket() as other:
        other.bind(("127.0.0.1", before["ports"]["redis"]))
        other.listen()
        assert json.loads(script("settings.py", str(home), "--hosts", "app1").stdout)["changed"] is True
    after = json.loads((home / "sandbox.json").read_text(encoding="utf-8"))
    assert after["ports"]["redis"] != before["ports"]["redis"]
    assert {**after["ports"], "redis": 0} == {**before["ports"], "redis": 0}
    assert after["secrets"] == before["secrets"]
