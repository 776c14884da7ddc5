"""Route 53's health checks of endpoints: asked as each check says, judged by so many answers in a row.

The rule: a new check is healthy until there are answers enough to say otherwise, as Route 53 has it; the intervals are AWS's times a factor. Loopback stands for the internet here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from lab.aws.played import instead

LEAST_SECONDS, LOOK_SECONDS, TIMEOUT_SECONDS = 0.2, 0.1, 4.0


@dataclass
class _Seen:
    """What was answered last, how often in a row, and what is made of it; None before the first answer."""

    last: bool | None = None
    row: int = 0
    well: bool = True

    def add(self, passed: bool, threshold: int) -> None:
        self.row = self.row + 1 if passed is self.last else 1
        self.last = passed
        if self.row >= threshold:
            self.well = passed


class Endpoints:
    """All checks of the account; ``factor`` is that of their intervals."""

    def __init__(self, route53: Any, factor: float = 0.02) -> None:
        """None was asked yet."""
        self._route53, self._factor = route53, factor
        self._seen: dict[str, _Seen] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def well(self, id_: str) -> bool:
        """Whether a check passes; one that is not there does not."""
        seen = self._seen.get(id_)
        return id_ in self._route53.health_checks and (seen is None or seen.well)

    def play(self) -> None:
        """From now on, in this process, its status is told as it is."""
        from moto.core.responses import ActionResult
        from moto.core.utils import utcnow
        from moto.route53.responses import Route53

        def status(one: Any) -> Any:
            id_ = one._get_param("HealthCheckId")  # noqa: SLF001 - moto's own way to read a request
            one.backend.get_health_check(id_)
            seen = self._seen.get(id_)
            if seen is None or seen.last is None:
                return ActionResult({"HealthCheckObservations": []})
            said = "Success: HTTP Status Code 200, OK" if seen.well else "Failure: the endpoint did not answer with 200"
            report = {"Status": said, "CheckedTime": utcnow()}
            told = [{"Region": "eu-west-1", "IPAddress": "127.0.0.1", "StatusReport": report}]
            return ActionResult({"HealthCheckObservations": told})

        instead(Route53, "get_health_check_status", status)

    async def watch(self) -> None:
        """Ask, until cancelled."""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as http:
            while True:
                checks = dict(self._route53.health_checks)
                for id_ in self._tasks.keys() - checks.keys():
                    self._tasks.pop(id_).cancel()
                    self._seen.pop(id_, None)
                for id_ in checks.keys() - self._tasks.keys():
                    self._tasks[id_] = asyncio.create_task(self._judge(id_, checks[id_], http))
                for task in self._tasks.values():
                    if task.done():
                        task.result()
                await asyncio.sleep(LOOK_SECONDS)

    async def _judge(self, id_: str, check: Any, http: httpx.AsyncClient) -> None:
        seen = self._seen.setdefault(id_, _Seen())
        while True:
            url = f"{str(check.type_).partition('_')[0].lower()}://{check.ip_address or check.fqdn}:{check.port}{check.resource_path or '/'}"
            try:
                passed = httpx.codes.OK <= (await http.get(url)).status_code < httpx.codes.BAD_REQUEST
            except httpx.HTTPError:
                passed = False
            seen.add(passed, int(check.failure_threshold))
            await asyncio.sleep(max(LEAST_SECONDS, float(check.request_interval) * self._factor))
