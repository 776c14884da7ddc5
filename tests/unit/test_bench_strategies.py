"""The yardstick empties node after node, as the Operator does, and the comparison knows its bounds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import pytest

from components.cutover.evacuation import Evacuation
from components.emqx.answers import EvacuationFacts
from components.emqx.models import ClusterHandle, Node
from components.ledger.base import Record
from lab.bench_strategies import Row, missed, times_faster
from lab.engine_run import NotDone
from lab.operator import NODE_SECONDS, moving_seconds, replace_nodes

pytestmark = pytest.mark.unit
KNOBS = Evacuation(conn_evict_rate=7)


class Old:
    """Each node needs three looks until it is empty; ``stuck`` never gets so far."""

    node_names = ("emqx@10.0.0.1", "emqx@10.0.0.2", "emqx@10.0.0.3")

    def __init__(self, told: list[str], stuck: str = "") -> None:
        self.told, self.stuck = told, stuck
        self.looks: dict[str, int] = {}

    async def evacuation_start(self, node: str, knobs: Evacuation, recipients: tuple[str, ...]) -> bool:
        assert knobs == KNOBS
        assert recipients == ("emqx@10.0.1.1",)
        assert all(looks > 3 for looks in self.looks.values()), "the one before is not empty yet"
        self.told.append(f"evacuate {node}")
        self.looks[node] = 0
        return True

    async def evacuations(self) -> dict[str, EvacuationFacts]:
        self.looks = {node: looks + 1 for node, looks in self.looks.items()}
        return {node: self._facts(node, looks) for node, looks in self.looks.items()}

    def _facts(self, node: str, looks: int) -> EvacuationFacts:
        state = "prohibiting" if looks > 3 and node != self.stuck else "evicting_conns"
        return EvacuationFacts.model_validate({"node": node, "state": state, "connection_eviction_rate": 7})


class Balancer:
    """Router, ledger and clock in one."""

    def __init__(self, told: list[str]) -> None:
        self.told, self.seconds = told, 0.0
        self.record = Record()

    async def servers(self) -> Any:
        return {"green": {"emqx@10.0.1.1": None}}

    async def set_server(self, colour: str, node: str, state: str) -> None:
        self.told.append(f"{colour} {node} {state}")

    async def set_share(self, parts: int) -> None:
        self.told.append(f"share {parts}")

    @asynccontextmanager
    async def held(self, _holder: str | None) -> Any:
        yield self

    async def write(self, *_: Any, **_more: Any) -> None:
        pass

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def play(stuck: str = "") -> tuple[list[str], Any]:
    told: list[str] = []
    world: Any = Balancer(told)
    old: Any = Old(told, stuck)
    node = Node(name="emqx@10.0.1.1", api="http://10.0.1.1:18083", mqtt="10.0.1.1:1883")
    new = ClusterHandle(colour="green", nodes=(node,), version="5.8.9")
    return told, replace_nodes(old, new, "green", world, world, KNOBS, world)


async def test_the_operator_sends_everybody_to_the_new_nodes_and_empties_the_old_ones_one_by_one() -> None:
    told, playing = play()
    await playing
    ready, share, *evacuated = told
    assert (ready, share) == ("green emqx@10.0.1.1 ready", "share 10000")
    assert evacuated == ["evacuate emqx@10.0.0.3", "evacuate emqx@10.0.0.2", "evacuate emqx@10.0.0.1"]


async def test_a_node_that_is_never_empty_ends_the_bench_with_what_was_seen() -> None:
    told, playing = play(stuck="emqx@10.0.0.2")
    with pytest.raises(NotDone, match=rf"emqx@10.0.0.2 is evicting_conns after {NODE_SECONDS:g} s"):
        await playing
    assert told[-1] == "evacuate emqx@10.0.0.2", "the next node is not touched"


def test_moving_is_from_the_first_to_the_last_disconnect() -> None:
    connecting = [(0.0, 1), (1.0, 2)]
    assert moving_seconds(connecting) == 0.0
    assert moving_seconds([*connecting, (5.0, 1), (5.2, 2), (9.0, 1), (9.3, 2), (30.0, 3)]) == 4.0


def row(name: str, seconds: float, *, ratio: float | None = None, most: int = 1, away: int = 0) -> Row:
    return Row(name, seconds, ratio, {"disconnects": {"max": most}, "away": away})


def test_three_times_faster_with_one_disconnect_each_is_within_the_bounds() -> None:
    rows = [row("same-cluster", 5.0, ratio=1.02), row("the Operator's", 15.0), row("rolling", 60.0, most=3)]
    assert times_faster(rows) == 3.0
    assert missed(rows) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (row("same-cluster", 5.0, ratio=1.2), row("the Operator's", 15.0), "ratio 1.2 is over 1.1"),
        (row("same-cluster", 5.0), row("the Operator's", 15.0), "ratio None is over 1.1"),
        (row("same-cluster", 7.0, ratio=1.0), row("the Operator's", 14.0), "only 2.0 times faster"),
        (row("same-cluster", 5.0, ratio=1.0, most=2), row("the Operator's", 15.0), "2 disconnects of a device"),
        (row("same-cluster", 5.0, ratio=1.0), row("the Operator's", 15.0, away=1), "the Operator's: 1 devices away"),
    ],
)
def test_each_bound_that_is_missed_is_told(ours: Row, theirs: Row, told: str) -> None:
    assert missed([ours, theirs]) == [told]
