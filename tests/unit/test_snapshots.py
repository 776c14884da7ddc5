"""Copies of nodes as snapshots of their claims: one for one copy, whole or given up with the reason, and what a claim is made of it from lies beside the manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from components.emqx.errors import GaveUp, Refused, Stopped, Unauthorized
from components.keepers import snapshots as subject
from components.keepers.__main__ import app
from components.keepers.copies import Manifest, copied, manifest_of
from components.kubernetes.place import Place
from components.manifests.words import bytes_of
from tests.unit.fake_kubernetes import FakeApi, Passing

pytestmark = pytest.mark.unit
PLACE = Place(namespace="mqtt")
HELD = subject.Held(PLACE, "emqx-blue", "emqx-blue-1")
NODE = "emqx@emqx-blue-1"
ABOUT = Manifest(node=NODE, cluster="mqtt/emqx-blue", version="5.8.6", edition="ce", belongs={}, files=())
TEMPLATE = {
    "metadata": {"name": "data", "labels": {"app": "emqx"}},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}},
}
WHOLE = {"readyToUse": True, "creationTime": "2026-11-29T00:00:00Z", "restoreSize": "64Mi"}
CLASS = "volumesnapshotclasses/fast"


class Controller:
    """Plays the snapshot controller: what it says of a snapshot, and when."""

    def __init__(self, api: FakeApi, clock: Passing) -> None:
        self.api, self.clock = api, clock
        api.objects["statefulsets/emqx-blue"] = {"spec": {"volumeClaimTemplates": [TEMPLATE]}}

    def says(self, seconds: float, **status: Any) -> None:
        def say() -> None:
            for path in self.taken:
                self.api.objects[path]["status"] = status

        self.clock.at.append((seconds, say))

    @property
    def taken(self) -> list[str]:
        return [path for path in self.api.objects if path.startswith("volumesnapshots/")]


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Controller:
    clock = Passing()
    clock.replace(monkeypatch, subject)
    return Controller(FakeApi(monkeypatch), clock)


async def kept(place: Path, interrupted: Callable[[], None] = lambda: None) -> Any:
    return await subject.keep(HELD, "fast", place, ABOUT, interrupted)


async def test_a_copy_is_there_when_its_snapshot_is_whole_and_says_what_it_is_of(
    controller: Controller, tmp_path: Path
) -> None:
    controller.says(4, creationTime=WHOLE["creationTime"], readyToUse=False)
    controller.says(600, **WHOLE)
    made = await kept(tmp_path / "since" / "node")
    (path,) = controller.taken
    assert controller.clock.seconds >= 600
    assert controller.api.objects[path]["spec"] == {
        "volumeSnapshotClassName": "fast",
        "source": {"persistentVolumeClaimName": "data-emqx-blue-1"},
    }
    manifest = manifest_of(made.place)
    assert (manifest.version, manifest.files[0].path, manifest.files[0].size) == ("5.8.6", path, 64 << 20)
    assert copied(made.place) == made


async def test_a_run_that_was_cut_off_takes_no_second_one(controller: Controller, tmp_path: Path) -> None:
    def cut_off() -> None:
        raise Stopped("copying", node=NODE, seen="Ctrl-C", todo="run pulumi up again")

    with pytest.raises(Stopped):
        await kept(tmp_path / "since" / "node", cut_off)
    assert copied(tmp_path / "since" / "node") is None
    controller.says(10, **WHOLE)
    await kept(tmp_path / "since" / "node")
    assert len(controller.taken) == 1


async def test_the_copy_of_another_roll_is_another_snapshot(controller: Controller, tmp_path: Path) -> None:
    for since in ("monday", "tuesday"):
        controller.says(controller.clock.seconds + 2, **WHOLE)
        await kept(tmp_path / since / "node")
    assert len(controller.taken) == 2


async def test_one_that_cannot_be_taken_ends_with_the_controllers_reason(
    controller: Controller, tmp_path: Path
) -> None:
    controller.says(2, readyToUse=False, error={"message": 'volumesnapshotclass "fast" not found'})
    with pytest.raises(GaveUp, match=r"\"fast\" not found, after 12\d s. Next: see kubectl describe volumesnapshot"):
        await kept(tmp_path / "since" / "node")
    assert copied(tmp_path / "since" / "node") is None


async def test_an_error_that_passes_is_waited_for(controller: Controller, tmp_path: Path) -> None:
    controller.says(2, readyToUse=False, error={"message": "the driver is not there yet"})
    controller.says(100, **WHOLE)
    assert (await kept(tmp_path / "since" / "node")).files == 1


async def test_one_that_nobody_takes_ends_after_an_hour(controller: Controller, tmp_path: Path) -> None:
    with pytest.raises(GaveUp, match="no controller has said anything of it, after 3600 s"):
        await kept(tmp_path / "since" / "node")


async def test_an_api_server_that_is_away_for_a_while_ends_no_copy(controller: Controller, tmp_path: Path) -> None:
    api = controller.api
    controller.says(60, **WHOLE)
    controller.clock.at += [(2, lambda: setattr(api, "failing", 503)), (30, lambda: setattr(api, "failing", None))]
    assert (await kept(tmp_path / "since" / "node")).files == 1


async def test_the_claim_that_is_made_of_it_has_the_name_of_the_nodes_own(
    controller: Controller, tmp_path: Path
) -> None:
    controller.says(2, **WHOLE)
    place = tmp_path / "since" / "node"
    await kept(place)
    claim = json.loads((place / subject.CLAIM_FILE).read_text())
    assert claim["metadata"] == {"name": "data-emqx-blue-1", "labels": {"app": "emqx"}}
    name = controller.taken[0].partition("/")[2]
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": name}
    assert claim["spec"] == {**TEMPLATE["spec"], "dataSource": source}


async def test_a_restore_from_here_says_where_the_copy_is(controller: Controller, tmp_path: Path) -> None:
    controller.says(2, **WHOLE)
    await kept(tmp_path / "since" / "node")
    refused = CliRunner().invoke(app, ["restore", str(tmp_path / "since" / "node")])
    assert refused.exit_code == 1
    assert controller.taken[0] in refused.output
    assert "docs/kubernetes.md" in refused.output


async def test_a_class_that_is_not_there_is_refused_before_a_node_is_touched(controller: Controller) -> None:
    with pytest.raises(Refused, match="no VolumeSnapshotClass 'fast'"):
        await subject.refuse_unknown(PLACE, "fast", "blue")
    controller.api.objects[CLASS] = {"driver": "csi"}
    await subject.refuse_unknown(PLACE, "fast", "blue")


async def test_who_may_not_look_at_classes_is_not_stopped_but_who_is_unknown_is(controller: Controller) -> None:
    controller.api.failing = 403
    await subject.refuse_unknown(PLACE, "fast", "blue")
    controller.api.failing = 401
    with pytest.raises(Unauthorized):
        await subject.refuse_unknown(PLACE, "fast", "blue")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("64Mi", 64 << 20), ("1Gi", 1 << 30), ("2Ki", 2_048), ("3k", 3_000), ("1.5G", 1_500_000_000), ("77", 77)],
)
def test_a_quantity_is_so_many_bytes(text: str, expected: int) -> None:
    assert bytes_of(text) == expected
