"""When a list of pages ends; the rule: it ends whatever the server says, since a server that always has a next page is one that is broken."""

from __future__ import annotations

from typing import Any

from components.emqx.client import Reply
from components.emqx.errors import GaveUp

MOST_PAGES = 50_000
"""Of a list that does not say how long it is: a hundred million clients in pages of 2,000."""

SPARE_PAGES = 100
"""Beyond twice the list's own count, for one that grows while it is read."""


def has_next(reply: Reply, body: dict[str, Any], rows: list[Any], *, page: int, limit: int) -> bool:
    """Whether to ask for the page after this one.

    The last page may be empty (``hasnext`` is true when a page is exactly full, docs/emqx/api.md#paging); a list
    without ``hasnext`` ends with a page that is not full.

    Raises:
        GaveUp: the server says that there is one, after more pages than the list can have.

    """
    meta = body.get("meta") or {}
    if not rows or meta.get("hasnext", len(rows) == limit) is not True:
        return False
    count = meta.get("count")
    most = 2 * count // limit + SPARE_PAGES if isinstance(count, int) and count > 0 else MOST_PAGES
    if page < most:
        return True
    raise GaveUp(
        reply.tried,
        node=reply.node,
        seen=f"page {page} of {limit} rows still has a next one, with a count of {count if count is not None else 'nothing'}",
        todo="look at the node's log and at what stands between: the list does not end",
    )
