"""A question whose answer may be missing; what cannot be had now is None, never zero."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from components.emqx.errors import UpgradeError

T = TypeVar("T")


async def known(question: Awaitable[T]) -> T | None:
    """The answer, or None where it cannot be had now."""
    try:
        return await question
    except UpgradeError:
        return None
