"""What every spelling answers with: variables of EMQX as the container would get them, and what is not known here.

The rule kept here: a value is the container's own text or None with its reason; it is never a guess, and nothing is opened but what was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from components.migration.configs.flat import Setting
from components.migration.configs.terms import Loaded
from components.migration.manifest import BadSource

PREFIX = "EMQX_"
NAME = re.compile(r"EMQX_\w+", re.ASCII)
MENTION = re.compile(r"(?<![\w$({])EMQX_\w+", re.ASCII)
"""A name of a variable of EMQX, but for where it is only read: ``$EMQX_X``, ``${EMQX_X}``, ``$(EMQX_X)``."""
_NAMEABLE = re.compile(r"[\w.]+", re.ASCII)
GIVE = "give it: EMQX_NAME=value in a file of its own, named as one more SOURCE"
ODD = "it speaks of a variable of EMQX and does not set it in a form that is known here"
ODD_TODO = "write it as EMQX_NAME=value in a file of its own and convert again"
MOST_CHARACTERS = 300_000
"""Of a file with variables; the largest chart's values have some 30,000, and readers of shell and YAML take seconds for a megabyte."""


class Document(NamedTuple):
    """A text and the path that a person gave it by."""

    file: str
    text: str

    @property
    def name(self) -> str:
        """Its last part."""
        return self.file.replace("\\", "/").rsplit("/", 1)[-1]


class Variable(NamedTuple):
    """One variable of a node, in the file and line (from 1) where it stands; ``value`` is None where ``why`` says that it is not known here.

    ``name`` is empty for a line, or a reference to another file, that may set any variable. ``where`` is the container or unit.
    """

    file: str
    line: int
    name: str
    value: str | None
    where: str = ""
    why: str = ""
    todo: str = GIVE

    @property
    def key(self) -> str:
        """``auth.mongo.login`` of ``EMQX_AUTH__MONGO__LOGIN``."""
        return key_of(self.name)

    @property
    def setting(self) -> Setting | None:
        """What it sets in 4.x; the image takes control characters out (docker-entrypoint.sh) and leaves the default where nothing is left."""
        if self.value is None:
            return None
        return Setting(self.file, self.line, self.key, re.sub(r"[\x00-\x1f\x7f]", "", self.value).strip(" \t"))


@dataclass(frozen=True)
class Reading:
    """What one file says: variables, the later of a name counts; files that lie in it, such as an acl.conf; and what else was read for it."""

    variables: tuple[Variable, ...] = ()
    files: tuple[Document, ...] = ()
    read_with: frozenset[str] = field(default_factory=frozenset)


class Beside:
    """The other files that were given; a reference is found by the end of its path."""

    def __init__(self, documents: Iterable[Document]) -> None:
        """All of them, in the order given."""
        self.documents = tuple(documents)

    def find(self, reference: str) -> Document | None:
        """The file whose path ends like the reference, the longest agreement first; None where it was not given."""
        wanted = _parts(reference)
        scored = [(_agreement(_parts(one.file), wanted), one) for one in self.documents]
        best = max((score for score, _ in scored), default=0)
        return next((one for score, one in scored if score == best), None) if best else None

    def named(self, name: str) -> Iterator[Document]:
        """The files whose last part is this."""
        return (one for one in self.documents if one.name == name)


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path.replace("\\", "/")).parts[::-1]


def _agreement(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def key_of(name: str) -> str:
    """``auth.mongo.login`` of ``EMQX_AUTH__MONGO__LOGIN``."""
    return name.removeprefix(PREFIX).lower().replace("__", ".")


def name_of(key: str) -> str:
    """``EMQX_AUTH__MONGO__LOGIN`` of ``auth.mongo.login``."""
    return PREFIX + key.upper().replace(".", "__")


def is_nameable(key: str) -> bool:
    """Whether a setting can be a variable at all: ``content-type`` cannot."""
    return _NAMEABLE.fullmatch(key) is not None


def loads(variables: Iterable[Variable], what: str = "loaded_plugins") -> Iterator[Loaded]:
    """What ``EMQX_LOADED_PLUGINS`` (``EMQX_LOADED_MODULES``) makes the image switch on, besides what the node's own file says."""
    last = [one for one in variables if one.key == what and one.setting is not None][-1:]
    for one in last:
        for name in re.findall(r"\w+", one.setting.value if one.setting else "", re.ASCII):
            yield Loaded(one.file, one.line, name, True)


def lines_of_text(text: str) -> list[str]:
    """Lines as these formats have them; the form feeds and separators of ``splitlines`` are letters of a value here."""
    return text.replace("\r\n", "\n").split("\n")


class Places:
    """Lines by what stands in them: the n-th mention of a name is where the n-th variable of that name stands."""

    def __init__(self, text: str) -> None:
        """Every line that has a name of EMQX's in it, read once."""
        self._lines: dict[str, list[int]] = {}
        for number, line in enumerate(lines_of_text(text), start=1):
            for name in NAME.findall(line):
                self._lines.setdefault(name, []).append(number)

    def of(self, name: str) -> int:
        """The next line of this name; 1 where there is none."""
        lines = self._lines.get(name) or [1]
        return lines.pop(0) if len(lines) > 1 else lines[0]


def odd(document: Document, read: Iterable[Variable], comment: str = r"(?:^|\s)#.*") -> Iterator[Variable]:
    """Lines that speak of variables which this reading did not find: they are in the account, not passed over."""
    found = list(read)
    names = {one.name for one in found}
    # a value may be the name of a variable, which is not set by that
    values = {name for one in found for name in MENTION.findall(one.value or "")}
    for number, line in enumerate(lines_of_text(document.text), start=1):
        spoken = set(MENTION.findall(re.sub(comment, "", line)))
        if spoken - names - values:
            yield Variable(document.file, number, "", None, why=ODD, todo=ODD_TODO)


def require_size(document: Document) -> None:
    """Refuse what no person writes by hand.

    Raises:
        BadSource: too long to be read as a file of variables.

    """
    if len(document.text) > MOST_CHARACTERS:
        seen = f"more than {MOST_CHARACTERS:,} characters, for a file that sets variables"
        raise BadSource(document.file, "", seen, "give the part that is about EMQX")
