"""Ledger `files`: two maps in the balancer's directory, of which HAProxy starts from one; everything that is written can be read back exactly.

``share.map`` holds ``green <parts>``, ``memory.map`` what a cutover remembers. In both a line is a key, a space and a value; keys and values
of the memory are percent-encoded, and a value also begins with ``=``: HAProxy, which read this file too until 2026, knows no empty one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from components.emqx.errors import GaveUp, Refused
from components.ledger.base import Record, parts_of, require_lease, require_parts
from components.system.files import own_directory, replace
from components.system.locks import held_meanwhile

SHARE, MEMORY, LOCK = "share.map", "memory.map", ".lock"
SHARE_KEY = "green"
PATIENCE_SECONDS = 15.0
"""A holder that waits for a replica which restarts keeps the ledger for 5 s."""


def encode(word: str) -> str:
    """A word that may stand in a map: no space, no ``;``, no backslash, no ``#``."""
    return quote(word, safe="")


def decode(word: str) -> str:
    """The word again."""
    return unquote(word)


def encode_value(value: str) -> str:
    """A value of the memory; empty ones too."""
    return "=" + encode(value)


def decode_value(value: str) -> str:
    """The value again."""
    return decode(value.removeprefix("="))


class FilesLedger:
    """The ledger of a balancer whose directory is on this machine.

    Args:
        directory: of the maps.
        patience_seconds: for how long somebody else may keep it.

    """

    def __init__(self, directory: Path, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._directory, self._patience_seconds = directory, patience_seconds

    async def read(self) -> Record:
        """What the files say; nothing where there are none.

        Raises:
            Refused: they cannot be read, or hold something else.

        """
        with _told("reading the ledger", self._directory):
            return record_of(self._directory)

    @asynccontextmanager
    async def held(self, holder: str | None) -> AsyncIterator[FilesWriting]:
        """The files for us alone; the lock falls with the process that held it.

        Raises:
            LeaseLost: another run than ``holder`` may act; nothing was written.
            GaveUp: somebody else kept them for longer than ``patience_seconds``.
            Refused: they cannot be read or written.

        """
        busy = GaveUp(
            "waiting for the ledger",
            node=str(self._directory),
            seen=f"held by another process for {self._patience_seconds:g} s",
            todo="find the other update of this stack",
        )
        async with AsyncExitStack() as stack:
            with _told("locking the ledger", self._directory):
                await stack.enter_async_context(held_meanwhile(self._directory / LOCK, self._patience_seconds, busy))
                writing = FilesWriting(self._directory)
            if holder is not None:
                require_lease(writing.record.memory, holder)
            yield writing


class FilesWriting:
    """The files while the lock is ours."""

    def __init__(self, directory: Path) -> None:
        """Read them."""
        self._directory = directory
        self.record = record_of(directory)

    async def write(self, values: Mapping[str, str | None] | None = None, *, share: int | None = None) -> None:
        """Write what is named; the share first, since the memory says what has been reached by it.

        Raises:
            BadInput: a share that is not within 0..10000; nothing was written.
            Refused: the files cannot be written.

        """
        if share is not None:
            require_parts(share)
        changes = values or {}
        memory = {key: value for key, value in {**self.record.memory, **changes}.items() if value is not None}
        with _told("writing the ledger", self._directory):
            if share is not None:
                write_share(self._directory, share)
                self.record = self.record._replace(share=share)
            if changes:
                lines = {encode(key): encode_value(value) for key, value in memory.items()}
                replace(self._directory / MEMORY, _text(lines))
                self.record = self.record._replace(memory=memory)


def record_of(directory: Path) -> Record:
    """What the files say; no share where there is none, or one that cannot be.

    Raises:
        OSError: they are there and cannot be read.

    """
    share = _lines(directory / SHARE).get(SHARE_KEY, "")
    parts = parts_of(share)
    return Record(parts, {decode(key): decode_value(value) for key, value in _lines(directory / MEMORY).items()})


def create(directory: Path) -> None:
    """Make the map that HAProxy cannot start without, where it is missing: all clients on blue."""
    own_directory(directory)
    if not (directory / SHARE).exists():
        write_share(directory, 0)


def write_share(directory: Path, parts: int) -> None:
    """Replace the map of the share."""
    replace(directory / SHARE, _text({SHARE_KEY: str(parts)}))


def _lines(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split(" ", 1) for line in lines if " " in line)


def _text(lines: Mapping[str, str]) -> str:
    return "".join(f"{key} {value}\n" for key, value in lines.items())


@contextmanager
def _told(tried: str, directory: Path) -> Iterator[None]:
    """What is wrong with the files in the words of a refusal."""
    try:
        yield
    except OSError as error:
        todo = "see that this machine has the balancer's directory and may write to it"
        raise Refused(tried, node=str(directory), seen=str(error), todo=todo) from error
