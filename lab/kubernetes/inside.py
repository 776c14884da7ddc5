"""Process 1 of a cluster's namespaces: the control plane, the nodes and the network of one cluster.

The rule: when it ends, everything in the cluster ends; it ends when the one who started it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path

from components.system.files import replace
from lab.kubernetes.agent import Node
from lab.kubernetes.api import RefusedError
from lab.kubernetes.control_plane import API_PORT, ControlPlane
from lab.kubernetes.grounds import Grounds
from lab.kubernetes.names import PORT, Names, answered
from lab.kubernetes.network import DNS, NODE, SPACES, Network, prepare
from lab.kubernetes.outside import CONTROL, READY
from lab.kubernetes.processes import run
from lab.kubernetes.relay import Relay
from lab.kubernetes.services import Doors, Services
from lab.kubernetes.storage import Storage
from lab.name_server import serve

NODES = ("lab-1", "lab-2", "lab-3")
POLL_SECONDS = 0.1


class Inside:
    """One cluster."""

    def __init__(
        self, directory: Path, commands: Path, api_door: socket.socket, line: socket.socket, port: int
    ) -> None:
        """Nothing runs yet."""
        self.directory, self._commands, self._door, self._port = directory, commands, api_door, port
        self._doors, self._control = Doors(line), directory / CONTROL
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Bring it up, say so, and hold it until the end."""
        await self._private()
        self.plane = ControlPlane(self._commands, self.directory)
        await self.plane.start()
        await Relay(self._door, lambda: [(NODE, API_PORT)]).open()
        served = self.directory / "state" / "served"
        served.mkdir(parents=True)
        await self.plane.serve_streams(served)
        api, network = self.plane.api, Network()
        services = Services(api, self._doors)
        self.nodes = {name: Node(api, network, name, self.directory / "state") for name in NODES}
        grounds = Grounds(self.directory / "grounds")
        works = [services.run(), Storage(api, self.directory / "volumes").run(), grounds.serve()]
        self._tasks = [asyncio.create_task(work) for work in (*works, *(node.run() for node in self.nodes.values()))]
        await self._name_service(services)
        await self._account()
        self._control.mkdir(exist_ok=True)
        self._say()
        await self._obey()

    async def _private(self) -> None:
        """What of the machine's files is the cluster's own."""
        for place, size in ((Path("/run"), "64m"), (self.directory / "state", "1g"), (self.directory / "etcd", "512m")):
            place.mkdir(parents=True, exist_ok=True)
            await run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(place))
        SPACES.mkdir(parents=True)
        await prepare()
        names = self.directory / "state" / "resolv.conf"
        names.write_text(f"nameserver {DNS}\n", encoding="utf-8")
        target = _resolv_conf()
        await run("mount", "--bind", str(names), str(target))

    async def _name_service(self, services: Services) -> None:
        spec = {"clusterIP": DNS, "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]}
        await self.plane.api.ensure(
            "/api/v1/namespaces/kube-system/services", {"metadata": {"name": "kube-dns"}, "spec": spec}
        )
        names = Names(services.services.items, services.slices.items)
        await serve(partial(answered, names), DNS, PORT)

    async def _account(self) -> None:
        """Until pods may be made: the default namespace has its account a moment after the API server is there."""
        while True:
            try:
                await self.plane.api.get("/api/v1/namespaces/default/serviceaccounts/default")
            except RefusedError:
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    def _say(self) -> None:
        """Write for whom it may concern how it is reached."""
        config = self.directory / "kubeconfig"
        self.plane.authority.kubeconfig(self.plane.person, f"https://127.0.0.1:{self._port}", config)
        ready = {"kubeconfig": str(config), "kubectl": str(self._commands / "kubectl"), "nodes": NODES}
        replace(self.directory / READY, json.dumps(ready))

    async def _obey(self) -> None:
        """Files of the control directory say what is broken: ``lost-NODE``, ``no-api``."""
        lost: set[str] = set()
        api = True
        while True:
            wanted = {path.name for path in self._control.iterdir()}
            for name, node in self.nodes.items():
                if (f"lost-{name}" in wanted) != (name in lost):
                    await (node.find() if name in lost else node.lose())
                    lost ^= {name}
            if api == ("no-api" in wanted):
                await (self.plane.stop_api() if api else self.plane.start_api())
                api = not api
            await self.plane.revive()
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(POLL_SECONDS)


def _resolv_conf() -> Path:
    """The file that a program reads, which may be a link into what is our own now."""
    target = Path("/etc/resolv.conf").resolve()
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    return target


async def _until_told(inside: Inside) -> None:
    """Run until a signal, or until whoever started us is gone, which closes our standard input."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    loop.add_reader(0, lambda: None if os.read(0, 1) else over.set())
    work, end = asyncio.create_task(inside.run()), asyncio.create_task(over.wait())
    await asyncio.wait({work, end}, return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        work.result()


def main() -> int:
    """Whatever is left when this process ends is ended by the kernel."""
    directory, commands = Path(sys.argv[1]), Path(sys.argv[2])
    api_door, line = (socket.socket(fileno=int(number)) for number in sys.argv[3:5])
    os.set_inheritable(api_door.fileno(), False)
    os.set_inheritable(line.fileno(), False)
    # not uvloop: it ended with `double free or corruption` after a quarter of an hour of relayed connections
    with asyncio.Runner() as runner, contextlib.suppress(asyncio.CancelledError):
        try:
            runner.run(_until_told(Inside(directory, commands, api_door, line, int(sys.argv[5]))))
        except OSError as error:
            print(f"lab kubernetes: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
