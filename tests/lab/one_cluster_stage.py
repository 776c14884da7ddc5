"""What the stories of strategy same-cluster share: devices that sleep with a queue, a witness between the colours, and what the nodes say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.local import cluster as local
from components.system.address import parsed
from lab.engine_run import Finished
from lab.filling import DEVICE_USER
from lab.stage import Scene, Stage
from tests.lab.recordings.device import Device, subscribe_packet

SLEEPERS, QUEUED = 6, 5
WITNESS = "dev-witness-10"
"""Of the last cohort, whose share comes last: it is on the old colour while others are on the new one."""


@contextlib.contextmanager
def asleep_and_awake(directory: Path, edition: str, clients: int) -> Iterator[Stage]:
    """Blue of two nodes with the sleepers' sessions and a fleet, half of which has sessions that persist."""
    scene = Scene(
        clients=clients,
        budget_per_second=40,
        steps=({"share": 30}, {"hold": 1}, {"share": 100}),
        edition=edition,
        nodes=2,
        persistent_fraction=0.5,
        strategy="same-cluster",
    )
    with Stage(directory, scene) as stage:
        stage.build_blue()
        fall_asleep(stage)
        stage.start_fleet()
        yield stage


async def connected(stage: Stage, client_id: str) -> Device:
    """A device with a persistent session, through the balancer."""
    where = parsed(stage.mqtt)
    return await Device.connect(
        where.host,
        client_id,
        level=5,
        persistent=True,
        username=DEVICE_USER,
        password=stage.secrets["device"],
        port=where.port,
    )


def publish(stage: Stage, colour: str, topic: str, payload: str) -> None:
    with stage.api(colour) as api:
        api.post("/publish", json={"topic": topic, "payload": payload, "qos": 1}).raise_for_status()


def fall_asleep(stage: Stage) -> None:
    """Persistent sessions with a queue each, whose devices are offline."""

    async def sleep() -> None:
        for number in range(SLEEPERS):
            device = await connected(stage, f"sleeper-{number}")
            await device.ask(subscribe_packet(f"fleet/sleeper-{number}/cmd", level=5))
            await device.close()

    asyncio.run(sleep())
    for number in range(SLEEPERS):
        for message in range(QUEUED):
            publish(stage, "blue", f"fleet/sleeper-{number}/cmd", f"m{message}")


def wake_up(stage: Stage) -> list[list[str]]:
    """The payloads that each of them gets, in their order; each finds its session."""

    async def wake(number: int) -> list[str]:
        device = await connected(stage, f"sleeper-{number}")
        assert device.connack[4:6] == "01", (number, device.connack)
        for message in range(QUEUED):
            await device.next(1 + message)
        packets = [bytes.fromhex(packet) for _, packet in device.packets[1:] if packet.startswith("3")]
        await device.close()
        return [packet[packet.rindex(b"m") :].decode() for packet in packets]

    async def all_of_them() -> list[list[str]]:
        return [await wake(number) for number in range(SLEEPERS)]

    return asyncio.run(all_of_them())


@dataclass
class Exchange:
    """What was published on which colour, and what the witness got."""

    sent: list[str] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    done: Finished | None = None


def up_with_a_witness(stage: Stage) -> Exchange:
    """One `pulumi up`, while both colours publish to a device that is moved with the others."""

    async def go() -> Exchange:
        seen = Exchange()
        async with _witness(stage, seen):
            up = asyncio.create_task(asyncio.to_thread(stage.workspace.up))
            number = 0
            while not up.done():
                for colour in ("blue", "green"):
                    with contextlib.suppress(FileNotFoundError, OSError):
                        await asyncio.to_thread(publish, stage, colour, "fleet/witness/cmd", f"m{number}-{colour}")
                        seen.sent.append(f"m{number}-{colour}")
                number += 1
                await asyncio.sleep(0.2)
            seen.done = await up
        return seen

    return asyncio.run(go())


@contextlib.asynccontextmanager
async def _witness(stage: Stage, seen: Exchange) -> AsyncIterator[None]:
    """Listens from the beginning, comes back as soon as its connection ends, and keeps what it gets."""
    ready, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        device = await connected(stage, WITNESS)
        await device.ask(subscribe_packet("fleet/witness/cmd", level=5))
        ready.set()
        while True:
            last = over.is_set()
            await asyncio.sleep(1.0 if last else 0.05)
            _take(device, seen)
            if device.closed_at is not None:
                await device.close()
                device = await connected(stage, WITNESS)
            elif last:
                break
        await device.close()

    living = asyncio.create_task(live())
    listening = asyncio.create_task(ready.wait())
    await asyncio.wait({living, listening}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        listening.cancel()
        over.set()
        await living


def _take(device: Device, seen: Exchange) -> None:
    """Keep and acknowledge what has come, so that the next ones do."""
    fresh, device.packets = device.packets, [one for one in device.packets if one[1] == "FIN"]
    for _, packet in fresh:
        if packet.startswith("3"):
            raw = bytes.fromhex(packet)
            head = 2 if raw[1] < 0x80 else 3
            at = head + 2 + int.from_bytes(raw[head : head + 2], "big")
            device.writer.write(b"\x40\x02" + raw[at : at + 2])
            seen.got.append(raw[raw.rindex(b"m") :].decode())


def rows(stage: Stage, colour: str) -> dict[str, str]:
    """The cluster's nodes as the first one of the colour lists them, with their state."""
    with stage.api(colour) as api:
        return {one["node"]: one["node_status"] for one in api.get("/nodes").raise_for_status().json()}


def names(stage: Stage, colour: str) -> list[str]:
    return [node["name"] for node in stage.ready(colour)["nodes"]]


def sessions_on(stage: Stage, colour: str) -> set[str]:
    """The ids of persistent sessions on the nodes of the colour."""
    found: set[str] = set()
    with stage.api(colour) as api:
        for name in names(stage, colour):
            params: dict[str, Any] = {"node": name, "limit": 1000, "fields": "clientid,expiry_interval"}
            page = api.get("/clients", params=params).raise_for_status().json()["data"]
            found |= {row["clientid"] for row in page if row.get("expiry_interval")}
    return found


def runs(stage: Stage, colour: str) -> bool:
    return local.running(stage.work / "clusters" / colour) is not None
