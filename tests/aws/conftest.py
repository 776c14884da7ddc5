"""One account for all tests of the tier, whichever workers run them; it ends with the run, whatever ends that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.aws.cloud import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    base = Path(tmp_path_factory.getbasetemp())
    distributed = "PYTEST_XDIST_WORKER" in os.environ
    place, owner = (base.parent, os.getppid()) if distributed else (base, os.getpid())
    return Cloud.of(place / "aws", owner)
