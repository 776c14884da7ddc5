"""HAProxy's life: restarts, reloads, dead nodes, PROXY protocol; what is set stays set, who is connected stays so."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from components.emqx.errors import BadInput, GaveUp, Refused
from components.routers.haproxy import process
from components.routers.haproxy.runtime import SUN_PATH, ask
from components.system.locks import held
from tests.lab.balancer_bench import CONNACK, PACKETS, Broker, bench, change, loopback, send, send_all

pytestmark = pytest.mark.lab


async def test_a_restart_keeps_the_share(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        await fork.set_share(2500)
        first = process.running(tmp_path)
        process.stop(tmp_path)
        assert process.start(tmp_path) != first
        assert await fork.router.share() == 2500


async def test_a_restarted_balancer_serves_at_once_and_says_fully_up_only_after_checks(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork:
        process.stop(tmp_path)
        process.start(tmp_path)
        assert await send(fork, PACKETS[0]) == CONNACK
        await fork.all_up()


async def test_one_colour_alone_takes_everybody(tmp_path: Path) -> None:
    for colour in ("blue", "green"):
        async with bench(tmp_path / colour, Broker(colour)) as fork:
            assert await send_all(fork, PACKETS) == [CONNACK] * 100
            assert len(fork.got(colour)) == 100


async def test_a_reload_keeps_open_connections_and_adds_the_other_colour(tmp_path: Path) -> None:
    blue, green = Broker("blue"), Broker("green", edition="ce")
    async with bench(tmp_path, blue) as fork:
        reader, writer = await asyncio.open_connection(fork.address, 1883)
        writer.write(PACKETS[0])
        assert await reader.readexactly(4) == CONNACK
        await change(fork, blue, green)
        await fork.all_up()
        await fork.set_share(10000)
        assert await send_all(fork, PACKETS) == [CONNACK] * 100
        assert len(fork.got("green")) == 100
        assert green.checks == {"/status"}
        writer.write(b"ping")
        async with asyncio.timeout(60):
            assert await reader.readexactly(4) == b"ping"
        writer.close()


async def test_a_reload_does_not_bring_an_evacuating_node_back(tmp_path: Path) -> None:
    kept, evacuating = Broker("blue"), Broker("blue")
    async with bench(tmp_path, kept, evacuating) as fork:
        await fork.down(evacuating)
        for _ in range(3):
            await change(fork, kept, evacuating)
            assert await send_all(fork, PACKETS[:20]) == [CONNACK] * 20
        assert len(kept.packets) == 60
        assert evacuating.packets == []


async def test_a_node_that_is_down_keeps_its_clients_and_gets_no_new_ones(tmp_path: Path) -> None:
    stays, evacuating = Broker("blue"), Broker("blue")
    async with bench(tmp_path, stays, evacuating) as fork:
        pairs = [await asyncio.open_connection(fork.address, 1883) for _ in range(10)]
        for (_, writer), packet in zip(pairs, PACKETS, strict=False):
            writer.write(packet)
        assert [await reader.readexactly(4) for reader, _ in pairs] == [CONNACK] * 10
        assert len(evacuating.packets) == len(stays.packets) == 5, "least connections"
        await fork.down(evacuating)
        assert await send_all(fork, PACKETS) == [CONNACK] * 100
        assert len(evacuating.packets) == 5
        for reader, writer in pairs:
            writer.write(b"still")
            assert await reader.readexactly(5) == b"still"
            writer.close()


async def test_a_colour_without_a_healthy_server_gets_nobody_and_the_other_not_more(tmp_path: Path) -> None:
    blue, green = Broker("blue"), Broker("green")
    async with bench(tmp_path, blue, green) as fork:
        await fork.set_share(5000)
        await fork.down(green)
        assert await fork.router.health() == {"blue": {blue.node.name: True}, "green": {green.node.name: False}}
        answers = await send_all(fork, PACKETS)
        assert fork.got("green") == []
        assert answers.count(CONNACK) == len(fork.got("blue")) < 100
        green.healthy = True
        await fork.down(blue)
        await fork.until(lambda health: health["green"][green.node.name])
        fork.forget()
        again = await send_all(fork, PACKETS)
        assert fork.got("blue") == []
        assert [bool(answer) for answer in again] == [not answer for answer in answers]


async def test_fully_up_needs_two_good_checks(tmp_path: Path) -> None:
    blue = Broker("blue")
    async with bench(tmp_path, blue) as fork:
        seen: dict[str, bool] = {}
        async with asyncio.timeout(120):
            while not {"DOWN 1/2", "UP"} <= seen.keys():  # a look that came late may have missed what lasts a second
                await fork.down(blue)
                blue.healthy = True
                before = ""
                while before != "UP":
                    before = fork.status(blue)
                    up = (await fork.router.health())["blue"][blue.node.name]
                    if fork.status(blue) == before:
                        seen[before] = up
                    await asyncio.sleep(0.01)
        assert seen == {"DOWN": False, "DOWN 1/2": False, "UP": True}


async def test_brokers_see_the_devices_own_addresses(tmp_path: Path) -> None:
    blue, green = Broker("blue", proxied=True), Broker("green")
    async with bench(tmp_path, blue, green) as fork:
        device = (loopback(), 0)
        reader, writer = await asyncio.open_connection(fork.address, 1883, local_addr=device)
        writer.write(PACKETS[0])
        assert await reader.readexactly(4) == CONNACK
        assert blue.peers == [writer.get_extra_info("sockname")]
        assert blue.packets == [PACKETS[0]]
        assert blue.checks, "health checks carry no PROXY header"
        writer.close()


async def test_long_and_odd_directories_work(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30) / "mit Leerzeichen, (und) 'mehr' $HOME"
    async with bench(directory, Broker("blue"), Broker("green")) as fork:
        assert len(os.fsencode(directory / process.ADMIN)) > SUN_PATH
        await fork.set_share(77)
        await asyncio.to_thread(process.reload, directory)
        assert await fork.router.share() == 77


async def test_start_adopts_and_stop_ends_everything(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork:
        pid = process.running(tmp_path)
        assert process.start(tmp_path) == pid
        _, writer = await asyncio.open_connection(fork.address, 1883)
        process.reload(tmp_path)
        assert process.running(tmp_path) == pid
        process.stop(tmp_path)
        process.stop(tmp_path)
        assert process.running(tmp_path) is None
        assert _working_in(tmp_path) == []
        writer.close()


async def test_a_configuration_is_taken_over_once_also_after_a_kill_in_between(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork:
        text = (tmp_path / process.CONFIG).read_text()
        admin = str(tmp_path / process.ADMIN)

        def worker() -> str:
            return next(line for line in ask(admin, "show info", 2.0).splitlines() if line.startswith("Pid:"))

        first = worker()
        pid = process.bring(tmp_path, text)
        assert worker() == first, "nothing to take over"
        process.write(tmp_path, text + "# changed\n")  # and killed before the reload
        assert process.bring(tmp_path, text + "# changed\n") == pid
        second = worker()
        assert second != first
        assert process.bring(tmp_path, text + "# changed\n") == pid
        assert worker() == second
        process.stop(tmp_path)
        assert process.bring(tmp_path, text) != pid
        await fork.all_up()


async def test_workers_end_with_a_killed_master(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork:
        pid = process.running(tmp_path)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while _working_in(tmp_path):  # noqa: ASYNC110 - a process that ends has no event here
                await asyncio.sleep(0.05)
        assert process.start(tmp_path) != pid
        await fork.all_up()


async def test_a_foreign_process_with_our_pid_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / process.PID).write_text(f"{os.getpid()}\n")
    assert process.running(tmp_path) is None
    process.stop(tmp_path)
    (tmp_path / process.PID).write_text("nonsense")
    assert process.running(tmp_path) is None


async def test_a_wrong_configuration_leaves_the_old_one(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork:
        before = (tmp_path / process.CONFIG).read_text()
        with pytest.raises(BadInput, match="unknown keyword 'nonsense'"):
            process.write(tmp_path, before + "nonsense\n")
        assert (tmp_path / process.CONFIG).read_text() == before
        assert _drafts(tmp_path) == []
        await fork.all_up()


async def test_a_port_that_is_taken_is_said_and_nothing_stays_behind(tmp_path: Path) -> None:
    async with bench(tmp_path / "first", Broker("blue")) as fork:
        text = (tmp_path / "first" / process.CONFIG).read_text()
        process.write(tmp_path / "second", text)
        with pytest.raises(Refused, match="somebody listens there already"):
            process.start(tmp_path / "second")
        assert process.running(tmp_path / "second") is None
        assert await send(fork, PACKETS[0]) == CONNACK


@pytest.mark.parametrize("act", [process.start, process.reload, process.retire, process.stop])
def test_whoever_starts_or_ends_it_for_ever_is_not_waited_for_as_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(process, "BUSY_SECONDS", 0.1)
    with (
        held(tmp_path / ".process.lock", 1.0, AssertionError("nobody else is there")),
        pytest.raises(GaveUp, match=r"another process has done so for 0.1 s.*find the other update"),
    ):
        act(tmp_path)


def _drafts(directory: Path) -> list[Path]:
    return list(directory.glob(f".{process.CONFIG}*"))


def _working_in(directory: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == directory.resolve():
                found.append(entry.name)
        except OSError:
            continue
    return found
