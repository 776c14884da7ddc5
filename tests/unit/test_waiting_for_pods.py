"""Waiting for pods: it ends when they are ready, or within its time with their own words, and starts anew only what nobody else would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.emqx.errors import GaveUp, NotNow, Unauthorized
from components.kubernetes.place import Place
from components.workloads import waiting
from components.workloads.waiting import Awaited, ready, revision_of
from tests.unit.fake_kubernetes import FakeApi, Passing

pytestmark = pytest.mark.unit
LABELS = {"app": "emqx"}
SECONDS = 30.0
NAMES = ("emqx-blue-0", "emqx-blue-1")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Passing:
    clock = Passing()
    clock.replace(monkeypatch, waiting)
    return clock


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, clock: Passing) -> FakeApi:
    return FakeApi(monkeypatch)


def awaited(interrupted: Any = lambda: None, told: Any = lambda _line: None) -> Awaited:
    place = Place(namespace="mqtt")
    return Awaited(place, "StatefulSet", "emqx-blue", LABELS, "emqx", len(NAMES), SECONDS, interrupted, told)


def pods(world: FakeApi, **more: Any) -> None:
    for name in NAMES:
        world.pod(name, LABELS, "emqx", **more)


def leaves(world: FakeApi, name: str) -> None:
    world.pod(name, LABELS, "emqx", leaving=True)


async def test_pods_that_are_ready_are_returned_at_once_and_those_of_others_are_not_counted(
    world: FakeApi, clock: Passing
) -> None:
    pods(world)
    world.pod("other-0", {"app": "other"}, "emqx", ready=False)
    assert [pod.name for pod in await ready(awaited())] == [*NAMES]
    assert clock.seconds == 0


async def test_one_more_than_declared_is_waited_for_until_it_is_gone(world: FakeApi, clock: Passing) -> None:
    pods(world)
    world.pod("emqx-blue-2", LABELS, "emqx")
    clock.at = [(5, lambda: leaves(world, "emqx-blue-2"))]
    assert [pod.name for pod in await ready(awaited())] == [*NAMES], "what leaves goes on, and is not waited for"
    assert clock.seconds == 5


async def test_the_end_comes_within_the_time_with_state_events_and_last_lines_of_the_log(
    world: FakeApi, clock: Passing
) -> None:
    waits = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}
    world.pod(NAMES[0], LABELS, "emqx")
    world.pod(NAMES[1], LABELS, "emqx", ready=False, state=waits)
    world.events = {NAMES[1]: [f"BackOff: number {number}" for number in range(9)]}
    world.logs = {(NAMES[1], True): "booting\n\n[error] eacces\n"}
    with pytest.raises(GaveUp, match=r"1 of 2 are ready after 30 s\. emqx-blue-1: CrashLoopBackOff") as told:
        await ready(awaited())
    assert SECONDS < clock.seconds <= SECONDS + waiting.POLL_SECONDS
    assert "BackOff: number 8; its log: booting | [error] eacces" in str(told.value)
    assert "number 5" not in str(told.value), "the last events only"


async def test_what_keeps_pods_from_being_made_is_the_workloads_to_tell(world: FakeApi) -> None:
    world.events = {"emqx-blue": ["FailedCreate: exceeded quota: few"]}
    with pytest.raises(GaveUp, match=r"0 of 2 are ready after 30 s\. FailedCreate: exceeded quota: few"):
        await ready(awaited())


async def test_one_whose_node_is_lost_is_told_as_what_it_is(world: FakeApi) -> None:
    lost = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
    }
    world.pod(NAMES[0], LABELS, "emqx")
    world.pod(NAMES[1], LABELS, "emqx", ready=False, leaving=True, conditions=[lost])
    with pytest.raises(GaveUp, match=r"emqx-blue-1: it was deleted and has not ended \(DeletionByTaintManager: Taint"):
        await ready(awaited())


async def test_a_pod_of_an_older_template_that_never_got_ready_is_deleted_once(world: FakeApi, clock: Passing) -> None:
    world.pod(NAMES[0], LABELS, "emqx", revision="old")
    world.pod(NAMES[1], LABELS, "emqx", revision="old", ready=False)

    def anew(_path: str) -> None:
        world.pod(NAMES[1], LABELS, "emqx", revision="new", ready=False, uid="another")
        clock.at = [(clock.seconds + 3, lambda: pods(world))]

    world.deleted = anew
    await ready(awaited(), revision="new")
    assert world.sent == [f"DELETE pods/{NAMES[1]}"], "one that serves stays, and so does one of the new template"


async def test_one_that_the_api_server_keeps_is_not_deleted_again_and_again(world: FakeApi) -> None:
    pods(world, revision="old", ready=False)
    world.deleted = lambda _path: pods(world, revision="old", ready=False)
    with pytest.raises(GaveUp):
        await ready(awaited(), revision="new")
    assert sorted(world.sent) == [f"DELETE pods/{name}" for name in NAMES]


async def test_where_a_roll_starts_pods_nobody_else_does(world: FakeApi) -> None:
    pods(world, revision="old", ready=False)
    with pytest.raises(GaveUp):
        await ready(awaited(), revision="new", replace_stuck=False)
    assert world.sent == []


async def test_an_api_server_that_is_away_for_a_while_is_waited_for(world: FakeApi, clock: Passing) -> None:
    pods(world)
    world.failing = 503
    clock.at = [(20, lambda: setattr(world, "failing", None))]
    assert len(await ready(awaited())) == len(NAMES)


async def test_one_that_stays_away_ends_it_within_the_time(world: FakeApi, clock: Passing) -> None:
    world.failing = 503
    with pytest.raises(NotNow, match="looking at the pods of emqx-blue"):
        await ready(awaited())
    assert clock.seconds <= SECONDS + waiting.POLL_SECONDS


async def test_who_may_not_look_is_told_so_at_once(world: FakeApi, clock: Passing) -> None:
    world.failing = 403
    with pytest.raises(Unauthorized, match=r"give this account the rights of docs/kubernetes\.md"):
        await ready(awaited())
    assert clock.seconds == 0


@pytest.mark.parametrize("failing", [None, 503])
async def test_an_update_that_is_cut_off_ends_the_wait(world: FakeApi, failing: int | None) -> None:
    def cut_off() -> None:
        raise KeyboardInterrupt

    pods(world, ready=False)
    world.failing = failing
    with pytest.raises(KeyboardInterrupt):
        await ready(awaited(interrupted=cut_off))


async def test_what_is_waited_for_is_shown_now_and_then(world: FakeApi, clock: Passing) -> None:
    told: list[str] = []
    pods(world, ready=False, state={"waiting": {"reason": "ImagePullBackOff"}})
    clock.at = [(12, lambda: pods(world))]
    await ready(awaited(told=told.append))
    assert told == ["emqx-blue: 0 of 2 pods are ready; emqx-blue-0: ImagePullBackOff"] * 3


async def test_a_template_that_its_controller_has_not_seen_has_no_revision(world: FakeApi) -> None:
    seen: dict[str, dict[str, Any]] = {
        "metadata": {"generation": 2},
        "status": {"observedGeneration": 1, "updateRevision": "old"},
    }
    world.objects["statefulsets/emqx-blue"] = seen
    assert await revision_of(Place(namespace="mqtt"), "emqx-blue") is None
    seen["status"]["observedGeneration"] = 2
    assert await revision_of(Place(namespace="mqtt"), "emqx-blue") == "old"


async def test_an_evacuated_node_is_as_it_should_be_in_a_colour_that_was_emptied_and_nowhere_else(
    world: FakeApi, clock: Passing
) -> None:
    pods(world, ready=False)
    for name in NAMES:
        world.objects[f"pods/{name}"]["status"]["containerStatuses"][0]["started"] = True
    assert len(await ready(replace(awaited(), emptied=True), revision="another")) == len(NAMES)
    assert clock.seconds == 0
    assert world.sent == [], "nobody is started anew"
    with pytest.raises(GaveUp, match="0 of 2 are ready"):
        await ready(awaited())
