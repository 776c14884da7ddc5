"""Nothing that was given to us alone reaches a process that we start: not the passphrase, not a CI's tokens; one test for each kind."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from components.local import cluster as local
from components.local import release
from components.routers.haproxy import process
from tests.lab.balancer_bench import Broker, bench
from tests.lab.local_bed import wanted
from tests.lab.release_bed import CREDENTIALS, LAB_NODE, Colour, unpacked

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

PLANTED = {
    "PULUMI_CONFIG_PASSPHRASE": "planted-passphrase",
    "PULUMI_CONFIG": '{"emqx:credentials": "planted-credentials"}',
    "AWS_SECRET_ACCESS_KEY": "planted-key",
    "CI_JOB_TOKEN": "planted-token",
}


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)


def assert_clean(*pids: int) -> None:
    """These processes and all that they have started know none of it."""
    assert pids
    family = [one for pid in pids for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]
    for one in family:
        found = one.environ()
        assert found["PATH"], one
        assert not {*PLANTED, *PLANTED.values()} & {*found, *found.values()}, one.cmdline()
        assert not any(name.startswith("PULUMI_") for name in found), one.cmdline()


async def test_haproxy_and_its_workers_know_nothing_that_is_ours_alone(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")):
        master = process.running(tmp_path)
        assert master is not None
        assert psutil.Process(master).children(), "the worker is looked at too"
        assert_clean(master)


def test_a_lab_node_knows_nothing_that_is_ours_alone(tmp_path: Path) -> None:
    directory = tmp_path / "blue"
    try:
        assert_clean(*local.serve(wanted(directory, "5.8.9"), CREDENTIALS, lambda: None)["pids"])
    finally:
        local.stop(directory)


def test_a_release_knows_nothing_that_is_ours_alone(tmp_path: Path) -> None:
    colour = Colour(tmp_path / "blue", unpacked(tmp_path / "emqx", LAB_NODE))
    try:
        assert colour.up()
        assert_clean(*colour.state["pids"])
    finally:
        local.stop(colour.directory)


def test_the_compiler_knows_nothing_that_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "bin" / "cc"
    compiler.parent.mkdir()
    compiler.write_text(f'#!/bin/sh\nenv > "{tmp_path}/seen"\nwhile [ "$1" != -o ]; do shift; done\n: > "$2"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{compiler.parent}:/usr/bin:/bin")
    assert release.own_address_library(tmp_path).exists()
    seen = (tmp_path / "seen").read_text()
    assert f"PATH={compiler.parent}" in seen
    assert "planted" not in seen
    assert "PULUMI_" not in seen
