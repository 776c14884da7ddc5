"""A balancer with a listener of each kind in front of two lab clusters, and clients of foreign libraries that come through them."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from components.local import balancer as balancing
from components.resources.mqtt_balancer import MqttBalancerProvider
from components.routers.haproxy import process
from tests.certificates import Issued, issued
from tests.lab.devices import SECONDS
from tests.lab.moving_bed import MovingBed

PLAIN, PROXIED, TLS, MUTUAL, WS, WSS, FRONT = 1883, 1884, 8883, 8884, 8083, 8084, 1885
CLIENTS = 20
_FRONT = """global
  master-worker
  default-path config
  stats socket unix@admin.sock mode 600 level admin
  server-state-file servers.state
defaults
  mode tcp
  timeout client 1h
  timeout server 1h
  timeout connect 5s
frontend front
  bind {host}:{front}
  default_backend behind
backend behind
  server one {host}:{behind} send-proxy-v2
"""


class ListeningBed(MovingBed):
    """The balancer's own resource is used, so that what is seen of certificates is what an update sees."""

    def __init__(self, directory: Path, host: str) -> None:
        super().__init__(directory, CLIENTS, nodes=1)
        self.host = host
        self.authority, self.owner = issued("authority"), issued("devices")
        self.provider, self.state = MqttBalancerProvider(), dict[str, Any]()
        self.provider.credentials = self.credentials
        (directory / "devices.crt").write_text(self.owner.chain)
        self.renew()

    def renew(self) -> Issued:
        """A new certificate for the balancer, in its files and in the stack's secret."""
        fresh = issued("front", self.authority, host=self.host)
        self.files = fresh.files(self.directory / "certificates", "front")
        self.provider.certificates = {"front": fresh.key_text() + fresh.chain}
        return fresh

    @property
    def listeners(self) -> list[dict[str, Any]]:
        files, secret = {"certificate": self.files}, {"certificate": {"named": "front"}}
        mutual = {**secret, "clientCa": str(self.directory / "devices.crt")}
        kinds: Sequence[tuple[int, str, dict[str, Any]]] = (
            (TLS, "mqtts", files),
            (PLAIN, "mqtt", {}),
            (PROXIED, "mqtt", {"acceptProxy": True}),
            (MUTUAL, "mqtts", mutual),
            (WS, "ws", {}),
            (WSS, "wss", secret),
        )
        return [{"host": self.host, "port": port, "protocol": protocol, **more} for port, protocol, more in kinds]

    def up_balancer(self) -> bool:
        """What an update does to the balancer; whether there was anything to do."""
        clusters = {colour: handle.model_dump(mode="json") for colour, handle in self.handles.items()}
        news = {
            "name": "balancer",
            "live": "blue",
            "colours": list(clusters),
            "clusters": clusters,
            "editions": dict.fromkeys(clusters, "ee"),
            "directory": str(self.directory / "balancer"),
            "listeners": self.listeners,
            "max_connections": 500,
            "back_seconds": 1,
            "replicas": 2,
            "soak_seconds": 0,
        }
        assert not self.provider.check(self.state, news).failures
        if self.state and not self.provider.diff("balancer", self.state, news).changes:
            return False
        made: Any = self.provider.update("balancer", self.state, news) if self.state else self.provider.create(news)
        self.state = dict(made.outs)
        self.balancer = balancing.handle_of(self.directory / "balancer")
        return True

    def serve_balancer(self) -> None:
        """As the chain's tests call it."""
        self.up_balancer()

    @contextmanager
    def in_front(self) -> Iterator[None]:
        """Another balancer before ours, which hands the clients' addresses on."""
        place = self.directory / "front"
        process.bring(place, _FRONT.format(host=self.host, front=FRONT, behind=PROXIED))
        try:
            yield
        finally:
            process.stop(place)

    def trusting(self, device: Issued | None = None) -> ssl.SSLContext:
        """What a client needs that knows our authority, and may show who it is."""
        context = ssl.create_default_context(cadata=self.authority.chain)
        if device is not None:
            files = device.files(self.directory / "certificates", "device")
            context.load_cert_chain(files["chain"], files["key"])
        return context

    def device(self, name: str) -> Issued:
        """A certificate that our listener lets in."""
        return issued(name, self.owner)

    def clients_of(self, colour: Any) -> dict[str, dict[str, Any]]:
        """Its connected clients by id."""
        rows = self.api(colour, "GET", "/clients?limit=1000&fields=all")["data"]
        return {row["clientid"]: row for row in rows if row["connected"]}

    def with_names(self) -> None:
        """Both colours take the name in a certificate as the user name."""
        for colour in self.handles:
            self.configure(colour, "mqtt.peer_cert_as_username = cn")


class Paho:
    """A paho client that comes back by itself."""

    def __init__(self, name: str, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.name, self.disconnects = name, 0
        self.heard: list[bytes] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name)
        self.client.reconnect_delay_set(1, 1)
        if tls is not None:
            self.client.tls_set_context(tls)
        self.client.on_connect = lambda client, *_: client.subscribe(f"echo/{name}", 1)
        self.client.on_disconnect = self._lost
        self.client.on_message = lambda _c, _u, message: self.heard.append(bytes(message.payload))
        self.client.connect(host, port)
        self.client.loop_start()

    def _lost(self, *_: Any) -> None:
        self.disconnects += 1

    @property
    def address(self) -> tuple[str, int]:
        """Its own, as the kernel has it."""
        own: tuple[str, int] = self.client.socket().getsockname()[:2]  # type: ignore[union-attr]  # it is connected
        return own

    def say(self, payload: bytes) -> None:
        self.client.publish(f"echo/{self.name}", payload, 1)

    def end(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Aiomqtt:
    """An aiomqtt client by WebSocket, on a loop of its own; whoever writes it comes back by hand."""

    def __init__(self, name: str, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.name, self.disconnects = name, 0
        self.heard: list[bytes] = []
        self._where: dict[str, Any] = {"hostname": host, "port": port, "tls_context": tls, "transport": "websockets"}
        self._now: aiomqtt.Client | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._come_back(), self._loop)

    async def _come_back(self) -> None:
        while True:
            connected = False
            try:
                async with aiomqtt.Client(identifier=self.name, **self._where) as client:
                    connected = True
                    await client.subscribe(f"echo/{self.name}", 1)
                    self._now = client
                    async for message in client.messages:
                        self.heard.append(bytes(message.payload or b""))
            except aiomqtt.MqttError:
                self.disconnects += connected
                await asyncio.sleep(0.2)

    def say(self, payload: bytes) -> None:
        assert self._now is not None
        speaking = self._now.publish(f"echo/{self.name}", payload, 1)
        asyncio.run_coroutine_threadsafe(speaking, self._loop).result(SECONDS)

    async def _stop(self) -> None:
        ours = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()


Foreign = Paho | Aiomqtt


@contextmanager
def coming(bed: ListeningBed) -> Iterator[dict[str, Foreign]]:
    """One client at each listener, all of them connected."""
    trusting = bed.trusting()
    with bed.in_front():
        made: dict[str, Foreign] = {
            "tls": Paho("tls", bed.host, TLS, trusting),
            "mutual": Paho("mutual", bed.host, MUTUAL, bed.trusting(bed.device("device-1"))),
            "front": Paho("front", bed.host, FRONT),
            "ws-2": Aiomqtt("ws-2", bed.host, WS),
            "wss-0": Aiomqtt("wss-0", bed.host, WSS, trusting),
        }
        try:
            until(lambda: made.keys() <= bed.clients_of("blue").keys())
            yield made
        finally:
            for one in made.values():
                one.end()


def until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.1)
