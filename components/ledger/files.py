"""The two maps that HAProxy starts from and the words in them; everything that is written can be read back exactly.

``share.map`` holds ``green <parts>``, ``memory.map`` holds what the balancer remembers. In both a line is a key, a space and a
value, so keys and values of the memory are percent-encoded; a value also begins with ``=``, because HAProxy knows no empty one.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from components.emqx.errors import GaveUp
from components.system.locks import taken

SHARE, MEMORY = "share.map", "memory.map"
SHARE_KEY = "green"


def encode(word: str) -> str:
    """A word of the memory as HAProxy may hold it: no space, no ``;``, no backslash, no ``#``."""
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


def server_name(node: str) -> str:
    """The name of a node as a server of HAProxy, which allows letters, digits and ``-_.:`` only: ``emqx:40127.0.1.1``."""
    return encode(node).replace("~", "%7E").replace("%", ":")


def node_name(server: str) -> str:
    """The node's own name again."""
    return decode(server.replace(":", "%"))


def create(directory: Path) -> None:
    """Make the maps that are missing, so that HAProxy can start: all clients on blue, nothing remembered."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in ((SHARE, f"{SHARE_KEY} 0\n"), (MEMORY, "")):
        if not (directory / name).exists():
            replace(directory / name, text)


def read(path: Path) -> dict[str, str]:
    """Keys and values as they stand in the file; empty when there is no file."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split(" ", 1) for line in lines if line)


def words(path: Path) -> dict[str, str]:
    """The memory as it stands in the file, decoded."""
    return {decode(key): decode_value(value) for key, value in read(path).items()}


def write(path: Path, values: Mapping[str, str]) -> None:
    """Replace the whole map at once."""
    replace(path, "".join(f"{key} {value}\n" for key, value in values.items()))


def replace(path: Path, text: str) -> None:
    """Write a file so that a reader, and a crash, sees the old text or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    with draft.open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


@asynccontextmanager
async def locked(directory: Path, patience_seconds: float) -> AsyncIterator[None]:
    """Only one process changes the maps at a time; the lock falls with the process that held it.

    Raises:
        GaveUp: somebody else kept it for longer than ``patience_seconds``.

    """
    deadline = time.monotonic() + patience_seconds
    with (directory / ".lock").open("w") as stream:
        while not taken(stream.fileno()):
            if time.monotonic() > deadline:
                raise GaveUp(
                    "waiting for the lock of the maps",
                    node=str(directory),
                    seen=f"held by another process for {patience_seconds:g} s",
                    todo="find the other update of this stack",
                )
            await asyncio.sleep(0.01)
        yield
