"""Text -> tokens, as EMQX's scanner cuts it (emqx/hocon, ``hocon_scanner.xrl`` and ``hocon_token.erl``): the longest match, then the first rule.

The rule kept here: one compiled pattern, no match of which can go back over what it has taken, so that time grows with the text only.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from components.hocon.errors import HoconError

LINE_ENDS = "\n\r\u2028\u2029"
MOST_DIGITS = 4300
"""Of one number: what Python reads of its own accord; a longer one is an attack."""
MOST_TOKENS = 1_000_000
"""Of one text; a ``cluster.hocon`` with 2,000 rules has 50,000."""
_WORD = r"[A-Za-z][A-Za-z0-9_.@%|-]*+"
_STRING = rf'"(?:[^"\\{LINE_ENDS}]++|\\"?+)*+"'
_TOKENS = re.compile(
    rf"""(?:[\t\v\f\x20\xa0{LINE_ENDS}]++|(?:\#|//)[^{LINE_ENDS}]*+)*+
    (?: ([{{}}\[\],:=])
      | required\(({_STRING})\)
      | ({_WORD})
      | \"\"\"((?:[^"]++|"{{1,2}}+(?!"))*+)\"\"\"
      | ({_STRING})
      | ([+-]?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|\.[0-9]+)
      | ([0-9]+(?:ms|MS|kb|KB|mb|MB|gb|GB|[bBdDhHmMsS%]))
      | ([+-]?[0-9]+)
      | \$\{{(\??)({_WORD})\}}
      | (?s:(.))
      | \Z
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r'\\(?:(["\\nrtbf])|u([0-9A-Fa-f]{4})(?:\\u([0-9A-Fa-f]{4}))?|u)')
_PLAIN_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_LINE_END = re.compile(f"[{LINE_ENDS}]|\\Z")
_CONSTANTS: dict[str, tuple[str, Any]] = {
    "null": ("null", None),
    "true": ("bool", True),
    "false": ("bool", False),
    "include": ("include", None),
}
END = "$end"


class Token(NamedTuple):
    """``kind`` is EMQX's name of it: a punctuator itself, ``key``, ``string``, ``unqstr``, ``integer``...; a key's ``value`` is its path, or its text where it stood in quotes."""

    kind: str
    value: Any
    line: int


def tokens(text: str) -> list[Token]:
    """All tokens, ``$end`` last. A word or string before ``:``, ``=`` or ``{`` is a key; ``:`` and ``=`` themselves are gone, and so is a comma before a closing bracket.

    Raises:
        HoconError: characters that no token has, or more tokens than any configuration.

    """
    found: list[Token] = []
    line, at, size = 1, 0, len(text)
    while at < size:
        match = _TOKENS.match(text, at)
        kind = match.lastindex if match else None
        if match is None or kind is None:
            break
        begin = match.start(kind)
        if begin > at:
            line += text.count("\n", at, begin)
        if len(found) > MOST_TOKENS:
            raise HoconError(f"more than {MOST_TOKENS:,} words and marks", line)
        at = match.end()
        if kind == 1:
            _punctuate(found, match.group(1), line)
        elif kind == 3:
            word = match.group(3)
            name, value = _CONSTANTS.get(word, ("unqstr", word))
            found.append(Token(name, value, line))
        else:
            at = _other(found, match, kind, line) or at
            line += text.count("\n", begin, at) if kind == 4 else 0
    found.append(Token(END, None, found[-1].line if found else line))
    return found


def _punctuate(found: list[Token], mark: str, line: int) -> None:
    last = found[-1] if found else None
    if mark in "=:{":
        if last is not None and last.kind == "unqstr":
            found[-1] = Token("key", tuple(part for part in last.value.split(".") if part), last.line)
        elif last is not None and last.kind == "string":
            found[-1] = Token("key", last.value, last.line)
        if mark == "{":
            found.append(Token(mark, None, line))
        return
    if mark in "}]" and last is not None and last.kind == ",":
        found.pop()
    found.append(Token(mark, None, line))


def _other(found: list[Token], match: re.Match[str], kind: int, line: int) -> int | None:
    """The rarer tokens; where a token ends elsewhere than the match, its end."""
    text = match.group(kind)
    if kind == 2:
        found += (Token("required", None, line), Token("string", unescaped(text, line), line))
    elif kind == 4:
        found.append(Token("string", unindented(text), line))
    elif kind == 5:
        found.append(Token("string", unescaped(text, line), line))
    elif kind == 6:
        found.append(Token("float", _finite(text, line), line))
    elif kind == 7:
        found.append(Token("string", text, line))
    elif kind == 8:
        if len(text) > MOST_DIGITS:
            raise HoconError(f"a number of {len(text)} digits", line)
        found.append(Token("integer", int(text), line))
    elif kind == 10:
        found.append(Token("variable", (text, not match.group(9)), line))
    else:
        return _odd(found, match, text, line)
    return None


def _odd(found: list[Token], match: re.Match[str], char: str, line: int) -> int:
    r"""A quote that no quote closes but an escaped one does, as in ``"C:\\"``; anything else is no HOCON."""
    begin = match.start(match.lastindex or 0)
    end = _LINE_END.search(match.string, begin)
    closing = match.string.rfind('"', begin + 1, end.start()) if char == '"' and end else -1
    if closing < 0:
        raise HoconError("characters that HOCON does not have", line)
    found.append(Token("string", unescaped(match.string[begin : closing + 1], line), line))
    return closing + 1


def _finite(text: str, line: int) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise HoconError("a number that is too large", line)
    return value


def unescaped(quoted: str, line: int) -> str:
    """The value of a string in quotes; a backslash that begins no escape stays.

    Raises:
        HoconError: an escape that is no character.

    """
    text = quoted[1:-1]
    return _ESCAPE.sub(lambda match: _character(match, line), text) if "\\" in text else text


def _character(match: re.Match[str], line: int) -> str:
    plain, first, second = match.groups()
    if plain:
        return _PLAIN_ESCAPES[plain]
    high, low = int(first or "dc00", 16), int(second or "0", 16)
    if 0xD800 <= high <= 0xDBFF and 0xDC00 <= low <= 0xDFFF:
        return chr(0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF))
    if 0xD800 <= high <= 0xDFFF or 0xD800 <= low <= 0xDFFF:
        raise HoconError("an escape of no character", line)
    return chr(high) + (chr(low) if second else "")


def unindented(text: str) -> str:
    """The value between triple quotes: as it stands, or, after ``~`` and the end of a line, without its common indentation."""
    begin = next((mark for mark in ("~\n", "~\r\n") if text.startswith(mark)), None)
    if begin is None:
        return text
    *lines, last = text[len(begin) :].split("\n")
    last = last.removesuffix("~")
    counted = [_indent(line) for line in lines if line not in ("", "\r")]
    least = min(counted, default=0) if lines else _indent(last) if last not in ("", "\r") else 0
    if lines and last not in ("", "\r") and last.strip(" "):
        least = min(least, _indent(last))
    return "\n".join(line[least:] if line != "\r" else line for line in (*lines, last))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def shown(token: Token, closes: bool) -> str:
    """A token as EMQX's parser names it in ``syntax error before: X``; ``closes`` says that its bracket ends a value."""
    kind, value = token.kind, token.value
    if kind == END:
        return ""
    if kind in ("}", "]") and closes:
        return "endobj" if kind == "}" else "endarr"
    if kind in "{}[],":
        return f"'{kind}'"
    if kind == "variable":
        return f'<<"{value[0]}">>' if value[1] else f'{{maybe,<<"{value[0]}">>}}'
    if isinstance(value, tuple):
        return "{keypath,[" + ",".join(f'<<"{part}">>' for part in value) + "]}"
    return kind if value is None else json.dumps(value, ensure_ascii=False)
