"""Pods of the lab's cluster, asked by `kubectl` as anybody asks: real API server, scheduler and controllers, pods that are processes."""

from __future__ import annotations

import pytest

from lab.kubernetes.cluster import Cluster
from tests.kubernetes.manifests import Object, claim, config, shell

pytestmark = pytest.mark.kubernetes


def describe(cluster: Cluster, namespace: str, pod: str) -> str:
    return cluster.kubectl("describe", "pod", "-n", namespace, pod)


def with_claim(pod: Object, name: str) -> Object:
    pod["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    return pod


def test_what_a_container_writes_is_in_its_logs_and_its_exit_code_in_its_status(
    cluster: Cluster, namespace: str
) -> None:
    cluster.apply(namespace, shell("ends", "echo one; echo two >&2; exit 7"))
    cluster.until(lambda: describe(cluster, namespace, "ends"), "Exit Code:    7")
    assert cluster.kubectl("logs", "-n", namespace, "ends") == "one\ntwo\n"
    assert cluster.kubectl("logs", "-n", namespace, "ends", "--tail=1") == "two\n"


def test_a_command_runs_inside_the_container_with_its_files_name_and_exit_code(
    cluster: Cluster, namespace: str
) -> None:
    pod = shell("inside", "sleep 600", workingDir="/etc", env=[{"name": "SAID", "value": "yes"}])
    pod["spec"]["volumes"] = [{"name": "c", "configMap": {"name": "c"}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "c", "mountPath": "/etc/own/deep"}]
    pod["spec"]["containers"][0]["securityContext"] = {"readOnlyRootFilesystem": True}
    cluster.apply(namespace, config("c", a_txt="of the map"), pod)
    cluster.kubectl("wait", "-n", namespace, "pod/inside", "--for=condition=Ready", "--timeout=120s")

    def inside(script: str, *, given: str = "", fails: bool = False) -> str:
        words = ("exec", "-i", "-n", namespace, "inside", "--", "sh", "-c", script)
        return cluster.kubectl(*words, given=given, fails=fails)

    assert (
        inside("hostname; cat own/deep/a.txt; echo; echo $SAID; cat", given="given") == "inside\nof the map\nyes\ngiven"
    )
    assert "exit code 3" in inside("exit 3", fails=True)
    assert "Read-only file system" in inside("echo x > /etc/x", fails=True)


def test_a_token_of_its_account_lets_a_pod_speak_to_the_api_server_by_its_name(
    cluster: Cluster, namespace: str
) -> None:
    asked = "https://kubernetes.default.svc/api/v1/namespaces/default/pods"
    secret = "/var/run/secrets/kubernetes.io/serviceaccount"
    script = f'curl -s --cacert {secret}/ca.crt -H "Authorization: Bearer $(cat {secret}/token)" {asked}'
    cluster.apply(namespace, shell("asks", script))
    words = ("logs", "-n", namespace, "asks")
    said = cluster.until(
        lambda: cluster.kubectl("get", "pod", "-n", namespace, "asks") + cluster.kubectl(*words), "Forbidden"
    )
    assert f"system:serviceaccount:{namespace}:default" in said


def test_an_image_that_does_not_exist_is_told_as_the_kubelet_tells_it(cluster: Cluster, namespace: str) -> None:
    cluster.apply(namespace, shell("none", "true", image="emqx/emqx:5.8"))
    said = cluster.until(lambda: describe(cluster, namespace, "none"), "Back-off pulling image")
    assert "emqx/emqx:5.8: not found" in said


def test_a_variable_from_a_map_that_is_not_there_is_told_and_waited_for(cluster: Cluster, namespace: str) -> None:
    reference = {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "a"}}}
    cluster.apply(namespace, shell("waits", "echo $A", env=[reference]))
    cluster.until(lambda: describe(cluster, namespace, "waits"), 'configmap "later" not found')
    cluster.apply(namespace, config("later", a="here it is"))
    cluster.until(lambda: describe(cluster, namespace, "waits"), "Completed")
    assert cluster.kubectl("logs", "-n", namespace, "waits") == "here it is\n"


def test_a_claim_is_full_when_it_is_and_outlives_its_pod(cluster: Cluster, namespace: str) -> None:
    cluster.apply(
        namespace,
        claim("small", "1Mi"),
        with_claim(shell("fills", "cp /bin/bash /data/a; echo kept > /data/b; exit 1"), "small"),
    )
    cluster.until(lambda: describe(cluster, namespace, "fills"), "Exit Code")
    assert "No space left on device" in cluster.kubectl("logs", "-n", namespace, "fills")
    cluster.kubectl("delete", "pod", "-n", namespace, "fills")
    cluster.apply(namespace, with_claim(shell("finds", "ls /data"), "small"))
    cluster.until(lambda: describe(cluster, namespace, "finds"), "Completed")
    assert "a\n" in cluster.kubectl("logs", "-n", namespace, "finds")


def test_a_pod_of_a_claim_that_is_lost_says_so(cluster: Cluster, namespace: str) -> None:
    cluster.apply(namespace, with_claim(shell("needs", "true"), "nowhere"))
    cluster.until(lambda: describe(cluster, namespace, "needs"), 'persistentvolumeclaim "nowhere" not found')


def test_a_liveness_probe_restarts_a_container_and_the_log_before_is_kept(cluster: Cluster, namespace: str) -> None:
    probe = {"exec": {"command": ["test", "-f", "/tmp/alive"]}, "periodSeconds": 1, "failureThreshold": 2}
    pod = shell(
        "dies",
        "trap 'exit 0' TERM; date +%N; touch /tmp/alive; sleep 2 & wait; rm /tmp/alive; sleep 600 & wait",
        livenessProbe=probe,
    )
    pod["spec"]["restartPolicy"] = "Always"
    cluster.apply(namespace, pod)
    said = cluster.until(lambda: describe(cluster, namespace, "dies"), "Restart Count:  1")
    assert "failed liveness probe, will be restarted" in said
    before = cluster.kubectl("logs", "-n", namespace, "dies", "--previous")
    assert before.strip().isdigit()
    cluster.until(lambda: str(cluster.kubectl("logs", "-n", namespace, "dies") not in {"", before}), "True")


def test_the_grace_of_a_pod_is_for_its_hook_and_its_signal(cluster: Cluster, namespace: str) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /data/said"]}}}
    script = "trap 'echo term >> /data/said; exit 0' TERM; while true; do sleep 0.1; done"
    pod = with_claim(shell("ends", script, lifecycle=hook), "kept")
    pod["spec"]["terminationGracePeriodSeconds"] = 60
    cluster.apply(namespace, claim("kept", "1Mi"), pod)
    cluster.kubectl("wait", "-n", namespace, "pod/ends", "--for=condition=Ready", "--timeout=120s")
    cluster.kubectl("delete", "pod", "-n", namespace, "ends")
    cluster.apply(namespace, with_claim(shell("reads", "cat /data/said"), "kept"))
    cluster.until(lambda: describe(cluster, namespace, "reads"), "Completed")
    assert cluster.kubectl("logs", "-n", namespace, "reads") == "hook\nterm\n"
