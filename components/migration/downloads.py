"""What people have of an export: as the node wrote it, as the API handed it out, packed, with a byte order mark, under any name.

The rule kept here: a file is known by its content, never by its name alone, and what is unpacked is bounded before it is unpacked.
"""

from __future__ import annotations

import codecs
import re
import zlib
from typing import Any

from components.migration import strict
from components.migration.manifest import BadSource

MOST_UNPACKED_BYTES = 256 << 20
AGAIN = "export again and copy the whole file"
_GZIP = b"\x1f\x8b"
_TAR_MAGIC = slice(257, 262)
_EXPORT = re.compile(
    r"""\\?"(?:version\\?"\s*:\s*\\?"[ev]?4\.\d|(?:auth_mnesia|acl_mnesia|auth_username|auth_clientid)\\?"\s*:\s*\[)"""
)
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def unpacked(file: str, data: bytes) -> bytes:
    """What a file packed with gzip holds; any other as it is, and so is a packed tar, which is an archive.

    Raises:
        BadSource: it is cut off or damaged, or holds more than ``MOST_UNPACKED_BYTES``.

    """
    if not data.startswith(_GZIP):
        return data
    reader = zlib.decompressobj(wbits=31)
    try:
        plain = reader.decompress(data, MOST_UNPACKED_BYTES + 1)
    except zlib.error:
        raise BadSource(file, "", "damaged gzip", AGAIN) from None
    if plain[_TAR_MAGIC] == b"ustar":
        return data
    if len(plain) > MOST_UNPACKED_BYTES:
        seen = f"more than {MOST_UNPACKED_BYTES >> 20} MiB when it is unpacked"
        raise BadSource(file, "", seen, "give the export itself")
    if not reader.eof:
        raise BadSource(file, "", "gzip that ends in the middle (truncated)", AGAIN)
    return plain


def is_packed(data: bytes) -> bool:
    """Whether it is packed with gzip."""
    return data.startswith(_GZIP)


def decoded(file: str, data: bytes) -> str:
    """UTF-8 with or without a byte order mark.

    Raises:
        BadSource: anything else, with the line of the first byte.

    """
    if data.startswith(_WIDE):
        remedy = "save it as UTF-8, for instance: iconv -f UTF-16 -t UTF-8"
        raise BadSource(file, "line 1", "UTF-16, as Windows PowerShell writes it", remedy)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadSource(file, f"line {line}", "bytes that are no UTF-8", "save the file as UTF-8") from None


def is_export(text: str) -> bool:
    """Whether it is one of 4.x, or what the API wraps around one, be it whole or cut off."""
    return text.lstrip()[:1] == "{" and _EXPORT.search(text) is not None


def inner(file: str, value: Any) -> Any:
    """The export in what the API answers: ``{filename, file}``, with ``file`` as JSON text, or that below ``data`` (docs/emqx/v4-data.md#export).

    Raises:
        BadSource: the text in ``file`` is cut off or no JSON.

    """
    while isinstance(value, dict) and "version" not in value:
        if isinstance(value.get("file"), str):
            value = strict.parse(f"{file} (its file)", value["file"], AGAIN)
        elif isinstance(value.get("data"), dict):
            value = value["data"]
        else:
            break
    return value
