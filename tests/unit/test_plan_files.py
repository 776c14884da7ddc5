"""The plan is a file for whoever wants it, as Markdown and as JSON with the same content, and never an output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.cutover.forecast import Fleet, forecast
from components.cutover.movers import Choice
from components.cutover.outline import Around, Outline, RuleLine
from components.cutover.outline_markdown import MOST_CHARACTERS, markdown
from components.cutover.outline_of import of_cutover, of_roll, unasked
from components.cutover.roll import Release, RollNode
from components.cutover.roll_forecast import forecast as roll_forecast
from components.cutover.steps import DEFAULT_STEPS
from components.emqx.errors import BadInput
from components.outlining import document
from components.plan_files import VARIABLE, write_plan, write_refusal
from components.preview import Plan

pytestmark = pytest.mark.unit

AROUND = Around(
    strategy="two-cluster",
    source="5.8.6",
    source_edition="ee",
    target="5.10.1",
    target_edition="ee",
    nodes_before=3,
    nodes_after=4,
    soak_seconds=3600,
    backup=("blue: exports the data",),
    rules=(
        RuleLine(id="59-01", severity="breaking", change="A key.", remedy="Set | it.", hits=True, acknowledged=True),
    ),
    acknowledged=("sessions", "59-01"),
    licence_limit=1000,
    not_asked={"green": "no answer in 8 s"},
)
FLEET = Fleet(clients=600, mqtt5_clients=200, persistent_connected=90, persistent_offline=30, queued_messages=None)


def outline(direction: Any = "forward", fleet: Fleet = FLEET, around: Around = AROUND) -> Outline:
    plan = forecast(
        to="green",
        direction=direction,
        reason="green has 0 %",
        share_parts=0,
        steps=DEFAULT_STEPS,
        mover=Choice(mover="close", reason="a FIN"),
        budget_per_second=200,
        fleet=fleet,
        gates=("stall_seconds",),
    )
    return of_cutover(plan, around)


PLAN = Plan("Devices.\ncutover forward", {"to": "green", "outline": document(outline())}, outline())


@pytest.mark.parametrize("wanted", ["for-ci/plan.md", "for-ci/plan.json", "for-ci/plan"])
def test_it_is_in_the_work_directory_and_where_it_is_wanted(tmp_path: Path, wanted: str) -> None:
    write_plan(PLAN, str(tmp_path / "work"), str(tmp_path / wanted))
    for place in (tmp_path / "work", tmp_path / "for-ci"):
        assert {one.name for one in place.iterdir()} == {"plan.md", "plan.json"}
        assert (place / "plan.md").read_text() == markdown(PLAN.outline, PLAN.text)
        assert json.loads((place / "plan.json").read_text()) == {**PLAN.numbers, "text": PLAN.text}


def test_the_account_of_a_conversion_is_beside_the_plan_that_is_wanted(tmp_path: Path) -> None:
    write_plan(PLAN._replace(account="# each item"), str(tmp_path / "work"), str(tmp_path / "ci" / "plan.md"))
    assert (tmp_path / "ci" / "plan-conversion.md").read_text() == "# each item"


def test_a_place_that_cannot_be_written_is_refused_where_it_was_asked_for_and_nowhere_else(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    write_plan(PLAN, str(taken), None)
    with pytest.raises(BadInput, match=rf"{VARIABLE}: .*taken/plan\.md: .*name a file that can be written"):
        write_plan(PLAN, str(tmp_path / "work"), str(taken / "plan.md"))


def test_a_refusal_is_written_in_place_of_the_plan_of_before(tmp_path: Path) -> None:
    wanted = str(tmp_path / "plan.md")
    write_plan(PLAN, str(tmp_path / "work"), wanted)
    write_refusal(BadInput("emqx:live", seen="red", todo="blue or green"), wanted)
    assert (tmp_path / "plan.md").read_text().startswith("# The update is refused; no device reconnects.\n")
    assert "blue or green" in (tmp_path / "plan.md").read_text()
    assert "emqx:live" in json.loads((tmp_path / "plan.json").read_text())["refused"]


def test_the_first_line_says_whether_any_device_reconnects() -> None:
    first = markdown(outline(), "").splitlines()[0]
    assert first.startswith("# 600 devices reconnect, once each, in about ")
    assert first.endswith(", at most 200 per second.")
    assert markdown(outline("nothing"), "").startswith("# No device reconnects: nothing is to be done (green has 0 %).")
    assert markdown(outline(fleet=Fleet(clients=0)), "").startswith("# No device reconnects: none is connected.")
    assert markdown(outline(fleet=Fleet()), "").startswith("# Devices reconnect, and how many is not known.")
    nodes = [RollNode(f"emqx@127.0.0.{n}", Release("5.8.6", "ee"), clients=100) for n in (1, 2, 3)]
    rolled = roll_forecast(nodes, Release("5.8.9", "ee"), by="close", evens="close", budget_per_second=50, counted=True)
    assert "at most 4 times each" in (text := markdown(of_roll(rolled, AROUND, 50), ""))
    assert "| roll-1 | emqx@127.0.0.1 from 5.8.6 (ee) |" in text
    assert "- no return from: the first node that has started" in text
    idle = roll_forecast([], Release("5.8.9", "ee"), by="close", evens="close", budget_per_second=50, counted=True)
    assert markdown(of_roll(idle, AROUND, 50), "").startswith(
        "# No device reconnects: nothing is to be done (every node"
    )
    assert markdown(unasked("blue", "no answer", AROUND), "").startswith(
        "# Whether devices reconnect is not known: no answer"
    )


def test_every_part_that_a_reviewer_decides_by_is_there() -> None:
    text = markdown(outline(), "the table")
    for part in (
        "- who: 600 devices",
        "- how often: once each",
        "- when: with the first step, for about ",
        "- MQTT 5 clients that get a DISCONNECT: 0",
        "| shift-10 | 10 % on green | 60 | close | 200/s | 0.0 |",
        "- 5.8.6 (ee) to 5.10.1 (ee) by `two-cluster`",
        "- each new node needs its licence key",
        "- **59-01** (breaking, acknowledged): A key. Remedy: Set \\| it.",
        "- blue: exports the data",
        "- 90 sessions ended (acknowledged: `sessions`)",
        "- unknown queued messages (acknowledged: `sessions`)",
        "- acknowledged besides: `59-01`",
        "- nodes: 3 before, 4 after",
        "- the licence allows 1000 sessions, 630 will be there, 370 stay free",
        "- 3 more nodes for at least 1",
        "node hours, until the old colour is removed",
        "- set emqx:live: blue again",
        "- no return from: the change that takes blue out of emqx:clusters, 3600 s after the drain at the earliest",
        "- green could not be asked: no answer in 8 s",
        "- queued messages: not known",
        "<details><summary>As in the terminal (1 lines)</summary>",
    ):
        assert part in text, (part, text)


def test_markdown_says_nothing_that_json_does_not_have() -> None:
    """Rendered again from its JSON it is the same document, so the two cannot differ."""
    made = document(outline())
    computed = {"cost": "nodeHours", "room": "free"}
    plain = {
        name: {key: item for key, item in value.items() if key != computed.get(name)}
        if isinstance(value, dict)
        else value
        for name, value in made.items()
    }
    assert markdown(Outline.model_validate(plain), "x") == markdown(outline(), "x")
    assert made["cost"]["nodeHours"] == outline().cost.node_hours
    assert made["room"]["free"] == 370


def test_long_parts_are_folded_and_a_document_too_long_for_a_comment_is_cut_and_says_so() -> None:
    rules = tuple(AROUND.rules[0].model_copy(update={"id": f"99-{n}", "change": "word " * 60}) for n in range(900))
    large = outline(around=AROUND.model_copy(update={"rules": rules}))
    text = markdown(large, "line\n" * 30_000)
    assert len(text) <= MOST_CHARACTERS
    assert "<details><summary>Rules that hit (900 lines)</summary>" in text
    assert "more lines, all of them in `plan.json` (artifact)" in text
    assert text.count("<details>") == text.count("</details>") == 2
    assert text.count("```") == 2
    assert "| shift-100 | 100 % on green |" in text, "short parts stay whole"
    one = markdown(outline(around=AROUND.model_copy(update={"not_asked": {"green": "y" * 200_000}})), "z" * 200_000)
    assert len(one) <= MOST_CHARACTERS


def test_nothing_of_a_cluster_breaks_out_of_the_document() -> None:
    evil = AROUND.model_copy(update={"not_asked": {"green": "</details><script>\n# x | y"}})
    text = markdown(outline(around=evil), "```\n# not a heading")
    assert "<script>" not in text
    assert "\n# " not in text.replace("\n# not a heading", "")
    assert text.count("```") == 2
