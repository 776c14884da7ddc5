"""The Erlang terms of ``acl.conf``: read with the place of each term and of an error, and written again.

The rule kept here: what ``file:consult`` of 4.4 would not read is refused with its line; nothing is skipped.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

MAX_DEPTH = 50
MOST_TOKENS = 300_000
"""Of a file: some 20,000 rules."""


class TermError(ValueError):
    """Not an Erlang term: the line (from 1) and what was seen."""

    def __init__(self, line: int, seen: str) -> None:
        """Keep both parts."""
        self.line, self.seen = line, seen
        super().__init__(f"line {line}: {seen}")


@dataclass(frozen=True)
class Atom:
    """``allow``, ``'and'``."""

    name: str


@dataclass(frozen=True)
class Text:
    """A string ``"..."`` or a binary ``<<"...">>``.

    4.4 makes bytes of a string by ``list_to_binary``: one byte a character, so that a letter above U+007F is not what a client
    sends in UTF-8. A binary without ``/utf8`` is the same.
    """

    text: str
    is_binary: bool = False
    is_utf8: bool = False


Term = Atom | Text | int | tuple["Term", ...] | list["Term"]


class Placed(NamedTuple):
    """A term and the line that it begins in."""

    line: int
    term: Term


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


# Possessive throughout: what can be taken back is kept in memory for each letter.
_TOKENS = re.compile(
    r"""(?P<blank>(?:\s++|%[^\n]*+)++)|(?P<binary><<\s*"(?P<bits>(?:[^"\\]++|\\.)*+)"\s*(?P<utf8>/\s*utf8)?\s*>>)
    |(?P<string>"(?:[^"\\]++|\\.)*+")|(?P<quoted>'(?:[^'\\]++|\\.)*+')|(?P<atom>[a-z][A-Za-z0-9_@]*)|(?P<number>-?\d+)|(?P<mark>[{}\[\],])|(?P<dot>\.(?=\s|%|\Z))""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "s": " ",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "e": "\x1b",
    "d": "\x7f",
    "0": "\0",
}


def _tokens(text: str) -> Iterator[_Token]:
    place, line = 0, 1
    while place < len(text):
        found = _TOKENS.match(text, place)
        if found is None:
            raise TermError(line, _no_term(text[place]))
        kind = found.lastgroup or ""
        kind = "binary" if found["binary"] else kind
        if kind == "binary":
            yield _Token("binary/utf8" if found["utf8"] else "binary", found["bits"], line)
        elif kind != "blank":
            yield _Token(kind, found[0], line)
        line += found[0].count("\n")
        place = found.end()


def _no_term(letter: str) -> str:
    """What stands where a term should, in words."""
    if letter == "#":
        return "a line that begins with #: this file is Erlang, in which %% begins a comment and # does not"
    return "no Erlang term here" if letter not in "\"'<" else "a string that does not end here, or no term"


_ESCAPE = re.compile(
    r"\\(?:x\{(?P<long>[0-9A-Fa-f]+)\}|x(?P<short>[0-9A-Fa-f]{2})|(?P<octal>[0-7]{1,3})|\^(?P<control>.)|(?P<char>.))",
    re.DOTALL,
)


def _unescape(body: str, line: int) -> str:
    """The characters that a quoted text stands for, as erl_scan reads them."""

    def one(found: re.Match[str]) -> str:
        digits = found["long"] or found["short"]
        if digits or found["octal"]:
            code = int(digits, 16) if digits else int(found["octal"], 8)
            if code > sys.maxunicode or 0xD800 <= code <= 0xDFFF:
                raise TermError(line, "a character that does not exist")
            return chr(code)
        if found["control"]:
            return chr(ord(found["control"]) & 31)
        return _ESCAPES.get(found["char"], found["char"])

    return _ESCAPE.sub(one, body)


@dataclass
class _Reader:
    tokens: list[_Token]
    place: int = field(default=0)

    def peek(self) -> _Token:
        """The next token; at the end, one of kind ``end``."""
        if self.place < len(self.tokens):
            return self.tokens[self.place]
        return _Token("end", "the end of the file", self.tokens[-1].line if self.tokens else 1)

    def take(self) -> _Token:
        """The next token, consumed."""
        token = self.peek()
        self.place += 1
        return token

    def term(self, depth: int = 0) -> Term:
        """One term."""
        token = self.take()
        if depth > MAX_DEPTH:
            raise TermError(token.line, "nested too deep")
        match token.kind:
            case "atom":
                return Atom(token.text)
            case "quoted":
                return Atom(_unescape(token.text[1:-1], token.line))
            case "number":
                return int(token.text)
            case "binary" | "binary/utf8":
                return Text(_unescape(token.text, token.line), is_binary=True, is_utf8=token.kind == "binary/utf8")
            case "string":
                return Text(self._joined(_unescape(token.text[1:-1], token.line)))
        if token.kind == "mark" and token.text in "{[":
            parts = self._parts("}" if token.text == "{" else "]", depth + 1)
            return tuple(parts) if token.text == "{" else parts
        raise TermError(token.line, f"syntax error before {token.text[:20]!r}")

    def _joined(self, text: str) -> str:
        """Strings beside each other are one."""
        while self.peek().kind == "string":
            token = self.take()
            text += _unescape(token.text[1:-1], token.line)
        return text

    def _parts(self, closing: str, depth: int) -> list[Term]:
        parts: list[Term] = []
        if self.peek().text == closing and self.peek().kind == "mark":
            self.take()
            return parts
        while True:
            parts.append(self.term(depth))
            token = self.take()
            if token.kind == "mark" and token.text == closing:
                return parts
            if token.kind != "mark" or token.text != ",":
                raise TermError(token.line, f"syntax error before {token.text[:20]!r}")


def parse(text: str) -> list[Placed]:
    """All terms of a file.

    Raises:
        TermError: at the first place that is no term, or where a term is not ended by a dot.

    """
    found = list(islice(_tokens(text), MOST_TOKENS + 1))
    if len(found) > MOST_TOKENS:
        raise TermError(
            found[-1].line, f"more than {MOST_TOKENS:,} words and marks; 4.x would ask each rule for each message"
        )
    reader = _Reader(found)
    terms = []
    while reader.peek().kind != "end":
        line = reader.peek().line
        terms.append(Placed(line, reader.term()))
        dot = reader.take()
        if dot.kind != "dot":
            raise TermError(dot.line, f"a dot is missing before {dot.text[:20]!r}")
    return terms


def write(term: Term) -> str:
    """A term as text that ``parse`` and Erlang read; strings in UTF-8."""
    match term:
        case Atom(name):
            return (
                name
                if re.fullmatch(r"[a-z][A-Za-z0-9_@]*", name) and name not in ("and", "or", "not")
                else f"'{_escape(name, chr(39))}'"
            )
        case Text(text):
            return f'"{_escape(text, chr(34))}"'
        case tuple():
            return "{" + ", ".join(write(part) for part in term) + "}"
        case list():
            return "[" + ", ".join(write(part) for part in term) + "]"
        case int():
            return str(term)


def _escape(text: str, quote: str) -> str:
    """Escapes for quotes, backslashes and control characters."""
    out = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    return "".join(char if char.isprintable() else f"\\x{{{ord(char):x}}}" for char in out)
