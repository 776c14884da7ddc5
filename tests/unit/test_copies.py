"""The copy of a node: whole or not there, never written over, and put back only byte for byte."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from components.emqx.errors import BadInput, Refused
from components.keepers import copies
from components.keepers.copies import MANIFEST, Manifest, Source, copied, copy, manifest_of, restore

pytestmark = pytest.mark.unit

ABOUT = Manifest(
    node="emqx@127.0.1.1", cluster="/work/clusters/blue", version="5.8.8", edition="ce", belongs={}, files=()
)


@pytest.fixture
def node(tmp_path: Path) -> Source:
    data = tmp_path / "node-1" / "data"
    (data / "mnesia").mkdir(parents=True)
    (data / "mnesia" / "users.DCD").write_bytes(b"users")
    (data / "configs").mkdir()
    (data / "configs" / "cluster.hocon").write_text("mqtt {}")
    (tmp_path / "node-1" / "runs.json").write_text("{}")
    return Source({"data": data, "runs.json": tmp_path / "node-1" / "runs.json"}, back=("data", "runs.json"))


def test_every_file_is_in_the_manifest_with_size_and_sha256_and_is_for_its_owner_only(
    node: Source, tmp_path: Path
) -> None:
    made = copy(tmp_path / "copy", ABOUT, node)
    manifest = manifest_of(made.place)
    assert {one.path: one.size for one in manifest.files} == {
        "data/configs/cluster.hocon": 7,
        "data/mnesia/users.DCD": 5,
        "runs.json": 2,
    }
    assert (made.files, made.size) == (3, 14)
    assert (manifest.node, manifest.version, manifest.edition) == ("emqx@127.0.1.1", "5.8.8", "ce")
    assert "does not start alone" in manifest.alone
    modes = {stat.S_IMODE(one.stat().st_mode) for one in made.place.rglob("*") if one.is_file()}
    assert modes == {0o600}


def test_a_copy_is_never_written_over(node: Source, tmp_path: Path) -> None:
    first = copy(tmp_path / "copy", ABOUT, node)
    (node.paths["data"] / "mnesia" / "users.DCD").write_bytes(b"written by a newer version")
    assert copy(tmp_path / "copy", ABOUT, node) == first
    assert (first.place / "data" / "mnesia" / "users.DCD").read_bytes() == b"users"


def test_a_copy_that_was_cut_off_is_none(node: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies, "replace", full)
    with pytest.raises(OSError, match="No space"):
        copy(tmp_path / "copy", ABOUT, node)
    assert copied(tmp_path / "copy") is None
    assert [one.name for one in tmp_path.iterdir()] == ["node-1"], "a half copy would keep the disk full"
    monkeypatch.undo()
    assert copy(tmp_path / "copy", ABOUT, node).files == 3


def test_nothing_to_copy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no file in"):
        copy(tmp_path / "copy", ABOUT, Source({"data": tmp_path / "nowhere"}, back=("data",)))
    assert copied(tmp_path / "copy") is None


def test_what_is_put_back_is_what_was_copied_and_what_lay_there_is_kept_beside_it(node: Source, tmp_path: Path) -> None:
    made = copy(tmp_path / "copy", ABOUT, node)
    data = node.paths["data"]
    (data / "mnesia" / "users.DCD").write_bytes(b"newer")
    restore(made.place)
    assert (data / "mnesia" / "users.DCD").read_bytes() == b"users"
    assert (data / "configs" / "cluster.hocon").read_text() == "mqtt {}"
    assert (data.with_name("data.aside-1") / "mnesia" / "users.DCD").read_bytes() == b"newer"
    restore(made.place)
    assert data.with_name("data.aside-2").is_dir()


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_copy_that_is_not_what_its_manifest_says_is_not_put_back(node: Source, tmp_path: Path, harm: str) -> None:
    made = copy(tmp_path / "copy", ABOUT, node)
    file = made.place / "data" / "mnesia" / "users.DCD"
    if harm == "changed":
        file.write_bytes(b"Users")
    else:
        file.unlink()
    (node.paths["data"] / "mnesia" / "users.DCD").write_bytes(b"newer")
    with pytest.raises(Refused, match=r"1 of 3 files are not what the manifest says, such as data/mnesia/users.DCD"):
        restore(made.place)
    assert (node.paths["data"] / "mnesia" / "users.DCD").read_bytes() == b"newer"


def test_a_directory_that_is_no_copy_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps({"node": 1}))
    with pytest.raises(BadInput, match="give the directory of a copy"):
        restore(tmp_path)
