"""A packed tar file as a stream of its files, of which nothing is written anywhere.

The rule kept here: what is unpacked is bounded before it is unpacked: bytes in all, files, headers; and nothing but a plain file under a
plain path is taken.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Callable
from typing import IO, Final, Self

from components.migration.manifest import BadSource

MOST_BYTES: Final = 256 << 20
MOST_FILES: Final = 10_000
"""EMQX writes one for each table, and a few of certificates and schemas."""
MOST_HEADER_BYTES: Final = 64 << 10
"""Of a long name, or of a header that says more of the next file."""
AGAIN: Final = "export again and copy the whole file; do not edit or rename it"
ON_THE_NODE: Final = "use `emqx ctl data import` on the node itself"
_PIECE: Final = 1 << 20
_FED: Final = 64 << 10
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class _TooLargeError(Exception):
    """More than a bound; its words say which."""


class _Unpacked(io.RawIOBase):
    """What gzip holds, as a file that is read forwards."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.rest = data, 0, b""
        self.stream = zlib.decompressobj(wbits=31)
        self.left = MOST_BYTES

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""
        content = b""
        while not content and not self.stream.eof:
            if not self.rest:
                self.rest = self.data[self.at : self.at + _FED]
                self.at += len(self.rest)
                if not self.rest:
                    raise EOFError
            content = self.stream.decompress(self.rest, size if size > 0 else _PIECE)
            self.rest = self.stream.unconsumed_tail
        self.left -= len(content)
        if self.left < 0:
            raise _TooLargeError(f"more than {MOST_BYTES >> 20} MiB unpacked")
        return content

    def finish(self) -> None:
        """Read to the end of the file: tarfile would not notice that it is missing."""
        while self.read(_PIECE):
            pass
        if (self.stream.unused_data + self.data[self.at :]).strip(b"\0"):
            raise EOFError


class _Header(tarfile.TarInfo):
    """A header that is not larger than any that EMQX writes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read one.

        Raises:
            _TooLargeError: tarfile would read all of it into memory.

        """
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENDED and header.size > MOST_HEADER_BYTES:
            raise _TooLargeError(f"a header of more than {MOST_HEADER_BYTES >> 10} KiB")
        return header


def each_file(file: str, data: bytes, take: Callable[[str, int, IO[bytes]], None]) -> None:
    """Give name, size and content of each file to ``take``, which reads what it wants of the content.

    Raises:
        BadSource: truncated, damaged, more than the bounds, or a link, a device or a path that leads outside.

    """
    names: set[str] = set()
    unpacked = _Unpacked(data)
    try:
        with tarfile.open(fileobj=unpacked, mode="r|", tarinfo=_Header) as tar:
            for member in tar:
                if not member.isdir():
                    _require_plain(file, member, names)
                    content = tar.extractfile(member)
                    if content is not None:
                        take(member.name, member.size, content)
        unpacked.finish()
    except _TooLargeError as error:
        raise BadSource(file, "", str(error), ON_THE_NODE) from None
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        seen = f"no whole gzip tar archive ({type(error).__name__}); truncated or damaged"
        raise BadSource(file, "", seen, AGAIN) from None
    if not names:
        raise BadSource(file, "", "an empty archive", AGAIN)


def _require_plain(file: str, member: tarfile.TarInfo, names: set[str]) -> None:
    """Python's own filter for data, and more: no link at all, no hole that is larger than the archive, no path that would have to be mended."""
    if member.name in names:
        raise BadSource(file, member.name[:80], "the same file twice", AGAIN)
    names.add(member.name)
    if len(names) > MOST_FILES:
        raise _TooLargeError(f"more than {MOST_FILES:,} files")
    try:
        is_plain = (
            member.isreg() and not member.issparse() and tarfile.data_filter(member, "/archive").name == member.name
        )
    except tarfile.FilterError:
        is_plain = False
    if not is_plain:
        seen = "a link, a device or a path that leads outside"
        raise BadSource(file, member.name[:80], seen, "do not use this file; export again")


def skip(content: IO[bytes], size: int) -> int:
    """Read past so many bytes; how many there were."""
    passed = 0
    while passed < size and (piece := content.read(min(size - passed, _PIECE))):
        passed += len(piece)
    return passed
