"""One request to the management API v4, and the forms of its answers.

The rule: a handler is a plain function of an `Asked` and returns the JSON body; a refusal is a body too, and only a crash is none (docs/emqx/v4.md#api).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.datastructures import QueryParams

from lab.node.api.host import Host
from lab.node.kept.old import OldTables
from lab.node.v4.colony import Colony
from lab.node.v4.line import Line

DEFAULT_LIMIT = 10_000


class CrashError(Exception):
    """The node's own code fails over what it was asked: 500 ``Internal Error``."""


class NowhereError(Exception):
    """404 ``Not found.``"""


class UnavailableError(Exception):
    """503, with an empty object."""


@dataclass
class Asked:
    """A request: ``here`` is the node that is asked, ``path`` its decoded parts, ``body`` its JSON (None where there is none)."""

    colony: Colony
    here: str
    path: dict[str, str]
    query: QueryParams
    body: Any = None

    @property
    def host(self) -> Host:
        """The cluster's."""
        return self.colony.host

    @property
    def line(self) -> Line:
        """What the version of the node does."""
        return self.colony.line_at(self.here)

    @property
    def tables(self) -> OldTables:
        """The cluster's."""
        return self.host.store.old

    def now(self) -> float:
        """Unix seconds."""
        return self.host.clock.now()

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return int(self.now() * 1000)

    def object(self) -> dict[str, Any]:
        """The body, which must be an object; raises `CrashError`."""
        if not isinstance(self.body, dict):
            raise CrashError
        return self.body

    def nodes(self) -> list[str]:
        """The running nodes; the one that is asked comes last, as recorded."""
        names = [node.name for node in self.host.cluster.running_nodes()]
        return [*(name for name in names if name != self.here), *(name for name in names if name == self.here)]

    def node(self) -> str:
        """The node of the path; raises `NowhereError` for an unknown one, or one that does not run."""
        name = self.path["node"]
        if name not in self.nodes():
            raise NowhereError
        return name


Handler = Callable[[Asked], Any]


@dataclass(frozen=True)
class Way:
    """A method of a path; ``plugin`` must be active on the node, ``dashboard`` are those of port 18083 alone."""

    method: str
    path: str
    handler: Handler
    plugin: str = ""
    dashboard: bool = False


def ok(data: Any = None, **more: Any) -> dict[str, Any]:
    """``{"code": 0}``, with data where there is some."""
    return ({} if data is None else {"data": data}) | more | {"code": 0}


def said(message: str, **more: Any) -> dict[str, Any]:
    """A refusal: 200 with a message and no code."""
    return {"message": message} | more


def page(
    asked: Asked,
    rows: Sequence[Any],
    make: Callable[[Any], Any],
    *,
    limit: int = DEFAULT_LIMIT,
    hasnext: bool = True,
    filtered: bool = False,
) -> dict[str, Any]:
    """A page of rows (docs/emqx/v4.md#paging).

    Args:
        asked: whose ``_page`` and ``_limit`` count; text there is a crash, below 1 is the first page.
        rows: all that fit.
        make: applied to those of the page.
        limit: unless it is given.
        hasnext: whether this list says so.
        filtered: the count is -1.

    """
    try:
        number, size = int(asked.query.get("_page", "1")), int(asked.query.get("_limit", str(limit)))
    except ValueError:
        raise CrashError from None
    begin = (max(number, 1) - 1) * size
    meta: dict[str, Any] = {"page": number, "limit": size}
    if hasnext:
        meta["hasnext"] = len(rows) > begin + size
    meta["count"] = -1 if filtered else len(rows)
    return ok([make(row) for row in rows[begin : begin + size]], meta=meta)


def clock(seconds: float) -> str:
    """A time as 4.x shows it: local, to the second, without zone."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")  # noqa: DTZ006  4.x answers local time
