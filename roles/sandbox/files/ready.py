# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the bucket where it is missing, and wait until each host of the sandbox answers and its Horizon runs.

The S3 server keeps its data in memory, so the bucket is missing after it was killed too. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

POLL_SECONDS = 0.2
# Loopback never goes through a proxy that the environment names.
OPENER = build_opener(ProxyHandler({}))


def ask(url: str, method: str = "GET") -> tuple[int, bytes]:
    """Status and body; status 0 and the reason when nobody answers."""
    try:
        with OPENER.open(Request(url, method=method), timeout=5) as response:
            return response.status, response.read()
    except HTTPError as error:
        return error.code, error.read()
    except (OSError, HTTPException) as error:
        return 0, str(error).encode()


def bucket_there(url: str) -> bool:
    return ask(url, "HEAD")[0] == 200


def host_there(url: str) -> bool:
    status, body = ask(f"{url}/health")
    return status == 200 and json.loads(body).get("horizon") == "running"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seconds", type=float, required=True, help="how long to wait")
    options = parser.parse_args()
    sandbox = json.loads((options.directory / "sandbox.json").read_text(encoding="utf-8"))
    bucket = f"{sandbox['s3']['endpoint_url']}/{sandbox['s3']['bucket']}"
    made = False
    give_up = time.monotonic() + options.seconds
    while True:
        if not (there := bucket_there(bucket)):
            made = ask(bucket, "PUT")[0] == 200 or made
        late = [host["url"] for host in sandbox["hosts"].values() if not host_there(host["url"])]
        if there and not late:
            break
        if time.monotonic() > give_up:
            answers = {url: ask(f"{url}/health")[1].decode(errors="replace")[:300] for url in late}
            sys.exit(
                f"Not ready after {options.seconds} s. Bucket there: {there}. Hosts: {json.dumps(answers)}. "
                f"Logs are in {options.directory}/log and hosts/*/storage/logs."
            )
        time.sleep(POLL_SECONDS)
    print(json.dumps({"changed": made}))


if __name__ == "__main__":
    main()
