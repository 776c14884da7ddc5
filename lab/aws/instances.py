"""Instances: what moto says that there is, each with a machine that does what it says.

The rule: an instance is in a state when its machine is: pending until it has power, stopping until its services have ended in order.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.aws import shell
from lab.aws.account import Account
from lab.aws.disks import Disks
from lab.aws.machine import Machine
from lab.aws.standins import Answer, serve
from lab.kubernetes.grounds import Grounds

STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
COMMAND_SECONDS, LOOK_SECONDS = 120.0, 0.1


class Instance:
    """One, with its machine; ``impaired`` is that its status checks fail."""

    def __init__(self, moto: Any, directory: Path, account: Account, disks: Disks) -> None:
        """It has no power yet."""
        self.moto, self._account = moto, account
        self.lock = asyncio.Lock()
        self.impaired = False
        name = f"ip-{moto.private_ip.replace('.', '-')}"
        data = moto.user_data
        self.machine = Machine(directory / moto.id, disks.volumes, name, moto.private_ip, _text(data), _packages(moto))

    @property
    def who(self) -> str:
        """Its access key."""
        return f"ASIA{self.moto.id.removeprefix('i-').upper()}"

    def is_in(self, state: str) -> None:
        """Tell whoever asks moto."""
        self.moto._state.name, self.moto._state.code = state, STATES[state]  # noqa: SLF001

    def metadata(self, path: str) -> str | None:
        """As IMDS has it."""
        moto = self.moto
        tags = {one["key"]: one["value"] for one in moto.get_tags()}
        if path.startswith("meta-data/tags/instance"):
            name = path.removeprefix("meta-data/tags/instance").strip("/")
            return tags.get(name) if name else "\n".join(tags)
        found = {
            "meta-data/instance-id": moto.id,
            "meta-data/local-ipv4": moto.private_ip,
            "meta-data/instance-type": moto.instance_type,
            "meta-data/ami-id": moto.image_id,
            "meta-data/placement/region": moto.region_name,
            "meta-data/placement/availability-zone": str(moto._placement.zone),  # noqa: SLF001
            "dynamic/instance-identity/document": json.dumps({"instanceId": moto.id, "region": moto.region_name}),
        }
        return found.get(path)

    async def aws(self, words: list[str]) -> Answer:
        """With the rights of its profile."""
        machine = self.machine

        def client(service: str) -> Any:
            return self._account.client(service, self.who)

        return await asyncio.to_thread(shell.run, words, client, lambda path: Path(machine.outside(path)))

    async def command(self, lines: list[str]) -> tuple[int, str, str]:
        """Run a script in it: exit status, and what it said on its two outputs."""
        process = await self.machine.enter("/bin/sh", "-c", "\n".join(lines), output=asyncio.subprocess.PIPE)
        try:
            said, wrong = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
        except TimeoutError:
            process.kill()
            return 124, "", "timed out"
        return process.returncode or 0, said.decode(errors="replace"), wrong.decode(errors="replace")


class Instances:
    """All of the account."""

    def __init__(self, directory: Path, account: Account, ec2: Any, disks: Disks) -> None:
        """None is known yet."""
        self._directory, self._account, self._ec2, self.disks = directory, account, ec2, disks
        self.known: dict[str, Instance] = {}
        self._grounds = Grounds(directory / "grounds", "127.0.0.1")
        self._doors: dict[str, list[asyncio.AbstractServer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def policies(self, who: str) -> list[Mapping[str, Any]] | None:
        """What the profile of an instance allows, by its access key; None for anybody else."""
        found = next((one for one in list(self.known.values()) if one.who == who), None)
        if found is None:
            return None
        association = self._ec2.iam_instance_profile_associations.get(found.moto.id)
        roles = association.iam_instance_profile.roles if association else []
        inline = [json.loads(text) for role in roles for text in role.policies.values()]
        return inline + [json.loads(one.document) for role in roles for one in role.managed_policies.values()]

    def tell(self, moto: Any, verb: str) -> None:
        """From moto's threads: an instance is to be run, stopped or ended; returns at once, as AWS does."""
        state = {"boot": "pending", "stop": "stopping", "end": "shutting-down"}[verb]
        moto._state.name, moto._state.code = state, STATES[state]  # noqa: SLF001
        asyncio.run_coroutine_threadsafe(self._begin(moto, verb), self._loop)

    async def _begin(self, moto: Any, verb: str) -> None:
        one = self.known.get(moto.id) or Instance(moto, self._directory / "machines", self._account, self.disks)
        self.known[moto.id] = one
        task = asyncio.create_task(self._do(one, verb))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, one: Instance, verb: str) -> None:
        async with one.lock:
            if verb == "boot":
                await self._boot(one)
            elif verb == "stop":
                await one.machine.shut_down()
                one.is_in("stopped")
            else:
                await one.machine.shut_down()
                for door in self._doors.pop(one.moto.id, ()):
                    door.close()
                self.disks.release(one.moto.id)
                one.is_in("terminated")

    async def _boot(self, one: Instance) -> None:
        if one.moto.id not in self._doors:
            self._doors[one.moto.id] = await serve(one, self._grounds.asked)
        one.machine.user_data = _text(one.moto.user_data)
        one.impaired = False
        await one.machine.boot()
        one.is_in("running")

    async def fail(self, id_: str) -> None:
        """Its machine dies where it stands, and its status checks say so; it goes on being "running" until it is stopped and started."""
        one = self.known[id_]
        async with one.lock:
            one.impaired = True
            await one.machine.cut()

    async def watch(self) -> None:
        """Bring devices to machines."""
        while True:
            for one in list(self.known.values()):
                if one.machine.running:
                    with contextlib.suppress(OSError):
                        self.disks.show(one.moto.id, one.machine)
            await asyncio.sleep(LOOK_SECONDS)


def _text(data: Any) -> str:
    """User data as moto keeps it."""
    if data is None:
        return ""
    return base64.b64decode(str(data)).decode(errors="replace")


def _packages(moto: Any) -> dict[str, str]:
    """What an image has installed: one whose name is ``emqx-5.8.6`` or ``emqx-enterprise-5.8.6``, or ends so, has that package."""
    image = moto.ec2_backend.amis.get(moto.image_id)
    name, _, version = (image.name if image and image.name else "").rpartition("-")
    package = next((one for one in ("emqx-enterprise", "emqx", "haproxy") if name.endswith(one)), None)
    return {package: version} if package else {}
