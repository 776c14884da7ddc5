"""The archives of a cutover on our own disk: they hold secrets (mode 0700, files 0600) and are never changed once written.

``archives.json`` lists all that were ever written here with their sha256; that is how a later run recognises its own
half-imported archive on green.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from components.emqx.errors import BadInput, Refused
from components.emqx.reading import outline
from components.migration.inventory import Inventory
from components.system.files import replace, replacing
from components.value import Value

MANIFEST = "archives.json"
IMPORTED = "imported.json"
"""Which inventory stands for what the target was filled with: that of the export which was really imported."""
EXPECTED = "expected.json"
_PIECE = 1 << 20


class Archive(Value):
    """One archive: EMQX's file name, sha256, size in bytes, what it carries, and the node that it was exported on.

    ``table_set`` is one of EMQX's table sets, or ``configuration``, or ``accounts`` (which needs a dashboard login); ``everything`` for the one
    document of 4.x, ``converted`` for what was made of it.
    """

    name: str
    sha256: str
    table_set: str
    size: int
    node: str

    @property
    def bearer(self) -> bool:
        """Whether only a dashboard login may handle it (docs/emqx/backup.md#api-key-or-token)."""
        return self.table_set == "accounts"


_ARCHIVES = TypeAdapter(tuple[Archive, ...])


class ArchiveDirectory:
    """The directory of one stack's archives; made with mode 0700 when it is first used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Make it, for the owner alone; BadInput when that cannot be."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        else:
            return
        raise BadInput(f"the archive directory {self.path}", seen=reason, todo="name a directory that is ours to write")

    def file(self, archive: Archive) -> Path:
        """Where the archive lies."""
        return self.path / archive.name

    def known(self) -> tuple[Archive, ...]:
        """All archives that were written here, oldest first."""
        try:
            return _ARCHIVES.validate_json((self.path / MANIFEST).read_bytes())
        except FileNotFoundError:
            return ()
        except ValidationError:
            pass
        raise BadInput(
            f"reading {self.path / MANIFEST}", seen="no list of archives", todo="restore it, or name another directory"
        )

    def remember(self, archive: Archive) -> None:
        """Add an archive to the list."""
        listed = [one.model_dump(mode="json", by_alias=True) for one in (*self.known(), archive)]
        self._write(MANIFEST, listed)

    def keep_inventory(self, name: str, inventory: Inventory) -> str:
        """Write an inventory; its sha256."""
        return self._write(name, inventory.to_json())

    def inventory(self, name: str, sha256: str) -> Inventory:
        """Read an inventory again; Refused when it is gone or not the one that was written."""
        return Inventory.from_json(json.loads(self._unchanged(name, sha256)))

    def _unchanged(self, name: str, sha256: str) -> bytes:
        try:
            content = (self.path / name).read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Refused(
                f"reading {self.path / name}",
                seen="it is missing or was changed" if content else "it is missing",
                todo="run `pulumi up` again: it exports anew",
            )
        return content

    def keep(self, name: str, content: bytes) -> str:
        """Write a file of our own (mode 0600); its sha256."""
        return self.keep_pieces(name, (content,))

    def keep_pieces(self, name: str, pieces: Iterable[bytes]) -> str:
        """The same, of what is made piece by piece and never stands in memory as a whole."""
        path, sha256 = self.path / name, hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(path) as stream:
            for piece in pieces:
                stream.write(piece)
                sha256.update(piece)
        return sha256.hexdigest()

    def kept(self, name: str, sha256: str) -> bytes:
        """What was kept under this name; Refused when it is gone or not what was written."""
        return self._unchanged(name, sha256)

    def mark_imported(self, name: str, sha256: str) -> None:
        """Remember that the export of this inventory is what the target was filled with; what an earlier conversion expected counts no more."""
        (self.path / EXPECTED).unlink(missing_ok=True)
        self._write(IMPORTED, [name, sha256])

    def imported(self) -> tuple[str, str] | None:
        """Name and sha256 of the inventory that was marked last; None without one."""
        return self._marked(IMPORTED)

    def _marked(self, file: str) -> tuple[str, str] | None:
        try:
            name, sha256 = json.loads((self.path / file).read_bytes())
        except (OSError, ValueError, TypeError):
            return None
        return str(name), str(sha256)

    def mark_expected(self, name: str, sha256: str) -> None:
        """Remember which inventory says what the target must show, where its data were converted."""
        self._write(EXPECTED, [name, sha256])

    def expected(self) -> tuple[str, str] | None:
        """Name and sha256 of that one; None without one."""
        return self._marked(EXPECTED)

    async def check(self, archives: Iterable[Archive]) -> None:
        """Refused for an archive that is missing, changed or cut off; nothing broken is ever uploaded."""
        for archive in archives:
            seen = await looked_at(self.file(archive), archive)
            if seen:
                raise Refused(
                    f"checking the archive {archive.name} ({archive.table_set})",
                    seen=seen,
                    todo="run `pulumi up` again: it exports anew",
                )

    def _write(self, name: str, content: Any) -> str:
        data = json.dumps(content, separators=(",", ":")).encode()
        replace(self.path / name, data)
        return hashlib.sha256(data).hexdigest()


class _Abandoned(Exception):  # noqa: N818  -- nobody sees it: whoever waited is gone
    """The check was given up."""


class _Stoppable(io.FileIO):
    """A file that is read in pieces, each of which may be the last."""

    def __init__(self, path: Path, stopped: threading.Event) -> None:
        """Open it for reading."""
        super().__init__(path)
        self._stopped = stopped

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise _Abandoned

    def read(self, size: int | None = -1) -> bytes:
        """The next piece; all of it in as many as it takes."""
        self._go_on()
        return super().read(_PIECE if size is None or size < 0 else size)

    def readinto(self, buffer: Any) -> int:
        """The next piece into a buffer."""
        self._go_on()
        return super().readinto(buffer)


async def looked_at(path: Path, archive: Archive | None = None) -> str:
    """What is wrong with the file, or nothing; without ``archive`` only whether it is complete.

    It works in a thread, which no cancellation reaches: when we are cancelled it ends at its next piece instead of keeping the
    process for as long as a large archive takes.
    """
    stopped = threading.Event()
    try:
        return await asyncio.to_thread(_broken, path, archive, stopped)
    finally:
        stopped.set()


def _broken(path: Path, archive: Archive | None, stopped: threading.Event) -> str:
    try:
        if not path.is_file():
            return "it is missing"
        if archive and path.stat().st_size != archive.size:
            return f"{path.stat().st_size} bytes instead of {archive.size}"
        if archive and _sha256(path, stopped) != archive.sha256:
            return "its sha256 is another one than at the export"
        return _incomplete(path, stopped)
    except OSError as error:
        return f"it cannot be read ({error.strerror or type(error).__name__})"


def _sha256(path: Path, stopped: threading.Event) -> str:
    with _Stoppable(path, stopped) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _incomplete(path: Path, stopped: threading.Event) -> str:
    """Why this is no complete archive of EMQX, or nothing: gzip to its end, and a META.hocon inside; of 4.x, a document with a version."""
    if path.suffix == ".json":
        try:
            with _Stoppable(path, stopped) as file:
                document = outline(b"".join(iter(lambda: file.read(_PIECE), b"")))
        except ValueError:
            return "it is cut off or no JSON"
        return "" if isinstance(document, dict) and "version" in document else "it has no version, so it is no export"
    try:
        with _Stoppable(path, stopped) as file, gzip.GzipFile(fileobj=file) as stream:
            while stream.read(_PIECE):
                pass
        with _Stoppable(path, stopped) as file, tarfile.open(fileobj=file, mode="r:gz") as tar:
            names = tar.getnames()
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        return f"it is cut off or no gzip archive ({type(error).__name__})"
    top = path.name.removesuffix(".tar.gz")
    return "" if f"{top}/META.hocon" in names else "it has no META.hocon under its own name"
