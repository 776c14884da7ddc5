"""Inputs made from those that are right: a few files of the samples and field cases, one or two of them damaged, and a command that reads them.

The rule kept here: the same random numbers make the same input.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

MOST_BYTES = 4 << 20
ROOMS = ("field", "migration", "hop_44_5")
COMMANDS = (
    ("convert", "4.2.11", "4.3.22"),
    ("convert", "4.4.19", "5.8.11"),
    ("convert", "4.4.19", "5.8.11"),
    ("convert", "4.0.7", "4.3.22"),
    ("check", "4.4.19", "5.8.11"),
    ("check", "5.0.26", "5.8.9"),
    ("check", "5.6.1", "5.10.4"),
    ("check", "5.8.11", "6.0.1"),
    ("prove", "4.4.19", "5.8.11"),
)
FITTING = {
    ".tar.gz": (("check", "5.8.11", "5.10.4"), ("check", "5.8.10", "5.8.11"), ("check", "5.8.9", "6.0.1")),
    "v4.2.10": (("convert", "4.2.10", "4.3.22"), ("check", "4.2.10", "4.3.22")),
    "4.2": (("convert", "4.2.11", "4.3.22"), ("check", "4.2.11", "4.3.22")),
    "hop_42_43": (("convert", "4.2.11", "4.3.22"), ("prove", "4.2.11", "4.3.22")),
    "4.3": (("check", "4.3.22", "4.4.19"), ("prove", "4.3.22", "4.4.19")),
    "08-module": (("convert", "4.0.7", "4.3.22"),),
    "10-env": (("check", "5.6.1", "5.10.4"), ("check", "5.8.11", "6.0.1")),
    "11-hocon": (("check", "5.0.26", "5.8.9"), ("check", "5.6.1", "5.10.4")),
    "19-source": (("check", "5.0.26", "5.8.9"),),
    "": (
        ("convert", "4.4.19", "5.8.11"),
        ("convert", "4.4.19", "5.8.11"),
        ("prove", "4.4.19", "5.8.11"),
        ("check", "4.4.19", "5.8.11"),
    ),
}
"""Which command reads the files of a path, so that most inputs come to what reads them."""
TOKENS = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"'",
        b'"""',
        b"#",
        b"%%",
        b"$",
        b"${",
        b"}",
        b":",
        b"=",
        b",",
        b".",
        b"\n",
        b"\r\n",
    ),
    *(
        b"\\",
        b"\\u",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xf0\x9f\x8c\xb5",
        b"null",
        b"true",
        b"off",
        b"-1",
        b"1e999",
        b"NaN",
    ),
    *(
        b"9" * 400,
        b'include "x"\n',
        b"EMQX_A__B=1\n",
        b"{allow, all}.\n",
        b"&a [*a]",
        b"!!python/object",
        b"<<",
        b"\\N{DASH}",
    ),
    *(
        b"\x1f\x8b",
        b"ustar",
        b"%c",
        b"%u",
        b"+",
        b"../",
        b"$SYS/",
        b"&x",
        b"- |\n",
        b"- >-\n",
        b"---\n",
        b"\t",
        b" " * 30,
    ),
)
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        10**30,
        1.5,
        "",
        " ",
        "null",
        "\x00",
        "%c",
        "%u/#",
        "+/#",
        "\U0001f335",
        "a" * 300,
        "${x}",
        "SELECT",
    ),
    *([], {}, [[]], [{}], {"": ""}, [None], "{}", "[1]", '"', "\\", "1.2.3.4:99999", "http://", "10s", "true"),
)
MANY = (
    b"[",
    b"{",
    b"(",
    b'{"a":',
    b"a.",
    b"- ",
    b"'",
    b'"',
    b"#",
    b"\\",
    b" ",
    b"\n",
    b"${",
    b"{{",
    b"&a ",
    b"*",
    b"a=1\n",
    b"%",
)


@dataclass(frozen=True)
class Case:
    """Files by name, and the arguments of the program, in which ``{in}`` and ``{out}`` are their directories."""

    name: str
    files: dict[str, bytes]
    arguments: tuple[str, ...]

    def exports(self) -> Iterator[dict[str, Any]]:
        """The exports among the files that are named one by one, as far as they still are any; in a directory a suffix hides them."""
        for content in self.files.values() if "{in}" not in self.arguments else ():
            try:
                value = json.loads(content.decode("utf-8-sig"))
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict) and "version" in value:
                yield value


@cache
def corpus(directory: Path) -> tuple[tuple[str, bytes], ...]:
    """All files to begin with, by path below the directory."""
    files = sorted(file for room in ROOMS for file in (directory / room).rglob("*") if file.is_file())
    return tuple((str(file.relative_to(directory)), file.read_bytes()) for file in files)


def make(directory: Path, rng: random.Random) -> Case:
    """One input."""
    known = corpus(directory)
    first = rng.choice(known)
    near = [one for one in known if one[0].rpartition("/")[0] == first[0].rpartition("/")[0] and _goes_with(one, first)]
    chosen = dict(
        [
            first,
            *rng.sample(near, rng.randint(0, min(4, len(near)))),
            *rng.sample(known, rng.choice((0, 0, 0, 0, 1, 2))),
        ]
    )
    damaged = rng.sample(sorted(chosen), rng.randint(1, min(2, len(chosen))))
    for name in damaged:
        chosen[name] = mutated(chosen[name], rng)
    files = {
        f"{number}/{name.rpartition('/')[2]}": content for number, (name, content) in enumerate(sorted(chosen.items()))
    }
    fitting = next((pairs for mark, pairs in FITTING.items() if mark in first[0]), COMMANDS)
    command, origin, target = rng.choice(fitting if rng.random() < 0.9 else COMMANDS)
    sources = ("{in}",) if rng.random() < 0.5 else tuple("{in}/" + name for name in files)
    more = ("--out", "{out}") if command == "convert" else ()
    edition = _edition(first[0], rng)
    target = "5.8.9" if (edition, target) == ("ce", "5.8.11") else target
    arguments = (command, *sources, "--from", origin, "--to", target, "--edition", edition, *more)
    return Case(f"{command} {origin} {sorted(chosen)}", files, arguments)


def _goes_with(one: tuple[str, bytes], first: tuple[str, bytes]) -> bool:
    """Two exports or archives are refused by themselves."""
    return not all(name.lower().endswith((".json", ".gz")) for name, _ in (one, first))


def _edition(name: str, rng: random.Random) -> str:
    known = "ee" if any(mark in name for mark in ("ee-", "07-", "by-", "with-", "4.2.1")) else "ce"
    return known if rng.random() < 0.8 else rng.choice(("ee", "ce"))


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content after a few mutations; what is packed is damaged inside, mostly."""
    if content[:2] == b"\x1f\x8b" and rng.random() < 0.8:
        return gzip.compress(mutated(gzip.decompress(content), rng), 1)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        content = rng.choice(MUTATIONS)(content, rng)[:MOST_BYTES]
    return content if rng.random() > 0.02 else zlib.compress(content, wbits=31)


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    begin = rng.randint(0, len(content))
    return begin, min(len(content), begin + rng.choice((1, 2, 8, 40, 400, 4000)))


def _flip(content: bytes, rng: random.Random) -> bytes:
    begin, _ = _span(content, rng)
    return content[:begin] + bytes([rng.randrange(rng.choice((128, 256)))]) + content[begin + 1 :]


def _drop(content: bytes, rng: random.Random) -> bytes:
    begin, end = _span(content, rng)
    return content[:begin] + content[end:]


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randint(0, len(content))]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    begin, end = _span(content, rng)
    return content[:begin] + content[begin:end] * rng.choice((2, 3, 100, 10_000)) + content[end:]


def _insert(content: bytes, rng: random.Random) -> bytes:
    begin, _ = _span(content, rng)
    return content[:begin] + rng.choice(TOKENS) + content[begin:]


def _flood(content: bytes, rng: random.Random) -> bytes:
    begin, _ = _span(content, rng)
    return content[:begin] + rng.choice(MANY) * rng.choice((50, 2000, 100_000, 1_000_000)) + content[begin:]


def _swap(content: bytes, rng: random.Random) -> bytes:
    begin, end = _span(content, rng)
    first, last = _span(content, rng)
    return content[:begin] + content[first:last] + content[end:]


def _lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def _value(content: bytes, rng: random.Random) -> bytes:
    """JSON stays JSON, with other values: what is read as an export must survive what nobody exports."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return _insert(content, rng)
    for _ in range(rng.choice((1, 3, 10))):
        tree = _changed(tree, rng)
    return json.dumps(tree).encode()


def _changed(tree: Any, rng: random.Random) -> Any:
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree))) if isinstance(tree, list) else []
    if not keys or rng.random() < 0.1:
        return deepcopy(rng.choice(ODD))
    key = rng.choice(keys)
    if rng.random() < 0.1:
        del tree[key]
    elif rng.random() < 0.1 and isinstance(tree, list):
        tree.insert(key, tree[key])
    else:
        tree[key] = _changed(tree[key], rng)
    return tree


def _line(content: bytes, rng: random.Random) -> bytes:
    """A setting with another value, a line away or there twice."""
    lines = content.splitlines(keepends=True) or [b""]
    at = rng.randrange(len(lines))
    key, mark, _ = lines[at].partition(b"=" if b"=" in lines[at] else b":")
    lines[at : at + 1] = rng.choice(([], [lines[at]] * 2, [key + (mark or b"=") + rng.choice(TOKENS) + b"\n"]))
    return b"".join(lines)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _drop, _cut, _repeat, _insert, _insert, _flood, _swap, _lines, *(_value,) * 12, *(_line,) * 12),
)
