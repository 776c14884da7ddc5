"""The plan: its invariants from every point where a run can be interrupted, and the order of an ordinary cutover."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.cohort import everybody, moves, parts_of, share_percent
from components.cutover.plan import DRAIN, Desired, PlanError, Transition, World, check_invariants, part, plan
from components.cutover.steps import DEFAULT_STEPS, Step, parse_steps
from components.cutover.words import COLOURS, PARTS, Colour, Mover, other

pytestmark = pytest.mark.unit

BOTH: frozenset[Colour] = frozenset(COLOURS)
COLOUR: st.SearchStrategy[Colour] = st.sampled_from(COLOURS)
MOVER: st.SearchStrategy[Mover] = st.sampled_from(["kick", "evacuation"])
IDS = st.lists(
    st.text("abcdefgh0123456789", min_size=1, max_size=6) | st.just("VD8HsMuOdpH2qGST"), unique=True, max_size=30
)


@st.composite
def step_lists(draw: st.DrawFn) -> tuple[Step, ...]:
    shares = [*sorted(draw(st.sets(st.integers(1, 9_999), max_size=4))), PARTS]
    raw: list[dict[str, Any]] = []
    for share in shares:
        raw += draw(st.lists(st.sampled_from([{"hold": 3}, {"gate": True}]), max_size=2))
        raw.append({"share": share / 100})
    raw += draw(st.lists(st.sampled_from([{"hold": 3}, {"gate": True}]), max_size=2))
    return parse_steps(raw)


class Fake:
    """A world that does what a transition says, one client at a time, and counts what the clients notice."""

    def __init__(self, ids: list[str], at: Colour, share: int, healthy: frozenset[Colour]) -> None:
        self.world = World(share=share, healthy=healthy)
        self.on: dict[Colour, list[str]] = {"blue": [], "green": []}
        self.on[at] = list(ids)
        self.disconnects = dict.fromkeys(ids, 0)
        self.done: list[Transition] = []

    def apply(self, one: Transition, most: int | None = None) -> bool:
        """Do it, or only the first ``most`` clients of it; whether it was done to its end."""
        self.done.append(one)
        if one.act == "open":
            healthy = self.world.healthy | {one.colour}
            self.world = replace(self.world, healthy=healthy, draining=self.world.draining - {one.colour})
        elif one.act == "share":
            self.world = replace(self.world, share=one.parts, drained=frozenset())
        elif one.act in {"move", "drain"}:
            return self._move(one, most)
        return True

    def _move(self, one: Transition, most: int | None) -> bool:
        old, to = one.colour, other(one.colour)
        due = [client for client in self.on[old] if moves(client, to, one.parts)]
        for client in due[:most]:
            self.on[old].remove(client)
            # Back at the balancer, which sends it by the share that is set now.
            self.on["green" if parts_of(client) < self.world.share else "blue"].append(client)
            self.disconnects[client] += 1
        whole = most is None or most >= len(due)
        if one.act == "drain":
            drained = self.world.drained | {old} if whole and one.step == DRAIN else self.world.drained
            self.world = replace(self.world, draining=self.world.draining | {old}, drained=drained)
        return whole


@settings(max_examples=150)
@given(
    IDS, COLOUR, step_lists(), MOVER, st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), max_size=6), st.data()
)
def test_interrupted_anywhere_and_planned_again_nobody_moves_twice_and_all_arrive(
    ids: list[str],
    to: Colour,
    steps: tuple[Step, ...],
    mover: Mover,
    breaks: list[tuple[int, int]],
    data: st.DataObject,
) -> None:
    healthy = data.draw(st.sampled_from([BOTH, frozenset([other(to)])]))
    fake = Fake(ids, other(to), everybody(other(to)), healthy)
    desired = Desired(to, steps, mover)
    for stop_after, clients in breaks:
        for index, one in enumerate(plan(fake.world, desired)):
            before = fake.world
            if one.act == "share":
                assert to in before.healthy
                assert share_percent(to, one.parts) > share_percent(to, before.share)
            if one.act == "drain":
                assert before.share == everybody(to)
            if one.act in {"hold", "judge"}:
                assert not [client for client in fake.on[other(to)] if moves(client, to, before.share)]
            if index == stop_after:
                fake.apply(one, clients)
                break
            fake.apply(one)
    for one in plan(fake.world, desired):
        fake.apply(one)
    assert sorted(fake.on[to]) == sorted(ids)
    assert set(fake.disconnects.values()) <= {1}
    assert list(plan(fake.world, desired)) == []


@settings(max_examples=100)
@given(IDS, step_lists(), MOVER, st.integers(0, 12), st.integers(0, 5))
def test_a_flip_at_any_point_brings_everybody_back_with_at_most_one_more_disconnect(
    ids: list[str], steps: tuple[Step, ...], mover: Mover, stop_after: int, clients: int
) -> None:
    fake = Fake(ids, "blue", 0, BOTH)
    for index, one in enumerate(plan(fake.world, Desired("green", steps, mover))):
        if index == stop_after:
            fake.apply(one, clients)
            break
        fake.apply(one)
    for one in plan(fake.world, Desired("blue", steps, mover)):
        fake.apply(one)
    assert sorted(fake.on["blue"]) == sorted(ids)
    assert set(fake.disconnects.values()) <= {0, 1, 2}


@given(step_lists(), MOVER, st.integers(0, PARTS), COLOUR)
def test_each_step_alone_does_what_the_whole_plan_would_do(
    steps: tuple[Step, ...], mover: Mover, share: int, to: Colour
) -> None:
    # One dynamic resource carries out one step: it plans from what it then observes and takes the transitions of its name.
    desired, alone = Desired(to, steps, mover), Fake([], other(to), share, BOTH)
    whole = list(plan(alone.world, desired))
    for name in [*(step.name for step in steps), "drain"]:
        for one in [one for one in plan(alone.world, desired) if one.step == name]:
            alone.apply(one)
    assert alone.done == whole


def test_the_order_of_an_ordinary_cutover() -> None:
    world = World(share=0, healthy=frozenset(["blue"]))
    acts = [(one.act, one.step, one.parts) for one in plan(world, Desired("green", DEFAULT_STEPS, "evacuation"))]
    assert acts == [
        ("open", "shift-10", 0),
        ("share", "shift-10", 1_000),
        ("move", "shift-10", 1_000),
        ("hold", "hold-1", 1_000),
        ("share", "shift-50", 5_000),
        ("move", "shift-50", 5_000),
        ("share", "shift-100", 10_000),
        ("drain", "shift-100", 10_000),
        ("drain", "drain", 10_000),
    ]


@pytest.mark.parametrize(("mover", "takes"), [("evacuation", "drain"), ("kick", "move")])
def test_a_hold_after_the_last_share_finds_everybody_moved_and_nothing_drained_yet(mover: Mover, takes: str) -> None:
    steps = parse_steps([{"share": 50}, {"share": 100}, {"hold": 600}, {"gate": True}])
    fake = Fake([f"dev-{number}" for number in range(50)], "blue", 0, BOTH)
    seen = []
    for one in plan(fake.world, Desired("green", steps, mover)):
        if one.act in {"hold", "judge"}:
            assert fake.on["blue"] == []
            assert fake.world.drained == frozenset()
        fake.apply(one)
        seen.append((one.act, one.step))
    assert seen[2:] == [
        ("share", "shift-100"),
        (takes, "shift-100"),
        ("hold", "hold-1"),
        ("judge", "gate-1"),
        ("drain", "drain"),
    ]
    assert fake.world.drained == {"blue"}


def test_kicks_move_the_last_clients_in_the_last_step_and_the_drain_finds_nobody() -> None:
    world = World(share=5_000, healthy=BOTH)
    acts = [(one.act, one.step) for one in plan(world, Desired("green", DEFAULT_STEPS, "kick"))]
    assert acts == [("move", "shift-50"), ("share", "shift-100"), ("move", "shift-100"), ("drain", "drain")]


def test_a_hold_is_not_repeated_once_a_later_share_is_reached() -> None:
    steps = parse_steps([{"share": 10}, {"hold": 5}, {"share": 50}, {"gate": True}, {"share": 100}])

    def passed(share: int) -> list[str]:
        return [
            one.step
            for one in plan(World(share, BOTH), Desired("green", steps, "kick"))
            if one.act in {"hold", "judge"}
        ]

    assert passed(1_000) == ["hold-1", "gate-1"]
    assert passed(5_000) == ["gate-1"]
    assert passed(10_000) == []


def test_a_colour_that_evacuates_is_opened_before_it_gets_anybody() -> None:
    world = World(share=10_000, healthy=BOTH, draining=frozenset(["blue"]), drained=frozenset(["blue"]))
    first = next(plan(world, Desired("blue", DEFAULT_STEPS, "kick")))
    assert first == Transition("open", "shift-10", "blue", 10_000)


@given(step_lists(), MOVER, st.integers(0, PARTS), COLOUR, st.sets(st.sampled_from(COLOURS)))
def test_every_act_of_a_plan_belongs_to_a_link_that_carries_it_out(
    steps: tuple[Step, ...], mover: Mover, share: int, to: Colour, draining: set[Colour]
) -> None:
    links = {*(step.name for step in steps), DRAIN}
    world = World(share, frozenset(), draining=frozenset(draining))
    desired = Desired(to, steps, mover)
    assert {one.step for one in plan(world, desired)} <= links
    done = [one.act for step in [*(step.name for step in steps), DRAIN] for one in part(world, desired, step)]
    assert ("open" in done) == any(one.act == "open" for one in plan(world, desired))


@pytest.mark.parametrize(
    ("transition", "now", "why"),
    [
        (Transition("share", "shift-10", "green", 1_000), World(1_000, BOTH), "would fall"),
        (Transition("share", "shift-50", "green", 5_000), World(5_000, BOTH), "not healthy"),
        (Transition("share", "shift-50", "blue", 1_000), World(1_000, BOTH), "not healthy"),
        (Transition("drain", "drain", "blue", 2_000), World(2_000, BOTH), "would drain while"),
        (Transition("move", "shift-50", "blue", 5_000), World(2_000, BOTH), "not set"),
    ],
)
def test_a_transition_that_breaks_an_invariant_is_an_error(transition: Transition, now: World, why: str) -> None:
    before = World(2_000, frozenset(["blue"]), draining=frozenset(["blue"]))
    to: Colour = "green" if transition.act != "share" else transition.colour
    with pytest.raises(PlanError, match=why):
        check_invariants(before, now, transition, to)
