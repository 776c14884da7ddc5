"""Tokens -> nodes, by EMQX's grammar (emqx/hocon, ``hocon_parser.yrl``); files are included out of those that were given, and only those.

A piece of a value ends it where a key, an include, a comma, a closing bracket or the end follows; newlines mean nothing, but between
``}`` and ``{``, where they are a comma.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.hocon.errors import HoconError, NotGivenError, UnexpectedTokenError
from components.hocon.nodes import Array, Field, Object, Pieces, Variable
from components.hocon.tokens import END, MOST_TOKENS, Token, shown, tokens

MOST_DEPTH = 100
"""Brackets in brackets; EMQX's own configuration has eight."""
MOST_INCLUDES = 100
Given = Callable[[str, str], tuple[str, str] | None]
"""Name as it stands in the text, file that it stands in -> the given file's name and text; None when it was not given, NO_FILE when it is known that there is none."""
NO_FILE = ("", "")
"""EMQX passes over an ``include`` of it, and refuses ``include required(...)`` (``hocon_token.erl`` of 0.43.3, load_include)."""
_ENDS = frozenset(("key", "include", ",", "}", "]", END))
_SIMPLE = frozenset(("null", "bool", "integer", "float"))
_TEXTS = frozenset(("string", "unqstr"))
_OPENING = frozenset("{[")


def nothing_given(name: str, file: str) -> None:
    """No file at all."""


class Reader:
    """One document: its texts, and what they have in common."""

    def __init__(self, given: Given = nothing_given) -> None:
        """Begin without a text."""
        self.given = given
        self.slots: list[tuple[Pieces, int]] = []
        self.included: list[str] = []
        self.found: dict[tuple[str, str], tuple[str, str] | None] = {}
        self.passed_over: list[tuple[str, int, str]] = []
        self.key_parts = 0

    def text(self, text: str, file: str = "", prefix: tuple[str, ...] = (), above: tuple[str, ...] = ()) -> Object:
        """The root of one text; ``prefix`` is the path at which it is included, ``above`` the files that include it.

        Raises:
            HoconError: it is no HOCON, or includes what was not given.

        """
        try:
            return Object(_Parser(self, tokens(text.removeprefix("\ufeff")), file, prefix, above).document())
        except HoconError as error:
            error.file = error.file or file
            raise

    def include(
        self, name: Token, file: str, path: tuple[str, ...], above: tuple[str, ...], *, is_required: bool
    ) -> list[Field]:
        """The fields of an included file; none of one that is not there."""
        if len(self.included) >= MOST_INCLUDES:
            raise HoconError(f"more than {MOST_INCLUDES} includes", name.line, file)
        found = self.found[name.value, file] = self.given(name.value, file)
        if found is None or (found == NO_FILE and is_required):
            raise NotGivenError(name.value, name.line, file)
        if found == NO_FILE:
            self.passed_over.append((name.value, name.line, file))
            return []
        if found[0] in (*above, file):
            raise HoconError(f"{name.value} includes itself", name.line, file)
        self.included.append(found[0])
        return self.text(found[1], found[0], path, (*above, file)).fields


class _Parser:
    """A cursor over the tokens of one text; each method eats one thing."""

    def __init__(
        self, reader: Reader, found: list[Token], file: str, prefix: tuple[str, ...], above: tuple[str, ...]
    ) -> None:
        self.reader, self.tokens, self.file, self.prefix, self.above = reader, found, file, prefix, above
        self.at = self.depth = 0
        self.path = prefix

    def document(self) -> list[Field]:
        if self.tokens[0].kind == END:
            return []
        if self.tokens[0].kind != "{":
            return self._fields(END, is_open=True)
        self.at = 1
        fields = self._fields("}")
        if self.tokens[self.at].kind != END:
            raise self._not_the_end()
        return fields

    def _fields(self, end: str, *, is_open: bool = False) -> list[Field]:
        fields: list[Field] = []
        may_end = not is_open
        while True:
            kind = self.tokens[self.at].kind
            if kind == "key":
                self._field(fields)
            elif kind == "include":
                self.at += 1
                fields += self._include()
            elif kind == end and may_end:
                self.at += end != END
                return fields
            else:
                raise self._unexpected()
            may_end = True
            if self.tokens[self.at].kind == ",":
                self.at += 1
                may_end = False

    def _field(self, fields: list[Field]) -> None:
        _, key, line = self.tokens[self.at]
        self.at += 1
        path = key if isinstance(key, tuple) else (key,)
        self.reader.key_parts += len(path)
        if len(path) > MOST_DEPTH or self.reader.key_parts > MOST_TOKENS:
            raise HoconError("a key of more parts than any setting has", line)
        outer, self.path = self.path, (*self.path, *path)
        value = self._value()
        self.path = outer
        for part in reversed(path[1:]):
            value = Object([Field(part, value, line, self.file)], is_path=True)
        fields.append(Field(path[0], value, line, self.file, isinstance(key, str)))

    def _include(self) -> list[Field]:
        is_required = self.tokens[self.at].kind == "required"
        self.at += is_required
        name = self.tokens[self.at]
        if name.kind not in _TEXTS:
            raise self._unexpected()
        self.at += 1
        return self.reader.include(name, self.file, self.path, self.above, is_required=is_required)

    def _value(self) -> Any:
        kind, value, _ = self.tokens[self.at]
        if kind in _SIMPLE:
            self.at += 1
            return value
        parts = [self._piece()]
        while not self._ends():
            parts.append(self._piece())
        if len(parts) == 1 and not isinstance(parts[0], Variable):
            return parts[0]
        pieces = Pieces(parts)
        self.reader.slots += [(pieces, at) for at, part in enumerate(parts) if isinstance(part, Variable)]
        return pieces

    def _ends(self) -> bool:
        """Whether the piece before the cursor is the last of its value."""
        after = self.tokens[self.at]
        before = self.tokens[self.at - 1]
        return after.kind in _ENDS or (after.kind == "{" and before.kind == "}" and after.line != before.line)

    def _piece(self) -> Any:
        kind, value, line = self.tokens[self.at]
        if kind in _TEXTS:
            self.at += 1
            return value
        if kind == "variable":
            self.at += 1
            name, is_required = value
            return Variable((*self.prefix, *(part for part in name.split(".") if part)), is_required, line, self.file)
        if kind not in _OPENING:
            raise self._unexpected()
        self.at += 1
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise HoconError(f"more than {MOST_DEPTH} brackets in one another", line)
        found = Object(self._fields("}")) if kind == "{" else Array(self._items())
        self.depth -= 1
        return found

    def _items(self) -> list[Any]:
        items: list[Any] = []
        if self.tokens[self.at].kind == "]":
            self.at += 1
            return items
        while True:
            items.append(self._value())
            kind = self.tokens[self.at].kind
            if kind == "]":
                self.at += 1
                return items
            self.at += kind == ","

    def _unexpected(self) -> UnexpectedTokenError:
        token = self.tokens[self.at]
        self.at += token.kind != END
        return UnexpectedTokenError(shown(token, closes=self._ends()), token.line)

    def _not_the_end(self) -> UnexpectedTokenError:
        """More behind the bracket that closes the whole: it is told of the bracket itself where it could go on, as ``{} {}`` does."""
        if self.tokens[self.at].kind in _ENDS:
            return self._unexpected()
        bracket = self.tokens[self.at - 1]
        return UnexpectedTokenError("','" if self._ends() else "'}'", bracket.line)
