"""What the program registers: neutral names, one order, plain values for the policies, nothing secret."""

from __future__ import annotations

import itertools
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.program.conftest import Recorder
from tests.program.declaring import declare

pytestmark = pytest.mark.program

ROOT = Path(__file__).parents[2]
PREFIX = "pulumi-python:dynamic/emqx:"
STEPS = [{"share": 10}, {"hold": 5}, {"share": 100}]
CHAIN = [
    ("Cutover", "cutover"),
    ("DataExport", "cutover-export"),
    ("DataImport", "cutover-import"),
    ("Verification", "cutover-verification"),
    ("TrafficShift", "cutover-shift-10"),
    ("TrafficShift", "cutover-hold-1"),
    ("TrafficShift", "cutover-shift-100"),
    ("Drain", "cutover-drain"),
]


def chain(recorder: Recorder) -> list[tuple[str, str]]:
    return [
        (one.type.removeprefix(PREFIX), one.name)
        for one in recorder.seen
        if one.type.startswith(PREFIX) and one.name.startswith("cutover")
    ]


def test_the_chain_is_declared_once_in_its_order(recorder: Recorder, config: Callable[..., Any]) -> None:
    config("green", "blue", "green", steps=STEPS)
    declare()
    assert sorted(chain(recorder)) == sorted(CHAIN)


def test_each_link_waits_for_the_token_of_the_one_before(recorder: Recorder, config: Callable[..., Any]) -> None:
    config("green", "blue", "green", steps=STEPS)
    declare()
    for (_, before), (_, name) in itertools.pairwise(CHAIN):
        assert recorder.named(name).inputs["after"] == f"token-of-{before}"
        assert recorder.named(name).inputs["run"] == "token-of-cutover"


def test_a_flip_of_live_changes_no_name(recorder: Recorder, config: Callable[..., Any]) -> None:
    config("green", "blue", "green", steps=STEPS)
    declare()
    forward = {(one.type, one.name) for one in recorder.seen}
    recorder.seen.clear()
    config("blue", "blue", "green", steps=STEPS)
    declare()
    assert {(one.type, one.name) for one in recorder.seen} == forward
    assert {one.inputs["to"] for one in recorder.seen if "to" in one.inputs} == {"blue"}


def test_one_colour_has_no_chain(recorder: Recorder, config: Callable[..., Any]) -> None:
    config("blue", "blue")
    declare()
    assert chain(recorder) == []
    assert recorder.named("blue-guard").type == f"{PREFIX}ClusterGuard"


def test_policies_see_the_intent_as_plain_values(recorder: Recorder, config: Callable[..., Any]) -> None:
    config("green", "blue", "green", steps=STEPS, budgetPerSecond=70)
    declare()
    inputs = recorder.named("cutover").inputs
    assert inputs["to"] == inputs["live"] == "green"
    assert [entry["colour"] for entry in inputs["declared"]] == ["blue", "green"]
    assert [entry["version"] for entry in inputs["declared"]] == ["5.8.6", "5.8.9"]
    assert [step.get("share") for step in inputs["steps"] if step["kind"] == "share"] == [10, 100]
    assert inputs["budget_per_second"] == 70
    assert recorder.named("balancer-haproxy").inputs["colours"] == ["blue", "green"]
    assert recorder.named("balancer-haproxy").inputs["holding"] == inputs["holding"] == []


def test_policies_see_what_the_balancers_files_tell(
    recorder: Recorder, config: Callable[..., Any], tmp_path: Path
) -> None:
    balancer = tmp_path / ".emqx" / "test" / "balancer"
    balancer.mkdir(parents=True)
    (balancer / "share.map").write_text("green 2500\n")
    (balancer / "memory.map").write_text("origin =blue\n")
    config("green", "blue", "green", steps=STEPS)
    declare()
    for name in ("cutover", "balancer-haproxy"):
        assert recorder.named(name).inputs["holding"] == ["blue", "green"]
    assert recorder.named("cutover").inputs["origin"] == "blue"


def test_an_update_claims_its_work_directory_and_a_preview_writes_nothing(
    recorder: Recorder, config: Callable[..., Any], tmp_path: Path
) -> None:
    config("blue", "blue")
    declare()
    claimed = tmp_path / ".emqx" / "test" / "balancer" / "stack"
    assert claimed.exists() != pulumi.runtime.is_dry_run()
    assert recorder.seen


def test_external_nodes_are_not_ours_to_create(recorder: Recorder, config: Callable[..., Any]) -> None:
    nodes = [{"name": "emqx@10.0.0.1", "api": "http://10.0.0.1:18083", "mqtt": "10.0.0.1:1883"}]
    external = {"target": "external", "edition": "ce", "version": "5.8.6", "nodes": nodes}
    local = {"target": "local", "edition": "ce", "version": "5.8.9", "nodes": 1}
    values = config("green", "blue", "green", steps=STEPS)
    values["emqx:clusters"] = json.dumps({"blue": external, "green": local})
    pulumi.runtime.set_all_config(values)
    declare()
    assert [one.name for one in recorder.seen if one.type == f"{PREFIX}LocalCluster"] == ["green-nodes"]
    assert recorder.named("cutover").inputs["clusters"]["blue"]["nodes"] == nodes


def test_the_whole_program_declares_the_chain_and_writes_its_plan_where_it_is_wanted(
    recorder: Recorder, config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config("green", "blue", "green", steps=STEPS)
    monkeypatch.setenv("EMQX_PLAN_FILE", str(tmp_path / "for-ci" / "plan.md"))

    @pulumi.runtime.test
    def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"))

    program()
    assert {name for _, name in chain(recorder)} == {name for _, name in CHAIN}
    assert json.loads((tmp_path / "for-ci" / "plan.json").read_text())["to"] == "green"
    assert (tmp_path / "for-ci" / "plan.md").read_text().startswith("# No device reconnects")


def test_a_wrong_config_ends_before_anything_is_registered(recorder: Recorder, config: Callable[..., Any]) -> None:
    config("green", "blue", "green", steps=[{"share": 50}, {"share": 20}])
    with pytest.raises(pulumi.RunError, match=r"emqx:cutover\.steps"):
        runpy.run_path(str(ROOT / "__main__.py"))
    assert recorder.seen == []
