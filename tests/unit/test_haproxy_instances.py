"""HAProxy on instances as one router: asked by Systems Manager, set where clients go, and what is not healthy stops nobody."""

from __future__ import annotations

import json
import random
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from components.aws.place import AwsPlace
from components.emqx.errors import Refused, Unreachable
from components.emqx.models import BalancerHandle, Tier
from components.ledger import dynamodb, versioned
from components.ledger.base import Record
from components.ledger.registry import ledger_of
from components.routers import commands
from components.routers.haproxy import by_command, far_end
from components.routers.haproxy import instances as subject
from components.routers.haproxy.by_command import packed, unpacked
from components.routers.haproxy.instances import InstancesRouter, Machine
from tests.unit.fake_ssm import FakeSsm

pytestmark = pytest.mark.unit
HANDLE = BalancerHandle(
    router="haproxy_instances",
    ledger="dynamodb",
    mqtt="lb:1883",
    admin=(),
    maps="emqx-prod-cutover",
    aws=AwsPlace(region="eu-central-1"),
    tier=Tier(name="emqx-prod", groups=("arn-of-1883",)),
)
CLIENTS = 300


class World:
    """``shares`` are those of HAProxy by instance; one that is ``silent`` has no HAProxy that answers. ``questions`` are what was asked, by its first words."""

    def __init__(self) -> None:
        self.shares: dict[str, str] = {"i-a": "1000", "i-b": "1000"}
        self.machines = [Machine("i-a", "10.0.0.1", "running", True), Machine("i-b", "10.0.0.2", "running", True)]
        self.silent: set[str] = set()
        self.closed: list[str] = []
        self.questions: Counter[str] = Counter()
        self.ledger = Record(share=1_000)
        source = random.Random(7)
        # as HAProxy prints them; every third client is on the second instance
        self.sessions = {
            f"0x{source.getrandbits(44):x}": f"10.1.{number % 250}.{number % 7}:{20_000 + number}"
            for number in range(CLIENTS)
        }

    def of(self, instance: str) -> dict[str, str]:
        """Its sessions."""
        mine = instance == "i-b"
        return {place: one for number, (place, one) in enumerate(self.sessions.items()) if (number % 3 == 0) == mine}

    def answers(self, instance: str, lines: Sequence[str]) -> tuple[int, str]:
        """What `far_end.py` prints there."""
        (line,) = lines
        program, path, given = shlex.split(line)
        assert (program, path) == ("python3", by_command.PROGRAM)
        asked = json.loads(unpacked(given))
        self.questions[" ".join(asked["command"].split()[:2])] += 1
        if instance in self.silent:
            return far_end.NO_ANSWER, "No such file or directory"
        text = "".join(self._answer(instance, one.strip()) for one in asked["command"].split(";")) or "\n"
        if asked["only"]:
            found = (re.search(asked["only"], one) for one in text.splitlines())
            text = "".join(f"{one.group(0)}\n" for one in found if one)
        return 0, packed(text)

    def _answer(self, instance: str, command: str) -> str:
        words = command.split()
        if words[:2] == ["set", "map"]:
            self.shares[instance] = words[-1]
            return "\n"
        if words[:2] == ["shutdown", "session"]:
            self.closed.append(words[2])
            return "\n"
        if words[:2] == ["show", "map"]:
            return f"0x1 green {self.shares[instance]}\n\n"
        if words[:2] == ["show", "info"]:
            return "Pid: 7\nCumReq: 1000\n\n"
        if words[:2] == ["show", "proc"]:
            return "# workers\n7 worker\n# old workers\n\n"
        if words[:2] == ["show", "sess"] and len(words) == 2:
            more = "srv=emqx:4010.0.2.1 ts=00 epoch=0 age=1s calls=3 rate=0 cpu=0 lat=0 rq[f=848000h,i=0,an=00h,rx=,wx=,ax=]"
            return "".join(
                f"{place}: proto=tcpv4 src={one} fe=mqtt be=blue {more}\n" for place, one in self.of(instance).items()
            )
        (place,) = words[2:]
        number = list(self.sessions).index(place)
        return (
            f"{place}: [29/Nov/2026:21:58:01.{number:06}] id={number} proto=tcpv4 source={self.of(instance)[place]}\n"
            f"  flags=0x4a, conn_retries=0, conn_exp=<NEVER>\n"
            f"  backend=blue (id=3 mode=tcp) addr=10.0.0.9:{40_000 + number}\n"
        )


class FakeLedger:
    """What the table says."""

    world: World

    def __init__(self, _region: str, _table: str) -> None:
        pass

    async def read(self) -> Record:
        return self.world.ledger


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    FakeSsm(world.answers).replace(monkeypatch)
    for name in ("FIRST_SECONDS", "POLL_SECONDS"):
        monkeypatch.setattr(commands, name, 0.0)
    monkeypatch.setattr(subject, "listed", lambda *_: list(world.machines))
    monkeypatch.setattr(subject, "DynamodbLedger", type("Fake", (FakeLedger,), {"world": world}))
    return world


def router(**more: Any) -> InstancesRouter:
    return InstancesRouter(HANDLE, patience_seconds=0.2, **more)


async def test_a_share_is_set_on_every_instance_and_read_back_from_each(world: World) -> None:
    await router().set_share(2_500)
    assert world.shares == {"i-a": "2500", "i-b": "2500"}
    assert await router().share() == 2_500


async def test_one_that_is_healthy_and_does_not_answer_stops_a_share_since_it_takes_clients(world: World) -> None:
    world.silent = {"i-b"}
    with pytest.raises(Unreachable, match=r"i-b/admin.sock.*No such file"):
        await router().set_share(2_500)


async def test_one_that_begins_is_passed_by_since_it_reads_the_share_before_it_takes_anybody(world: World) -> None:
    world.machines.append(Machine("i-c", "10.0.0.3", "pending", False))
    world.silent = {"i-c"}
    await router().set_share(2_500)
    assert world.shares == {"i-a": "2500", "i-b": "2500"}


async def test_one_that_begins_to_take_clients_while_a_share_is_set_gets_it_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [world.machines[:1]]
    monkeypatch.setattr(subject, "listed", lambda *_: looks.pop() if looks else list(world.machines))
    await router().set_share(2_500)
    assert world.shares == {"i-a": "2500", "i-b": "2500"}


async def test_instances_that_disagree_get_what_the_ledger_says(world: World) -> None:
    world.shares["i-b"] = "0"
    assert await router().share() == 1_000
    assert world.shares == {"i-a": "1000", "i-b": "1000"}


async def test_instances_that_disagree_and_a_ledger_that_is_silent_are_refused_and_named(world: World) -> None:
    world.shares["i-b"] = "0"
    world.ledger = Record()
    with pytest.raises(Refused, match=r"i-a/admin.sock has 1000, i-b/admin.sock has 0"):
        await router().share()


async def test_without_a_healthy_instance_it_is_unreachable_and_says_so(world: World) -> None:
    world.machines = [one._replace(healthy=False) for one in world.machines]
    with pytest.raises(Unreachable, match="none of its 2 instances is healthy at the Network Load Balancer"):
        await router().share()


async def test_connections_are_found_and_closed_on_whichever_instance_with_few_commands(world: World) -> None:
    one, wanted = router(), list(world.sessions.values())[:200]
    mark = await one.mark()
    found = await one.find("blue", wanted)
    assert sorted(found) == sorted(wanted)
    world.questions.clear()
    ended = await one.close("blue", found, mark=mark)
    assert ended == frozenset(wanted)
    assert sorted(world.closed) == sorted(list(world.sessions)[:200])
    assert world.questions == {"show sess": 2, "shutdown session": 2}, (
        "two of each instance, as long as nothing else is due"
    )


async def test_a_question_that_was_just_asked_is_not_asked_again_until_something_was_set(world: World) -> None:
    one = router()
    for _ in range(5):
        await one.share()
    assert world.questions["show map"] == 2
    await one.set_share(2_000)
    assert await one.share() == 2_000


async def test_an_order_makes_only_those_answers_be_asked_again_that_it_may_have_changed(world: World) -> None:
    one = router()
    found = await one.find("blue", list(world.sessions.values())[:20], seen_as="client")
    await one.share()
    world.questions.clear()
    await one.close("blue", found)
    await one.share()
    assert not world.questions.keys() & {"show map", "show info", "show proc"}
    await one.set_share(2_000)
    await one.find("blue", list(world.sessions.values())[:20], seen_as="client")
    assert world.questions["show map"] == 2, "read back from each"
    assert not world.questions.keys() & {"show info", "show proc"}
    world.questions.clear()
    await one.mark()
    assert world.questions == {"show info": 2, "show proc": 2}, "as they are at this moment"


async def test_the_answer_to_as_many_addresses_as_are_asked_at_once_fits_into_what_aws_tells(world: World) -> None:
    source = random.Random(3)
    line = "0x{:x}: proto=tcpv4 src=10.{}.{}.{}:{} fe=mqtt be=blue "
    numbers = [
        [source.getrandbits(44), *(source.randrange(256) for _ in range(3)), source.randrange(65_536)]
        for _ in range(subject.AT_ONCE)
    ]
    assert len(packed("\n".join(line.format(*one) for one in numbers))) < commands.MOST_OUTPUT


def test_a_ledger_behind_slow_orders_is_not_taken_over_while_a_share_is_set() -> None:
    """Two orders, each at its bound, and each tried for as long as an instance may be silent."""
    longest = 2 * (subject.TIMEOUT_SECONDS + by_command.SLOW_SECONDS + subject.PATIENCE_SECONDS)
    assert longest < dynamodb.SLOW_STALE_SECONDS < dynamodb.SLOW_PATIENCE_SECONDS
    made = vars(ledger_of(HANDLE))
    assert (made["_stale_seconds"], made["_patience_seconds"]) == (90.0, 240.0)
    plain = vars(ledger_of(HANDLE.model_copy(update={"tier": None})))
    assert plain["_stale_seconds"] == versioned.STALE_SECONDS
