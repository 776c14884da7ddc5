"""Checks of request bodies and queries in EMQX's order and words; a check returns the converted value or raises the recorded 400.

Messages are those of recordings 03 (evacuation start, every kind of wrong value), 04, 05 and 07.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from lab.node.api.errors import ApiError, invalid

Check = Callable[[Any, str], Any]
"""(value, path) -> converted value; raises ApiError."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "f": 1209600.0}
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwf])?)+", re.IGNORECASE)
_PART = re.compile(r"(\d+)(ms|[smhdwf])?", re.IGNORECASE)
SHOWN_FIELDS = 2
"""How many names of fields EMQX shows before it writes ``...``."""


def body_fields(
    body: Any, known: Mapping[str, Check], *, required: tuple[str, ...] = (), path: str = "root"
) -> dict[str, Any]:
    """The body's known fields, converted; null and absent fields are left out.

    Unknown fields come first in EMQX's own order of checks, then missing ones, then values.
    """
    if not isinstance(body, dict):
        raise invalid(value=body, reason="bad_value_for_struct", path=path)
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise invalid(
            unmatched=_shown(sorted(set(known) - set(body))),
            unknown=_shown(unknown),
            reason="unknown_fields",
            path=path,
        )
    for name in required:
        if body.get(name) is None:
            raise invalid(reason="required_field", path=f"{path}.{name}")
    return {name: known[name](value, f"{path}.{name}") for name, value in body.items() if value is not None}


def _shown(names: list[str]) -> str:
    # hocon shortens a list of three or more to two names and an ellipsis.
    return ",".join(names) if len(names) <= SHOWN_FIELDS else ",".join([*names[:SHOWN_FIELDS], "..."])


def positive_integer(value: Any, path: str) -> int:
    """An integer above 0; text of digits is accepted as such."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int) or number <= 0:
        raise invalid(value=value, reason={"expected": "pos_integer()"}, path=path)
    return number


def duration_seconds(value: Any, path: str) -> int:
    """Whole seconds, rounded up: ``500ms`` is 1, ``1m30s`` is 90, a bare number is seconds."""
    if isinstance(value, str):
        seconds = parse_duration(value, bare=1.0)
        if seconds is None:
            raise invalid(value=value, reason="Not a valid duration", path=path)
        return math.ceil(seconds)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise invalid(value=value, reason={"expected": "emqx_schema:timeout_duration_s()"}, path=path)
    return value


def parse_duration(text: str, *, bare: float = 0.001) -> float | None:
    """Seconds of ``1h30m`` and the like; a bare number counts in units of ``bare`` seconds; None when it is none."""
    if not text or not _DURATION.fullmatch(text):
        return None
    total = math.fsum(int(number) * (_UNITS[unit.lower()] if unit else bare) for number, unit in _PART.findall(text))
    return round(total, 3)


def text(value: Any, path: str) -> str:
    """Text; a number is accepted and written out, as hocon does for binary()."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise invalid(value=value, reason={"expected": "binary()"}, path=path)
    return str(value)


def boolean(value: Any, path: str) -> bool:
    """True or false, also as text."""
    if value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise invalid(value=value, reason={"expected": "boolean()"}, path=path)
    return value


def anything(value: Any, _path: str) -> Any:
    """No check: what EMQX itself stores as it comes."""
    return value


def node_list(value: Any, path: str) -> tuple[str, ...]:
    """A list of names with at least one in it."""
    if isinstance(value, str):
        raise invalid(value=value, reason="Unable to parse Erlang term", path=path)
    if not isinstance(value, list) or not value:
        raise invalid(value=value, reason={"expected": "[binary(),...]"}, path=path)
    return tuple(text(item, f"{path}.{index}") for index, item in enumerate(value, 1))


def rebalance_nodes(value: Any, path: str) -> tuple[str, ...]:
    """The ``nodes`` of a rebalance: an empty list fails EMQX's own validator."""
    if value == []:
        raise invalid(value=value, reason="returned_false", path=path)
    return node_list(value, path)


def above_one(value: Any, path: str) -> float:
    """A relative threshold: a number above 1.0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise invalid(value=value, reason="Unable to parse number value", path=path) from None
    if number <= 1.0:
        raise invalid(value=value, reason="returned_false", path=path)
    return number


def symbol(value: str, allowed: frozenset[str] | tuple[str, ...], path: str) -> str:
    """One of the names that a query parameter knows (``mode=bogus`` was recorded)."""
    if value not in allowed:
        raise invalid(value=value, reason="unable_to_convert_to_enum_symbol", path=path)
    return value


def limit(value: str | None, default: int, *, top: int | None = 10_000, name: str = "limit") -> int:
    """A page size or number: 1..10000, except where the recorded answer takes more (``top`` None)."""
    if value is None:
        return default
    number = _integer(value, name)
    if number < 1 or (top is not None and number > top):
        raise invalid(value=number, reason={"expected": f"1..{top}" if top else "pos_integer()"}, path=name)
    return number


def _integer(value: str, name: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise invalid(value=value, reason="Unable to parse integer value", path=name) from None


def required_text(body: Any, name: str) -> str:
    """A field of a body whose recorded message names it without ``root.`` (POST /login)."""
    value = body.get(name) if isinstance(body, dict) else None
    if value is None:
        error: ApiError = invalid(reason="required_field", path=name)
        raise error
    return text(value, name)
