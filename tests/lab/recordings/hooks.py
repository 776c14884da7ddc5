"""What happened between the recorded requests: devices that connected, users that a file brought, time that passed.

The rule: a hook does what the recording's script did there; without it the next recorded answers could not come.
"""

from __future__ import annotations

from random import SystemRandom
from typing import Any

from lab.node.kept.store import PASSWORD_ID
from lab.node.rules.passwords import new_user
from tests.lab.node_process import until
from tests.lab.recordings.device import Device, publish_packet, subscribe_packet
from tests.lab.recordings.passing import Passing
from tests.lab.recordings.uploads import BY_KEY
from tests.lab.recordings.world import World


async def setup_resources(world: World, pair: dict[str, Any]) -> None:
    """04: users of the imported files, and three clients on the first node before the clients are listed."""
    managed = world.clusters["127.0.2"]
    if pair["n"] == 11:
        users = managed.store.authn_users[PASSWORD_ID]
        algorithm = {"name": "sha256", "salt_position": "suffix"}
        for name in ("bob", "carol"):
            users[name] = new_user(algorithm, name, f"{name}pw", False, SystemRandom())
    if pair["url"].endswith("/clients?limit=10"):
        host = world.here("127.0.2.1")
        for name, level in (("alice", 5), ("bob", 4), ("carol", 4)):
            device = await Device.connect(
                host, f"c-{name}", level=level, username=name, password=f"{name}pw", keep_alive=0
            )
            world.devices.append(device)


async def evacuation_run(world: World, pair: dict[str, Any]) -> None:
    """04b: ten clients on the second node, five of them persistent; then the instants that the notes name, in a time of the test's own."""
    if pair["n"] == 0:
        evacuations = world.clusters["127.0.1"].evacuations
        world.time = Passing(evacuations.clock())
        evacuations.clock, evacuations.sleep = world.time, world.time.sleep
        host = world.here("127.0.1.2")
        for number in range(10):
            device = await Device.connect(host, f"ev{number}", level=4 + number % 2, persistent=number >= 5)
            world.devices.append(device)
    if pair["note"] == "start":
        world.marks["start"] = world.time()
    if pair["note"].startswith("t="):
        seconds = float(pair["note"][2:].partition("s")[0])
        await world.time.until(world.marks["start"] + seconds + 0.1)


async def configuration_and_keys(world: World, pair: dict[str, Any]) -> None:
    """13: the process is stopped, its bootstrap file edited, and started again before the last requests."""
    if pair["note"].startswith("after restart") and "restarted" not in world.marks:
        world.marks["restarted"] = 1.0
        keys = "lab:lab-secret-lab-secret\nviewkey:CHANGED-secret:viewer\nnew:new-secret-xyz:viewer\n"
        await world.restart("127.0.6", keys)


async def partial_failure(world: World, pair: dict[str, Any]) -> None:
    """15: the archive that 05 made with an API key on the same source."""
    if pair["n"] == 0:
        auth = ("lab", "lab-secret-lab-secret")
        base = "http://" + world.here("127.0.2.1") + ":18083/api/v5/data"
        made = (await world.client.post(f"{base}/export", auth=auth)).json()
        raw = (await world.client.get(f"{base}/files/{made['filename']}", auth=auth)).content
        world.archives[BY_KEY] = raw


async def order_matters(world: World, pair: dict[str, Any]) -> None:
    """A_order: alice's publish to d/secret is refused at the source, accepted at the target, refused after the move."""
    expected = {11: (("127.0.1.1", "400400018700"), ("127.0.2.1", "400400011000"))}
    for recorded, puback in expected.get(pair["n"], ()):
        device = await Device.connect(
            world.here(recorded), f"order-{recorded}", level=5, username="alice", password="alice-pw"
        )
        seen = await device.ask(publish_packet("d/secret", b"x", level=5, qos=1))
        await device.close()
        assert seen == puback, f"{recorded}: PUBACK {seen} instead of {puback}"


async def _prepare(
    world: World, recorded: str, client_id: str, subscriptions: dict[str, int], expiry: int = 3600
) -> Device:
    """A session made by the superuser ``maker`` and left behind."""
    device = await Device.connect(
        world.here(recorded),
        client_id,
        level=5,
        persistent=True,
        username="maker",
        password="maker-pw",
        expiry=expiry,
        keep_alive=0,
    )
    for number, (topic, options) in enumerate(subscriptions.items(), 1):
        await device.ask(subscribe_packet(topic, level=5, options=options, identifier=number))
    await device.close()
    return device


async def _alice(
    world: World, recorded: str, client_id: str, level: int, *, persistent: bool = True, expiry: int = 3600
) -> Device:
    device = await Device.connect(
        world.here(recorded),
        client_id,
        level=level,
        persistent=persistent,
        username="alice",
        password="alice-pw",
        expiry=expiry,
    )
    world.devices.append(device)
    return device


async def kick_and_way_back(  # noqa: C901  one branch for each moment of the recording
    world: World, pair: dict[str, Any]
) -> None:
    """E: five clients kicked on blue, sessions made for their return, and what devices make of prepared sessions."""
    number = pair["n"]
    if number == 0:
        await _five_clients(world)
    elif number == 8:
        await until(lambda: all(device.closed_at for device in world.devices[-5:]), "all five are cut off")
        seen = {device.client_id: [packet for _, packet in device.packets[1:]][-2:] for device in world.devices[-5:]}
        assert seen["k0"] == ["FIN"], seen
        assert seen["k4"] == ["e0029800", "FIN"], seen
    elif number == 14:
        await _prepare(world, "127.0.14.1", "k0", {"cmd/k0/x": 1})
        await _prepare(world, "127.0.14.2", "k1", {"cmd/k1/x": 13})
    elif number == 21:
        device = await _alice(world, "127.0.14.3", "k0", 4)
        assert device.connack == "20020100"
        assert (await device.next(1)).startswith("3233")
    elif number == 23:
        await _prepare(world, "127.0.16.1", "k9", {"cmd/k9/x": 1, "secret/k9": 1})
    elif number == 27:
        device = await _alice(world, "127.0.16.3", "k9", 4)
        assert device.connack == "20020100"
        assert "746f70736563726574" in await device.next(1)
    elif number == 29:
        await _left(world)
    elif number == 32:
        await _prepare(world, "127.0.16.1", "k8", {"cmd/k8/x": 1})
        assert (await _alice(world, "127.0.16.1", "k8", 4, persistent=False)).connack == "20020000"
    elif number == 33:
        await _left(world)
    elif number == 36:
        await _prepare(world, "127.0.16.1", "k7", {"cmd/k7/x": 1}, expiry=7200)
        assert (await _alice(world, "127.0.16.1", "k7", 5, expiry=100)).connack.startswith("20160100")


async def _five_clients(world: World) -> None:
    """Those of the recording, and nobody else."""
    for managed in world.clusters.values():
        for client_id in tuple(managed.cluster.sessions):
            managed.cluster.kick(client_id)
    for index, level in enumerate((4, 5, 4, 5, 5)):
        recorded = "127.0.14.2" if index == 1 else "127.0.14.1"
        device = await _alice(world, recorded, f"k{index}", level, persistent=index in {0, 1, 4})
        if index == 1:
            await device.ask(subscribe_packet("cmd/k1/x", level=5))


async def session_formats(world: World, pair: dict[str, Any]) -> None:
    """F: sessions with every kind of subscription, their queues, and deliveries that nobody acknowledged."""
    if pair["n"] == 9:
        f1 = {
            "f/qos0": 0,
            "f/qos1": 1,
            "f/qos2/+/#": 2,
            "f/nl": 5,
            "f/rap": 9,
            "f/rh1": 17,
            "f/rh2": 46,
            "$share/g1/f/shared": 1,
            "$queue/f/q": 1,
        }
        await _session(world, "127.0.14.1", "f1", 5, f1)
        await _session(world, "127.0.14.2", "f2", 4, {"f/qos1": 1, "f/q2": 2})
        device = await Device.connect(
            world.here("127.0.14.3"), "f3", level=4, persistent=True, username="maker", password="maker-pw"
        )
        await device.ask(subscribe_packet("f/inf", level=4))
        await device.ask(subscribe_packet("f/inf2", level=4, options=2, identifier=2))
        world.devices.append(device)
    elif pair["n"] == 23:
        await _publish(world, ("f/qos2/a/b", b"q2"))
    elif pair["n"] == 24:
        # Two nodes' messages overtook each other on their way; this is the order in which f1 got them.
        await _publish(
            world, ("f/qos1", b"plain"), ("f/qos1", bytes(range(256))), *(("f/q2", f"x{i}".encode()) for i in range(3))
        )
        await _publish(world, ("f/inf", b"unacked1"), ("f/inf", b"unacked2"))
        url = "http://" + world.here("127.0.14.1") + ":18083/api/v5/publish"
        body = {"topic": "f/inf2", "payload": "q2 unacked", "qos": 2}
        await world.client.post(url, json=body, auth=("lab", "lab-secret-lab-secret"))
    elif pair["n"] == 25:
        world.devices[-1].drop()
        await _unseen(world)


async def _left(world: World) -> None:
    """The newest device says that it goes, and the brokers have heard it."""
    await world.devices[-1].close()
    await _unseen(world)


async def _unseen(world: World) -> None:
    name = world.devices[-1].client_id
    sessions = [managed.cluster.sessions for managed in world.clusters.values()]
    await until(lambda: not any(name in each and each[name].connected for each in sessions), f"{name} is gone")


async def _publish(world: World, *messages: tuple[str, bytes]) -> None:
    maker = await Device.connect(world.here("127.0.14.1"), "pub", level=4, username="maker", password="maker-pw")
    for topic, payload in messages:
        await maker.ask(publish_packet(topic, payload, level=4, qos=1))
    await maker.close()


async def _session(world: World, recorded: str, client_id: str, level: int, subscriptions: dict[str, int]) -> None:
    device = await Device.connect(
        world.here(recorded), client_id, level=level, persistent=True, username="maker", password="maker-pw"
    )
    for number, (topic, options) in enumerate(subscriptions.items(), 1):
        await device.ask(subscribe_packet(topic, level=level, options=options, identifier=number))
    await device.close()


async def checks(world: World, pair: dict[str, Any]) -> None:
    """K: four messages of nine bytes wait for one session; the source's delayed message had become due by then."""
    if pair["n"] == 5:
        world.clusters["127.0.14"].store.delayed.clear()
    if pair["n"] == 0:
        await _session(world, "127.0.14.1", "pg", 4, {"pg/t": 1})
        maker = await Device.connect(world.here("127.0.14.1"), "pgp", level=4, username="maker", password="maker-pw")
        for number in range(4):
            await maker.ask(publish_packet("pg/t", f"payload-{number}".encode(), level=4, qos=1))
        await maker.close()


async def mountpoint(world: World, pair: dict[str, Any]) -> None:
    """F: a device behind a listener with a mountpoint."""
    if pair["n"] == 4:
        device = await Device.connect(
            world.here("127.0.14.1"),
            "mp1",
            level=5,
            persistent=True,
            username="maker",
            password="maker-pw",
            expiry=600,
            port=2883,
        )
        await device.ask(subscribe_packet("a/b", level=5))
        await device.ask(subscribe_packet("$share/g/a/s", level=5, identifier=2))
        world.devices.append(device)
    elif pair["n"] == 11:
        await world.devices[-1].close()
        await _session(world, "127.0.14.1", "mp1", 5, {"mp/mp1/a/b": 1})


async def empty_client_id(world: World, pair: dict[str, Any]) -> None:
    """F: two clients without an id; the server's choice stands for the recorded one."""
    if pair["n"] == 0:
        managed = world.clusters["127.0.14"]
        for client_id in tuple(managed.cluster.sessions):
            managed.cluster.kick(client_id)
        for level, recorded in ((5, "VD8HsMuOdpH2qGST"), (4, "NUcKDfwDCw0aWzIJ")):
            before = set(managed.cluster.sessions)
            device = await Device.connect(
                world.here("127.0.14.1"), "", level=level, username="maker", password="maker-pw"
            )
            world.devices.append(device)
            world.names[recorded] = (set(managed.cluster.sessions) - before).pop()


async def blue(world: World, pair: dict[str, Any]) -> None:
    """A_setup: the one body of which only the size was kept; what it set is in the recorded inventories."""
    if pair["method"] == "PUT" and pair["url"].endswith("/configs"):
        recorded = ".".join(pair["url"].split(".")[:3])
        world.clusters[recorded].store.merge("mqtt", {"max_inflight": 16, "max_packet_size": "2MB"})
