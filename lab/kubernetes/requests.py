"""What persons and runners have asked of the lab's API server, by its own audit log.

The rule: each request is counted once, however long it lasts; no body is in it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from lab.kubernetes.control_plane import AUDIT

KINDS = WRITES, FORWARDS, READS = "writes", "forwards", "reads"


class Request(NamedTuple):
    """``what`` is a resource with its part, ``pods/portforward``; empty for what is no resource."""

    user: str
    verb: str
    what: str
    namespace: str


def requests(directory: Path) -> list[Request]:
    """All of them in their order, of the cluster in a directory; one that is being written is left out."""
    text = (directory / "logs" / AUDIT).read_text(encoding="utf-8")
    found: dict[str, Request] = {}
    for line in text.rpartition("\n")[0].splitlines():
        event = json.loads(line)
        about = event.get("objectRef") or {}
        what = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
        one = Request(event["user"]["username"], event["verb"], what, about.get("namespace", ""))
        found.setdefault(event["auditID"], one)
    return [*found.values()]


def by_kind(asked: list[Request]) -> Counter[str]:
    """How many changed something, were forwards of a port, or only read."""
    return Counter(_kind(one) for one in asked)


def _kind(one: Request) -> str:
    if one.what == "pods/portforward":
        return FORWARDS
    return READS if one.verb in {"get", "list", "watch"} else WRITES
