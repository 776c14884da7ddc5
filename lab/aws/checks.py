"""Health of targets, as a target group's own settings judge it: by HTTP or by TCP, so many times in a row.

The rule: a check begins with the PROXY header (LOCAL: nobody's connection) where its group sends one, whatever it asks and wherever ("Proxy protocol: health check
connections", docs.aws.amazon.com), so that an HTTP server which does not expect it fails. A target is initial until it has passed or failed as often as its group says; the intervals are AWS's times a factor.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from typing import Any

from lab.aws.flows import SIGNATURE, Target

LEAST_SECONDS, READ_BYTES = 0.2, 512
NOBODY = SIGNATURE + b"\x20\x00\x00\x00"
"""The header of a connection that is the balancer's own."""
REASONS = {
    "initial": ("Elb.InitialHealthChecking", "Initial health checks in progress"),
    "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"),
    "draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
}
"""AWS's words for a state."""


@dataclass(frozen=True)
class Check:
    """What is asked, how often, and what is good; seconds are the lab's."""

    protocol: str
    path: str
    port: int
    codes: str
    interval: float
    timeout: float
    healthy: int
    unhealthy: int
    proxied: bool

    @classmethod
    def of(cls, group: Any, target: Target, factor: float) -> Check:
        """That of a target group of moto's."""
        port = str(group.health_check_port or "traffic-port")
        return cls(
            protocol=group.health_check_protocol or "TCP",
            path=group.health_check_path or "/",
            port=target.port if port == "traffic-port" else int(port),
            codes=str((getattr(group, "matcher", None) or {}).get("HttpCode", "200-399")),
            interval=max(LEAST_SECONDS, float(group.health_check_interval_seconds) * factor),
            timeout=max(2.0, float(group.health_check_timeout_seconds) * factor),
            healthy=int(group.healthy_threshold_count),
            unhealthy=int(group.unhealthy_threshold_count),
            proxied=target.proxy_protocol,
        )

    async def passes(self, host: str) -> bool:
        """Ask once."""
        try:
            async with asyncio.timeout(self.timeout):
                reader, writer = await asyncio.open_connection(host, self.port)
                try:
                    if self.proxied:
                        writer.write(NOBODY)
                        await writer.drain()
                    if self.protocol == "TCP":
                        return True
                    writer.write(
                        f"GET {self.path} HTTP/1.1\r\nHost: {host}:{self.port}\r\nConnection: close\r\n\r\n".encode()
                    )
                    return matches(self.codes, await reader.readline())
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False


def matches(codes: str, status_line: bytes) -> bool:
    """Whether the first line of an answer has one of the codes (``200``, ``200,202``, ``200-399``)."""
    seen = re.match(rb"HTTP/1\.\d (\d{3})", status_line)
    if seen is None:
        return False
    for part in codes.split(","):
        low, _, high = part.partition("-")
        if int(low) <= int(seen[1]) <= int(high or low):
            return True
    return False


@dataclass
class Judged:
    """A registered target, judged by a task of its own."""

    target: Target
    state: str = "initial"
    _row: int = 0
    _last: bool | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def seen(self, passed: bool, check: Check) -> None:
        """One more answer."""
        self._row = self._row + 1 if passed is self._last else 1
        self._last = passed
        if passed and self._row >= (1 if self.state == "initial" else check.healthy):
            self.state = "healthy"
        elif not passed and self._row >= check.unhealthy:
            self.state = "unhealthy"

    async def judge(self, group: Any, factor: float, allowed: Any) -> None:
        """Until cancelled; what its security groups do not let in is not answered."""
        while True:
            check = Check.of(group, self.target, factor)
            self.seen(allowed(self.target, check.port) and await check.passes(self.target.host), check)
            await asyncio.sleep(check.interval)

    def stop(self) -> None:
        """It is not registered any more."""
        if self.task is not None:
            with contextlib.suppress(RuntimeError):
                self.task.cancel()
