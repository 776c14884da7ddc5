"""Each policy refuses a real preview, of a program that declares our components without our own checks of its config."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.stage import ROOT
from lab.workspace import Secret, Workspace

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

PROGRAM = '''
"""Reads the same keys as ours; what contradicts itself is not looked for. What blue's version is can be hidden from the policies."""
import json
import pulumi
from components.intent import declared
from components.settings import Settings
from components.upgrade import BlueGreen

config = pulumi.Config("emqx")
raw = {key: json.loads(config.require(key)) for key in ("clusters", "cutover")}
hidden = config.get("workDirectory") or ""


class Hidden(BlueGreen):
    def _intent(self):
        intent = super()._intent()
        (blue,) = (one for one in intent["declared"] if one["colour"] == "blue")
        handle = self.clusters["blue"].handle
        blue["version"] = handle["version"] if hidden == "unknown" else pulumi.Output.secret(blue["version"])
        return intent


(Hidden if hidden else BlueGreen)("fleet", declared({**raw, "live": config.require("live"), "workDirectory": "work"}))
'''
SHARES: list[dict[str, Any]] = [
    {"kind": "share", "name": f"shift-{share}", "share": share, "seconds": 0} for share in (50, 100)
]
CREDENTIALS = {"blue": {"apiKey": "k", "apiSecret": Secret("planted")}}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    directory = tmp_path_factory.mktemp("policies")
    source = directory / "source"
    source.mkdir()
    (source / "__main__.py").write_text(PROGRAM)
    for name in ("Pulumi.yaml", "components", "lab", "policies"):
        (source / name).symlink_to(ROOT / name)
    made = Workspace.create(directory / "stack", source)
    yield made
    made.close()


def configure(workspace: Workspace, live: str, *colours: str, **changes: Any) -> None:
    """Blue 5.8.6 and green 5.8.9 with two nodes each; ``blue`` and ``green`` change them, ``steps`` the steps, ``share`` what holds.

    ``origin`` is the colour whose data the other one was filled from, ``hidden`` is what the policies cannot see of blue's version.
    """
    versions = {"blue": "5.8.6", "green": "5.8.9"}
    clusters = {
        colour: {"target": "local", "nodes": 2, "version": versions[colour], **changes.get(colour, {})}
        for colour in colours
    }
    workspace.set_config(
        {
            "live": live,
            "clusters": clusters,
            "cutover": {"steps": changes.get("steps", SHARES)},
            "credentials": changes.get("credentials", CREDENTIALS),
            "workDirectory": changes.get("hidden", ""),
        }
    )
    balancer = workspace.project / "work" / "balancer"
    balancer.mkdir(parents=True, exist_ok=True)
    (balancer / "share.map").write_text(f"green {changes.get('share', 0)}\n")
    (balancer / "memory.map").write_text(f"origin ={changes['origin']}\n" if "origin" in changes else "")


BOTH = ("blue", "green")


@pytest.mark.parametrize(
    ("policy", "told", "live", "colours", "changes"),
    [
        ("no-downgrade", "blue has 5.8.6 (ee) and green has 5.8.9 (ee)", "blue", BOTH, {"share": 10_000}),
        (
            "old-colour-declared",
            "blue is not declared, but clients may be on it",
            "green",
            ("green",),
            {"share": 9_000},
        ),
        (
            "no-downgrade",
            "blue has 5.8.5 (ee) and green has 5.8.9 (ee)",
            "blue",
            BOTH,
            {"share": 10_000, "blue": {"version": "5.8.5"}, "hidden": "secret"},
        ),
        (
            "no-downgrade",
            "green has 5.8.9 (ee) and blue has 5.8.10 (ee)",
            "green",
            BOTH,
            {"share": 0, "blue": {"version": "5.8.10"}},
        ),
        (
            "capacity",
            "blue has 1 nodes, at least the 2 of green are needed",
            "blue",
            BOTH,
            {"share": 10_000, "blue": {"version": "5.8.10", "nodes": 1}},
        ),
        ("steps-rise", "50 comes after 100", "green", BOTH, {"steps": [*SHARES[::-1], SHARES[1]]}),
        ("capacity", "green has 1 nodes, at least the 2 of blue are needed", "green", BOTH, {"green": {"nodes": 1}}),
        (
            "no-plain-secret",
            "emqx:credentials.blue.apiSecret is not encrypted",
            "green",
            BOTH,
            {"credentials": {"blue": {"apiKey": "k", "apiSecret": "planted"}}},
        ),
    ],
)
def test_a_preview_is_refused_by_the_policy(
    workspace: Workspace, policy: str, told: str, live: str, colours: tuple[str, ...], changes: dict[str, Any]
) -> None:
    configure(workspace, live, *colours, **changes)
    refused = workspace.preview(policy_pack=workspace.project / "policies")
    assert refused.code
    assert told in refused.output
    others = {"no-downgrade", "old-colour-declared", "steps-rise", "capacity", "no-plain-secret"} - {policy}
    assert policy in refused.output
    assert not [other for other in others if f"  {other}" in refused.output], refused.output
    assert "planted" not in refused.output


def test_a_version_that_cannot_be_seen_is_refused_by_every_policy_that_needs_it(workspace: Workspace) -> None:
    configure(workspace, "green", *BOTH, hidden="unknown")
    refused = workspace.preview(policy_pack=workspace.project / "policies")
    assert refused.code
    for policy in ("no-downgrade", "capacity"):
        assert policy in refused.output
    assert refused.output.count("refuses what it cannot see") >= 2, refused.output


@pytest.mark.parametrize(
    ("live", "colours", "changes"),
    [
        ("green", BOTH, {}),
        ("green", BOTH, {"hidden": "secret"}),
        ("blue", BOTH, {"share": 10_000, "blue": {"version": "5.8.10"}}),
        ("blue", BOTH, {"share": 5_000, "origin": "blue"}),
        ("green", ("green",), {"share": 10_000, "origin": "blue"}),
    ],
    ids=["first-upgrade", "secret-version", "second-upgrade", "way-back", "finalize"],
)
def test_what_is_right_passes_them_all(
    workspace: Workspace, live: str, colours: tuple[str, ...], changes: dict[str, Any]
) -> None:
    configure(workspace, live, *colours, **changes)
    workspace.preview(policy_pack=workspace.project / "policies").good()
