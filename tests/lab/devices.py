"""Devices beside a test: a fleet on an event loop of its own, of which each disconnect since a mark is counted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lab.fleet.fleet import Fleet
from lab.fleet.kinds import PLAIN
from lab.fleet.mixture import Mixture, only
from lab.fleet.settings import FleetSettings

SECONDS = 90.0
SOON = only(replace(PLAIN, then=(0.5, 1.0)))


class Devices:
    """A fleet on an event loop of its own."""

    def __init__(
        self,
        address: str,
        clients: int,
        *,
        username: str | None = None,
        password: str | None = None,
        kinds: Mixture = SOON,
        persistent_fraction: float = 0.0,
        prefix: str = "dev",
    ) -> None:
        """Connect all; they publish nothing, and come back at once unless their kinds say otherwise."""
        host, _, port = address.rpartition(":")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        settings = FleetSettings(
            addresses=((host, int(port)),),
            clients=clients,
            prefix=prefix,
            username=username,
            password=password,
            persistent_fraction=persistent_fraction,
            publish_interval_seconds=0,
            settle_seconds=0,
            kinds=kinds,
        )
        self.fleet = Fleet(settings)
        self._call(self.fleet.start(SECONDS))
        self._before: list[int] = []
        self.mark()

    def mark(self) -> None:
        """Count disconnects from here."""
        self._before = [device.disconnects for device in self.fleet.devices]

    def disconnects(self) -> list[int]:
        """Of each device since the mark."""
        return [device.disconnects - old for device, old in zip(self.fleet.devices, self._before, strict=True)]

    def wait(self, what: Callable[[], bool]) -> None:
        """Until it is so."""
        end = time.monotonic() + SECONDS
        while not what():
            assert time.monotonic() < end, f"{self.fleet.connected_now} devices are connected"
            time.sleep(0.05)

    def end(self) -> None:
        """Disconnect in order."""
        self._call(self.fleet.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * SECONDS)
