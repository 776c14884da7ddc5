"""Damage: one or a few mutations of a text or an archive, by random numbers that are given.

The rule kept here: the same random numbers do the same damage, and nothing grows beyond ``MOST_BYTES``.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any

MOST_BYTES = 4 << 20
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
