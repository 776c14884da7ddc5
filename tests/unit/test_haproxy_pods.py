"""The balancer's pods as one router: who is asked, who is set, and that a pod which comes or goes meanwhile changes nothing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from components.cutover.capabilities import HAPROXY_PODS
from components.cutover.pace import Pace
from components.emqx.errors import Refused, Unreachable
from components.emqx.models import BalancerHandle
from components.kubernetes import forward, names, patience
from components.kubernetes.place import Place
from components.routers.haproxy import pods as subject
from components.routers.haproxy.pods import FRESH_SECONDS, PodsRouter
from components.routers.registry import capabilities_of
from tests.unit.fake_kubernetes import FakeApi, Passing

pytestmark = pytest.mark.unit
PLACE = Place(namespace="mqtt", access="port-forward")
LABELS = names.balancer_labels("emqx")
WANTED = 2_500
HANDLE = BalancerHandle(
    router="haproxy_pods", ledger="config_map", mqtt="127.0.0.1:1883", admin=(), maps="emqx", pods=PLACE
)


class World:
    """``shares`` are those of the pods' HAProxy by pod; one that is ``silent`` does not answer."""

    def __init__(self) -> None:
        self.shares: dict[str, int] = {}
        self.silent: set[str] = set()
        self.leaving: Sequence[str] = ()


class FakeHaproxy:
    """HaproxyRouter over the sockets that it is given, each called by its pod."""

    world: World

    def __init__(self, handle: BalancerHandle, *, leaving: Sequence[str] = (), **_: Any) -> None:
        self.pods = [path.partition("/")[0] for path in handle.admin]
        self.world.leaving = [path.partition("/")[0] for path in leaving]

    def _asked(self) -> Mapping[str, int]:
        for pod in self.pods:
            if pod in self.world.silent:
                raise Unreachable("asking", node=pod, seen="nothing", todo="wait")
        return {pod: self.world.shares.get(pod, 0) for pod in self.pods}

    async def share(self) -> int:
        found = self._asked()
        if len({*found.values()}) > 1:
            raise Refused("green's share", node="the balancer", seen="replicas disagree", todo="run pulumi up")
        return next(iter(found.values()))

    async def set_share(self, parts: int) -> None:
        self._asked()
        self.world.shares |= dict.fromkeys(self.pods, parts)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Passing:
    clock = Passing()
    clock.replace(monkeypatch, subject)
    return clock


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(subject, "HaproxyRouter", type("Fake", (FakeHaproxy,), {"world": world}))

    async def socket(_place: Place, pod: str, _port: int, name: str) -> str:
        return f"{pod}/{name}"

    monkeypatch.setattr(forward, "socket", socket)
    return world


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, world: World, clock: Passing) -> FakeApi:
    api = FakeApi(monkeypatch)
    haproxy(api, "a")
    haproxy(api, "b")
    return api


def haproxy(api: FakeApi, name: str, **more: Any) -> None:
    api.pod(name, LABELS, "haproxy", **more)


def questions(api: FakeApi) -> int:
    return len(api.asked)


async def test_a_share_is_set_on_every_pod_that_runs_ready_or_not(api: FakeApi, world: World) -> None:
    haproxy(api, "c", ready=False)
    haproxy(api, "old", leaving=True)
    await PodsRouter(HANDLE).set_share(WANTED)
    assert world.shares == {"a": WANTED, "b": WANTED, "c": WANTED}, "one that leaves takes nobody any more"


async def test_a_pod_that_begins_meanwhile_is_not_left_out(api: FakeApi, world: World, clock: Passing) -> None:
    haproxy(api, "slow", ready=False)
    world.silent = {"slow"}
    clock.at = [(1, lambda: haproxy(api, "late")), (1, world.silent.clear)]
    await PodsRouter(HANDLE).set_share(WANTED)
    assert world.shares == dict.fromkeys(("a", "b", "slow", "late"), WANTED)


async def test_one_that_does_not_answer_is_passed_by_in_time_since_it_takes_nobody(
    api: FakeApi, world: World, clock: Passing
) -> None:
    haproxy(api, "dead", ready=False)
    world.silent = {"dead"}
    await PodsRouter(HANDLE, patience_seconds=5).set_share(WANTED)
    assert world.shares == {"a": WANTED, "b": WANTED}
    assert clock.seconds <= 5 + subject.POLL_SECONDS


async def test_one_that_is_ready_and_does_not_answer_fails_it(api: FakeApi, world: World) -> None:
    world.silent = {"b"}
    with patience.outlasting(60), pytest.raises(Unreachable, match="asking on b"):
        await PodsRouter(HANDLE).set_share(WANTED)


async def test_without_any_pod_that_is_ready_the_reason_of_one_is_told(api: FakeApi, world: World) -> None:
    for name in ("a", "b"):
        haproxy(api, name, ready=False, state={"waiting": {"reason": "CreateContainerConfigError"}})
    api.events["a"] = ['Failed: secret "front" not found']
    with pytest.raises(
        Unreachable, match=r'none of its 2 pods is ready: a CreateContainerConfigError Failed: secret "f'
    ):
        await PodsRouter(HANDLE).set_share(WANTED)
    assert world.shares == {}


async def test_a_pod_with_another_share_gets_the_ledgers(api: FakeApi, world: World) -> None:
    world.shares = {"a": WANTED, "b": 0}
    api.objects["configmaps/emqx-cutover"] = {"data": {"share.map": f"green {WANTED}\n"}, "metadata": {}}
    assert await PodsRouter(HANDLE).share() == WANTED
    assert world.shares == {"a": WANTED, "b": WANTED}


async def test_without_a_ledger_pods_that_disagree_are_told(api: FakeApi, world: World) -> None:
    world.shares = {"a": WANTED, "b": 0}
    with pytest.raises(Refused, match="replicas disagree"):
        await PodsRouter(HANDLE).share()


async def test_those_that_leave_are_asked_for_their_clients_as_long_as_they_run(api: FakeApi, world: World) -> None:
    haproxy(api, "old", leaving=True)
    haproxy(api, "gone", leaving=True, state={"terminated": {"exitCode": 0}})
    assert await PodsRouter(HANDLE).share() == 0
    assert world.leaving == ["old"]


async def test_the_questions_of_a_batch_are_one_question_to_the_api_server(
    api: FakeApi, world: World, clock: Passing
) -> None:
    router = PodsRouter(HANDLE)
    for _ in range(50):
        await router.share()
    assert questions(api) == 1
    await clock.sleep(2 * FRESH_SECONDS)
    await router.share()
    assert questions(api) == 2


async def test_what_was_lost_because_the_api_server_was_away_is_done_anew(
    api: FakeApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mended(_moment: float) -> bool:
        world.silent.clear()
        return True

    world.silent = {"b"}
    monkeypatch.setattr(patience, "failed_since", mended)
    with patience.outlasting(60):
        await PodsRouter(HANDLE).set_share(WANTED)
    assert world.shares == {"a": WANTED, "b": WANTED}


def test_its_end_is_the_deployments(api: FakeApi) -> None:
    assert PodsRouter(HANDLE).end_command == "kubectl --namespace mqtt delete deployment emqx-haproxy"


def test_the_run_paces_itself_by_the_way_that_the_plan_tells() -> None:
    assert PodsRouter(HANDLE).can.act_seconds == capabilities_of("haproxy_pods").act_seconds == HAPROXY_PODS.act_seconds


def test_the_api_server_is_asked_no_more_often_for_more_clients() -> None:
    few, many = (batches(budget, clients=20 * budget) for budget in (12, 50))
    assert many <= 1.1 * few


def batches(budget: int, clients: int) -> int:
    """How many batches a move of so many takes, each of which looks at the lease."""
    pace = Pace.by_orders(budget, at=0.0, act_seconds=HAPROXY_PODS.act_seconds)
    now, count = 0.0, 0
    while clients > 0:
        due, pace = pace.take(now)
        clients, count, now = clients - due, count + (due > 0), now + pace.wait_seconds()
    return count
