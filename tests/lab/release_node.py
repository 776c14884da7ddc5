"""A node of a release that is a process of its own: it becomes a lab node that its neighbours find by their seeds, as nodes of EMQX find each other.

Everything is from the environment that ``bin/emqx`` gets. The rule: the first one that starts holds the ground, the others are told where it is by a
file that all releases of a work directory share; who has no neighbour yet waits for nobody.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from pathlib import Path
from typing import IO
from urllib.request import urlopen

from lab.node.api.host import Settings
from lab.node.kept.terms import Edition, sessions_of
from lab.node.lifeline import live

START_SECONDS = 60.0


def main() -> int:
    """Live until SIGTERM; the status of the process."""
    said, directory = os.environ, Path(os.environ["EMQX_NODE__DATA_DIR"]) / "lab"
    address = said["EMQX_NODE__NAME"].partition("@")[2]
    edition: Edition = "ee" if said["IS_ENTERPRISE"] == "yes" else "ce"
    key = said.get("EMQX_LICENSE__KEY")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "ready.json").unlink(missing_ok=True)
    settings = Settings(
        directory=directory,
        name=directory.parents[2].name,
        nodes=1,
        edition=edition,
        version=said["REL_VSN"],
        network=address,
        proxy_protocol=said["EMQX_LISTENERS__TCP__DEFAULT__PROXY_PROTOCOL"] == "true",
        max_sessions=sessions_of(json.loads(key)) if key and edition == "ee" else 0,
        cookie=said["EMQX_NODE__COOKIE"],
        seeds=tuple(json.loads(said["EMQX_CLUSTER__STATIC__SEEDS"])),
    )
    ground = (directory.parents[3] / "ground").open("a+")
    fcntl.flock(ground, fcntl.LOCK_EX)
    ground.seek(0)
    control = ground.read()
    if control and _answers(control):
        fcntl.flock(ground, fcntl.LOCK_UN)
        return live(settings, control, only=True)
    threading.Thread(target=_tell, args=(ground, directory / "ready.json"), daemon=True).start()
    return live(settings, None)


def _answers(control: str) -> bool:
    try:
        with urlopen(f"{control}/state", timeout=20) as answer:  # noqa: S310  -- of this machine
            return bool(answer.status == 200)
    except OSError:
        return False


def _tell(ground: IO[str], ready: Path) -> None:
    """Write down where the ground is, once it says so; only then the next node goes on."""
    end = time.monotonic() + START_SECONDS
    while not ready.exists() and time.monotonic() < end:
        time.sleep(0.02)
    if ready.exists():
        ground.truncate(0)
        ground.write(json.loads(ready.read_text())["control"])
        ground.flush()
    fcntl.flock(ground, fcntl.LOCK_UN)  # the ground has this file too: it would go on holding what is only closed here


if __name__ == "__main__":
    raise SystemExit(main())
