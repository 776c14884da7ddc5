"""`python -m lab fleet` as its users run it: ready line, summaries, several processes, an orderly end and no process left."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from components.system import living
from lab.fleet import processes
from lab.fleet.settings import FleetError
from tests.lab.fleet_responder import Responder
from tests.lab.node_process import until

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def command(directory: Path, responder: Responder, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    address = f"{responder.host}:{responder.port}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lab", "fleet", "--address", address, "--log", str(directory / "fleet.jsonl")),
        *("--connects-per-second", "5000", "--publish-interval-seconds", "0.2", "--kinds", "plain", *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return (await process.stdout.readline()).decode().strip()


async def figures(path: Path) -> dict[str, Any]:
    await until(path.exists, f"{path} is there")
    found: dict[str, Any] = json.loads(await asyncio.to_thread(path.read_text))
    await asyncio.to_thread(path.unlink)
    return found


async def ended(pids: list[int]) -> None:
    await until(lambda: not any(psutil.pid_exists(pid) for pid in pids), f"{pids} ended")


def children(process: asyncio.subprocess.Process) -> list[int]:
    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


async def test_no_part_has_a_secret_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "planted-passphrase")
    monkeypatch.setenv("CI_TOKEN", "planted-token")
    async with Responder() as responder:
        options = ("--clients", "4", "--processes", "2", "--anonymous")
        async with command(tmp_path, responder, *options) as process:
            assert await said(process) == "ready 4"
            parts = children(process)
            assert len(parts) == 2
            assert [word for part in parts for word in living.environment(part) if b"planted" in word] == []


@pytest.mark.parametrize("processes", [1, 3])
async def test_one_fleet_whatever_the_number_of_processes(tmp_path: Path, processes: int) -> None:
    async with Responder() as responder:
        options = ("--clients", "100", "--processes", str(processes), "--anonymous", "--prefix", "x")
        async with command(tmp_path, responder, *options) as process:
            assert await said(process) == "ready 100"
            assert sorted(responder.live) == [f"x-{number:06}" for number in range(100)]
            parts = children(process)
            assert len(parts) == processes
            for client_id in list(responder.live)[:30]:
                responder.kick(client_id)
            await until(lambda: len(responder.connects) == 130 and len(responder.live) == 100, "all back")
            process.send_signal(signal.SIGUSR1)
            now = await figures(tmp_path / "summary.json")
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(60):
                assert await process.wait() == 0
            final = await figures(tmp_path / "summary.json")
            await ended(parts)
    for whole in (now, final):
        assert whole["clients"] == whole["connected"]["of"] == 100
        assert (whole["disconnects"]["max"], whole["disconnects"]["mean"]) == (1, 0.3)
        assert 70 <= whole["connected"]["min"] < 100
        assert whole["refused_connections"] == 0
    assert final["messages"]["published"] >= now["messages"]["published"] > 0
    events = [json.loads(line)["event"] for line in (tmp_path / "fleet.jsonl").read_text().splitlines()]
    assert (events.count("connected"), events.count("disconnected")) == (130, 30)


async def test_the_password_comes_from_a_file_and_is_in_no_argument(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("planted-secret\n")
    async with Responder() as responder:
        options = ("--clients", "4", "--username", "u", "--password-file", str(tmp_path / "password"))
        async with command(tmp_path, responder, *options) as process:
            assert await said(process) == "ready 4"
            assert {packet.password for packet in responder.connects} == {b"planted-secret"}
            arguments = [psutil.Process(pid).cmdline() for pid in [process.pid, *children(process)]]
            assert "planted-secret" not in str(arguments)
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(60):
                assert await process.wait() == 0
    assert "planted-secret" not in (tmp_path / "fleet.jsonl").read_text()


async def test_no_device_outlives_a_killed_fleet(tmp_path: Path) -> None:
    async with Responder() as responder:
        async with command(tmp_path, responder, "--clients", "20", "--processes", "2", "--anonymous") as process:
            assert await said(process) == "ready 20"
            parts = children(process)
            process.kill()
            await ended(parts)
        assert responder.live == {}


async def test_a_stop_before_everybody_is_ready_is_heard(tmp_path: Path) -> None:
    options = ("--clients", "10", "--anonymous")
    async with Responder(refuse=5) as responder, command(tmp_path, responder, *options) as process:
        await until(lambda: bool(responder.connects), "a device tries")
        parts = children(process)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
        await ended(parts)


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (("--clients", "3", "--anonymous", "--ready-within-seconds", "0.5"), "0 of 3 were ready"),
        (("--clients", "3"), "--anonymous"),
        (("--clients", "3", "--username", "u"), "--password-file"),
        (("--clients", "0", "--anonymous"), "0 clients"),
    ],
)
async def test_what_cannot_work_is_one_line_and_a_code(tmp_path: Path, options: tuple[str, ...], seen: str) -> None:
    async with Responder(refuse=5) as responder, command(tmp_path, responder, *options) as process:
        async with asyncio.timeout(60):
            _, error = await process.communicate()
        assert process.returncode == 1
        assert error.decode().startswith("fleet: ")
        assert seen in error.decode()
        assert len(error.decode().splitlines()) == 1


async def test_a_log_that_cannot_be_opened_is_one_line_that_names_it(tmp_path: Path) -> None:
    options = ("--clients", "4", "--processes", "2", "--anonymous", "--log", str(tmp_path))
    async with Responder() as responder, command(tmp_path, responder, *options) as process:
        async with asyncio.timeout(60):
            _, error = await process.communicate()
        assert (process.returncode, error.decode()) == (1, f"fleet: log {tmp_path}: Is a directory\n")


async def test_a_part_that_closes_its_output_and_goes_on_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "_END_SECONDS", 0.1)
    words = (sys.executable, "-c", "import os, sys; os.close(1); sys.stdin.read()")
    pipe = asyncio.subprocess.PIPE
    part = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
    try:
        async with asyncio.timeout(60):
            with pytest.raises(FleetError, match="closed its output and still runs"):
                await processes._answer(part, 30.0)
    finally:
        part.kill()
        await part.communicate()
