"""The keeper of a release's nodes: one node of several is stopped, copied and started with another version; the others know nothing of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from components.emqx.errors import BadInput, Refused
from components.emqx.models import ClusterHandle, KeeperHandle
from components.keepers.__main__ import app
from components.keepers.base import NodeKeeper, Running
from components.keepers.copies import manifest_of
from components.keepers.registry import keeper_of
from components.local import release_processes
from tests.lab.release_bed import CREDENTIALS, Colour, gone, in_two_versions

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colour]:
    with in_two_versions(tmp_path_factory.mktemp("keeper")) as made:
        yield made


def kept(colour: Colour, version: str = "5.8.8") -> NodeKeeper:
    handle = ClusterHandle.model_validate(colour.state["handle"])
    assert handle.keeper is not None
    home = str(colour.directory.parents[1] / version)
    keeper = keeper_of(
        handle.model_copy(update={"keeper": handle.keeper.model_copy(update={"release": home})}), CREDENTIALS
    )
    assert keeper is not None
    return keeper


def first(colour: Colour) -> str:
    name: str = colour.nodes[0]["name"]
    return name


def pids(colour: Colour) -> list[int]:
    running = release_processes.running(colour.directory)
    assert running is not None
    found: list[int] = running["pids"]
    return found


async def test_one_node_is_stopped_and_the_others_run_on(colour: Colour) -> None:
    keeper, before = kept(colour), pids(colour)
    assert await keeper.runs(first(colour)) == Running("5.8.8", "ee")
    with pytest.raises(Refused, match="it runs as process"):
        await keeper.back_up(first(colour), colour.directory / "never")
    with pytest.raises(Refused, match="it runs as process"):
        await keeper.set_aside(first(colour))
    await keeper.stop(first(colour))
    await keeper.stop(first(colour))
    assert await keeper.runs(first(colour)) is None
    assert gone(before[0])
    assert pids(colour) == before[1:]


async def test_a_stopped_node_is_copied_with_its_data_and_configuration(colour: Colour) -> None:
    home = colour.directory.parents[1] / "5.8.8"
    (home / "etc").mkdir()
    (home / "etc" / "emqx.conf").write_text("node {}")
    (colour.directory / "node-1" / "data" / "users.DCD").write_text("old users")
    place = colour.directory.parents[1] / "backups" / f"{first(colour)}-5.8.8"
    made = await kept(colour).back_up(first(colour), place)
    manifest = manifest_of(made.place)
    assert (manifest.version, manifest.edition) == ("5.8.8", "ee")
    assert {one.path for one in manifest.files} >= {"data/users.DCD", "etc/emqx.conf", "runs.json"}
    assert await kept(colour).back_up(first(colour), place) == made


async def test_it_starts_with_the_other_version_on_its_data(colour: Colour) -> None:
    other = pids(colour)
    with pytest.raises(BadInput, match=r"no such release in .*5\.8\.8"):
        await kept(colour).start(first(colour), "5.8.9", "ee")
    await kept(colour, "5.8.9").start(first(colour), "5.8.9", "ee")
    assert await kept(colour).runs(first(colour)) == Running("5.8.9", "ee")
    await kept(colour, "5.8.9").start(first(colour), "5.8.9", "ee")
    with pytest.raises(Refused, match=r"5\.8\.9 \(ee\) runs there. Next: stop it first"):
        await kept(colour).start(first(colour), "5.8.8", "ee")
    assert pids(colour)[1:] == other
    assert (colour.directory / "node-1" / "data" / "users.DCD").read_text() == "old users"
    assert "5.8.9 starts with" in (colour.directory / "node-1" / "output.log").read_text()


async def test_the_documented_command_puts_the_copy_back_and_the_node_starts_with_the_version_of_it(
    colour: Colour,
) -> None:
    place = colour.directory.parents[1] / "backups" / f"{first(colour)}-5.8.8"
    data = colour.directory / "node-1" / "data"
    (data / "users.DCD").write_text("new users")
    refused = CliRunner().invoke(app, ["restore", str(place)])
    assert refused.exit_code == 1
    assert "stop it first" in refused.output
    await kept(colour).stop(first(colour))
    done = CliRunner().invoke(app, ["restore", str(place)])
    assert done.exit_code == 0, done.output
    assert f"{first(colour)} has the data of 5.8.8 (ee) again" in done.output
    assert (data / "users.DCD").read_text() == "old users"
    assert (data.with_name("data.aside-1") / "users.DCD").read_text() == "new users"
    await kept(colour, "5.8.9").start(first(colour), "5.8.8", "ee")
    assert await kept(colour).runs(first(colour)) == Running("5.8.8", "ee")


async def test_the_data_of_a_node_that_left_are_set_aside(colour: Colour) -> None:
    await kept(colour).stop(first(colour))
    moved = await kept(colour).set_aside(first(colour))
    assert moved is not None
    assert (moved / "users.DCD").read_text() == "old users"
    assert not (colour.directory / "node-1" / "data").exists()
    assert await kept(colour).set_aside(first(colour)) is None


async def test_a_copy_is_not_put_back_where_no_other_node_runs_unless_all_get_copies_of_one_moment(
    colour: Colour,
) -> None:
    place = colour.directory.parents[1] / "backups" / f"{first(colour)}-5.8.8"
    for node in colour.nodes:
        await kept(colour).stop(node["name"])
    refused = CliRunner().invoke(app, ["restore", str(place)])
    assert refused.exit_code == 1
    assert "it would wait for their tables and serve nobody" in refused.output
    assert not (colour.directory / "node-1" / "data").exists()
    done = CliRunner().invoke(app, ["restore", str(place), "--all-stopped"])
    assert done.exit_code == 0, done.output


async def test_a_node_that_is_none_of_the_clusters_is_refused_by_name(colour: Colour) -> None:
    with pytest.raises(BadInput, match=r"looking for the node on emqx@127\.9\.9\.9"):
        await kept(colour).stop("emqx@127.9.9.9")


def test_a_cluster_whose_nodes_are_not_ours_has_no_keeper_and_an_unknown_kind_is_refused(colour: Colour) -> None:
    handle = ClusterHandle.model_validate({**colour.state["handle"], "keeper": None})
    assert keeper_of(handle) is None
    strange = KeeperHandle(kind="paper", place="drawer")
    with pytest.raises(BadInput, match=r"paper\. Next: give one of aws, commands, kubernetes, lab, local"):
        keeper_of(handle.model_copy(update={"keeper": strange}))


def test_the_handle_in_a_state_of_before_there_were_keepers_is_still_read(colour: Colour) -> None:
    old = {key: value for key, value in colour.state["handle"].items() if key != "keeper"}
    assert ClusterHandle.model_validate(json.loads(json.dumps(old))).keeper is None
