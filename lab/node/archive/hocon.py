"""HOCON as EMQX writes and reads it: text to plain values and back; what this module prints it can read.

The subset is that of ``cluster.hocon`` and of PUT /configs: objects, lists, comments, quoted and bare scalars, dotted
keys and EMQX's indented triple quotes; no substitutions, no includes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SKIP = re.compile(r"(?:[ \t\r]|(?:#|//)[^\n]*)*")
_KEY = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z0-9_$@:/+*\-<>\']+')
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_TRIPLE = re.compile(r'"""(~?)(.*?)(~?)"""', re.DOTALL)
_SCALAR = re.compile(r"[^\s,{}\[\]#\"][^\n,{}\[\]#\"]*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/"}
INLINE_WIDTH = 60


class HoconError(ValueError):
    """The text is no HOCON; ``line`` counts from 1, ``before`` is the token that was not expected."""

    def __init__(self, line: int, before: str) -> None:
        """Keep both for the recorded error body."""
        self.line, self.before = line, before
        super().__init__(f"line {line}: syntax error before: {before}")


def loads(text: str) -> dict[str, Any]:
    """The object of a HOCON text; a key that comes twice is merged when both values are objects.

    Raises:
        HoconError: it is none.

    """
    reader = _Reader(text)
    return reader.document()


def dumps(value: Mapping[str, Any]) -> str:
    """The text of an object, keys sorted, laid out as EMQX lays it out; empty text for an empty object."""
    return "".join(f"{line}\n" for key in sorted(value) for line in _entry(key, value[key]))


class _Reader:
    """A cursor over the text; each method eats one thing."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text.removeprefix("\ufeff"), 0

    def document(self) -> dict[str, Any]:
        self._gap()
        if self._peek() == "{":
            self.at += 1
            value = self._members("}")
            self._gap()
        else:
            value = self._members("")
        if self.at < len(self.text):
            raise self._error()
        return value

    def _members(self, end: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while True:
            self._gap()
            if self._peek() == end:
                self.at += len(end)
                return out
            keys = self._key()
            self._space()
            if self._peek() in {"=", ":"} and self._peek():
                self.at += 1
                self._gap()
            elif self._peek() != "{":
                raise self._error()
            _put(out, keys, self._value())

    def _key(self) -> list[str]:
        keys = []
        while True:
            match = _KEY.match(self.text, self.at)
            if match is None:
                raise self._error()
            self.at = match.end()
            keys.append(_unquote(match.group()) if match.group().startswith('"') else match.group())
            if self._peek() != ".":
                return keys
            self.at += 1

    def _value(self) -> Any:
        char = self._peek()
        if char == "{":
            self.at += 1
            return self._members("}")
        if char == "[":
            self.at += 1
            return self._items()
        if match := _TRIPLE.match(self.text, self.at):
            self.at = match.end()
            return _dedent(match.group(2)) if match.group(1) else match.group(2)
        if match := _QUOTED.match(self.text, self.at):
            self.at = match.end()
            return _unquote(match.group())
        if match := _SCALAR.match(self.text, self.at):
            self.at = match.end()
            return _scalar(match.group().strip())
        raise self._error()

    def _items(self) -> list[Any]:
        out: list[Any] = []
        while True:
            self._gap()
            if self._peek() == "]":
                self.at += 1
                return out
            out.append(self._value())

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _space(self) -> None:
        match = _SKIP.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _gap(self) -> None:
        # Newlines and commas both separate; EMQX takes either and several of them.
        self._space()
        while self._peek() in {"\n", ","} and self._peek():
            self.at += 1
            self._space()

    def _error(self) -> HoconError:
        token = re.compile(r"\S*").match(self.text, self.at)
        return HoconError(self.text.count("\n", 0, self.at) + 1, token.group() if token else "")


def _put(out: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        below = out.get(key)
        out[key] = out = below if isinstance(below, dict) else {}
    last = keys[-1]
    old = out.get(last)
    if isinstance(old, dict) and isinstance(value, dict):
        for key, one in value.items():
            _put(old, [key], one)
    else:
        out[last] = value


def _scalar(text: str) -> Any:
    if text in {"true", "false", "null"}:
        return {"true": True, "false": False, "null": None}[text]
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"-?\d+\.\d+(?:[eE][-+]?\d+)?", text):
        return float(text)
    return text


def _unquote(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if code[0] == "u" else _ESCAPES.get(code, code)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", one, text[1:-1])


def _dedent(text: str) -> str:
    # After """~ each line is indented by the printer; the smallest indentation goes, the first line is empty.
    lines = text.split("\n")[1:]
    indents = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    cut = min(indents, default=0)
    return "\n".join(line[cut:] if line.strip() else "" for line in lines)


def _entry(key: str, value: Any) -> list[str]:
    name = key if _BARE_KEY.fullmatch(key) else _quote(key)
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
        parts = [f"{key} = {_inline(one)}" for key, one in sorted(value.items()) if _is_bare(one)]
        text = "{" + ", ".join(parts) + "}"
        return text if len(parts) == len(value) and len(text) <= INLINE_WIDTH else None
    if isinstance(value, list | tuple):
        if not all(_is_bare(item) for item in value):
            return None
        return "[" + ", ".join(str(_inline(item)) for item in value) + "]"
    if isinstance(value, str) and value.endswith("\n") and '"""' not in value:
        return None
    return _atom(value)


def _is_bare(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_bare(item) for item in value)
    return not isinstance(value, Mapping) and not _atom(value).startswith('"')


def _atom(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    bare = _BARE.fullmatch(value) and value not in {"true", "false", "null"}
    return value if bare else _quote(value)


def _quote(text: str) -> str:
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    )
    return f'"{escaped}"'
