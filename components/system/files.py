"""Files and directories that are for their owner only; whoever reads, and a crash, sees the old content or the new one, never a part.

The rule: what is written here is private from its first byte, and is in place only once it is whole and on the disk.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PRIVATE_FILE, PRIVATE_DIRECTORY = 0o600, 0o700


@contextmanager
def replacing(path: Path, mode: int = PRIVATE_FILE, *, lasting: bool = True) -> Iterator[BinaryIO]:
    """A new file beside ``path``, which takes its place when the block ends well and is gone when it does not.

    Without ``lasting`` it is not waited for the disk: a crash of the machine may take it, one of the process does not.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as stream:
            yield stream
            if lasting:
                stream.flush()
                os.fsync(stream.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def replace(path: Path, content: str | bytes, mode: int = PRIVATE_FILE) -> None:
    """Give the file this content, as ``replacing`` does."""
    with replacing(path, mode) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def own_directory(path: Path) -> None:
    """Make the directory, and those above it that are missing, for their owner only; one that was open to others is closed to them."""
    missing = [one for one in (path, *path.parents) if not one.is_dir()]
    for one in reversed(missing):
        one.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    if path not in missing:
        with suppress(PermissionError):  # somebody else's, who decides about it
            path.chmod(PRIVATE_DIRECTORY)
