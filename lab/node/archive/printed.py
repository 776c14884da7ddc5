"""HOCON as EMQX prints it: plain values to text, and what its parser says of a text that is none (docs/emqx/config.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from components.hocon.errors import HoconError, UnexpectedTokenError

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BARE_KEY = re.compile(r"[A-Za-z]+[A-Za-z0-9_-]*")
_WORDS = frozenset({"true", "false", "null", "include"})
_ESCAPED = str.maketrans(
    {
        "\\": "\\\\",
        '"': '\\"',
        "\n": "\\n",
        "\t": "\\t",
        "\r": "\\r",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)
INLINE_WIDTH = 60


def fault(error: HoconError) -> tuple[str, str]:
    """Type and reason of EMQX's own answer (recordings 05_data_backup, 06_listener_edit)."""
    if isinstance(error, UnexpectedTokenError):
        return "parse_error", f"syntax error before: {error.token}"
    return "scan_error", error.reason


def dumps(value: Mapping[str, Any]) -> str:
    """The text of an object, keys sorted, laid out as EMQX lays it out; empty text for an empty object."""
    return "".join(f"{line}\n" for key in sorted(value) for line in _entry(key, value[key]))


def _name(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) and key not in _WORDS else _quote(key)


def _entry(key: str, value: Any) -> list[str]:
    name = _name(key)
    lines = _lines(value)
    joint = " " if isinstance(value, Mapping) else " = "
    return [f"{name}{joint}{lines[0]}", *lines[1:]]


def _lines(value: Any) -> list[str]:
    inline = _inline(value)
    if inline is not None:
        return [inline]
    if isinstance(value, Mapping):
        inner = [line for key in sorted(value) for line in _entry(key, value[key])]
        return ["{", *(f"  {line}" if line else line for line in inner), "}"]
    if isinstance(value, list | tuple):
        inner = []
        for index, item in enumerate(value):
            lines = _lines(item)
            lines[-1] += "," if index < len(value) - 1 else ""
            inner += [f"  {line}" if line else line for line in lines]
        return ["[", *inner, "]"]
    return ['"""~', *(f"  {line}" if line else line for line in str(value).split("\n")[:-1]), '~"""']


def _inline(value: Any) -> str | None:
    if isinstance(value, Mapping):
        parts = [f"{_name(key)} = {_inline(one)}" for key, one in sorted(value.items()) if _is_bare(one)]
        text = "{" + ", ".join(parts) + "}"
        return text if len(parts) == len(value) and len(text) <= INLINE_WIDTH else None
    if isinstance(value, list | tuple):
        if not all(_is_bare(item) for item in value):
            return None
        return "[" + ", ".join(str(_inline(item)) for item in value) + "]"
    return None if isinstance(value, str) and _is_laid_out(value) else _atom(value)


def _is_laid_out(text: str) -> bool:
    """Whether it is printed between triple quotes, line by line: it comes back as it was only without an indentation of its own."""
    lines = [line for line in text.split("\n") if line]
    return text.endswith("\n") and '"""' not in text and "\r" not in text and any(line[0] != " " for line in lines)


def _is_bare(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_bare(item) for item in value)
    return not isinstance(value, Mapping) and not _atom(value).startswith('"')


def _atom(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        digits, mark, exponent = repr(value).partition("e")
        return f"{digits}{'' if '.' in digits else '.0'}{mark}{exponent}"
    if isinstance(value, int):
        return str(value)
    bare = _BARE.fullmatch(value) and value not in _WORDS
    return value if bare else _quote(value)


def _quote(text: str) -> str:
    escaped = text.translate(_ESCAPED)
    # A quote behind a backslash does not end a string where another one follows in its line.
    return f'"{escaped[:-2]}\\u005c"' if text.endswith("\\") else f'"{escaped}"'
