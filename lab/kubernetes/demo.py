"""The demo's stage in a cluster of its own.

The rule: a person may look on with `kubectl` while it runs; the cluster ends with the demo.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from components.kubernetes import loop
from lab.kubernetes.cluster import Cluster
from lab.kubernetes.stage import PodStage
from lab.stage import CALM, Scene

NAMESPACE = "emqx"


@contextlib.contextmanager
def in_pods(directory: Path, scene: Scene) -> Iterator[PodStage]:
    """A stage whose nodes and balancer are pods of the namespace `NAMESPACE`."""
    print("== a Kubernetes cluster starts; its first start on a machine builds it", flush=True)
    cluster = Cluster.of(directory / "cluster", os.getpid())
    print(f"== export KUBECONFIG={cluster.kubeconfig}\n== {cluster.program} get pods -n {NAMESPACE}", flush=True)
    before = os.environ.get("KUBECONFIG")
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    try:
        cluster.make_namespace(NAMESPACE)
        calm = replace(scene, gates={**CALM, **scene.gates})
        with PodStage(directory / "stage", calm, cluster, NAMESPACE) as stage:
            yield stage
    finally:
        loop.close()
        cluster.end()
        os.environ.pop("KUBECONFIG")
        if before is not None:
            os.environ["KUBECONFIG"] = before
