"""A stage of pods for the tests: in a namespace of its own, which ends with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.kubernetes import loop
from lab.kubernetes.cluster import Cluster
from lab.kubernetes.stage import PodStage
from lab.stage import Scene


@contextlib.contextmanager
def staged(directory: Path, scene: Scene, cluster: Cluster, namespace: str) -> Iterator[PodStage]:
    """A stage in a namespace of its own; what runs in it ends with it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        cluster.make_namespace(namespace)
        try:
            with PodStage(directory, scene, cluster, namespace) as stage:
                yield stage
        finally:
            loop.close()
            cluster.kubectl("delete", "namespace", namespace, "--wait=false")
            cluster.kubectl("delete", "pods", "--all", "-n", namespace, "--grace-period=1", "--wait=false")
