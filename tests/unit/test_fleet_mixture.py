"""Who is of which kind follows from the number alone; how many are away follows from the kinds and the rate."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.fleet.kind import Cause, End, Tries, decide
from lab.fleet.kinds import ALL, MIXTURE, PLAIN
from lab.fleet.mixture import MIXED, Mixture, UnknownKindError, mixture, only
from lab.fleet.part import Order
from lab.fleet.settings import FleetSettings

pytestmark = pytest.mark.unit

HERE = (("127.0.0.1", 1883),)
MIXTURES = st.lists(
    st.tuples(st.sampled_from(ALL), st.integers(1, 30)), min_size=1, max_size=6, unique_by=lambda pair: pair[0]
).map(lambda pairs: Mixture(tuple(kind for kind, _ in pairs), tuple(weight for _, weight in pairs)))


@given(MIXTURES, st.integers(0, 1_000))
def test_every_cycle_has_each_kind_as_often_as_its_weight(mixed: Mixture, first: int) -> None:
    cycle = sum(mixed.weights)
    counts = Counter(mixed.of(first + number)[0].name for number in range(cycle))
    assert counts == {kind.name: weight for kind, weight in zip(mixed.kinds, mixed.weights, strict=True)}


@given(MIXTURES, st.integers(1, 200))
def test_a_short_run_has_nearly_the_same_proportion(mixed: Mixture, clients: int) -> None:
    counts = Counter(mixed.of(number)[0].name for number in range(clients))
    for kind, weight in zip(mixed.kinds, mixed.weights, strict=True):
        assert abs(counts[kind.name] - clients * weight / sum(mixed.weights)) <= 1


def test_level_session_and_qos_do_not_go_hand_in_hand_with_the_kind() -> None:
    specs = list(FleetSettings(HERE, 2_000, kinds=mixture("mqttjs,hivemq=2,aws")).specs())
    for name in ("mqttjs", "hivemq"):
        sorts = Counter((spec.level, spec.persistent, spec.qos) for spec in specs if spec.kind.name == name)
        assert len(sorts) == 8
        assert max(sorts.values()) - min(sorts.values()) <= 2
    assert {spec.level for spec in specs if spec.kind.name == "aws"} == {5}


def test_the_default_mixture_is_of_both_levels_and_half_persistent() -> None:
    specs = list(FleetSettings(HERE, 1_000, kinds=mixture(MIXED)).specs())
    assert Counter(spec.kind.name for spec in specs) == {name: 10 * weight for name, weight in MIXTURE.items()}
    assert 450 < sum(spec.persistent for spec in specs) < 550
    assert 400 < sum(spec.level == 5 for spec in specs) < 600
    assert all(spec.level in spec.kind.levels for spec in specs)


@pytest.mark.parametrize(
    ("words", "kinds", "weights"),
    [
        ("plain", ["plain"], (1,)),
        ("paho-python, aws=3", ["paho-python", "aws"], (1, 3)),
        ("mixture", list(MIXTURE), tuple(MIXTURE.values())),
    ],
)
def test_words_mean_kinds_and_weights(words: str, kinds: list[str], weights: tuple[int, ...]) -> None:
    found = mixture(words)
    assert [kind.name for kind in found.kinds] == kinds
    assert found.weights == weights


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "'' is no kind"),
        ("paho", "'paho' is no kind of client: give mixture, or of these"),
        ("mixture,plain", "'mixture' is no kind"),
        ("plain,plain", "twice"),
        ("plain=0", "a weight of '0'"),
        ("plain=", "a weight of ''"),
        ("plain=1.5", "give a whole number of 1 to 1,000"),
        ("plain=99999999999999999999", "give a whole number"),
        ("plain=\u0661", "give a whole number"),
    ],
)
def test_words_that_mean_nothing_are_refused_with_what_is_allowed(words: str, told: str) -> None:
    with pytest.raises(UnknownKindError, match=told):
        mixture(words)


def test_the_order_of_a_process_says_whose_kinds_are_which() -> None:
    settings = FleetSettings(HERE, 300, kinds=mixture(MIXED), password="p", sources=("127.0.0.9",)).part(1, 3)
    order = Order(settings, "log", 5.0, seed=7)
    assert Order.of(order.line()) == order
    assert list(Order.of(order.line()).settings.specs()) == list(settings.specs())


def most_away(mixed: Mixture, clients: int, rate: float, chance: random.Random) -> int:
    """Of so many that are disconnected one after the other, how many were away at once."""
    changes = []
    for number in range(clients):
        kind, _ = mixed.of(number)
        wait = decide(kind, Tries(), End(Cause.FIN, "FIN", live=True), chance.random()).wait_seconds
        assert wait is not None
        changes += [(number / rate, -1), (number / rate + wait, +1)]
    away = most = 0
    for _, change in sorted(changes):
        away -= change
        most = max(most, away)
    return most


@pytest.mark.parametrize("words", ["plain", "paho-python", "mixture", "aws,esp-mqtt"])
@pytest.mark.parametrize(("clients", "rate"), [(1_000, 200), (2_000, 400), (400, 400), (15_000, 500)])
def test_those_away_at_once_are_the_rate_times_the_mean_wait(words: str, clients: int, rate: int) -> None:
    mixed = mixture(words)
    expected, seen = mixed.away(rate, clients / rate), most_away(mixed, clients, rate, random.Random(3))
    assert 0.9 * expected - 1 <= seen <= expected + 3 * expected**0.5 + 1


@given(st.sampled_from(["plain", "mixture", "aws"]), st.integers(100, 5_000), st.integers(20, 2_000))
def test_more_clients_at_the_same_rate_never_leave_fewer_connected(words: str, clients: int, rate: int) -> None:
    mixed = mixture(words)
    steps = (10.0, 50.0, 100.0)
    less, more = (mixed.least_connected(count, rate, steps) for count in (clients, 4 * clients))
    assert 0 <= less <= clients
    assert less <= more <= 4 * clients
    assert mixed.least_connected(clients, rate, (100.0,)) <= less


@pytest.mark.parametrize("words", ["plain", "mixture"])
def test_the_bound_of_a_step_holds_for_a_fleet_that_is_disconnected_at_the_rate(words: str) -> None:
    mixed, clients, rate = mixture(words), 1_000, 200
    seen = clients - most_away(mixed, clients, rate, random.Random(5))
    assert seen >= mixed.least_connected(clients, rate, (100.0,)) > seen - 60


def test_the_figures_that_the_documents_name_are_these() -> None:
    assert only(PLAIN).away(400, 5.0) == pytest.approx(40)
    assert mixture("paho-python").away(400, 2.5) == pytest.approx(400)
    assert mixture(MIXED).away(400, 60.0) == pytest.approx(624, abs=0.5)
    assert [mixture(MIXED).away(400, seconds) for seconds in (2.5, 5.0)] == pytest.approx([440, 540], abs=0.5)
    assert mixture(MIXED).least_connected(1_000, 200, (10, 50, 100)) == 735
