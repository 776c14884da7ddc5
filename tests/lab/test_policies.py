"""The pack in a real engine: every rule refuses a preview and an update, what is right passes, and nothing is only advised."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.engine_run import Finished
from lab.stage import ROOT
from lab.workspace import Secret, Workspace
from tests.policy.asking import BLIND, NAMED
from tests.policy.test_rules_aws import CASES as AWS
from tests.policy.test_rules_kubernetes import CASES as KUBERNETES

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

OURS = '''
"""Reads the same keys as ours and looks for no contradiction; `planted` stands in for what our own settings never let through."""
import json
import pulumi
from components import upgrade
from components.intent import declared

config = pulumi.Config("emqx")
raw = {key: json.loads(config.get(key) or "{}") for key in ("clusters", "cutover", "balancer", "planted")}
planted, plain = raw.pop("planted"), upgrade.declaration
upgrade.declaration = lambda settings: {**plain(settings), **planted.get("fleet", {})}


class Fleet(upgrade.BlueGreen):
    def _intent(self):
        intent = {**super()._intent(), **planted.get("cutover", {})}
        if planted.get("hidden"):
            (blue,) = (one for one in intent["declared"] if one["colour"] == "blue")
            blue["version"] = self.clusters["blue"].handle["version"]
        return intent


words = {"environment": config.require("environment"), "live": config.require("live"), "protect": config.get("protect") != "false"}
settings = declared({**raw, **words, "workDirectory": "work"})
Fleet("fleet", settings, runs=planted.get("runs", {}))
'''
PLATFORMS = '''
"""Resources of other platforms, as components: these need no plugin, and the pack sees the type and the inputs alike."""
import json
import pathlib
import pulumi
for index, (token, inputs) in enumerate(json.loads(pathlib.Path("resources.json").read_text())):
    pulumi.ComponentResource(token, f"one-{index}", inputs).register_outputs(inputs)
'''
CREDENTIALS = {"blue": {"apiKey": "k", "apiSecret": Secret("planted")}}
STEPS: list[dict[str, Any]] = [
    {"kind": "share", "name": "shift-10", "share": 10, "seconds": 0},
    {"kind": "gate", "name": "gate-1", "share": 0, "seconds": 0},
    {"kind": "share", "name": "shift-100", "share": 100, "seconds": 0},
]
TLS = [{"port": 8883, "protocol": "mqtts", "certificate": {"named": "front"}}]


def workspace_of(directory: Path, program: str) -> Workspace:
    source = directory / "source"
    source.mkdir()
    (source / "__main__.py").write_text(program)
    for name in ("Pulumi.yaml", "components", "lab", "policies"):
        (source / name).symlink_to(ROOT / name)
    return Workspace.create(directory / "stack", source)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    made = workspace_of(tmp_path_factory.mktemp("policies"), OURS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    made = workspace_of(tmp_path_factory.mktemp("platforms"), PLATFORMS)
    yield made
    made.close()


def configure(workspace: Workspace, live: str, *colours: str, share: int = 0, **changes: Any) -> None:
    """A production stack that is right; ``blue`` and ``green`` change the colours, ``share`` is green's, ``origin`` whose data the other one has."""
    versions = {"blue": "5.8.6", "green": "5.8.9"}
    clusters = {
        colour: {"target": "local", "nodes": 2, "version": versions[colour], **changes.get(colour, {})}
        for colour in colours
    }
    cutover = {"steps": STEPS, "soakSeconds": 3600, "acknowledge": ["sessions"], **changes.get("cutover", {})}
    planted = {"runs": {colour: [clusters[colour]["version"]] for colour in colours}, **changes.get("planted", {})}
    workspace.set_config(
        {
            "environment": "prod",
            "live": live,
            "protect": changes.get("protect", True),
            "clusters": clusters,
            "cutover": cutover,
            "balancer": {"listeners": changes.get("listeners", TLS)},
            "credentials": changes.get("credentials", CREDENTIALS),
            "planted": planted,
        }
    )
    balancer = workspace.project / "work" / "balancer"
    balancer.mkdir(parents=True, exist_ok=True)
    (balancer / "share.map").write_text(f"green {share}\n")
    (balancer / "memory.map").write_text(f"origin ={changes['origin']}\n" if "origin" in changes else "")


def judged(workspace: Workspace, *, update: bool = False) -> Finished:
    pack = workspace.project / "policies"
    return workspace.up(policy_pack=pack) if update else workspace.preview(policy_pack=pack)


def broken(done: Finished) -> set[str]:
    """The rules that the output names as broken; each is mandatory."""
    assert done.code, done.output
    assert "[advisory]" not in done.output
    assert "planted" not in done.output, "a secret is shown"
    return {name for name in NAMED if re.search(rf"\[mandatory\].*\s{name}\s", done.output)}


BOTH = ("blue", "green")
WRONG: Mapping[str, Any] = {
    "share": 9_000,
    "protect": False,
    "blue": {"version": "5.9.99", "nodes": 1, "maxSessions": 10, "emqxHome": "/nowhere"},
    "green": {"maxSessions": 50},
    "listeners": [],
    "cutover": {
        "steps": [STEPS[2], STEPS[0], {**STEPS[2], "name": "shift-again"}],
        "soakSeconds": 0,
        "budgetPerSecond": 5_000,
    },
    "credentials": {"blue": {"apiKey": "k", "apiSecret": "planted"}},
    "planted": {
        "runs": {"green": ["5.8.6"]},
        "fleet": {"mover": "evacuation", "links": ["Cutover", "DataImport"]},
        "cutover": {"acknowledge": ["*"]},
    },
}
"""All that can be wrong with two colours at once."""
SAID = (
    "green has 5.8.9 (ee) and blue has 5.9.99 (ee)",
    "5.9.99 (ee) is not known",
    "is allowed by no strategy",
    "serves with 5.8.6 and is declared with 5.8.9",
    "a node of blue has 10 sessions, at least the 50 of green",
    "blue has 1 nodes, at least the 2 of green",
    "a share of 10 comes after 100",
    "no gate stands before the share of 100",
    "emqx:credentials.blue.license is not set",
    "emqx:credentials.blue.apiSecret is not encrypted",
)


def test_every_rule_on_two_colours_refuses_a_preview_with_value_and_remedy(ours: Workspace) -> None:
    configure(ours, "green", *BOTH, **WRONG)
    refused = judged(ours)
    alone = {"live-declared", "old-colour-declared", "open-source-features"}
    ours_alone = {rule.name for rule in NAMED.values() if not rule.name.startswith(("kubernetes-", "aws-", "tagged"))}
    assert broken(refused) == ours_alone - alone
    for said in SAID:
        assert said in refused.output, refused.output
    assert all(NAMED[name].remedy in refused.output for name in broken(refused)), refused.output


def test_a_live_colour_that_is_not_there_and_what_open_source_lacks_are_refused(ours: Workspace) -> None:
    left = {"fleet": {"mover": "evacuation"}}
    configure(ours, "blue", "green", share=9_000, green={"edition": "ce"}, planted=left)
    assert broken(judged(ours)) >= {"live-declared", "old-colour-declared", "open-source-features"}


def test_what_cannot_be_seen_is_refused_by_every_rule_that_needs_it(ours: Workspace) -> None:
    configure(ours, "green", *BOTH, share=10_000, origin="green", planted={"hidden": True, "runs": {}})
    refused = judged(ours)
    assert broken(refused) == {"capacity", "as-large", "version-kept"}
    assert refused.output.count(BLIND) == 2, refused.output


def test_what_is_right_passes_them_all_without_a_word(ours: Workspace) -> None:
    """The second upgrade and the finalize of real fleets are judged in their own stories."""
    configure(ours, "green", *BOTH)
    done = judged(ours).good()
    assert "[advisory]" not in done.output
    assert "[mandatory]" not in done.output


def declare(workspace: Workspace, *resources: tuple[str, Mapping[str, Any]]) -> None:
    (workspace.project / "resources.json").write_text(json.dumps(resources))


def test_every_rule_on_another_platforms_resources_refuses_preview_and_update_and_what_is_right_is_updated(
    platforms: Workspace,
) -> None:
    platforms.set_config({"live": "blue", "clusters": {}})
    hits = [(token, inputs) for _, token, inputs, _ in (*AWS.hits, *KUBERNETES.hits)]
    declare(platforms, *hits)
    assert broken(judged(platforms)) == {name for name, *_ in (*AWS.hits, *KUBERNETES.hits)}
    declare(platforms, hits[0])
    assert broken(judged(platforms, update=True)) == {AWS.hits[0][0]}
    declare(platforms, *AWS.good, *KUBERNETES.good)
    done = judged(platforms, update=True).good()
    assert "[advisory]" not in done.output
