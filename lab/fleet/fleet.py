"""All devices of one process: dials them at a rate, again when their kind does, keeps the figures; it never gives a device up itself."""

from __future__ import annotations

import asyncio
import errno
import random
import time
from collections.abc import Callable, Coroutine

from lab.fleet.device import AWAY, SERVING, SUBSCRIBING, Device
from lab.fleet.kind import End, decide
from lab.fleet.ledger import Counts
from lab.fleet.log import EventLog
from lab.fleet.resolving import Resolver
from lab.fleet.settings import FleetError, FleetSettings
from lab.fleet.tally import OfKind, Tally

_BEAT_SECONDS = 0.02


class Fleet:
    """Devices that run until `stop`.

    Args:
        settings: who they are and how they behave.
        log: file descriptor of the event log; None for no log.
        chance: the jitter.
        now: unix seconds.

    """

    def __init__(
        self,
        settings: FleetSettings,
        *,
        log: int | None = None,
        chance: random.Random | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.settings, self.now = settings, now
        self.devices = [Device(spec, self) for spec in settings.specs()]
        self.connected_now = 0
        self.ready_at: float | None = None
        self._log = EventLog(log, now)
        self._chance = chance or random.Random()
        self._tally = Tally(kinds={kind.name: OfKind() for kind in settings.kinds.kinds})
        self._resolver = Resolver(*settings.resolver) if settings.resolver else None
        self._started: set[int] = set()
        self._ready = asyncio.Event()
        self._stopping = self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, ready_within_seconds: float = 300.0) -> None:
        """Connect everybody; returns when each has been connected and subscribed once.

        Raises:
            FleetError: not all are within the time, or one stays away for good; says how many are, and why the others were refused.

        """
        for work in (self._dial_all(), self._beat(), self._publish_all()):
            self._spawn(work)
        try:
            async with asyncio.timeout(ready_within_seconds):
                await self._ready.wait()
        except TimeoutError:
            raise FleetError(f"after {ready_within_seconds:g} s {self._seen()}") from None
        if self.ready_at is None:
            gone = next(device for device in self.devices if device.gone)
            raise FleetError(f"{gone.spec.client_id} ({gone.spec.kind.name}) stays away: {gone.gone}; {self._seen()}")

    def _seen(self) -> str:
        return f"{len(self._started)} of {len(self.devices)} were ready, refused {dict(self._tally.refused)}"

    async def stop(self) -> Tally:
        """Publish no more, wait (bounded) for what is on its way, disconnect in order; the final figures."""
        self._stopping = True
        begun, settle = self.now(), self.settings.settle_seconds
        while self.now() < begun + settle:
            if not any(device.ledger.waiting(begun - settle) for device in self.devices if device.state == SERVING):
                break
            await asyncio.sleep(_BEAT_SECONDS)
        final = self.tally(settle_seconds=0.0)
        self._closing = True
        for device in self.devices:
            for sequence in device.ledger.lost(self.now()):
                self._log.write("lost", device.spec.client_id, seq=sequence, qos=device.spec.qos)
            device.leave()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(100):  # at most 2 s for the sockets to close
            if all(device.state == AWAY for device in self.devices):
                break
            await asyncio.sleep(_BEAT_SECONDS)
        self._log.flush()
        return final

    def tally(self, settle_seconds: float | None = None) -> Tally:
        """The figures so far; a message that was sent less than ``settle_seconds`` ago is not lost yet."""
        before = self.now() - (self.settings.settle_seconds if settle_seconds is None else settle_seconds)
        self._tally.disconnects = [device.disconnects for device in self.devices]
        self._tally.messages = {"0": Counts(), "1": Counts()}
        for kind in self._tally.kinds.values():
            kind.count()
        for device in self.devices:
            self._tally.messages[str(device.spec.qos)].add(device.ledger.counts(before))
            self._tally.kinds[device.spec.kind.name].add_device(
                device.disconnects, device.gone, away=device.state < SUBSCRIBING, silent=device.silent
            )
        self._log.flush()
        return self._tally

    def connected(self, device: Device, *, session_present: bool, latency: float) -> None:
        """CONNACK 0 (`Host`)."""
        self._level(+1)
        self._tally.latencies.append(round(latency, 4))
        gap = None
        if device.lost_at is not None:
            gap = round(self.now() - device.lost_at, 4)
            self._tally.kinds[device.spec.kind.name].gaps.append(gap)
            if session_present:
                self._tally.resumed += 1
            else:
                self._tally.started_anew += 1
        self._log.write(
            "connected",
            device.spec.client_id,
            session_present=session_present,
            seconds=round(latency, 4),
            gap=gap,
            failed_tries=device.tries.failed or None,
        )

    def serving(self, device: Device) -> None:
        """Subscribed (`Host`)."""
        self._started.add(device.spec.number)
        if self.ready_at is None and len(self._started) == len(self.devices):
            self.ready_at = self.now()
            # somebody who was ready may be away again at this moment
            self._tally.levels = [(self.ready_at, -1)] * (len(self.devices) - self.connected_now)
            self._ready.set()

    def ended(self, device: Device, end: End) -> None:
        """Over (`Host`): counted, written down, and dialled again when its kind does."""
        if self._closing:
            return
        if end.live:
            self._level(-1)
            device.disconnects, device.lost_at = device.disconnects + 1, self.now()
            self._tally.reasons[end.said] += 1
        else:
            self._tally.refused[end.said] += 1
            self._tally.kinds[device.spec.kind.name].refused += 1
        self._log.write("disconnected" if end.live else "refused", device.spec.client_id, reason=end.said)
        device.tries, wait = decide(device.spec.kind, device.tries, end, self._chance.random())
        if wait is None:
            self._stays_away(device, end)
        else:
            asyncio.get_running_loop().call_later(wait, lambda: self._spawn(self._dial(device)))

    def _stays_away(self, device: Device, end: End) -> None:
        device.gone = end.said
        self._log.write("stays_away", device.spec.client_id, kind=device.spec.kind.name, reason=end.said)
        if self.ready_at is None:
            self._ready.set()  # it never will be

    def received(self, device: Device, sequence: int, order: str) -> None:
        """A message came back (`Host`)."""
        if self.settings.log_messages:
            self._log.write("received", device.spec.client_id, seq=sequence, order=order)

    def _level(self, change: int) -> None:
        self.connected_now += change
        if self.ready_at is not None:
            self._tally.levels.append((self.now(), change))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        if self._closing:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dial_all(self) -> None:
        """The first connects, evenly at the given rate."""
        begun = self.now()
        for count, device in enumerate(self.devices):
            ahead = count / self.settings.connects_per_second - (self.now() - begun)
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._spawn(self._dial(device))

    async def _dial(self, device: Device) -> None:
        settings, number = self.settings, device.spec.number
        name, port = settings.addresses[(number + device.tries.failed) % len(settings.addresses)]
        source = (settings.sources[number % len(settings.sources)], 0) if settings.sources else None
        device.dialling()
        try:
            async with asyncio.timeout(settings.answer_timeout_seconds):
                host = await self._resolver.address(number, name, device.tries.failed) if self._resolver else name
                await asyncio.get_running_loop().create_connection(lambda: device, host, port, local_addr=source)
        except TimeoutError:
            device.failed("no answer")
        except OSError as error:
            device.failed(errno.errorcode.get(error.errno or 0, type(error).__name__))

    async def _beat(self) -> None:
        """Keep-alive and time-outs, once a second."""
        while True:
            await asyncio.sleep(1)
            self._log.flush()
            for device in self.devices:
                device.tick()

    async def _publish_all(self) -> None:
        """Everybody once per interval, spread evenly over it."""
        interval, begun, done = self.settings.publish_interval_seconds, self.now(), 0
        while interval > 0 and not self._stopping:
            await asyncio.sleep(_BEAT_SECONDS)
            due = int((self.now() - begun) / interval * len(self.devices))
            for turn in range(max(done, due - len(self.devices)), due):
                device = self.devices[turn % len(self.devices)]
                sequence = device.publish()
                if sequence is not None and self.settings.log_messages:
                    self._log.write("published", device.spec.client_id, seq=sequence, qos=device.spec.qos)
            done = due
