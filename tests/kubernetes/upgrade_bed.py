"""A stage of pods for the tests: in a namespace of its own, which ends with them.

The rule: an update acts as a service account with the documented rights and no more, and Pod Security `restricted` is enforced.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.kubernetes import loop
from lab.engine_run import EngineRun
from lab.kubernetes.cluster import Cluster
from lab.kubernetes.stage import PodStage
from lab.stage import Scene
from tests.kubernetes.accounts import UPDATES, account, written

RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"

WAIT_SECONDS = 600.0


@contextlib.contextmanager
def staged(
    directory: Path,
    scene: Scene,
    cluster: Cluster,
    namespace: str,
    kind: type[PodStage] = PodStage,
    server: str | None = None,
) -> Iterator[PodStage]:
    """A stage of a kind in a namespace of its own, which reaches the API server at ``server``; what runs in it ends with it."""
    with pytest.MonkeyPatch.context() as patch:
        cluster.make_namespace(namespace)
        cluster.kubectl("label", "namespace", namespace, RESTRICTED)
        config = written(account(cluster, namespace, UPDATES), directory / "kubeconfig", server)
        patch.setenv("KUBECONFIG", str(config))
        try:
            with kind(directory, scene, cluster, namespace) as stage:
                yield stage
        finally:
            loop.close()
            cluster.kubectl("delete", "namespace", namespace, "--wait=false")
            cluster.kubectl("delete", "pods", "--all", "-n", namespace, "--grace-period=1", "--wait=false")


def quiet(stage: PodStage) -> bool:
    """Whether a preview that looks at the world first finds it as the last update has left it; fails with what it shows."""
    done = stage.workspace.start("preview", "--refresh", "--expect-no-changes").wait(WAIT_SECONDS)
    return bool(done.good())


def changes(stage: PodStage) -> list[str]:
    """The lines of a preview that are about a change."""
    output = stage.workspace.preview().good().output
    return [line for line in output.splitlines() if re.match(r"\s*(\+|~|-|\+-)", line)]


def until(run: EngineRun, seen: Callable[[], bool], every_seconds: float = 0.05) -> None:
    """Wait while the update works."""
    end = time.monotonic() + WAIT_SECONDS
    while not seen():
        assert run.running, run.output()[-4000:]
        assert time.monotonic() < end, run.output()[-4000:]
        time.sleep(every_seconds)


def told(stage: PodStage, **wanted: str) -> bool:
    """Whether a line of the journal has these words."""
    return any(wanted.items() <= line.items() for line in stage.journal())
