"""What goes wrong with a cluster itself: a node without power, an API server that is gone, an owner that was killed."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from components.kubernetes import loop
from lab.kubernetes.cluster import Cluster, NotSeenError
from tests.kubernetes.colours import Colour
from tests.kubernetes.manifests import shell

pytestmark = pytest.mark.kubernetes


def test_an_update_that_waits_for_a_node_of_the_cluster_that_is_lost_ends_with_that_and_is_done_when_it_is_back(
    own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, namespace = own_cluster, own_cluster.make_namespace("node-lost")
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    words = "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    try:
        colour = Colour(cluster, namespace, "lost", node_selector={"kubernetes.io/hostname": "lab-3"})
        asyncio.run(colour.waited())
        with cluster.without_node("lab-3"):
            cluster.until(lambda: cluster.kubectl("get", "pod", "lost-blue-0", "-n", namespace, *words), "False")
            said = asyncio.run(
                colour.gives_up("lost-blue-0: it was deleted and has not ended", "DeletionByTaintManager")
            )
            assert "0 of 1 are ready" in said
        asyncio.run(colour.waited())
    finally:
        loop.close()


def test_an_api_server_that_is_gone_for_a_while_or_dies_finds_everything_running(own_cluster: Cluster) -> None:
    cluster, namespace = own_cluster, own_cluster.make_namespace("api-gone")
    cluster.apply(namespace, shell("runs", "echo $$; sleep 600"))
    cluster.kubectl("wait", "-n", namespace, "pod/runs", "--for=condition=Ready", "--timeout=120s")
    with cluster.without_api():
        cluster.until(lambda: reached(cluster), "refused")
    cluster.until(lambda: reached(cluster), "ok")
    servers = [one for one in working_in(cluster.directory) if "kube-apiserver" in one.cmdline()[0]]
    assert len(servers) == 1
    servers[0].kill()
    cluster.until(lambda: reached(cluster) if not servers[0].is_running() else "", "ok")
    cluster.kubectl("delete", "pod", "-n", namespace, "runs")
    cluster.apply(namespace, shell("after", "echo here"))
    cluster.until(lambda: cluster.kubectl("get", "pod", "-n", namespace, "after"), "Completed")


def reached(cluster: Cluster) -> str:
    try:
        return cluster.kubectl("get", "--raw", "/readyz")
    except NotSeenError:
        return "refused"


def test_nothing_of_a_cluster_is_left_when_its_owner_is_killed(tmp_path: Path) -> None:
    """A cluster of its own: before it serves its owner is gone."""
    with subprocess.Popen(["sleep", "600"]) as owner:
        words = [
            sys.executable,
            "-m",
            "lab",
            "kubernetes",
            "up",
            f"--directory={tmp_path}",
            f"--as-long-as={owner.pid}",
        ]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as up:
            while not any("etcd" in name for name in programs(tmp_path)) and up.poll() is None:
                time.sleep(0.1)
            assert up.poll() is None
            owner.kill()
            up.wait(120)
    assert working_in(tmp_path) == []


def programs(place: Path) -> list[str]:
    """What works there."""
    found = []
    for process in working_in(place):
        with contextlib.suppress(psutil.Error):
            found.append(process.cmdline()[0])
    return found


def working_in(place: Path) -> list[psutil.Process]:
    """Those that have a path below it among their arguments."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(place) in word for word in process.cmdline()):
                found.append(process)
    return found
