"""Watching: the view is made of journal, ledger and counts, fits a small window, and Prometheus gets the same numbers."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from components.report.planned import planned_steps
from components.run.orders import ABORT, HOLD, Order, written
from components.watch import asking
from components.watch.__main__ import main
from components.watch.metrics import PREFIX, families, registry_of
from components.watch.screen import headline, screen
from components.watch.view import View, view

pytestmark = pytest.mark.unit

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
PLAN = {
    "steps": [
        {"name": "shift-10", "clients": 20, "mover": "close"},
        {"name": "shift-100", "clients": 180, "mover": "close"},
    ]
}
EVENTS: list[dict[str, Any]] = [
    {"t": 90.0, "run": "old", "event": "run", "to": "green", "direction": "forward", "clients": 200, "budget_per_second": 20},
    {"t": 91.0, "run": "old", "event": "end", "outcome": "done", "to": "green"},
    {"t": 100.0, "run": "a", "event": "run", "to": "green", "direction": "forward", "clients": 200, "budget_per_second": 20},
    {"t": 100.1, "run": "a", "event": "plan", "steps": planned_steps(PLAN)},
    {"t": 101.0, "run": "a", "event": "step", "phase": "begin", "name": "shift-10", "share": 10, "mover": "close"},
    {"t": 102.0, "run": "a", "event": "move", "step": "shift-10", "mover": "close", "count": 20},
    {"t": 103.0, "run": "a", "event": "step", "phase": "end", "name": "shift-10", "clients": 20, "moving_seconds": 1.0},
    {"t": 104.0, "run": "a", "event": "step", "phase": "begin", "name": "shift-100", "share": 100, "mover": "close"},
    {"t": 105.0, "run": "a", "event": "gate", "step": "shift-100", "name": "stall_seconds", "verdict": "unknown", "value": 4.0, "threshold": 30.0, "node": ""},
    {"t": 106.0, "run": "a", "event": "pace", "step": "shift-100", "rate": 10, "budget": 20},
    {"t": 108.0, "run": "a", "event": "move", "step": "shift-100", "mover": "close", "count": 30},
]  # fmt: skip
NODES: dict[str, int | None] = {"blue/emqx@127.0.0.1": 150, "green/emqx@127.0.1.1": 50}


def seen(**more: Any) -> View:
    facts: dict[str, Any] = {"share": 10_000, "memory": {}, "nodes": NODES, **more}
    return view("dev", 110.0, facts.pop("events", EVENTS), **facts)


def test_a_running_update_is_told_by_its_newest_run_with_what_is_left() -> None:
    now = seen()
    assert (now.to, now.direction, now.outcome, now.held_by) == ("green", "forward", None, None)
    assert [(step.name, step.state, step.clients, step.planned) for step in now.steps] == [
        ("shift-10", "done", 20, 20),
        ("shift-100", "now", 30, 180),
    ]
    assert now.share_wanted_percent == 100
    assert now.share_measured_percent == 25
    assert now.rate_per_second == 30 / 5
    assert now.seconds_left == 150 / 10, "at the pace that the meter allows now"
    assert [(gate.name, gate.value) for gate in now.gates] == [("stall_seconds", 4.0)]
    assert "5 s ago: gate" in now.events[-1]
    assert (
        seen(events=[*EVENTS, {"t": 109.0, "run": "a", "event": "end", "outcome": "done", "to": "green"}]).outcome
        == "done"
    )


def test_steps_to_come_and_orders_are_shown() -> None:
    begun = seen(events=EVENTS[:7], memory={HOLD: written(Order(1.0, "ann", "red"))})
    assert [(step.name, step.state) for step in begun.steps] == [("shift-10", "done"), ("shift-100", "to come")]
    assert begun.held_by == "held by ann: red"
    assert seen(memory={ABORT: written(Order(1.0, "bob", "why"))}).held_by == "abort by bob: why"


def test_what_nobody_tells_is_unknown_and_no_zero() -> None:
    silent = seen(share=None, nodes={**NODES, "green/emqx@127.0.1.2": None})
    assert silent.share_wanted_percent is None
    assert silent.share_measured_percent is None
    assert "share unknown % wanted, unknown % measured" in headline(silent)
    samples = [sample for family in families(silent) for sample in family.samples]
    assert not [one for one in samples if one.name.endswith("share_wanted_percent")]
    assert len([one for one in samples if one.name.endswith("node_clients")]) == 2
    assert headline(seen(events=[])) == "dev: no update was made here"


def test_it_fits_a_small_window() -> None:
    out = Console(file=io.StringIO(), width=80, height=24, force_terminal=False)
    out.print(screen(seen()))
    assert isinstance(out.file, io.StringIO)
    lines = out.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24 + len(seen().events)
    assert any("shift-100" in line and "180" in line for line in lines)


def test_every_metric_of_the_dashboard_exists_and_every_metric_is_on_it() -> None:
    written_down = set(re.findall(rf"{PREFIX}_\w+", DASHBOARD.read_text()))
    assert written_down == {family.name for family in families(seen())}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_prometheus_gets_the_numbers_of_the_newest_view() -> None:
    newest: list[View] = []
    registry = registry_of(lambda: newest[-1] if newest else None)
    assert generate_latest(registry) == b""
    newest.append(seen())
    text = generate_latest(registry).decode()
    found = {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}
    assert found[f"{PREFIX}_share_measured_percent"] == 25
    assert found[f"{PREFIX}_running"] == 1


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stacks").mkdir()
    stack = {"emqx:live": "blue", "emqx:clusters": {"blue": {"target": "local", "version": "5.8.9", "nodes": 1}}}
    (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": stack}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("components.watch.__main__.credentials_of", lambda _: {})
    return tmp_path


def test_the_command_shows_what_journal_and_ledger_say_and_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--stack", "dev", "--once"]) == 0
    assert capsys.readouterr().out == "dev: no update was made here\n"
    work = project / ".emqx" / "dev"
    (work / "balancer").mkdir(parents=True)
    (work / "balancer" / "share.map").write_text("green 2500\n")
    ended = [*EVENTS, {"t": 109.0, "run": "a", "event": "end", "outcome": "done", "to": "green"}]
    (work / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in ended))
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    assert main(["--stack", "dev"]) == 0, "it ends with the update"
    assert "dev: forward to green: done; share 25 % wanted" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before
    assert main(["--stack", "nowhere"]) == 1
    assert "stacks/Pulumi.nowhere.yaml" in capsys.readouterr().err


def test_without_pulumis_key_the_clients_of_nodes_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.prefix", "/nowhere")
    assert asking.credentials_of("dev") == {}
