"""Network Load Balancers: what moto says of listeners, groups and targets, done to connections.

The rule: a weight counts for new connections; who is on a group that a listener no longer names stays for an hour (times a factor), whose target
was deregistered for that group's delay; a target that fails loses its connections only where its group says so.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from lab.aws.checks import REASONS, Judged
from lab.aws.flows import Door, Flow, Target
from lab.aws.security import Security

HOUR_SECONDS, LOOK_SECONDS = 3600.0, 0.1
FIRST_NUMBER = 10


class Balancers:
    """All of the account; ``hour`` and ``check`` are the factors of AWS's hour, and of its check intervals and deregistration delays."""

    def __init__(self, first: str, elbv2: Any, ec2: Any, directory: Path) -> None:
        """On addresses ``first.0.N``; none is there yet."""
        self._first, self._elbv2, self._ec2, self._directory = first, elbv2, ec2, directory
        self.hour, self.check = 0.05, 0.02
        self._addresses: dict[str, str] = {}
        self._doors: dict[str, Door] = {}
        self._judged: dict[tuple[str, str], Judged] = {}
        self._leaving: dict[tuple[str, str], float] = {}
        self._security = Security(ec2, elbv2, first)
        self._random = Random()

    def address(self, arn: str) -> str:
        """The one of a balancer, the same for ever."""
        return self._addresses.setdefault(arn, f"{self._first}.0.{FIRST_NUMBER + len(self._addresses)}")

    def health(self, group: str, target: str) -> tuple[str, str | None, str | None] | None:
        """State, reason and description of a target; None where it is not known here."""
        if (group, target) in self._leaving:
            return ("draining", *REASONS["draining"])
        one = self._judged.get((group, target))
        if one is None:
            return ("initial", *REASONS["initial"])
        reason, said = REASONS.get(one.state, (None, None))
        return one.state, reason, said

    def flows(self) -> dict[str, int]:
        """How many connections there are, by target group."""
        counts: dict[str, int] = {}
        for flow in self._flows():
            if flow.target:
                counts[flow.target.group] = counts.get(flow.target.group, 0) + 1
        return counts

    async def watch(self) -> None:
        """Do what moto says, until cancelled."""
        while True:
            await self._open_and_close()
            self._register()
            self._end_old()
            await asyncio.sleep(LOOK_SECONDS)

    async def _open_and_close(self) -> None:
        listed = {
            arn: one
            for balancer in list(self._elbv2.load_balancers.values())
            for arn, one in list(balancer.listeners.items())
        }
        for arn in self._doors.keys() - listed.keys():
            self._doors.pop(arn).close()
        for arn in listed.keys() - self._doors.keys():
            listener = listed[arn]
            where = (self.address(listener.load_balancer_arn), int(listener.port))
            door = Door(where, lambda listener=listener: self._choose(listener), self._context(listener))  # type: ignore[misc]
            await door.open()
            self._doors[arn] = door

    def _context(self, listener: Any) -> ssl.SSLContext | None:
        """A TLS listener ends TLS with the certificate that was imported."""
        if listener.protocol != "TLS":
            return None
        from moto.acm.models import acm_backends

        certificate = acm_backends[self._elbv2.account_id][self._elbv2.region_name].get_certificate(
            listener.certificate
        )
        file = self._directory / f"{listener.arn.rpartition('/')[2]}.pem"
        file.touch(mode=0o600)
        file.write_bytes(
            b"\n".join(_bytes(part) for part in (certificate.key, certificate.cert, certificate.chain) if part)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _register(self) -> None:
        loop = asyncio.get_running_loop()
        wanted = {}
        for arn, group in list(self._elbv2.target_groups.items()):
            for target in list(group.targets.values()):
                found = self._target(arn, group, target)
                if found is not None:
                    wanted[arn, str(target["Id"])] = (found, group)
        for one in self._judged.values():
            if one.task is not None and one.task.done():
                one.task.result()
        for key in self._judged.keys() - wanted.keys():
            self._judged.pop(key).stop()
            group = self._elbv2.target_groups.get(key[0])
            delay = float(group.attributes["deregistration_delay.timeout_seconds"]) * self.check if group else 0.0
            self._leaving[key] = loop.time() + delay
        for key in wanted.keys() - self._judged.keys():
            self._leaving.pop(key, None)
            target, group = wanted[key]
            one = self._judged[key] = Judged(target)
            one.task = loop.create_task(one.judge(group, self.check, self._security.lets_in))

    def _target(self, arn: str, group: Any, target: Mapping[str, Any]) -> Target | None:
        id_, host = str(target["Id"]), str(target["Id"])
        if id_.startswith("i-"):
            instance = self._ec2.get_instance_by_id(id_)
            if instance is None:
                return None
            host = str(instance.private_ip)
        proxied = str(group.attributes.get("proxy_protocol_v2.enabled", "false")).lower() == "true"
        return Target(arn, id_, host, int(target.get("Port") or group.port), proxied)

    def _weights(self, listener: Any) -> dict[str, int]:
        data = listener.default_actions[0].data
        groups = data.get("ForwardConfig", {}).get("TargetGroups", [])
        if not groups and data.get("TargetGroupArn"):
            return {data["TargetGroupArn"]: 1}
        return {one["TargetGroupArn"]: int(one.get("Weight", 1)) for one in groups}

    def _choose(self, listener: Any) -> Target | None:
        """By weight a group, in it one of the healthy targets; of all of them where none is."""
        weights = self._weights(listener)
        if not any(weights.values()):
            return None
        group = self._random.choices(list(weights), list(weights.values()))[0]
        judged = [one for (arn, _), one in self._judged.items() if arn == group]
        targets = [one.target for one in judged if one.state == "healthy"] or [one.target for one in judged]
        targets = [one for one in targets if self._security.lets_in(one, one.port)]
        return self._random.choice(targets) if targets else None

    def _end_old(self) -> None:
        now = asyncio.get_running_loop().time()
        listeners = {
            arn: one
            for balancer in list(self._elbv2.load_balancers.values())
            for arn, one in list(balancer.listeners.items())
        }
        for arn, door in self._doors.items():
            weights = self._weights(listeners[arn]) if arn in listeners else {}
            for flow in list(door.flows):
                if flow.target is None:
                    continue
                if weights.get(flow.target.group, 0) > 0:
                    flow.ends = None
                elif flow.ends is None:
                    flow.ends = now + HOUR_SECONDS * self.hour
                if (flow.ends is not None and now >= flow.ends) or self._cut(flow.target, now):
                    flow.end()
        for key, until in list(self._leaving.items()):
            if now >= until and not any(
                flow.target and (flow.target.group, flow.target.id) == key for flow in self._flows()
            ):
                del self._leaving[key]

    def _cut(self, target: Target, now: float) -> bool:
        """Whether a connection to it ends now: it has left and its delay is over, or it fails and its group ends such connections."""
        group = self._elbv2.target_groups.get(target.group)
        if group is None:
            return True
        until = self._leaving.get((target.group, target.id))
        if until is not None:
            return now >= until and _true(group, "deregistration_delay.connection_termination.enabled", "false")
        one = self._judged.get((target.group, target.id))
        ends = _true(group, "target_health_state.unhealthy.connection_termination.enabled", "true")
        return one is not None and one.state == "unhealthy" and ends

    def _flows(self) -> Iterator[Flow]:
        for door in self._doors.values():
            yield from door.flows


def _true(group: Any, name: str, default: str) -> bool:
    return str(group.attributes.get(name, default)).lower() == "true"


def _bytes(part: Any) -> bytes:
    return part if isinstance(part, bytes) else str(part).encode()
