"""The providers of our own resources in a real provider process: what they are called, what makes them run, what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from components.resources.cluster_guard import ClusterGuardProvider
from components.resources.cutover import CutoverProvider
from components.resources.data_export import DataExportProvider
from components.resources.data_import import DataImportProvider
from components.resources.drain import DrainProvider
from components.resources.local_cluster import LocalClusterProvider
from components.resources.mqtt_balancer import MqttBalancerProvider
from components.resources.traffic_shift import TrafficShiftProvider
from components.resources.verification import VerificationProvider
from tests.provider.conftest import DynamicProcess

pytestmark = pytest.mark.provider

PINNED = {
    CutoverProvider: "components.resources.cutover:CutoverProvider",
    DataExportProvider: "components.resources.data_export:DataExportProvider",
    DataImportProvider: "components.resources.data_import:DataImportProvider",
    VerificationProvider: "components.resources.verification:VerificationProvider",
    TrafficShiftProvider: "components.resources.traffic_shift:TrafficShiftProvider",
    DrainProvider: "components.resources.drain:DrainProvider",
    ClusterGuardProvider: "components.resources.cluster_guard:ClusterGuardProvider",
    MqttBalancerProvider: "components.resources.mqtt_balancer:MqttBalancerProvider",
    LocalClusterProvider: "components.resources.local_cluster:LocalClusterProvider",
}


def cluster(colour: str, nodes: int = 1) -> dict[str, Any]:
    return {
        "colour": colour,
        "nodes": [
            {"name": f"emqx@{colour}{number}", "api": "http://127.0.0.1:9", "mqtt": "127.0.0.1:9"}
            for number in range(nodes)
        ],
        "version": "5.8.9",
        "proxy_protocol": True,
    }


def shift(**changes: Any) -> dict[str, Any]:
    steps = [{"kind": "share", "name": "shift-10", "share": 10}, {"kind": "share", "name": "shift-100", "share": 100}]
    return {
        "name": "cutover-shift-10",
        "to": "green",
        "run": "abc",
        "direction": "nothing",
        "after": "abc",
        "clusters": {"blue": cluster("blue"), "green": cluster("green")},
        "balancer": {"router": "haproxy", "mqtt": "127.0.0.1:9", "admin": ["/nowhere"], "maps": "/nowhere"},
        "work_directory": ".emqx/test",
        "step": "shift-10",
        "share": 10,
        "manner": {"steps": steps, "budget_per_second": 10},
        **changes,
    }


@pytest.fixture
def process(start_provider: Callable[..., DynamicProcess]) -> DynamicProcess:
    process = start_provider()
    process.configure({})
    return process


@pytest.mark.parametrize(("provider", "name"), PINNED.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_provider_is_where_existing_states_look_for_it(provider: type[Any], name: str) -> None:
    assert f"{provider.__module__}:{provider.__qualname__}" == name
    assert len(serialize_provider(provider())) < 300, "it is pickled by reference"


class TestTrafficShift:
    """What makes a link run, and what does not."""

    @pytest.mark.parametrize("change", [{"to": "blue"}, {"run": "def"}, {"after": "def"}, {"share": 20}])
    def test_its_triggers_make_it_run(self, process: DynamicProcess, change: dict[str, Any]) -> None:
        assert process.diff(TrafficShiftProvider(), "x", shift(), shift(**change)) == (True, [])

    def test_an_edit_of_pace_addresses_and_gates_does_not(self, process: DynamicProcess) -> None:
        edited = shift(
            manner={**shift()["manner"], "budget_per_second": 99, "gates": {"stall_seconds": 1}},
            clusters={"blue": cluster("blue"), "green": cluster("green", 5)},
            work_directory="elsewhere",
        )
        assert process.diff(TrafficShiftProvider(), "x", shift(), edited) == (False, [])

    def test_what_is_unknown_in_a_preview_is_not_refused(self, process: DynamicProcess) -> None:
        unknown = shift(run=process.unknown, after=process.unknown, direction=process.unknown, clusters=process.unknown)
        assert process.check(TrafficShiftProvider(), unknown) == []

    def test_what_is_wrong_is_named(self, process: DynamicProcess) -> None:
        failures = process.check(TrafficShiftProvider(), shift(to="red", pace=3))
        assert {name for name, _ in failures} == {"to", "pace"}

    def test_a_run_with_nothing_to_do_hands_the_token_on_and_touches_nothing(self, process: DynamicProcess) -> None:
        id_, outputs = process.create(TrafficShiftProvider(), shift())
        assert id_ == "cutover-shift-10"
        assert outputs["token"] == "abc"
        assert outputs["facts"] == {}

    def test_its_deletion_does_nothing(self, process: DynamicProcess) -> None:
        process.delete(TrafficShiftProvider(), "cutover-shift-10", shift(direction="forward"))

    def test_without_credentials_it_says_how_to_set_them(self, process: DynamicProcess) -> None:
        with pytest.raises(Exception, match=r"pulumi config set --secret --path emqx:credentials\.blue\.apiKey"):
            process.create(TrafficShiftProvider(), shift(direction="forward"))


class TestCutover:
    """The first link asks the balancer whether there is anything to do."""

    def inputs(self, **changes: Any) -> dict[str, Any]:
        taken = {key: shift()[key] for key in ("clusters", "balancer", "work_directory")}
        declared = [
            {"colour": colour, "version": "5.8.9", "nodes": 1, "target": "local"} for colour in ("blue", "green")
        ]
        return {
            **taken,
            "name": "cutover",
            "to": "green",
            "live": "green",
            "declared": declared,
            "steps": [{"share": 100}],
            "strategy": "two-cluster",
            "budget_per_second": 10,
            **changes,
        }

    def test_a_balancer_that_cannot_be_asked_is_a_reason_to_look_again(self, process: DynamicProcess) -> None:
        assert process.diff(CutoverProvider(), "cutover", self.inputs(), self.inputs()) == (True, [])


class TestLocalCluster:
    """A cluster on this machine."""

    def inputs(self, **changes: Any) -> dict[str, Any]:
        return {
            "name": "blue",
            "colour": "blue",
            "version": "5.8.6",
            "edition": "ce",
            "nodes": 3,
            "proxy_protocol": True,
            "directory": ".emqx/test/clusters/blue",
            **changes,
        }

    def test_another_version_in_place_is_refused_before_anything_is_touched(self, process: DynamicProcess) -> None:
        failures = process.check(LocalClusterProvider(), self.inputs(version="5.8.9"), self.inputs())
        assert len(failures) == 1
        assert "from 5.8.6 to 5.8.9 in place" in failures[0][1]
        assert "declare the other colour" in failures[0][1]

    def test_a_cluster_that_does_not_run_any_more_is_started_again(self, process: DynamicProcess) -> None:
        assert process.diff(LocalClusterProvider(), "blue", self.inputs(), self.inputs()) == (True, [])


def test_a_colour_cannot_leave_a_balancer_that_cannot_be_asked(process: DynamicProcess) -> None:
    def inputs(*colours: str) -> dict[str, Any]:
        return {
            "name": "balancer",
            "live": "green",
            "colours": list(colours),
            "clusters": {colour: cluster(colour) for colour in colours},
            "editions": dict.fromkeys(colours, "ce"),
            "directory": ".emqx/nowhere",
            "max_connections": 100,
            "soak_seconds": 0,
        }

    process.configure({"emqx:credentials": '{"blue": {"apiKey": "a", "apiSecret": "b"}}'})
    failures = process.check(MqttBalancerProvider(), inputs("green"), inputs("blue", "green"))
    assert failures, "fails closed"
