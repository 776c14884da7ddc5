"""The stack's config: what is read, what is refused, and what is never shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.intent import load, model
from components.settings import CREDENTIALS, KEYS
from tests.unit.settings_bed import NODE, config, read, refusal

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


def test_the_config_of_the_issue_is_read() -> None:
    settings = read(config())
    assert settings.live == "green"
    assert settings.clusters["blue"].size == 3
    assert settings.cutover.budget_per_second == 200
    assert settings.cutover.evacuation.conn_evict_rate == 200
    assert [step.name for step in settings.cutover.steps] == ["shift-10", "hold-1", "shift-50", "shift-100"]
    assert settings.cutover.gates.unknown_seconds == 20
    assert settings.work_directory == ".emqx/dev"


def test_the_shortest_config_has_sane_defaults() -> None:
    settings = read({"live": "blue", "clusters": {"blue": {"target": "local", "version": "5.8.8", "nodes": 1}}})
    assert settings.clusters["blue"].edition == "ee"
    assert settings.cutover.steps[-1].share == 100
    assert settings.balancer.target == "local"


def test_numbers_arrive_as_floats_and_texts_and_objects_as_json() -> None:
    loose = config(clusters__blue__nodes=3.0, clusters__green__nodes="3", cutover__budgetPerSecond="200")
    loose["cutover"]["steps"] = [{"share": "10"}, {"hold": 5.0}, {"share": 50}, {"share": 100.0}]
    as_pulumi_gives_it = {key: value if key == "live" else json.dumps(value) for key, value in loose.items()}
    assert read(as_pulumi_gives_it) == read(config())


def test_settings_survive_their_own_json() -> None:
    settings = read(config())
    assert model().model_validate_json(settings.model_dump_json(by_alias=True)) == settings


def test_the_example_stack_is_valid_and_shows_every_section() -> None:
    example = yaml.safe_load((ROOT / "stacks" / "Pulumi.example.yaml").read_text())["config"]
    raw = {key.removeprefix("emqx:"): value for key, value in example.items()}
    assert set(raw) == set(KEYS)
    settings = read(raw)
    assert {cluster.target for cluster in settings.clusters.values()} == {"local", "external"}
    assert set(raw["cutover"]) == {field.alias for field in type(settings.cutover).model_fields.values()}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"live": "red"}, "emqx:live: 'red'; allowed: blue or green"),
        ({"live": None}, "emqx:live: missing"),
        ({"clusters": None}, "emqx:clusters: missing"),
        ({"clusters": {}}, "emqx:clusters: an object; allowed: at least 1 of them"),
        ({"clusters__green": None}, "emqx:clusters.green: None; allowed: an object"),
        ({"clusters__pink": {}}, "emqx:clusters.pink: 'pink'; allowed: blue or green"),
        ({"clusters__green__target": "azure"}, "target: 'azure'; allowed: local, external, kubernetes, aws"),
        ({"clusters__green__target": "moon"}, "emqx:clusters.green.target: 'moon'; allowed: local, external"),
        ({"clusters__green__nodes": 0}, "emqx:clusters.green.nodes: 0; allowed: at least 1"),
        ({"clusters__green__nodes": 2.5}, "emqx:clusters.green.nodes: 2.5; allowed: a whole number"),
        ({"clusters__green__nodes": 2}, "emqx:clusters.green.nodes: 2; allowed: at least 3, as many as blue has"),
        ({"clusters__green__version": "5.8"}, "emqx:clusters.green.version"),
        ({"clusters__green__version": "latest"}, "emqx:clusters.green.version: latest"),
        ({"clusters__green__version": "5.8.99"}, "newer than the newest known"),
        ({"clusters__green__version": "6.0.1"}, "5.x (others are not yet built)"),
        ({"clusters__green__version": "5.8.5"}, "there is no downgrade"),
        ({"clusters__green__edition": "ce"}, "emqx:clusters.green.edition"),
        ({"clusters__green__edition": "free"}, "emqx:clusters.green.edition: 'free'; allowed: ee or ce"),
        ({"clusters__green__emqxhome": "/opt"}, "emqx:clusters.green.emqxhome: unknown key; allowed: target, version"),
        ({"clusters__green__maxSessions": 5, "clusters__green__emqxHome": "/opt/emqx"}, "emqx:clusters.green.maxSessions"),
        ({"cutover__strategy": "rolling"}, "emqx:clusters.blue: declared; allowed: nothing beside green"),
        ({"cutover__budgetPerSecond": 0}, "emqx:cutover.budgetPerSecond: 0; allowed: at least 1"),
        ({"cutover__budget": 3}, "emqx:cutover.budget: unknown key; allowed: strategy"),
        ({"cutover__evacuation__connEvictRate": 0}, "emqx:cutover.evacuation.connEvictRate: 0; allowed: at least 1"),
        ({"cutover__evacuation__connRate": 1}, "emqx:cutover.evacuation.connRate: unknown key; allowed: waitHealthCheckSeconds"),
        ({"cutover__steps": [{"share": 50}]}, "emqx:cutover.steps[0].share: 50; allowed: 100 for the last share"),
        ({"cutover__steps": "all"}, "emqx:cutover.steps: 'all'; allowed: a list"),
        ({"cutover__gates__memoryUsedFraction": 4}, "emqx:cutover.gates.memoryUsedFraction: 4; allowed: at most 1"),
        ({"cutover__gates__memory": 4}, "emqx:cutover.gates.memory: unknown key; allowed: connectFailureRate"),
        ({"cutover__soakSeconds": -1}, "emqx:cutover.soakSeconds: -1; allowed: at least 0"),
        ({"cutover__acknowledge": ["session"]}, "emqx:cutover.acknowledge[0]: 'session'; allowed: sessions"),
        ({"cutover": [1]}, "emqx:cutover: a list of 1; allowed: an object"),
        ({"balancer__address": "nowhere"}, "emqx:balancer.address: 'nowhere'"),
        ({"balancer__maxConnections": 1}, "emqx:balancer.maxConnections: 1; allowed: at least 10"),
        ({"balanser": {}}, "emqx:balanser: unknown key; allowed: live"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_with_path_value_and_what_is_allowed(
    changes: dict[str, Any], line: str
) -> None:
    assert any(line in one for one in refusal(config(**changes))), refusal(config(**changes))


def test_all_problems_are_told_at_once_one_line_each() -> None:
    lines = refusal(
        config(live="red", cutover__budgetPerSecond=0, cutover__steps=[{"share": 7}], clusters__blue__nodes=0)
    )
    assert len(lines) == 1 + 4
    assert lines[0] == "the stack's config: 4 to correct"


@pytest.mark.parametrize(
    ("nodes", "line"),
    [
        ([{**NODE, "password": "hunter2"}], "nodes[0].password: unknown key; allowed: name, api, mqtt"),
        (
            [{**NODE, "api": "http://admin:hunter2@10.0.1.1:18083"}],
            "nodes[0].api: (not shown); allowed: http://host:port",
        ),
        ([{**NODE, "api": "10.0.1.1:18083"}], "nodes[0].api: '10.0.1.1:18083'; allowed: http://host:port"),
        ([{**NODE, "mqtt": "10.0.1.1"}], "nodes[0].mqtt: '10.0.1.1'; allowed: host:port"),
        ([{**NODE, "ws": "10.0.1.1"}], "nodes[0].ws: '10.0.1.1'; allowed: host:port of its listener for WebSocket"),
        ([{**NODE, "name": "one"}], "nodes[0].name: 'one'; allowed: a node's name"),
        ([NODE, NODE], "nodes[1].name: given twice"),
        ([], "nodes: missing; allowed: a value is required"),
        (3, "nodes: 3; allowed: a list"),
    ],
)
def test_external_nodes_are_refused_where_they_cannot_be_reached_as_written(nodes: Any, line: str) -> None:
    lines = refusal(config(clusters__blue={"target": "external", "version": "5.8.6", "nodes": nodes}))
    assert any(line in one for one in lines), lines
    assert "hunter2" not in "".join(lines)


@pytest.mark.parametrize(
    "address", ["10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:01883", 'a"b:1883', "a#b:1883", "a'b:1883"]
)
def test_an_address_that_nothing_can_listen_on_is_refused(address: str) -> None:
    external = {"target": "external", "version": "5.8.6"}
    for node in ({**NODE, "mqtt": address}, {**NODE, "api": f"http://{address}"}):
        (line,) = refusal(config(clusters__blue={**external, "nodes": [node]}))[1:]
        assert "emqx:clusters.blue.nodes[0]." in line
    (line,) = refusal(config(balancer__address=address))[1:]
    assert "emqx:balancer.address" in line
    assert "allowed: host:port of this machine" in line


@pytest.mark.parametrize("mqtt", ["10.0.0.1:65535", "[::1]:1883", "mqtt-1.example.org:1"])
def test_an_address_that_something_can_listen_on_is_taken(mqtt: str) -> None:
    nodes = [{**NODE, "mqtt": mqtt}]
    assert read(config(clusters__blue={"target": "external", "version": "5.8.6", "nodes": nodes})).live == "green"
    for address in (mqtt, "*:1883", "0.0.0.0:1883"):
        assert read(config(balancer__address=address)).balancer.address == address


@pytest.mark.parametrize(
    "path", ["cutover__budgetPerSecond", "clusters__green__nodes", "clusters__green__maxSessions", "balancer__replicas"]
)
def test_true_is_no_number(path: str) -> None:
    (line,) = refusal(config(**{path: True}))[1:]
    assert "True; allowed: a whole number" in line


def test_a_version_is_the_same_in_every_spelling() -> None:
    settings = read(config(clusters__blue__version="v5.8.6", clusters__green__version=" 5.8.8 "))
    assert [settings.clusters[colour].version for colour in ("blue", "green")] == ["5.8.6", "5.8.8"]


def test_a_secret_in_the_wrong_place_is_not_shown() -> None:
    raw = config(clusters__green__apiSecret="hunter2", cutover__strategy={"apiSecret": "hunter2"}, hunter="hunter2")
    raw["cutover"]["steps"] = [{"apiSecret": "hunter2"}, ["hunter2"]]
    assert "hunter2" not in "\n".join(refusal(raw))


def test_credentials_are_known_keys_that_are_never_read() -> None:
    raw = config()
    seen: list[str] = []

    def look(key: str) -> Any:
        seen.append(key)
        return raw.get(key)

    settings = load(look, stack="dev", names=[*raw, CREDENTIALS])
    assert seen == list(KEYS)
    assert settings.live == "green"


@pytest.mark.parametrize("written", [5.1, 5])
def test_a_version_that_yaml_made_a_number_is_to_be_quoted(written: float) -> None:
    [_, line] = refusal(config(clusters__green__version=written))
    assert line.startswith(f"  emqx:clusters.green.version: {written}; allowed: a text: quote it")


@pytest.mark.parametrize(("version", "is_played"), [("5.0.26", False), ("5.7.2", False), ("5.8.0", True)])
def test_a_version_that_no_lab_node_plays_is_refused_before_anything_is_made(version: str, is_played: bool) -> None:
    raw = config(live="blue", clusters__blue__version=version)
    if is_played:
        assert read(raw).clusters["blue"].version == version
    else:
        assert any("lab nodes; for another one give emqxHome" in line for line in refusal(raw))
