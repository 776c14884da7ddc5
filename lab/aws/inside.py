"""Process 1 of a lab's namespaces: the account, and the machines and balancers that it says are there.

The rule: when it ends, everything in the lab ends; it ends when the one who started it is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop

from components.system.files import replace
from lab.aws.account import PERSON, REGION, Account, network, prepared
from lab.aws.balancers import Balancers
from lab.aws.cloud import READY
from lab.aws.disks import Disks
from lab.aws.endpoints import Endpoints
from lab.aws.front import ACCOUNT
from lab.aws.instances import Instances
from lab.aws.names import Names
from lab.aws.played import play
from lab.aws.zones import Zones
from lab.kubernetes.processes import run
from lab.name_server import serve

STATE = Path("/run/lab-aws")
"""A short place, since the names of sockets are: in a mount of the lab's own."""


class Inside:
    """One lab."""

    def __init__(self, directory: Path) -> None:
        """Nothing runs yet."""
        self._directory = directory
        self._person: list[Mapping[str, Any]] | None = None

    async def run(self) -> None:
        """Bring it up, say so, and hold it until the end."""
        await run("mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "tmpfs", "/run")
        await run("mkdir", str(STATE))
        prepared()
        from moto.ec2.models import ec2_backends
        from moto.elbv2.models import elbv2_backends
        from moto.route53.models import route53_backends

        loop = asyncio.get_running_loop()
        account = Account(self._policies, lambda path, asked: self._control(path, asked, loop))
        ec2, elbv2 = (backends[ACCOUNT][REGION] for backends in (ec2_backends, elbv2_backends))
        first = network()
        self._instances = Instances(STATE, account, ec2, Disks(STATE, ec2))
        self._balancers = Balancers(first, elbv2, ec2, STATE)
        play(self._instances, self._balancers, loop)
        route53 = route53_backends[ACCOUNT]["aws"]
        zones, endpoints = Zones(), Endpoints(route53)
        zones.play()
        endpoints.play()
        names = Names(
            lambda: [one for zone in list(route53.zones.values()) for one in zones.served(zone)], endpoints.well
        )
        place = await asyncio.to_thread(account.furnish, first, await serve(names.answered, f"{first}.0.2"))
        replace(self._directory / READY, place.text())
        await asyncio.gather(self._instances.watch(), self._balancers.watch(), endpoints.watch())

    def _policies(self, who: str) -> list[Mapping[str, Any]] | None:
        """Of a machine those of its profile; of the person those that a test has given (None: all rights)."""
        return self._instances.policies(who) if who.startswith("ASIA") else self._person if who == PERSON else None

    def _control(self, path: str, asked: Any, loop: asyncio.AbstractEventLoop) -> Any:
        """The lab's own calls; LookupError where there is no such one."""
        if path == "instances/fail":
            return asyncio.run_coroutine_threadsafe(self._instances.fail(asked), loop).result()
        if path == "volumes/stuck":
            return self._instances.disks.stuck.add(asked)
        if path == "balancers/factors":
            self._balancers.hour, self._balancers.check = asked["hour"], asked["check"]
            return None
        if path == "balancers/flows":
            return self._balancers.flows()
        if path == "person":
            self._person = asked
            return None
        raise LookupError(f"no such thing in the lab: {path}")


async def _until_told(work: Any) -> None:
    """Run until a signal, or until whoever started us is gone, which closes our standard input."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    loop.add_reader(0, lambda: None if os.read(0, 1) else over.set())
    running, end = asyncio.create_task(work), asyncio.create_task(over.wait())
    await asyncio.wait({running, end}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()


def main() -> None:
    """Whatever is left when this process ends is ended by the kernel."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_until_told(Inside(Path(sys.argv[1])).run()))
        except OSError as error:
            print(f"lab aws: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)


if __name__ == "__main__":
    main()
