"""Archives on our disk: for the owner alone, listed with their sha256, and nothing broken passes the check."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import io
import stat
import tarfile
import threading
from pathlib import Path

import pytest

from components.emqx.errors import BadInput, Refused
from components.links.archives import Archive, ArchiveDirectory, _Abandoned, _broken, looked_at
from components.migration.inventory import Inventory, Section

pytestmark = pytest.mark.unit

NAME = "emqx-export-2026-11-22-10-51-15.423.tar.gz"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(path: Path, *, meta: bool = True) -> None:
    top = path.name.removesuffix(".tar.gz")
    with tarfile.open(path, "w:gz") as tar:
        for name in (["META.hocon"] if meta else []) + ["mnesia/emqx_acl"]:
            info = tarfile.TarInfo(f"{top}/{name}")
            content = name.encode() * 500
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def store(tmp_path: Path) -> ArchiveDirectory:
    found = ArchiveDirectory(tmp_path / "archives")
    found.prepare()
    return found


def archived(store: ArchiveDirectory, name: str = NAME) -> Archive:
    path = store.path / name
    write(path)
    size = path.stat().st_size
    archive = Archive(name=name, sha256=sha256_of(path), table_set="builtin_authz", size=size, node="emqx@a")
    store.remember(archive)
    return archive


def test_the_directory_is_for_its_owner_alone_even_when_it_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    store = ArchiveDirectory(tmp_path / "open")
    store.prepare()
    archived(store)
    assert mode(store.path) == 0o700
    assert mode(store.path / "archives.json") == 0o600
    store.keep_inventory("i.json", Inventory({}))
    assert mode(store.path / "i.json") == 0o600


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="archive directory"):
        ArchiveDirectory(tmp_path / "file" / "below").prepare()


def test_what_was_written_is_known_again_in_order(store: ArchiveDirectory) -> None:
    first, second = archived(store), archived(store, NAME.replace("423", "424"))
    assert ArchiveDirectory(store.path).known() == (first, second)


def test_a_list_that_was_damaged_is_told_and_not_taken_for_empty(store: ArchiveDirectory) -> None:
    (store.path / "archives.json").write_text('[{"name": 1}]')
    with pytest.raises(BadInput, match="no list of archives"):
        store.known()


async def test_a_whole_archive_passes(store: ArchiveDirectory) -> None:
    await store.check([archived(store)])


async def test_a_missing_changed_or_truncated_archive_is_refused_and_named(store: ArchiveDirectory) -> None:
    archive = archived(store)
    path = store.file(archive)
    content = path.read_bytes()
    for broken, words in (
        (content[:-20], "bytes instead of"),
        (content[:-1] + bytes([content[-1] ^ 1]), "sha256"),
    ):
        path.write_bytes(broken)
        with pytest.raises(Refused, match=words) as caught:
            await store.check([archive])
        assert "builtin_authz" in str(caught.value)
    path.unlink()
    with pytest.raises(Refused, match="missing"):
        await store.check([archive])


async def test_an_archive_that_was_truncated_before_we_had_it_is_refused_by_its_gzip(store: ArchiveDirectory) -> None:
    path = store.path / NAME
    write(path)
    path.write_bytes(path.read_bytes()[:-20])
    size = path.stat().st_size
    archive = Archive(name=NAME, sha256=sha256_of(path), table_set="psk", size=size, node="emqx@a")
    with pytest.raises(Refused, match="cut off"):
        await store.check([archive])


async def test_what_is_no_archive_of_emqx_is_told(tmp_path: Path) -> None:
    path = tmp_path / NAME
    write(path, meta=False)
    assert "META.hocon" in await looked_at(path)
    path.write_bytes(gzip.compress(b"no tar"))
    assert "no gzip archive" in await looked_at(path)
    path.write_bytes(b"")
    assert "cut off" in await looked_at(path)


def test_an_inventory_that_is_gone_or_changed_is_refused(store: ArchiveDirectory) -> None:
    inventory = Inventory({"rules": Section({"r1": 5}, ordered=True)})
    sha256 = store.keep_inventory("i.json", inventory)
    assert store.inventory("i.json", sha256) == inventory
    (store.path / "i.json").write_text("{}")
    with pytest.raises(Refused, match="changed"):
        store.inventory("i.json", sha256)
    with pytest.raises(Refused, match="missing"):
        store.inventory("other.json", sha256)


def test_the_inventory_of_what_was_imported_is_remembered_until_the_next_import(store: ArchiveDirectory) -> None:
    assert store.imported() is None
    for token in ("one", "two"):
        sha256 = store.keep_inventory(token, Inventory({"rules": Section({token: 1})}))
        store.mark_imported(token, sha256)
    found = store.imported()
    assert found is not None
    assert store.inventory(*found) == Inventory({"rules": Section({"two": 1})})


class _After(threading.Event):
    """Set at the question of this number."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self.left = questions

    def is_set(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize("pieces", [1, 2, 4])
def test_a_check_ends_at_its_next_piece_when_it_is_given_up(store: ArchiveDirectory, pieces: int) -> None:
    archive = archived(store)
    with pytest.raises(_Abandoned):
        _broken(store.file(archive), archive, _After(pieces))


async def test_a_cancelled_check_tells_its_thread(store: ArchiveDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    began, ended = threading.Event(), threading.Event()

    def check(_path: Path, _archive: Archive, stopped: threading.Event) -> str:
        began.set()
        if stopped.wait(60):
            ended.set()
        return ""

    monkeypatch.setattr("components.links.archives._broken", check)
    checking = asyncio.ensure_future(store.check([archived(store)]))
    await asyncio.to_thread(began.wait, 60)
    checking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await checking
    assert await asyncio.to_thread(ended.wait, 50)
