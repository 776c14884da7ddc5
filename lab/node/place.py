"""Where a cluster process lives: the network that it holds until it ends, the same one after a restart where possible."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Container
from pathlib import Path

from lab.node import network


def free_network(wanted: str, directory: Path, ours: Container[str] = ()) -> str:
    """A network that is ours until the process ends (`lab.node.network`); it may be one of those that are ours already.

    The address of one node (``::1``, that of a pod) is held by nobody.  ``auto`` takes the one of the last run in ``directory`` if nobody has it, since nodes are named after it.

    Raises:
        OSError: the wanted one is held by another lab process, or none is free.

    """
    if network.single(wanted) or wanted in ours:
        return wanted
    if wanted != "auto":
        network.hold(wanted)
        return wanted
    ready = directory / "ready.json"
    if ready.exists():
        with contextlib.suppress(OSError):
            last = str(json.loads(ready.read_text())["network"])
            if last not in ours:
                network.hold(last)
            return last
    return network.allocate()
