"""Pages of a list as EMQX makes them: 1..10000 rows, ``hasnext`` true when the page is exactly full, no count after a fuzzy filter.

Source: docs/emqx/api.md#paging, recording B_inventory_50000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.node.api import check

DEFAULT_LIMIT = 100


def page_of(
    rows: Sequence[Any],
    query: Mapping[str, str],
    *,
    fuzzy: bool = False,
    with_hasnext: bool = True,
    top: int | None = 10_000,
) -> dict[str, Any]:
    """``{"data": [...], "meta": {...}}`` of all ``rows`` for the query's ``page`` and ``limit``.

    ``fuzzy`` leaves the count out; ``with_hasnext`` False is GET /banned; ``top`` None is GET /rules.
    """
    size = check.limit(query.get("limit"), DEFAULT_LIMIT, top=top)
    number = check.limit(query.get("page"), 1, top=None, name="page")
    first = (number - 1) * size
    data = list(rows[first : first + size])
    meta: dict[str, Any] = {} if fuzzy else {"count": len(rows)}
    meta |= {"limit": size, "page": number}
    if with_hasnext:
        # A full last page says true although nothing follows: recorded with count 1 and limit 1.
        meta["hasnext"] = len(data) == size
    return {"data": data, "meta": meta}
