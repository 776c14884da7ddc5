"""The drain in portions, behind a router that does not know clients: its order, its bounds, and that nobody is disconnected twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.cohort import everybody, moves
from components.cutover.facts import Thresholds
from components.cutover.plan import DRAIN, Desired, PlanError, Transition, World, check_invariants, part, plan
from components.cutover.portions import Weighed, problems, spans, staying, too_fine
from components.cutover.steps import parse_steps
from components.cutover.words import COLOURS, Colour, Mover, other

pytestmark = pytest.mark.unit

BOTH: frozenset[Colour] = frozenset(COLOURS)
COLOUR: st.SearchStrategy[Colour] = st.sampled_from(COLOURS)
MOVER: st.SearchStrategy[Mover] = st.sampled_from(["kick", "evacuation"])
PERCENTS = st.lists(st.integers(1, 99), max_size=4, unique=True).map(lambda some: (*map(float, sorted(some)), 100.0))
IDS = st.lists(st.text("abcdefgh0123456789", min_size=1, max_size=6), unique=True, max_size=30)


class Blind:
    """A world whose router sends new connections by chance: the worst of chances, as the test draws them."""

    def __init__(self, ids: list[str], to: Colour, chance: st.DataObject) -> None:
        self.to, self._chance = to, chance
        self.world = World(share=everybody(other(to)), healthy=BOTH)
        self.old = list(ids)
        self.disconnects = dict.fromkeys(ids, 0)

    def apply(self, one: Transition, most: int | None = None) -> None:
        if one.act == "share":
            self.world = replace(self.world, share=one.parts, drained=frozenset())
        elif one.act in {"move", "portion", "drain"}:
            due = [client for client in self.old if moves(client, self.to, one.parts)]
            for client in due[:most]:
                self.disconnects[client] += 1
                if self.world.share == everybody(self.to) or self._chance.draw(st.booleans()):
                    self.old.remove(client)
            if one.act == "drain" and one.step == DRAIN and (most is None or most >= len(due)):
                self.world = replace(self.world, drained=self.world.drained | {other(self.to)})


@settings(max_examples=100)
@given(
    IDS,
    COLOUR,
    PERCENTS,
    PERCENTS,
    MOVER,
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=4),
    st.data(),
)
def test_nobody_is_disconnected_before_all_new_connections_go_to_the_new_colour_and_so_nobody_twice(
    ids: list[str],
    to: Colour,
    shares: tuple[float, ...],
    portions: tuple[float, ...],
    mover: Mover,
    breaks: list[tuple[int, int]],
    data: st.DataObject,
) -> None:
    desired = Desired(to, parse_steps([{"share": share} for share in shares]), mover, portions)
    blind = Blind(ids, to, data)
    for stop_after, clients in breaks:
        for index, one in enumerate(plan(blind.world, desired)):
            if index == stop_after:
                blind.apply(one, clients)
                break
            blind.apply(one)
    for one in plan(blind.world, desired):
        blind.apply(one)
    assert blind.old == []
    assert set(blind.disconnects.values()) <= {1}
    assert list(plan(blind.world, desired)) == []


def test_weights_come_first_and_then_portions_with_a_judgement_behind_each() -> None:
    desired = Desired("green", parse_steps([{"share": 10}, {"hold": 5}, {"share": 100}]), "kick", (25.0, 100.0))
    acts = [(one.act, one.step, one.parts) for one in plan(World(share=0, healthy=BOTH), desired)]
    assert acts == [
        ("share", "shift-10", 1_000),
        ("hold", "hold-1", 1_000),
        ("share", "shift-100", 10_000),
        ("portion", "shift-100", 2_500),
        ("judge", "shift-100", 10_000),
        ("move", "shift-100", 10_000),
        ("drain", "drain", 10_000),
    ]


def test_a_portion_with_less_than_the_whole_share_is_no_plan() -> None:
    world = World(share=9_990, healthy=BOTH)
    with pytest.raises(PlanError, match="would drain while green has"):
        check_invariants(world, world, Transition("portion", "shift-100", "blue", 1_000), "green")


def test_each_portion_has_a_meter_of_its_own_and_the_share_is_judged_in_the_last_alone() -> None:
    desired = Desired("green", parse_steps([{"share": 10}, {"share": 100}]), "kick", (10.0, 50.0, 100.0))
    world = World(share=1_000, healthy=BOTH)
    found = spans(part(world, desired, "shift-100"), "green", world.share, portions=True)
    assert [(one.parts, one.judged, [act.act for act in one.transitions]) for one in found] == [
        (1_000, False, ["share", "portion", "judge"]),
        (5_000, False, ["portion", "judge"]),
        (10_000, True, ["move"]),
    ]
    weighed = spans(part(World(share=0, healthy=BOTH), desired, "shift-10"), "green", 0, portions=True)
    assert [(one.parts, one.judged) for one in weighed] == [(0, False)]
    cohorts = part(world, replace(desired, portions=()), "shift-100")
    (cohort,) = spans(cohorts, "green", 1_000, portions=False)
    assert (cohort.parts, cohort.judged) == (10_000, True)


@pytest.mark.parametrize(
    ("portions", "path"),
    [((), ""), ((50.0,), ""), ((50.0, 50.0, 100.0), "[1]"), ((0.0, 100.0), "[0]"), ((100.0, 101.0), "[1]")],
)
def test_portions_rise_to_a_hundred(portions: tuple[float, ...], path: str) -> None:
    assert path in [one.path for one in problems(portions)]
    assert not list(problems((10.0, 100.0)))


def test_a_share_that_the_router_cannot_have_is_named() -> None:
    steps = parse_steps([{"share": 0.5}, {"share": 10.25}, {"share": 100}])
    assert [(one.path, one.value) for one in too_fine(steps, 10)] == [("[1].share", "10.25")]
    assert [one.allowed for one in too_fine(steps, 100)] == ["a multiple of 1 percent"] * 2
    assert "all or nothing" in next(too_fine(steps, 10_000)).allowed
    assert not list(too_fine(steps, 1))


@given(st.integers(0, 10_000), PERCENTS)
def test_the_last_portion_leaves_nobody_and_each_leaves_fewer(clients: int, portions: tuple[float, ...]) -> None:
    left = [staying(clients, portion) for portion in portions]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    assert all(0 <= one <= clients for one in left)


def weighed(steps: list[dict[str, object]], portions: tuple[float, ...], mover: Mover, budget: int) -> Weighed:
    bounds = Thresholds(gate_seconds=100, clients_away_seconds=50)
    return Weighed(
        steps=parse_steps(steps),
        portions=portions,
        mover=mover,
        budget_per_second=budget,
        wait_seconds=2,
        thresholds=bounds,
    )


def test_the_longest_drain_has_holds_gates_and_returns_at_their_bounds() -> None:
    steps: list[dict[str, object]] = [
        {"hold": 900},
        {"share": 10},
        {"hold": 60},
        {"gate": True},
        {"share": 100},
        {"hold": 7_000},
    ]
    assert weighed(steps, (100.0,), "kick", 100).most_seconds(3_000) == 60 + 100 + 30
    assert weighed(steps, (10.0, 100.0), "kick", 100).most_seconds(3_000) == 60 + 100 + 30 + 150
    evacuated = weighed(steps, (10.0, 100.0), "evacuation", 100).most_seconds(3_000)
    assert evacuated == 60 + 100 + 150 + (2 + 3 + 1) + (2 + 27 + 1)


@given(PERCENTS, st.integers(0, 100_000), st.integers(1, 1_000), MOVER)
def test_more_clients_or_a_smaller_budget_never_take_less_time(
    portions: tuple[float, ...], clients: int, budget: int, mover: Mover
) -> None:
    steps: list[dict[str, object]] = [{"share": 100}]
    here = weighed(steps, portions, mover, budget).most_seconds(clients)
    assert weighed(steps, portions, mover, budget).most_seconds(clients + 100) >= here
    assert weighed(steps, portions, mover, budget + 1).most_seconds(clients) <= here
