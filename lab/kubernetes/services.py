"""The addresses of Services: cluster addresses, node ports and load balancers, each a relay to the pods that are ready.

The rule: an address without a ready pod refuses; a connection stays with its pod whatever happens to the Service afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
from collections import defaultdict
from typing import Any

from lab.kubernetes.api import Api, RefusedError, Watched, key_of
from lab.kubernetes.network import NODE
from lab.kubernetes.outside import listening
from lab.kubernetes.relay import Relay, Target

Object = dict[str, Any]
ANSWER_BYTES, TRIES = 4096, 200
FIRST, LAST = 64, 250
"""Load balancers are at 127.FIRST.x.y to 127.LAST.x.y."""


class Doors:
    """Sockets outside the namespaces, which another process opens and hands over."""

    def __init__(self, line: socket.socket) -> None:
        """``line`` leads to `lab.kubernetes.outside.serve`."""
        self._line, self._lock = line, asyncio.Lock()

    async def open(self, host: str, port: int) -> socket.socket:
        """One that listens there; OSError when the address is taken."""
        async with self._lock:
            return await asyncio.to_thread(self._ask, host, port)

    def _ask(self, host: str, port: int) -> socket.socket:
        self._line.send(json.dumps({"host": host, "port": port}).encode())
        said, descriptors, _, _ = socket.recv_fds(self._line, ANSWER_BYTES, 1)
        if not descriptors:
            raise OSError(json.loads(said)["error"])
        os.set_inheritable(descriptors[0], False)  # else every process that starts meanwhile goes on listening
        return socket.socket(fileno=descriptors[0])


class Services:
    """All of them."""

    def __init__(self, api: Api, doors: Doors) -> None:
        """Nothing listens before `run`."""
        self._api, self._doors = api, doors
        self._relays: dict[tuple[str, int, bool], Relay] = {}
        self._balancers: dict[str, str] = {}
        self._targets: dict[tuple[str, int, bool], list[Target]] = {}
        self._changed = asyncio.Event()
        self.services = Watched(api, "/api/v1/services", self._told)
        self.slices = Watched(api, "/apis/discovery.k8s.io/v1/endpointslices", self._told)

    def _told(self, _old: Object | None, _new: Object | None) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Follow what is declared, until cancelled."""
        await asyncio.gather(self.services.run(), self.slices.run(), self._follow())

    async def _follow(self) -> None:
        await asyncio.gather(self.services.known.wait(), self.slices.known.wait())
        while True:
            self._changed.clear()
            await self._align()
            await self._changed.wait()

    async def _align(self) -> None:
        """Open and close until exactly the addresses with ready pods listen."""
        self._targets = await self._wanted()
        for key in self._relays.keys() - {key for key, targets in self._targets.items() if targets}:
            self._relays.pop(key).close()
        for key in [key for key, targets in self._targets.items() if targets and key not in self._relays]:
            host, port, outside = key
            try:
                door = await self._doors.open(host, port) if outside else listening(host, port)
            except OSError as error:
                print(f"service address {host}:{port}: {error}", flush=True)
                continue
            relay = Relay(door, lambda key=key: list(self._targets.get(key, ())))  # type: ignore[misc]
            self._relays[key] = relay
            await relay.open()

    async def _wanted(self) -> dict[tuple[str, int, bool], list[Target]]:
        """Address, port and side -> where it leads."""
        wanted: dict[tuple[str, int, bool], list[Target]] = {}
        slices = self._by_service()
        for key, service in list(self.services.items.items()):
            spec = service["spec"]
            if spec.get("type") == "ExternalName":
                continue
            balancer = await self._balancer(service) if spec.get("type") == "LoadBalancer" else ""
            for port in spec.get("ports", ()):
                if port.get("protocol", "TCP") != "TCP":
                    continue
                targets = ready(slices[key], port.get("name"))
                if spec.get("clusterIP") not in {None, "", "None"}:
                    wanted[spec["clusterIP"], port["port"], False] = targets
                if port.get("nodePort"):
                    wanted[NODE, port["nodePort"], False] = targets
                if balancer:
                    wanted[balancer, port["port"], False] = wanted[balancer, port["port"], True] = targets
        return wanted

    def _by_service(self) -> dict[str, list[Object]]:
        found = defaultdict(list)
        for one in self.slices.items.values():
            name = one["metadata"].get("labels", {}).get("kubernetes.io/service-name", "")
            found[f"{one['metadata']['namespace']}/{name}"].append(one)
        return found

    async def _balancer(self, service: Object) -> str:
        """The address of a load balancer, which its status tells; one that nobody outside has at these ports."""
        key, meta = key_of(service), service["metadata"]
        uid = meta["uid"]
        if uid not in self._balancers:
            self._balancers[uid] = await self._free([one["port"] for one in service["spec"]["ports"]])
        address = self._balancers[uid]
        ingress = [{"ip": address, "ipMode": "Proxy"}]
        if service.get("status", {}).get("loadBalancer", {}).get("ingress") != ingress:
            path = f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}/status"
            try:
                await self._api.persist(
                    lambda: self._api.patch(path, {"status": {"loadBalancer": {"ingress": ingress}}})
                )
            except RefusedError as refused:
                print(f"load balancer {key}: {refused}", flush=True)
        return address

    async def _free(self, ports: list[int]) -> str:
        for _ in range(TRIES):
            address = f"127.{random.randint(FIRST, LAST)}.{random.randint(0, 255)}.{random.randint(200, 250)}"
            try:
                for port in ports:
                    (await self._doors.open(address, port)).close()
            except OSError:
                continue
            return address
        raise OSError(f"no address of 127.{FIRST} to 127.{LAST} has the ports {ports} free")


def ready(slices: list[Object], port: str | None) -> list[Target]:
    """Where a port of a Service leads: the pods that are ready."""
    found = []
    for one in slices:
        numbers = [entry["port"] for entry in one.get("ports") or () if (entry.get("name") or "") == (port or "")]
        for endpoint in one.get("endpoints") or ():
            if endpoint.get("conditions", {}).get("ready", True):
                found += [(address, number) for address in endpoint["addresses"] for number in numbers]
    return found
