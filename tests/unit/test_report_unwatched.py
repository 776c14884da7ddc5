"""Clients that an evacuation moves while no update watches it: counted in the report, and no figure pretends that they were timed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from components.cutover.words import Colour
from components.links.opening import open_run
from components.links.shift import carry_out
from components.report.html import page
from components.report.model import Report
from components.report.numbers import report_of
from components.report.terminal import summary
from tests.unit.cutover_bed import EVACUATION, manner, up
from tests.unit.fake_world import UNFINISHED, Killed, World
from tests.unit.report_bed import BEGAN, Event

pytestmark = [pytest.mark.unit, *UNFINISHED]

CLIENTS = 60
MANNER = manner([10, 100], budget=20, mover=EVACUATION)


def cut_off_after(world: World, batches: int) -> None:
    """A run that is ended once the evacuation has moved so many batches."""

    def interrupted() -> None:
        if sum(one["event"] == "move" and one["mover"] == "evacuation" for one in world.journal) >= batches:
            raise Killed

    async def work() -> None:
        run = replace(world.run("first"), interrupted=interrupted)
        opened = await open_run(run, "green", ("blue", "green"), (), budget_per_second=20, keep_stale=False)
        for name in ("shift-10", "shift-100"):
            await carry_out(run, name, "green", MANNER, opened.direction)

    with pytest.raises(Killed):
        asyncio.run(work())


def on(world: World, colour: Colour) -> int:
    return sum(at == colour for at in world.at.values())


def finished(world: World) -> Report:
    """The report once another run has gone to the end."""
    asyncio.run(up(world, MANNER, "second"))
    world.run("second").record("end", outcome="done", to="green")
    return report_of(world.journal)


@pytest.mark.parametrize("seconds", [0.0, 1.5, 30.0])
def test_the_next_run_counts_who_was_moved_meanwhile_and_gives_no_ratio(seconds: float) -> None:
    world = World([f"dev-{number}" for number in range(CLIENTS)])
    cut_off_after(world, 1)
    before = on(world, "blue")
    assert before
    asyncio.run(world.clock.sleep(seconds))
    gone = before - on(world, "blue")
    report = finished(world)
    assert report.runs == 2
    assert sum(step.clients for step in report.steps) == report.clients == CLIENTS
    assert report.unwatched is not None
    assert gone <= report.unwatched <= before
    if report.unwatched:
        assert report.ratio is None
        assert f"{report.unwatched} of them were moved by an evacuation while no update watched" in summary(report)
        assert "moved by an evacuation that no update watched" in page(report)
    assert bool(gone) == (seconds > 1)


def test_a_cutover_that_is_watched_to_its_end_has_its_ratio() -> None:
    world = World([f"dev-{number}" for number in range(CLIENTS)])
    report = finished(world)
    assert report.unwatched == 0
    assert report.ratio is not None
    assert "no update watched" not in summary(report) + page(report)


def test_a_cutover_that_is_not_done_has_no_ratio() -> None:
    world = World([f"dev-{number}" for number in range(CLIENTS)])
    cut_off_after(world, 1)
    assert report_of(world.journal).ratio is None


def test_who_left_a_colour_that_does_not_answer_any_more_was_not_watched() -> None:
    world = World([f"dev-{number}" for number in range(CLIENTS)])
    cut_off_after(world, 1)
    left = on(world, "blue")
    world.apis["blue"].dead = True
    world.router.down.add("blue")
    world.ledger.memory["imported"] = "green 1.0"
    report = finished(world)
    assert (report.unwatched, report.ratio) == (left, None)


def test_a_journal_without_the_count_leaves_the_number_unknown() -> None:
    def event(after: float, kind: str, run: str, **facts: object) -> Event:
        return {"t": BEGAN + after, "run": run, "event": kind, **facts}

    events = []
    for run, after in (("a", 0), ("b", 20)):
        events += [
            event(after, "run", run, to="green", direction="forward", clients=100, budget_per_second=10),
            event(after + 1, "step", run, name="shift-100", phase="begin"),
            event(after + 2, "evacuation", run, colour="blue"),
            event(after + 3, "move", run, step="shift-100", mover="evacuation", count=10),
            event(after + 4, "move", run, step="shift-100", mover="evacuation", count=10),
        ]
    done = [event(30, "step", "b", name="shift-100", phase="end", clients=20, moving_seconds=1.0)]
    report = report_of([*events, *done, event(31, "end", "b", outcome="done")])
    assert (report.unwatched, report.ratio) == (None, None)
    assert "not known" in page(report)
    assert "- of them were moved" in summary(report)


def test_whoever_leaves_in_portions_is_watched_and_all_are_counted() -> None:
    world = World([f"dev-{number}" for number in range(CLIENTS)])
    choice = EVACUATION.model_copy(update={"portions": (10.0, 50.0, 100.0)})
    asyncio.run(up(world, manner([10, 100], budget=20, mover=choice), "only"))
    report = report_of(world.journal)
    assert report.unwatched == 0
    moves = [one["count"] for one in world.journal if one["event"] == "move" and one["mover"] == "evacuation"]
    assert sum(moves) == CLIENTS
