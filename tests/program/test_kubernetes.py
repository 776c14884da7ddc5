"""A stack on Kubernetes under Pulumi's mocks: what is declared, in which order, what is secret, and that a real configuration comes out."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.emqx.errors import BadInput
from components.kubernetes import loop
from tests.lab.kubernetes_bed import FakeKubernetes, pod, served
from tests.program.conftest import SECRET, Recorder
from tests.program.declaring import VERSIONS, declare, tell

pytestmark = [pytest.mark.program, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ORDER = ("blue-declared", "blue-pods", "blue-nodes", "balancer-share", "balancer-pods", "balancer-haproxy", "cutover")
PLANTED = "planted-api-secret"


@pytest.fixture
def world(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    """An API server with an empty namespace."""
    fake = FakeKubernetes()
    with served(fake, tmp_path) as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield fake
        loop.close()


def configure(
    live: str, *colours: str, strategy: str = "two-cluster", balancer: str = "kubernetes", **blue: Any
) -> None:
    cluster = {"target": "kubernetes", "edition": "ce", "nodes": 2, "namespace": "mqtt"}
    clusters = {colour: {**cluster, "version": VERSIONS[colour], **blue} for colour in colours}
    key = {"apiKey": "key", "apiSecret": PLANTED, "username": "admin", "password": "planted-password"}
    tell(
        live,
        clusters,
        key,
        balancer={"target": balancer, "replicas": 2, "kubernetes": {"namespace": "mqtt"}},
        cutover={"strategy": strategy, "steps": [{"share": 100}]},
    )


def kinds(recorder: Recorder, colour: str) -> set[str]:
    return {one.type.rpartition(":")[2] for one in recorder.seen if one.name.startswith(f"{colour}-")}


def test_a_colour_is_everything_that_it_needs(recorder: Recorder, world: FakeKubernetes) -> None:
    configure("blue", "blue")
    declare()
    assert kinds(recorder, "blue") == {
        "KubernetesDeclared",
        "Secret",
        "ConfigMap",
        "Service",
        "PodDisruptionBudget",
        "ServiceAccount",
        "NetworkPolicy",
        "StatefulSet",
        "KubernetesCluster",
        "ClusterGuard",
    }
    for one in recorder.seen:
        if one.type.startswith("kubernetes:"):
            assert one.inputs["metadata"]["namespace"] == "mqtt"
            assert one.inputs["metadata"]["labels"]["environment"] == "prod"
    spec = recorder.named("blue-pods").inputs["spec"]
    assert spec["updateStrategy"] == {"type": "OnDelete"}
    assert spec["template"]["spec"]["containers"][0]["image"] == "docker.io/emqx/emqx:5.8.6"


def test_credentials_are_secret_inputs_and_nowhere_else(recorder: Recorder, world: FakeKubernetes) -> None:
    configure("green", "blue", "green")
    declare()
    secret = recorder.named("blue-secret").inputs
    assert SECRET in secret["data"], "Pulumi encrypts it in its state"
    assert base64.b64decode(secret["data"]["value"]["api-keys"]).decode() == f"key:{PLANTED}:administrator\n"
    others = json.dumps(
        [one.inputs for one in recorder.seen if not one.name.endswith(("-secret", "-cookie"))], default=str
    )
    assert PLANTED not in others
    assert "planted-password" not in others
    assert base64.b64encode(PLANTED.encode()).decode() not in others


def test_the_balancer_begins_with_its_ledger_and_ends_with_its_pods(recorder: Recorder, world: FakeKubernetes) -> None:
    configure("green", "blue", "green")
    declare()
    names = [one.name for one in recorder.seen]
    for first, then in itertools.pairwise(ORDER):
        assert names.index(first) < names.index(then)
    share = recorder.named("balancer-share").inputs
    assert (share["live"], share["colours"]) == ("green", ["blue", "green"])


def test_each_cluster_has_a_cookie_of_its_own(recorder: Recorder, world: FakeKubernetes) -> None:
    configure("green", "blue", "green")
    declare()
    assert len({recorder.named(f"{one}-cookie").inputs["data"]["value"]["cookie"] for one in ("blue", "green")}) == 2


def test_pods_are_born_with_how_the_doors_of_a_4_4_behaved(
    recorder: Recorder, world: FakeKubernetes, tmp_path: Path
) -> None:
    configure("green", "blue", "green")
    conf = tmp_path / "emqx.conf"
    conf.write_text("listener.tcp.external = 1883\nlistener.tcp.external.max_connections = 4321\n")
    (tmp_path / "export.json").write_text("{}")
    node = {"name": "emqx@10.0.0.1", "api": "http://10.0.0.1:8081", "mqtt": "10.0.0.1:1883"}
    old = {"target": "external", "edition": "ce", "version": "4.4.19", "nodes": [node], "configuration": [str(conf)]}
    new = {"target": "kubernetes", "edition": "ce", "version": "5.8.9", "nodes": 2, "namespace": "mqtt"}
    clusters = {"blue": {**old, "exports": {"path": str(tmp_path / "export.json")}}, "green": new}
    pulumi.runtime.set_config("emqx:clusters", json.dumps(clusters))
    declare()
    born = json.loads(recorder.named("green-born").inputs["data"]["base.hocon"])
    assert born["listeners"]["tcp"]["default"]["max_connections"] == 4321
    assert "bind" not in born["listeners"]["tcp"]["default"]
    pod = recorder.named("green-pods").inputs["spec"]["template"]["spec"]
    assert {"name": "born", "configMap": {"name": "emqx-green-born", "optional": True}} in pod["volumes"]
    assert (
        recorder.named("green-config").inputs["data"]["emqx.conf"].startswith('include "/opt/emqx/born/base.hocon"\n')
    ), "what the stack says itself stands behind it"


def environment(recorder: Recorder, colour: str) -> dict[str, Any]:
    (node,) = recorder.named(f"{colour}-pods").inputs["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value") for one in node["env"]}


def cookie(recorder: Recorder, colour: str) -> str:
    return base64.b64decode(recorder.named(f"{colour}-cookie").inputs["data"]["value"]["cookie"]).decode()


def test_nodes_that_join_have_the_seeds_and_the_cookie_that_its_secret_says(
    recorder: Recorder, world: FakeKubernetes
) -> None:
    world.objects["secrets/emqx-blue-cookie"] = {"data": {"cookie": base64.b64encode(b"of-long-ago").decode()}}
    configure("green", "blue", "green", strategy="same-cluster")
    declare()
    seeds = "emqx-blue-nodes.mqtt.svc.cluster.local"
    assert [environment(recorder, one)["EMQX_CLUSTER__DNS__NAME"] for one in ("blue", "green")] == [seeds, seeds]
    if not pulumi.runtime.is_dry_run():  # a preview reads no Secret: a kubeconfig that may only look is enough for it
        assert cookie(recorder, "green") == "of-long-ago"


def test_nodes_that_join_a_cluster_that_is_made_beside_them_have_its_cookie(
    recorder: Recorder, world: FakeKubernetes
) -> None:
    configure("green", "blue", "green", strategy="same-cluster")
    declare()
    assert cookie(recorder, "green") == cookie(recorder, "blue")


def test_nodes_that_stay_alone_have_themselves_as_seeds(recorder: Recorder, world: FakeKubernetes) -> None:
    configure("green", "green", strategy="same-cluster")
    declare()
    assert environment(recorder, "green")["EMQX_CLUSTER__DNS__NAME"] == "emqx-green-nodes.mqtt.svc.cluster.local"


def test_a_node_that_a_roll_has_out_is_not_waited_for(recorder: Recorder, world: FakeKubernetes) -> None:
    node = "emqx@emqx-blue-1.emqx-blue-nodes.mqtt.svc.cluster.local"
    data = {"share.map": "green 0\n", "memory.stack": "test", "memory.rolling": f"blue {node} 5.8.6 ce 1795.0"}
    world.config_maps["emqx-cutover"] = {
        "metadata": {"name": "emqx-cutover", "resourceVersion": "1"},
        "data": data,
    }
    configure("blue", "blue", strategy="rolling")
    declare()
    assert recorder.named("blue-nodes").inputs["in_work"] == node


def test_a_variable_of_ours_is_not_given_twice(recorder: Recorder, world: FakeKubernetes) -> None:
    configure("blue", "blue", env={"EMQX_NODE__COOKIE": "mine"})
    with pytest.raises(BadInput, match=r"emqx:clusters.blue.env.EMQX_NODE__COOKIE"):
        declare()


def test_a_colour_on_kubernetes_needs_a_balancer_there(recorder: Recorder, world: FakeKubernetes) -> None:
    configure("blue", "blue", balancer="local")
    with pytest.raises(BadInput, match=r"emqx:balancer\.target: local"):
        declare()


def test_what_stands_is_known_by_its_pods_and_what_is_remembered_by_the_config_map(
    recorder: Recorder, world: FakeKubernetes
) -> None:
    labels = {
        "app.kubernetes.io/name": "emqx",
        "app.kubernetes.io/instance": "emqx",
        "emqx-upgrade/colour": "blue",
    }
    world.pods = [pod("emqx-blue-0", labels, container="emqx"), pod("emqx-blue-1", labels, container="emqx")]
    world.config_maps["emqx-cutover"] = {
        "metadata": {"name": "emqx-cutover", "resourceVersion": "1"},
        "data": {"share.map": "green 0\n", "memory.stack": "test"},
    }
    configure("green", "blue", "green")
    declare()
    share = recorder.named("balancer-share").inputs
    assert share["standing"] == ["blue"]
    assert share["holding"] == ["blue"]
    world.config_maps["emqx-cutover"]["data"]["memory.stack"] = "another"
    with pytest.raises(BadInput, match="stack another works here"):
        declare()
