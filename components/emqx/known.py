"""A question whose answer may be missing; what cannot be reached now is None, never zero, and every answer is an answer.

The rule: a revoked key (401) or a refused call is what the world says, and ends whoever asked: a colour that refuses us has clients that
nobody would count or move.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from components.emqx.errors import Rejected, Retryable

T = TypeVar("T")


async def known(question: Awaitable[T]) -> T | None:
    """The answer, or None where nobody can give it now.

    Raises:
        Unauthorized, Rejected, Refused, ...: whatever is fatal by the tree of ``components.emqx.errors``.

    """
    try:
        return await question
    except Retryable:
        return None
    except Rejected as answer:
        if _boots(answer):
            return None
        raise


def _boots(answer: Rejected) -> bool:
    """A booting node answers every path with a 404 in HTML (docs/emqx/cluster.md#fresh-start); EMQX's own refusals have a code."""
    return answer.status == 404 and not answer.code
