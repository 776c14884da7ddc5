"""Words of shells and what ``$`` makes of them; shlex divides, this adds what it leaves out: comments, continuations, literal dollars.

The rule kept here: what a command would answer (``$(...)``, backquotes) is not known, and so is every variable that nobody gave.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

DOLLAR, ANSWER, SPLIT = "\ue000", "\ue001", ";&|()<>"
"""Stand for a literal ``$`` and for the answer of a command; private characters, so that shlex takes them as letters."""
MOST_NESTED = 20
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_FORM = re.compile(r"([A-Za-z_]\w*)(?:(:?[-?+])(.*))?", re.ASCII | re.DOTALL)
Lookup = Callable[[str], str | None]


class Expanded(NamedTuple):
    """A text with its variables put in; None where ``missing`` names one that is not known."""

    text: str | None
    missing: str = ""


def commands(text: str) -> list[list[str]]:
    """The simple commands of a script as words, ``$`` not yet looked at.

    Raises:
        ValueError: a quotation without end.

    """
    lexer = shlex.shlex(_prepared(text, is_script=True), posix=True, punctuation_chars=SPLIT)
    lexer.whitespace_split, lexer.commenters = True, ""
    found: list[list[str]] = [[]]
    for word in lexer:
        if word and not word.strip(SPLIT):
            found.append([])
        else:
            found[-1].append(word)
    return [command for command in found if command]


def words(text: str, *, dollars: bool = True) -> list[str]:
    """Words divided by blanks, where quotes and backslashes are all that counts, and dollars if they do.

    Raises:
        ValueError: a quotation without end.

    """
    lexer = shlex.shlex(_prepared(text if dollars else text.replace("$", DOLLAR)), posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    return list(lexer)


def _prepared(text: str, *, is_script: bool = False) -> str:
    """Continued lines joined and literal dollars marked; of a script comments gone, line ends as ``;``, answers of commands marked."""
    out: list[str] = []
    at, quote = 0, ""
    while at < len(text):
        letter, two = text[at], text[at : at + 2]
        if two == "\\\n" and quote != "'":
            at += 2
            continue
        if letter == "\\" and quote != "'" and len(two) == 2:
            out.append(DOLLAR if two == "\\$" else two)
            at += 2
            continue
        if is_script and (two == "$(" or letter == "`") and quote != "'":
            out.append(ANSWER)
            at = _end_of_answer(text, at)
            continue
        if letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
        if is_script and letter == "#" and not quote and (not out or out[-1][-1] in " \t;&|()"):
            at = next((place for place in range(at, len(text)) if text[place] == "\n"), len(text))
            continue
        ends = is_script and letter == "\n" and not quote
        out.append(";" if ends else DOLLAR if letter == "$" and quote == "'" else letter)
        at += 1
    return "".join(out)


def _end_of_answer(text: str, at: int) -> int:
    """Behind ``$(...)`` or a pair of backquotes."""
    if text[at] == "`":
        end = text.find("`", at + 1)
        return len(text) if end < 0 else end + 1
    depth = 0
    for place in range(at + 1, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    return len(text)


def plain(text: str) -> str:
    """Literal dollars written again."""
    return text.replace(DOLLAR, "$")


def expand(text: str, lookup: Lookup, *, doubled: bool = False, depth: int = 0) -> Expanded:
    """Put variables in: ``$X``, ``${X}``, ``${X:-default}``, ``${X-default}``, ``${X:+other}``, ``${X:?word}``.

    Args:
        text: as it stands between quotes.
        lookup: the value of a name; None where nobody gave it.
        doubled: whether ``$$`` is one dollar, as in compose files.
        depth: of defaults in defaults.

    """
    if ANSWER in text:
        return Expanded(None, "the answer of a command")
    out: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "$":
            end = text.find("$", at)
            out.append(text[at : end if end >= 0 else len(text)])
            at = end if end >= 0 else len(text)
            continue
        if doubled and text[at : at + 2] == "$$":
            out.append("$")
            at += 2
            continue
        form, at = _form(text, at)
        value = _value(form, lookup, doubled=doubled, depth=depth)
        if value.text is None:
            return value
        out.append(value.text)
    return Expanded("".join(out))


def _form(text: str, at: int) -> tuple[str, int]:
    """What stands behind the dollar at ``at``, without braces, and the place behind it."""
    if text[at + 1 : at + 2] != "{":
        found = _PLAIN.match(text, at + 1)
        return (found[0], found.end()) if found else (text[at + 1 : at + 2], at + 2)
    depth = 0
    for place in range(at + 1, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[at + 2 : place], place + 1
    return "", len(text)


def _value(form: str, lookup: Lookup, *, doubled: bool, depth: int) -> Expanded:
    found = _FORM.fullmatch(form)
    if found is None or depth > MOST_NESTED:
        return Expanded(None, f"${form}")
    name, sign, rest = found.groups()
    value = lookup(name)
    if sign in ("+", ":+"):
        return expand(rest, lookup, doubled=doubled, depth=depth + 1) if value else Expanded(None, name)
    if value or (value is not None and sign in (None, "-", "?")):
        return Expanded(value)
    if sign in ("-", ":-"):
        return expand(rest, lookup, doubled=doubled, depth=depth + 1)
    return Expanded(None, name)
