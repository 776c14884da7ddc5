"""HOCON of 5.x (``cluster.hocon``, ``emqx.conf``, ``base.hocon``) as a tree of plain values; read only, nothing that a text includes is ever opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pyhocon import config_parser
from pyhocon.config_parser import ConfigFactory, ConfigParser
from pyhocon.exceptions import ConfigException
from pyparsing import ParseBaseException

from components.migration.manifest import BadSource

_INCLUDED = "an include, which is not followed"
_INCLUDE = re.compile(r"(?i)^\s*include\b")


class _IncludedError(ConfigException):
    """The parser was about to open what a text names."""

    def __init__(self) -> None:
        """Its own words; the text's stay out."""
        super().__init__(_INCLUDED)  # type: ignore[no-untyped-call]  # pyhocon's


class _NoInclude(ConfigFactory):
    """What the parser asks for the content of an include, which may be any file of this machine and any address of its network."""

    @classmethod
    def parse_file(cls, *_: object, **__: object) -> None:
        """Never."""
        raise _IncludedError

    @classmethod
    def parse_URL(cls, *_: object, **__: object) -> None:  # noqa: N802 - the parser's name
        """Never."""
        raise _IncludedError


class _Parser(ConfigParser):
    """The parser, which looks for packages by itself."""

    @classmethod
    def resolve_package_path(cls, *_: object) -> None:
        """Never."""
        raise _IncludedError


def _no_glob(*_: object, **__: object) -> None:
    """Not even looked for: ``include "/**"``."""
    raise _IncludedError


_parse: Callable[..., Any] = _Parser.parse  # untyped; its answer is a ConfigTree
# There is no option for it, and an include can stand anywhere: {a = 1, include url("http://...")}.
config_parser.ConfigFactory = _NoInclude  # type: ignore[misc]  # replaced on purpose
config_parser.glob = _no_glob  # type: ignore[assignment, attr-defined]  # as above


_UNREADABLE = (
    *(ParseBaseException, ConfigException, RecursionError),
    *(AttributeError, ValueError, ImportError, KeyError, TypeError),  # the parser's own, on odd texts
)


@dataclass(frozen=True)
class Hocon:
    """One file: its text, for rules about spelling, and its tree."""

    file: str
    text: str
    tree: Mapping[str, Any]

    def find(self, path: str) -> Iterator[tuple[str, Any]]:
        """Every value whose path matches, ``*`` being one part of it: ``connectors.dynamo.*.region``; list items are parts too."""
        return _find(self.tree, path.split("."), "")

    def line(self, path: str) -> int | None:
        """About where a path stands: each of its keys is looked for from the line of the key above it. The parser keeps no lines."""
        lines = self.text.splitlines()
        found: int | None = None
        for name in (part for part in path.split(".") if not part.isdecimal()):
            key = re.compile(rf"(?<![\w-])\"?{re.escape(name)}\"?\s*[.{{=:]")
            after = (
                number for number in range(found or 1, len(lines) + 1) if key.search(lines[number - 1].split("#", 1)[0])
            )
            place = next(after, None)
            if place is None:
                break
            found = place
        return found


def parse(file: str, text: str) -> Hocon:
    """Read a HOCON text.

    Raises:
        BadSource: it is no HOCON, or it includes other files.

    """
    try:
        plain = _parse(text, resolve=False).as_plain_ordered_dict()
    except _IncludedError:
        line = next((f"line {n}" for n, line in enumerate(text.splitlines(), start=1) if _INCLUDE.match(line)), "")
        raise BadSource(file, line, _INCLUDED, "give the included file by itself") from None
    except _UNREADABLE as error:
        place = f"line {error.lineno}" if isinstance(error, ParseBaseException) else ""
        raise BadSource(file, place, "no HOCON", "take the file from the node again; it may be truncated") from None
    return Hocon(file, text, plain)


def _find(tree: Any, parts: list[str], path: str) -> Iterator[tuple[str, Any]]:
    if not parts:
        yield path, tree
        return
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in items:
        if fnmatchcase(str(name).strip('"'), parts[0]):
            yield from _find(value, parts[1:], f"{path}.{name}" if path else str(name))
