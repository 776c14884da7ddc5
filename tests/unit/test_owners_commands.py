"""The commands by which the owner of machines keeps their nodes: what the stack may say, and what becomes of the copy that one prints."""

from __future__ import annotations

import asyncio
import io
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from components.emqx.errors import Refused
from components.intent import contradictions, declared
from components.keepers.archived import keep, verified
from components.keepers.copies import Manifest, manifest_of
from components.ledger.remembered import Remembered
from components.links.roll_opening import refuse_way
from components.system.command import filled
from components.system.files import replace
from tests.unit.roll_bed import wanted

pytestmark = pytest.mark.unit

PYTHON = sys.executable
KEEPER: dict[str, Any] = {
    "stop": [PYTHON, "stop", "{host}"],
    "start": [PYTHON, "start", "{node}", "{version}"],
    "backUp": [PYTHON, "print"],
    "restore": [PYTHON, "take"],
    "setAside": [PYTHON, "aside"],
}


def stack(**more: Any) -> dict[str, Any]:
    nodes = [{"name": "emqx@10.0.0.1", "api": "http://10.0.0.1:18083", "mqtt": "10.0.0.1:1883"}]
    blue = {"target": "external", "version": "5.8.9", "nodes": nodes, "keeper": {**KEEPER, **more}}
    return {"live": "blue", "workDirectory": "w", "clusters": {"blue": blue}}


def told(raw: dict[str, Any]) -> str:
    found = contradictions(declared(raw), Remembered(), 0.0)
    return "; ".join(f"{one.path}: {one.allowed}" for one in found)


def test_a_keeper_in_the_stack_makes_its_target_one_that_can_be_rolled() -> None:
    settings = declared(stack())
    handle = settings.clusters["blue"].keeper.handle()
    assert (handle.kind, handle.starts_by_itself) == ("commands", False)
    assert handle.commands["backUp"] == (PYTHON, "print")
    assert told(stack()) == ""
    refuse_way("blue", (), wanted(kept=True))


@pytest.mark.parametrize(
    ("word", "command", "says"),
    [
        ("start", [PYTHON, "start"], r"arguments with \{version\} among them"),
        ("stop", [PYTHON, "{nodes}"], r"no other words in braces than \{node\}, \{host\}"),
        ("stop", [""], "a list of arguments, the program first"),
        ("stop", [], "at least 1"),
        ("stop", "rm -rf x", "a list|tuple|valid"),
    ],
)
def test_a_command_that_cannot_be_right_is_refused(word: str, command: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        declared(stack(**{word: command}))


def test_braces_of_other_programs_and_missing_programs() -> None:
    declared(stack(stop=["docker", "inspect", "--format", "{{.State}} {{Name}}", "{node}"]))
    assert "keeper.stop: a program of this machine" in told(stack(stop=["no-such-program-here", "{node}"]))


def test_an_argument_stays_one_whatever_the_node_is_called() -> None:
    assert filled(["ssh", "root@{host}", "x {node}; {node}"], {"node": "a b;c", "host": "h"}) == [
        "ssh",
        "root@h",
        "x a b;c; a b;c",
    ]


def archive(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            packed.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


ABOUT = Manifest(
    node="emqx@a", cluster="http://a:1", version="5.8.8", edition="ce", belongs={}, files=(), restore=("take",)
)


async def kept(place: Path, content: bytes) -> Any:
    async def printed(path: Path) -> None:
        replace(path, content)

    return await keep(place, ABOUT, printed)


async def test_what_a_command_prints_is_kept_with_a_manifest_and_never_written_over(tmp_path: Path) -> None:
    made = await kept(tmp_path / "copy", archive(users="old", etc="conf"))
    assert (made.files, made.size) == (2, 7)
    assert await kept(tmp_path / "copy", archive(users="new")) == made
    assert verified(made.place, manifest_of(made.place)) == made.place / "node.tar"
    (made.place / "node.tar").write_bytes(archive(users="ol!", etc="conf"))
    with pytest.raises(Refused, match="1 of 2 files are not what the manifest says, such as users"):
        verified(made.place, manifest_of(made.place))
    (made.place / "node.tar").write_bytes(archive(users="old", etc="conf", more="strange"))
    with pytest.raises(Refused, match="nothing was touched"):
        verified(made.place, manifest_of(made.place))


@pytest.mark.parametrize(
    "content",
    [b"", b"tar: cannot stat", archive(), archive(users="old" * 1000)[:-30]],
    ids=["nothing", "a word", "empty", "cut off"],
)
async def test_what_is_no_whole_archive_is_no_copy_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Refused, match="bytes that are no archive of files"):
        await kept(tmp_path / "copy", content)
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
