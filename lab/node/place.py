"""Where a cluster process lives: the network that it holds until it ends, the same one after a restart where possible."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path

from lab.node import network

MQTT_PORT = 1883
_held: list[socket.socket] = []


def hold_network(prefix: str) -> str:
    """Take one certain network, with the lock that `lab.node.network` looks for; raises OSError when it is held."""
    lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        lock.bind((f"{prefix}.254", MQTT_PORT))
    except OSError:
        lock.close()
        raise
    _held.append(lock)
    return prefix


def free_network(wanted: str, directory: Path) -> str:
    """A network that is ours until the process ends (`lab.node.network`).

    ``auto`` takes the one of the last run in ``directory`` if nobody has it, since nodes are named after it.

    Raises:
        OSError: the wanted one is held by another lab process, or none is free.

    """
    if wanted != "auto":
        return hold_network(wanted)
    ready = directory / "ready.json"
    if ready.exists():
        with contextlib.suppress(OSError):
            return hold_network(str(json.loads(ready.read_text())["network"]))
    return network.allocate()
