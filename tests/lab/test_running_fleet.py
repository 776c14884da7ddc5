"""A fleet beside us that is not as it should be: it is told in a line, and its process is gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lab.engine_run import works_in
from lab.fleet.running import RunningFleet, SilentFleetError

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which connections are accepted and nothing is answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("options", [["--clients", "0"], ["--clients", "2", "--ready-within-seconds", "1"]])
def test_a_fleet_that_is_never_ready_is_told_and_leaves_no_process(
    tmp_path: Path, nobody: str, options: list[str]
) -> None:
    log = tmp_path / "fleet" / "fleet.jsonl"
    with pytest.raises(SilentFleetError, match="the fleet said '' after"):
        RunningFleet.start(log, ["--address", nobody, "--anonymous", *options])
    assert [each.pid for each in psutil.process_iter() if works_in(each, str(tmp_path))] == []
