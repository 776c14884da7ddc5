"""Before data of a 4.x are touched its nodes' files and the named configuration lie in a copy of this run: whole, private, with sizes and sha256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from components.keepers.base import Copied
from components.keepers.copies import Manifest, Source, copy
from components.ledger.base import LEASE
from components.links import node_copies
from components.links.node_copies import copy_nodes
from tests.unit.fake_world import UNFINISHED, fleet

pytestmark = [pytest.mark.unit, *UNFINISHED]


class Keeper:
    """Nodes whose data are a directory each; one file goes while it is copied."""

    def __init__(self, data: Path) -> None:
        self.data = data

    async def copy_running(self, node: str, place: Path) -> Copied:
        here = self.data / node
        here.mkdir(parents=True)
        (here / "mnesia.dcd").write_bytes(b"planted-hash")
        (here / "gone.tmp").symlink_to(here / "nowhere")
        about = Manifest(node=node, cluster="c", version="4.4.19", edition="ce", belongs={}, files=())
        return copy(place, about, Source({"data": here}, back=()), running=True)


async def copied(directory: Path, configuration: list[str], keeper: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    world = fleet(3)
    world.ledger.memory[LEASE] = "a"
    monkeypatch.setattr(node_copies, "keeper_of", lambda *_, **__: keeper)
    return world, await copy_nodes(world.run("a"), "blue", directory / "archives", configuration)


async def test_each_node_and_the_configuration_have_a_manifest_of_sizes_and_sha256(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "emqx.conf").write_text("management.secret = planted-secret\n")
    world, made = await copied(tmp_path, [str(etc), str(etc / "emqx.conf")], Keeper(tmp_path / "data"), monkeypatch)
    assert set(made.copies) == {"configuration", *world.apis["blue"].node_names}
    for place, files, size in made.copies.values():
        manifest = json.loads((Path(place) / "manifest.json").read_text())
        assert (len(manifest["files"]), sum(one["size"] for one in manifest["files"])) == (files, size)
        for one in manifest["files"]:
            path = Path(place) / one["path"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == one["sha256"]
            assert path.stat().st_mode & 0o077 == 0
    assert made.unreached == ()
    assert "planted" not in made.model_dump_json() + json.dumps(world.journal) + "".join(world.lines)


async def test_nodes_that_nobody_keeps_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, made = await copied(tmp_path, [], None, monkeypatch)
    assert made.copies == {}
    assert made.unreached == tuple(world.apis["blue"].node_names)
    assert any("are not reached" in line for line in world.lines)
