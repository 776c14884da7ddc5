"""One cluster for all tests of the tier, whichever workers run them; it ends with the run, whatever ends that."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kubernetes.cluster import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    base = Path(tmp_path_factory.getbasetemp())
    distributed = "PYTEST_XDIST_WORKER" in os.environ
    place, owner = (base.parent, os.getppid()) if distributed else (base, os.getpid())
    return Cluster.of(place / "kubernetes", owner)


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """For a file that breaks what other files use meanwhile."""
    own = Cluster.of(tmp_path_factory.mktemp("kubernetes"), os.getpid())
    yield own
    own.end()


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """Of one test, gone with it."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    made = cluster.make_namespace(f"{name}-{secrets.token_hex(3)}")
    yield made
    cluster.kubectl("delete", "namespace", made, "--wait=false")
    cluster.kubectl("delete", "pods", "--all", "-n", made, "--grace-period=1", "--wait=false")
