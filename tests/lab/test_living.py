"""A process that becomes another program is never taken for one that ended: a cluster that was starting was killed for that."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.local import processes
from components.system import living

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

LOOKS = 3_000
AGAIN = 'exec /bin/sh -c "$0" "$0" "$1"'


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[int]:
    """It replaces itself again and again; one of its arguments is the directory, and its environment names it."""
    command = ["/bin/sh", "-c", AGAIN, AGAIN, str(tmp_path)]
    with subprocess.Popen(command, env={**os.environ, "PLACE": str(tmp_path)}) as process:
        yield process.pid
        process.kill()


def test_a_process_between_two_programs_is_known_all_the_time(changing: int, tmp_path: Path) -> None:
    place = os.fsencode(tmp_path)
    for _ in range(LOOKS):
        assert place in living.arguments(changing)
        assert b"PLACE=" + place in living.environment(changing)
        assert processes.is_ours(changing, tmp_path)


def test_a_zombie_is_not_waited_for_and_not_ours(tmp_path: Path) -> None:
    process = subprocess.Popen(["/bin/true", str(tmp_path)])
    end = time.monotonic() + 60
    while not living.ended(process.pid):
        assert time.monotonic() < end
    assert living.arguments(process.pid) == [b""]
    assert not processes.is_ours(process.pid, tmp_path)
    process.wait()


def test_who_is_gone_is_said_to_be(tmp_path: Path) -> None:
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    assert living.ended(process.pid)
    with pytest.raises(ProcessLookupError if Path(f"/proc/{process.pid}").exists() else FileNotFoundError):
        living.arguments(process.pid)
    assert not processes.is_ours(process.pid, tmp_path)
