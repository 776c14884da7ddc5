"""What a pod's fields mean, and what its status is made of: as the kubelet reads and writes them."""

from __future__ import annotations

from typing import Any

import pytest

from lab.kubernetes.images import NoImageError, image_of
from lab.kubernetes.status import Seen, conditions, phase, running, terminated, waiting
from lab.kubernetes.values import UnknownError, environment, expanded, field, port_of, quantity

pytestmark = pytest.mark.unit
POD: dict[str, Any] = {
    "metadata": {"name": "emqx-0", "namespace": "n", "labels": {"app": "emqx"}},
    "spec": {"containers": []},
    "status": {"podIP": "10.244.1.2"},
}
HELD = {("secret", "s"): {"cookie": "abc"}, ("configMap", "c"): {"A": "1", "B": "2"}}


def variables(*env: dict[str, Any], **more: Any) -> dict[str, str]:
    return environment({"env": list(env), **more}, POD, lambda kind, name: HELD.get((kind, name)))


def reference(kind: str, **ref: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {kind: ref}}


def test_variables_are_those_of_the_pod_of_maps_and_of_secrets_in_order() -> None:
    found = variables(
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "NAME", "value": "emqx@$(POD).$(NOT_THERE) $$(POD)"},
        reference("secretKeyRef", name="s", key="cookie"),
        envFrom=[{"prefix": "P_", "configMapRef": {"name": "c"}}],
    )
    assert found == {"P_A": "1", "P_B": "2", "POD": "emqx-0", "NAME": "emqx@emqx-0.$(NOT_THERE) $(POD)", "X": "abc"}


@pytest.mark.parametrize(
    ("ref", "why"),
    [
        (reference("secretKeyRef", name="none", key="k"), 'secret "none" not found'),
        (reference("configMapKeyRef", name="c", key="k"), "couldn't find key k in configMap n/c"),
    ],
)
def test_a_variable_that_cannot_be_had_is_named(ref: dict[str, Any], why: str) -> None:
    with pytest.raises(UnknownError, match=why):
        variables(ref)


def test_an_optional_variable_that_cannot_be_had_is_left_out() -> None:
    assert variables(reference("secretKeyRef", name="none", key="k", optional=True)) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.labels['app']", "emqx"),
        ("metadata.labels", 'app="emqx"'),
        ("status.podIP", "10.244.1.2"),
        ("status.podIPs", "10.244.1.2"),
    ],
)
def test_fields_of_the_pod_are_read(path: str, value: str) -> None:
    assert field(POD, path) == value


def test_ports_have_names_and_quantities_units() -> None:
    box = {"ports": [{"name": "api", "containerPort": 18083}]}
    assert [port_of(box, port) for port in ("api", "81", 82)] == [18083, 81, 82]
    assert [quantity(text) for text in ("1Gi", "500m", "2", "3M")] == [2**30, 0.5, 2, 3e6]
    assert expanded("$(A)", {"A": "$(B)", "B": "no"}) == "$(B)"


@pytest.mark.parametrize(
    "name",
    [
        "emqx/emqx:5.8.8",
        "docker.io/emqx/emqx-enterprise:5.10.3@sha256:" + 64 * "0",
        "registry.example:5000/mirror/haproxy:2.8.10",
        "busybox",
    ],
)
def test_images_are_programs(name: str) -> None:
    image_of(name)


@pytest.mark.parametrize(
    "name",
    [
        "emqx/emqx",
        "emqx/emqx:latest",
        "emqx/emqx:5.8",
        "nginx:1.27",
        "emqx/emqx:4.1.5",
        "emqx/emqx:5.7.2",
        "emqx/emqx:6.0.0",
        "emqx/emqx:does-not-exist",
        "UP PER",
    ],
)
def test_an_image_that_is_none_is_not_found(name: str) -> None:
    with pytest.raises(NoImageError, match="not found"):
        image_of(name)


def seen(state: dict[str, Any], *, ready: bool = False, restarts: int = 0, last: dict[str, Any] | None = None) -> Seen:
    return Seen({"name": "a", "image": "i"}, state, last or {}, restarts, ready=ready)


@pytest.mark.parametrize(
    ("initial", "main", "policy", "expected"),
    [
        ([], [waiting("ContainerCreating")], "Always", "Pending"),
        ([], [running()], "Always", "Running"),
        ([], [waiting("CrashLoopBackOff")], "Always", "Pending"),
        ([running()], [waiting("PodInitializing")], "Always", "Pending"),
        ([terminated(1, "")], [waiting("PodInitializing")], "Never", "Failed"),
        ([], [terminated(0, "")], "OnFailure", "Succeeded"),
        ([], [terminated(1, "")], "Never", "Failed"),
        ([], [terminated(1, ""), running()], "Never", "Running"),
        ([], [terminated(0, "")], "Always", "Running"),
    ],
)
def test_a_phase_follows_from_all_containers(initial: list[Any], main: list[Any], policy: str, expected: str) -> None:
    assert phase(list(map(seen, initial)), list(map(seen, main)), policy) == expected


def test_one_that_starts_again_is_in_a_pod_that_runs() -> None:
    assert phase([], [seen(waiting("CrashLoopBackOff"), restarts=1)], "Always") == "Running"


def truth(pod: dict[str, Any], *main: Seen) -> dict[str, str]:
    return {one["type"]: one["status"] for one in conditions(pod, [], list(main), ended=False)}


def test_a_pod_is_ready_when_its_containers_and_its_gates_are() -> None:
    gated = {"spec": {"readinessGates": [{"conditionType": "g"}]}, "status": {}}
    good, bad = seen(running(), ready=True), seen(running())
    assert truth(POD, good)["Ready"] == "True"
    assert truth(POD, good, bad)["Ready"] == "False"
    assert (truth(gated, good)["ContainersReady"], truth(gated, good)["Ready"]) == ("True", "False")
    gated["status"] = {"conditions": [{"type": "g", "status": "True"}, {"type": "PodScheduled", "status": "True"}]}
    assert truth(gated, good)["Ready"] == truth(gated, good)["PodScheduled"] == "True"


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    old = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    pod = {**POD, "status": {"conditions": [old]}}
    same = {one["type"]: one for one in conditions(pod, [], [seen(running())], ended=False)}
    assert same["Ready"]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
