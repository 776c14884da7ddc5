"""The keeper of nodes in pods: one pod is deleted, and only to stop it; what was cut off is found again; a pod that is held has its volume and no node."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
from typer.testing import CliRunner

from components.cutover.words import Edition
from components.emqx.errors import GaveUp, Refused, Stopped, Unauthorized
from components.emqx.models import ClusterHandle, KeeperHandle
from components.keepers import kubernetes as subject
from components.keepers import snapshots
from components.keepers.__main__ import app
from components.keepers.archived import ARCHIVE
from components.keepers.base import Running as Release
from components.keepers.copies import manifest_of
from components.keepers.kubernetes import KubernetesKeeper
from components.kubernetes import execute, names
from components.kubernetes.place import Place
from components.manifests.nodes import EDITION, GO, HOLD, HOME, VERSION
from components.workloads.nodes import Running, handle_of
from tests.unit.fake_kubernetes import FakeApi, Passing
from tests.unit.fake_world import UNFINISHED, Killed

pytestmark = [pytest.mark.unit, *UNFINISHED]
PLACE = Place(namespace="mqtt")
LABELS = names.cluster_labels("emqx", "blue")
HANDLE: ClusterHandle = handle_of(
    Running(place=PLACE, name="emqx", colour="blue", version="5.8.6", edition="ce", nodes=2, proxy_protocol=True)
)
NODES = [node.name for node in HANDLE.nodes]
PODS = ("emqx-blue-0", "emqx-blue-1")
HOLDS = "configmaps/emqx-blue-hold"
NEW: tuple[str, Edition] = ("5.8.9", "ce")
SECONDS = 60.0


class Pods:
    """Plays the StatefulSet's controller and the kubelet: a pod that is gone comes again from the template, held where the ConfigMap names it."""

    def __init__(self, api: FakeApi) -> None:
        self.api, self.made, self.ran = api, 0, list[Sequence[str]]()
        self.home = Path()
        self.template(*NEW)
        for pod in PODS:
            self.come(pod, "5.8.6")
        api.deleted = lambda path: self.come(path.removeprefix("pods/"), NEW[0])

    def template(self, version: str, edition: str) -> None:
        """What the StatefulSet makes pods for."""
        meta = {"annotations": {VERSION: version, EDITION: edition}}
        self.api.objects["statefulsets/emqx-blue"] = {"spec": {"template": {"metadata": meta}}}

    def come(self, pod: str, version: str) -> None:
        self.made += 1
        made = self.api.pod(pod, LABELS, names.NODE_CONTAINER, uid=f"{pod}-{self.made}")
        made["metadata"]["annotations"] = {VERSION: version, EDITION: "ce"}
        self.start(pod) if not self.holds(pod) else self.hold(pod)

    def holds(self, pod: str) -> bool:
        return pod in self.api.objects.get(HOLDS, {}).get("data", {})

    def hold(self, pod: str) -> None:
        status = self.api.objects[f"pods/{pod}"]["status"]
        status["initContainerStatuses"] = [{"name": HOLD, "state": {"running": {}}}]
        status["containerStatuses"][0] |= {"state": {"waiting": {"reason": "PodInitializing"}}, "started": False}

    def start(self, pod: str) -> None:
        status = self.api.objects[f"pods/{pod}"]["status"]
        status["initContainerStatuses"] = [{"name": HOLD, "state": {"terminated": {"exitCode": 0}}}]
        status["containerStatuses"][0] |= {"state": {"running": {}}, "started": True}

    async def execute(
        self, _place: Place, pod: str, container: str, command: Sequence[str], into: BinaryIO | None = None
    ) -> bytes:
        assert container == HOLD
        assert "running" in self.api.objects[f"pods/{pod}"]["status"]["initContainerStatuses"][0]["state"]
        self.ran.append(command)
        if command[0] == "tar":
            archive = [str(self.home) if one == HOME else one for one in command]
            await asyncio.to_thread(subprocess.run, archive, stdout=into, check=True)
        if [*command] == ["touch", GO]:
            self.start(pod)
        return b""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Passing:
    clock = Passing()
    clock.replace(monkeypatch, subject)
    return clock


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, clock: Passing) -> FakeApi:
    return FakeApi(monkeypatch)


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch, api: FakeApi) -> Pods:
    pods = Pods(api)
    monkeypatch.setattr(execute, "run", pods.execute)
    return pods


def keeper(interrupted: Callable[[], None] = lambda: None, snapshots: str | None = None) -> KubernetesKeeper:
    place = f"emqx-blue {PLACE.model_dump_json()}"
    where = KeeperHandle(kind="kubernetes", place=place, seconds=SECONDS, snapshots=snapshots)
    return KubernetesKeeper(HANDLE, where, interrupted)


async def test_one_pod_is_deleted_and_comes_back_held_the_other_one_runs_on(api: FakeApi, pods: Pods) -> None:
    await keeper().stop(NODES[1])
    assert [one for one in api.sent if one.startswith("DELETE")] == [f"DELETE pods/{PODS[1]}"]
    assert await keeper().runs(NODES[1]) is None
    assert await keeper().runs(NODES[0]) == Release("5.8.6", "ce")
    assert api.objects[HOLDS]["data"] == {PODS[1]: "5.8.6 ce"}, "the next run finds what it ran"


async def test_a_stop_that_was_cut_off_is_gone_on_with_and_deletes_no_second_pod(api: FakeApi, pods: Pods) -> None:
    await keeper().stop(NODES[1])
    api.sent.clear()
    await keeper().stop(NODES[1])
    assert api.sent == []


@pytest.mark.parametrize("reached", [False, True], ids=["before the change", "before its answer"])
@pytest.mark.parametrize("change", [1, 2, 3])
async def test_killed_at_any_change_the_next_update_brings_the_version_to_this_pod_and_to_no_other(
    api: FakeApi, pods: Pods, change: int, reached: bool
) -> None:
    async def rolled() -> None:
        await keeper().stop(NODES[1])
        await keeper().start(NODES[1], *NEW)

    api.dies_at, api.reached = change, reached
    with pytest.raises(Killed):
        await rolled()
    assert len(api.sent) == change
    api.dies_at = 0
    await rolled()
    assert await keeper().runs(NODES[1]) == Release(*NEW)
    assert api.objects[HOLDS]["data"] == {}
    assert {one for one in api.sent if one.startswith("DELETE")} == {f"DELETE pods/{PODS[1]}"}
    assert api.objects[f"pods/{PODS[0]}"]["metadata"]["uid"] == f"{PODS[0]}-1"


async def test_a_pod_is_held_before_it_is_deleted(api: FakeApi, pods: Pods) -> None:
    def cut_off() -> None:
        raise Stopped("stopping", node=NODES[1], seen="Ctrl-C", todo="run pulumi up again")

    with pytest.raises(Stopped):
        await keeper(cut_off).stop(NODES[1])
    assert api.sent == ["POST configmaps", f"DELETE pods/{PODS[1]}"]


async def test_a_held_node_begins_with_the_declared_version(api: FakeApi, pods: Pods) -> None:
    await keeper().stop(NODES[1])
    await keeper().start(NODES[1], *NEW)
    assert await keeper().runs(NODES[1]) == Release(*NEW)
    assert api.objects[HOLDS]["data"] == {}, "or its next pod would be held for ever"
    await keeper().start(NODES[1], *NEW)
    assert pods.ran == [["touch", GO]], "one that runs it is only waited for"


async def test_one_that_runs_another_version_is_to_be_stopped_first(api: FakeApi, pods: Pods) -> None:
    with pytest.raises(Refused, match=r"5\.8\.6 \(ce\) runs there. Next: stop it first"):
        await keeper().start(NODES[0], *NEW)
    assert api.sent == []


async def test_a_version_that_is_not_declared_is_not_started(api: FakeApi, pods: Pods) -> None:
    await keeper().stop(NODES[1])
    with pytest.raises(Refused, match=r"5\.8\.9 \(ce\) is what its StatefulSet makes pods for"):
        await keeper().start(NODES[1], "5.9.0", "ce")
    assert pods.ran == []


async def test_an_api_server_that_is_away_for_a_while_ends_no_stop(api: FakeApi, pods: Pods, clock: Passing) -> None:
    def gone(path: str) -> None:
        pods.come(path.removeprefix("pods/"), NEW[0])
        api.failing = 0
        clock.at = [(clock.seconds + 20, lambda: setattr(api, "failing", None))]

    api.deleted = gone
    await keeper().stop(NODES[1])
    assert clock.seconds >= 20


async def test_a_pod_that_does_not_come_back_ends_it_within_its_time_with_the_reason(
    api: FakeApi, pods: Pods, clock: Passing
) -> None:
    def stuck(_path: str) -> None:
        pod = api.pod(PODS[1], LABELS, names.NODE_CONTAINER, ready=False, uid="another", state={"waiting": {}})
        pod["status"]["phase"] = "Pending"

    api.deleted = stuck
    api.events[PODS[1]] = ["FailedScheduling: 0/3 nodes are available"]
    with pytest.raises(GaveUp, match=r"its pod is Pending after 60 s; FailedScheduling: 0/3 nodes are available"):
        await keeper().stop(NODES[1])
    assert clock.seconds <= SECONDS + 2 * subject.POLL_SECONDS


async def test_who_may_not_look_is_told_so(api: FakeApi, pods: Pods) -> None:
    api.failing = 403
    with pytest.raises(Unauthorized):
        await keeper().runs(NODES[0])


async def test_what_runs_is_neither_copied_nor_moved_aside(api: FakeApi, pods: Pods, tmp_path: Path) -> None:
    for refused in (keeper().back_up(NODES[0], tmp_path / "copy"), keeper().set_aside(NODES[0])):
        with pytest.raises(Refused, match="it runs"):
            await refused
    assert pods.ran == []


async def test_the_copy_of_a_held_node_is_an_archive_that_its_manifest_says_how_to_put_back(
    api: FakeApi, pods: Pods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keeper().stop(NODES[1])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "users.DCD").write_text("old users")
    pods.home = tmp_path
    copy = await keeper().back_up(NODES[1], tmp_path / "copies" / "one")
    manifest = manifest_of(copy.place)
    assert [one.path for one in manifest.files] == ["data/users.DCD"]
    assert (manifest.version, manifest.edition) == ("5.8.6", "ce"), "what it ran, not what its pod is made for"

    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/asked\ncat >{tmp_path}/given\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(kubectl.parent), prepend=":")
    done = await asyncio.to_thread(CliRunner().invoke, app, ["restore", str(copy.place)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "asked").read_text().split("\n")[:8] == [
        *("exec", "-i", "-n", "mqtt", PODS[1], "-c", HOLD, "--")
    ]
    assert (tmp_path / "given").read_bytes() == (copy.place / ARCHIVE).read_bytes()


def test_what_lies_there_is_moved_aside_when_a_copy_is_put_back(tmp_path: Path) -> None:
    data = tmp_path / "there" / "data"
    for name in ("spoilt/table", ".aside-1/older", "lost+found/inode"):
        (data / name).parent.mkdir(parents=True)
        (data / name).write_text(name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "users.DCD").write_text("old users")
    packed = subprocess.run(["tar", "-C", str(tmp_path), "-cf", "-", "data"], capture_output=True, check=True)
    here = [word.replace(HOME, str(tmp_path / "there")) for word in subject.PUT_BACK]
    subprocess.run(here, input=packed.stdout, check=True)
    assert (data / "users.DCD").read_text() == "old users"
    assert not (data / "spoilt").exists()
    (aside,) = (one for one in data.glob(".aside-*") if one.name != ".aside-1")
    assert [one.name for one in aside.iterdir()] == ["spoilt"]
    assert (data / ".aside-1" / "older").exists()
    assert (data / "lost+found" / "inode").exists()


async def test_where_snapshots_are_taken_its_volume_is_written_out_and_nothing_is_read_from_it(
    api: FakeApi, pods: Pods, clock: Passing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.replace(monkeypatch, snapshots)
    await keeper(snapshots="fast").stop(NODES[1])
    claims = {"metadata": {"name": "data"}, "spec": {}}
    api.objects["statefulsets/emqx-blue"]["spec"]["volumeClaimTemplates"] = [claims]

    def take() -> None:
        for path in [one for one in api.objects if one.startswith("volumesnapshots/")]:
            api.objects[path]["status"] = {"readyToUse": True, "restoreSize": "1Gi"}

    clock.at = [(clock.seconds + 5, take)]
    copy = await keeper(snapshots="fast").back_up(NODES[1], tmp_path / "copies" / "one")
    assert pods.ran == [["sync"]]
    assert (copy.size, manifest_of(copy.place).version) == (1 << 30, "5.8.6")


async def test_data_of_a_held_node_are_moved_aside_on_its_volume_which_stays(api: FakeApi, pods: Pods) -> None:
    await keeper().stop(NODES[1])
    moved = await keeper().set_aside(NODES[1])
    assert str(moved).startswith("/opt/emqx/data/.aside-")
    ((shell, _, script),) = pods.ran
    assert shell == "/bin/sh"
    assert "! -name '.aside-*'" in script


async def test_a_node_that_is_no_pods_is_refused_by_name(api: FakeApi, pods: Pods) -> None:
    with pytest.raises(Refused, match=r"looking for its pod on emqx@127\.9\.9\.9"):
        await keeper().stop("emqx@127.9.9.9")
