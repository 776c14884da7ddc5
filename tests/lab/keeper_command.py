"""What the owner of machines might have in `/usr/local/bin`: stops, starts and copies one node of a lab cluster, by nothing but its arguments.

``CONTROL ACT NODE [VERSION EDITION]``; the licence is in the environment, archives go over standard output and input.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any


def _ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=120) as answer:  # noqa: S310  -- of this machine
        return json.loads(answer.read() or b"null")


def main(control: str, act: str, node: str, *more: str) -> None:
    """Do it."""
    here = next(one for one in _ask(f"{control}/state")["nodes"] if one["name"] == node)
    data = Path(here["data"])
    if act == "stop":
        if here["state"] != "stopped":
            _ask(f"{control}/nodes/{node}/stop", {})
    elif act == "start":
        version, edition = more
        licence = os.environ.get("EMQX_LICENSE__KEY")
        wanted = {"version": version, "edition": edition, **({"license": licence} if licence else {})}
        _ask(f"{control}/nodes/{node}/start", wanted)
    elif act == "print":
        with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as packed:
            packed.add(data, "data")
    elif act == "take":
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as packed:
            packed.extractall(data.parent / "taken", filter="data")
        data.rename(data.with_name("data.before"))
        (data.parent / "taken" / "data").rename(data)
    elif act == "aside":
        sys.stdout.write(f"moved to\n{data.rename(data.with_name(f'{data.name}.left'))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
