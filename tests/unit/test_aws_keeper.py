"""Nodes on instances: found by their tags, stopped and started one at a time, copied as snapshots, and waited for with a reason."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.aws.clients import client
from components.emqx.errors import BadInput, GaveUp, Refused
from components.emqx.models import ClusterHandle, Credentials
from components.instances import nodes as instances
from components.instances.nodes import KEPT, Running, Watching, complete, found, handle_of, observed, wait_for, wake
from components.instances.volumes import kept
from components.keepers import aws
from components.keepers.base import Running as Runs
from components.keepers.registry import keeper_of
from components.resources.aws_cluster import AwsClusterProvider
from tests.aws_bed import REGION, account, make_instances, make_subnets

pytestmark = pytest.mark.unit
KEY = Credentials(api_key="key", api_secret="secret")
BLUE = Running(
    region=REGION, prefix="emqx-prod", colour="blue", version="5.8.9", edition="ee", nodes=2, proxy_protocol=True
)
OLD, NEW = ("5.8.6", "ee"), ("5.8.9", "ee")
PREFIXES = itertools.count()


class Fleet:
    """The instances, and what each of their nodes says that it runs: a boot makes it what the parameter declares."""

    def __init__(self, blue: Running, ids: list[str]) -> None:
        self.blue, self.parameter = blue, f"/{blue.prefix}/blue/declared"
        self.handle: ClusterHandle = handle_of(blue, found(blue))
        self.ids = dict(zip([node.name for node in self.handle.nodes], ids, strict=True))
        self.runs: dict[str, tuple[str, str]] = dict.fromkeys(self.ids, OLD)
        self.boots = True

    @property
    def first(self) -> str:
        return self.handle.nodes[0].name

    def state(self, node: str) -> str:
        one = client(REGION, "ec2").describe_instances(InstanceIds=[self.ids[node]])["Reservations"][0]["Instances"][0]
        return one["State"]["Name"]

    def tags(self, node: str) -> dict[str, str]:
        one = client(REGION, "ec2").describe_instances(InstanceIds=[self.ids[node]])["Reservations"][0]["Instances"][0]
        return {tag["Key"]: tag["Value"] for tag in one["Tags"]}

    def declare(self, version: str) -> None:
        client(REGION, "ssm").put_parameter(
            Name=self.parameter, Value=f"{version} ee repository", Type="String", Overwrite=True
        )

    async def says(self, _handle: ClusterHandle, node: str, _credentials: Credentials | None) -> Runs | None:
        if self.state(node) != "running" or node not in self.runs:
            return None
        return Runs(*self.runs[node])  # type: ignore[arg-type]  # "ee" is an edition

    def booted(self) -> None:
        """Whoever starts an instance boots it."""
        value = client(REGION, "ssm").get_parameter(Name=self.parameter)["Parameter"]["Value"]
        version, edition, _ = value.split()
        for node in self.ids:
            if self.boots and self.state(node) == "running" and node not in self.runs:
                self.runs[node] = version, edition


@pytest.fixture(scope="module")
def subnets() -> Iterator[list[str]]:
    """An account, in which each test has instances of its own."""
    with account():
        yield make_subnets()


@pytest.fixture
def fleet(subnets: list[str], monkeypatch: pytest.MonkeyPatch) -> Fleet:
    blue = BLUE.model_copy(update={"prefix": f"emqx-{next(PREFIXES)}"})
    fleet = Fleet(blue, make_instances(blue, subnets))
    fleet.declare("5.8.6")
    monkeypatch.setattr(aws, "says", fleet.says)
    monkeypatch.setattr(aws, "POLL_SECONDS", 0)
    ec2 = client(REGION, "ec2")
    start, stop = ec2.start_instances, ec2.stop_instances

    def started(**request: Any) -> Any:
        answer = start(**request)
        fleet.booted()
        return answer

    def stopped(**request: Any) -> Any:
        for node, one in fleet.ids.items():
            if one in request["InstanceIds"]:
                fleet.runs.pop(node, None)
        return stop(**request)

    monkeypatch.setattr(ec2, "start_instances", started)
    monkeypatch.setattr(ec2, "stop_instances", stopped)
    return fleet


def keeper(fleet: Fleet) -> Any:
    return keeper_of(fleet.handle, KEY)


async def test_a_node_is_stopped_copied_and_started_with_the_declared_version(fleet: Fleet, tmp_path: Path) -> None:
    keep, (first, second) = keeper(fleet), [node.name for node in fleet.handle.nodes]
    assert await keep.runs(first) == OLD
    await keep.stop(first)
    await keep.stop(first)
    assert (fleet.state(first), fleet.state(second)) == ("stopped", "running")
    assert await keep.runs(first) is None
    place = tmp_path / "since" / f"{first}-5.8.6-ee"
    copy = await keep.back_up(first, place)
    assert copy == await keep.back_up(first, place)
    manifest = json.loads((place / "manifest.json").read_text())
    (snapshot,) = client(REGION, "ec2").describe_snapshots(
        OwnerIds=["self"], Filters=[{"Name": "tag:emqx-upgrade:copy", "Values": [f"since/{place.name}"]}]
    )["Snapshots"]
    assert manifest["files"][0]["path"] == snapshot["SnapshotId"]
    assert snapshot["SnapshotId"] in manifest["restore"]
    assert (copy.files, copy.size) == (1, 5 << 30)
    fleet.declare("5.8.9")
    await keep.start(first, *NEW)
    await keep.start(first, *NEW)
    assert fleet.runs == {first: NEW, second: OLD}
    assert KEPT not in fleet.tags(first)


async def test_a_snapshot_that_a_killed_run_began_is_taken_up(fleet: Fleet, tmp_path: Path) -> None:
    keep = keeper(fleet)
    await keep.stop(fleet.first)
    place = tmp_path / "since" / "copy"
    await keep.back_up(fleet.first, place)
    (place / "manifest.json").unlink()
    place.rmdir()
    await keep.back_up(fleet.first, place)
    assert len([one for one in kept(fleet.blue) if "delete-snapshot" in one]) == 1


async def test_a_version_that_is_not_declared_is_not_started(fleet: Fleet) -> None:
    keep = keeper(fleet)
    await keep.stop(fleet.first)
    with pytest.raises(
        Refused, match=r"5\.8\.6 \(ee\) is declared in /emqx-\d+/blue/declared.*has to be declared first"
    ):
        await keep.start(fleet.first, *NEW)
    assert fleet.state(fleet.first) == "stopped"


async def test_a_node_that_runs_another_version_is_to_be_stopped_first(fleet: Fleet, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="stop it first"):
        await keeper(fleet).start(fleet.first, *NEW)
    with pytest.raises(Refused, match="is running"):
        await keeper(fleet).back_up(fleet.first, tmp_path / "copy")
    with pytest.raises(Refused, match="is running"):
        await keeper(fleet).set_aside(fleet.first)


async def test_no_capacity_is_told_with_what_is_safe(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "InsufficientInstanceCapacity", "Message": "none"}}, "StartInstances")

    await keeper(fleet).stop(fleet.first)
    monkeypatch.setattr(client(REGION, "ec2"), "start_instances", none)
    with pytest.raises(GaveUp, match=r"InsufficientInstanceCapacity.*its data volume is whole"):
        await keeper(fleet).start(fleet.first, *OLD)


async def test_a_node_that_does_not_answer_is_given_up_with_where_to_look(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.boots = False
    monkeypatch.setattr(aws, "START_SECONDS", 0)
    await keeper(fleet).stop(fleet.first)
    with pytest.raises(GaveUp, match=r"does not answer.*get-console-output"):
        await keeper(fleet).start(fleet.first, *OLD)
    assert KEPT in fleet.tags(fleet.first), "nobody else waits for it or starts it"


async def test_data_are_set_aside_by_a_word_for_the_next_boot(fleet: Fleet) -> None:
    keep = keeper(fleet)
    await keep.stop(fleet.first)
    assert await keep.set_aside(fleet.first) is None
    assert fleet.tags(fleet.first)["emqx-upgrade-aside"].startswith("aside-")


async def test_a_node_of_somebody_else_is_not_touched(fleet: Fleet) -> None:
    with pytest.raises(BadInput, match="the instances are those of"):
        await keeper(fleet).stop("emqx@10.9.9.9")


async def test_what_somebody_stopped_is_started_and_what_a_keeper_stopped_is_not(fleet: Fleet) -> None:
    first, second = (node.name for node in fleet.handle.nodes)
    assert complete(fleet.blue)
    await keeper(fleet).stop(first)
    assert complete(fleet.blue)
    client(REGION, "ec2").stop_instances(InstanceIds=[fleet.ids[second]])
    assert not complete(fleet.blue)
    assert wake(fleet.blue) == [fleet.ids[second]]
    assert (fleet.state(first), fleet.state(second)) == ("stopped", "running")


async def test_instances_that_are_gone_are_nowhere(fleet: Fleet) -> None:
    assert observed(fleet.blue) == fleet.handle
    assert observed(fleet.blue.model_copy(update={"prefix": "emqx-dev"})) is None
    client(REGION, "ec2").terminate_instances(InstanceIds=list(fleet.ids.values()))
    assert observed(fleet.blue) is None


async def test_what_stays_is_listed_with_how_to_delete_it(fleet: Fleet) -> None:
    listed = kept(fleet.blue)
    assert len(listed) == 2
    assert all(one.startswith("aws ec2 delete-volume --region eu-central-1 --volume-id vol-") for one in listed)


@pytest.mark.parametrize("silent", [True, False])
async def test_a_wait_ends_with_the_nodes_or_with_the_reason(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    async def who(*_: Any) -> list[str]:
        return [fleet.first] if silent else []

    monkeypatch.setattr(instances, "_silent", who)
    watching = Watching(0, lambda: None, lambda _: None)
    if not silent:
        assert await wait_for(fleet.blue, KEY, watching) == fleet.handle
        return
    with pytest.raises(GaveUp, match=f"{fleet.first} do not answer yet.*is running.*console of i-"):
        await wait_for(fleet.blue, KEY, watching)


async def test_an_instance_whose_status_check_fails_is_named_with_the_check(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = fleet.ids[fleet.first]
    status = {"InstanceId": bad, "SystemStatus": {"Status": "impaired"}, "InstanceStatus": {"Status": "ok"}}
    monkeypatch.setattr(client(REGION, "ec2"), "describe_instance_status", lambda **_: {"InstanceStatuses": [status]})
    assert f"{bad} (" in instances.reasons(fleet.blue)
    assert "system status check impaired" in instances.reasons(fleet.blue)


async def test_a_colour_that_goes_says_what_stays_with_all_that_its_state_has(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    state = {
        **fleet.blue.model_dump(mode="json"),
        "instances": list(fleet.ids.values()),
        "ready_seconds": 60.0,
        "handle": fleet.handle.model_dump(mode="json"),
    }
    AwsClusterProvider().delete("emqx-prod-blue", state)
    assert capsys.readouterr().out.count("aws ec2 delete-volume") == 2
