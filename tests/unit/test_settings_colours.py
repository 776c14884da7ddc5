"""Two declared colours together, and what the work directory remembers: which one is newer, what may leave, whose directory it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.emqx.errors import BadInput
from components.intent import load
from components.ledger.remembered import Remembered, remembered
from components.local import balancer as balancing
from tests.unit.settings_bed import NODE, balancer, config, read, refusal

pytestmark = pytest.mark.unit


def test_two_colours_never_share_a_node() -> None:
    other = {**NODE, "name": "emqx@10.0.9.9", "mqtt": "10.0.9.9:1883"}
    raw = config(
        clusters__blue={"target": "external", "version": "5.8.6", "nodes": [NODE]},
        clusters__green={"target": "external", "version": "5.8.8", "nodes": [other]},
    )
    assert any(
        "green.nodes[0].api: given twice; allowed: another one than emqx:clusters.blue.nodes[0].api" in one
        for one in refusal(raw)
    )


def test_a_live_colour_must_be_declared() -> None:
    raw = config()
    del raw["clusters"]["green"]
    assert any("emqx:live: green; allowed: a declared colour (blue)" in one for one in refusal(raw))


def test_the_way_back_to_the_older_colour_is_no_downgrade(tmp_path: Path) -> None:
    assert read(config(live="blue")).live == "blue"
    # Blue is the newer one: the second upgrade, and its way back, which the balancer's files know to be one.
    second = config(clusters__green__version="5.8.5", workDirectory=str(tmp_path))
    assert any("there is no downgrade" in line for line in refusal(second))
    balancer(tmp_path, 4000, "origin =green")
    assert read(second).live == "green"
    assert read(config(clusters__green__version="5.8.5", cutover__acknowledge=["way_back"])).live == "green"


def test_the_older_colour_stays_live_beside_a_newer_one_that_is_declared_for_the_next_upgrade(tmp_path: Path) -> None:
    balancer(tmp_path, 10_000)
    assert read(config(clusters__green__version="5.8.5", workDirectory=str(tmp_path))).live == "green"


def test_a_new_and_older_blue_is_a_downgrade_once_green_serves(tmp_path: Path) -> None:
    raw = config(live="blue", workDirectory=str(tmp_path))
    balancer(tmp_path, 0)
    assert read(raw).live == "blue"
    balancer(tmp_path, 10_000)
    assert any("emqx:clusters.blue.version: 5.8.6; allowed: at least 5.8.8" in line for line in refusal(raw))
    balancer(tmp_path, 10_000, "origin =blue")
    assert read(raw).live == "blue"


@pytest.mark.parametrize("damaged", ["green", "green x\n", "green 10001\n", "blue 3\n"])
def test_files_of_a_balancer_that_cannot_be_read_say_nothing(tmp_path: Path, damaged: str) -> None:
    balancer(tmp_path, 0, "origin =blue")
    (tmp_path / "balancer" / "share.map").write_text(damaged)
    assert remembered(str(tmp_path)) == Remembered()


def test_of_two_equal_versions_enterprise_is_the_newer_and_then_the_colour_that_does_not_serve(tmp_path: Path) -> None:
    same = {"clusters__blue__version": "5.8.9", "clusters__green__version": "5.8.9", "workDirectory": str(tmp_path)}
    to_enterprise = config(live="blue", clusters__green__edition="ce", **same)
    assert read(to_enterprise).live == "blue"
    balancer(tmp_path, 10_000)
    assert read(to_enterprise).live == "blue"
    fewer_again = config(live="green", clusters__blue__nodes=2, **same)
    assert any(
        "emqx:clusters.blue.nodes: 2; allowed: at least 3, as many as green" in one for one in refusal(fewer_again)
    )
    assert read(config(live="blue", clusters__blue__nodes=4, **same)).live == "blue"
    (tmp_path / "balancer" / "share.map").unlink()
    to_open_source = config(live="green", clusters__green__edition="ce", **same)
    assert any("emqx:clusters.green.edition: ce; allowed: ee, as blue has" in line for line in refusal(to_open_source))


def test_the_colour_that_is_newer_must_have_the_nodes_and_not_the_older_one() -> None:
    assert read(config(live="blue", clusters__green__nodes=4)).clusters["green"].size == 4
    assert read(config(live="blue", clusters__green__version="5.8.5", clusters__green__nodes=2)).live == "blue"


def test_a_colour_that_has_a_share_is_not_left_out_also_when_the_other_one_is_new(tmp_path: Path) -> None:
    raw = config(live="blue", workDirectory=str(tmp_path))
    del raw["clusters"]["green"]
    assert read(raw).live == "blue"
    balancer(tmp_path, 10_000, "origin =blue")
    assert any(
        "emqx:clusters.green: not declared; allowed: no removing green while it has 100 %" in x for x in refusal(raw)
    )
    balancer(tmp_path, 0, "origin =blue")
    assert read(raw).live == "blue"


def test_a_directory_in_which_another_stack_works_is_refused(tmp_path: Path) -> None:
    raw = config(workDirectory=str(tmp_path))
    balancing.reserve(tmp_path / "balancer", "dev")
    assert read(raw).live == "green"
    balancing.reserve(tmp_path / "balancer", "prod")
    (line,) = refusal(raw)[1:]
    assert "emqx:workDirectory" in line
    assert "stack prod works here. Where prod was renamed to dev: cutover.acknowledge [stack:prod]" in line
    balancing.remove(tmp_path / "balancer")
    assert read(raw).live == "green"


def test_a_stack_that_was_renamed_keeps_its_directory_once_its_old_name_is_acknowledged(tmp_path: Path) -> None:
    raw = config(workDirectory=str(tmp_path))
    balancing.reserve(tmp_path / "balancer", "prod")
    assert len(refusal({**raw, "cutover": {"acknowledge": ["sessions", "stack:staging"]}})) == 2, (
        "of another stack's name"
    )
    raw["cutover"] = {"acknowledge": ["sessions", "stack:prod"]}
    assert read(raw).work_directory == str(tmp_path)
    balancing.reserve(tmp_path / "balancer", "dev")
    assert read(raw).work_directory == str(tmp_path), "it may stay in the config"


def external(*mqtt: str) -> dict[str, object]:
    """A cluster that is not ours."""
    nodes = [{"name": f"emqx@{at}", "api": f"http://{at}:18083", "mqtt": f"{at}:1883"} for at in mqtt]
    return {"target": "external", "version": "5.8.6", "nodes": nodes}


def test_an_external_colour_that_serves_is_not_exchanged_for_a_local_one_under_its_name(tmp_path: Path) -> None:
    directory = {"workDirectory": str(tmp_path), "clusters__green__nodes": 3}
    balancer(tmp_path, 0)
    (tmp_path / "balancer" / "external").write_text("blue\n")
    (line,) = refusal(config(live="blue", **directory))[1:]
    assert "emqx:clusters.blue.target: local; allowed: external, as" in line
    assert "not one of ours and has 100 % of the share" in line
    alone = config(live="blue", **directory)
    del alone["clusters"]["green"]
    assert any("emqx:clusters.blue.target: local" in one for one in refusal(alone))
    theirs = external("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert read(config(live="blue", clusters__blue=theirs, **directory)).live == "blue"


def test_an_external_colour_may_become_local_once_it_is_drained_and_soaked(tmp_path: Path) -> None:
    raw = config(clusters__blue__version="5.8.9", cutover__soakSeconds=600, workDirectory=str(tmp_path))
    balancer(tmp_path, 10_000, "origin =blue")
    (tmp_path / "balancer" / "external").write_text("blue\n")
    assert any("its clients were not all moved away" in one for one in refusal(raw))
    balancer(tmp_path, 10_000, "origin =blue", "drained_at =blue%201000.000")
    with pytest.raises(BadInput, match=r"has been empty for 300 s of 600 s of soak"):
        load(raw.get, stack="dev", now=lambda: 1_300.0)
    assert load(raw.get, stack="dev", now=lambda: 1_600.0).clusters["blue"].target == "local"
    (tmp_path / "balancer" / "external").write_text("")
    assert load(raw.get, stack="dev", now=lambda: 1_300.0).live == "green", "a local one is judged by the balancer"
