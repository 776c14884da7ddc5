"""What MQTT clients did and saw in the recordings of 4.x, done and seen again.

The rule: a client of a replay is a real one, on the lab node's own port.
"""

from __future__ import annotations

import json
from typing import Any

from components.mqtt import Connect, Disconnect, Property, Puback, Publish, Suback, Subscribe, Subscription
from lab.node.kept.old import App
from tests.lab.node_mqtt_client import RawClient, seen
from tests.lab.recordings.old import Entry, OldWorld
from tests.lab.recordings.replay import HERE

LISTED = ("clients", "/api/v4/clients")
PASSWORDS = {"alice": "alice-pw"}
"""Of who asks what the rules do."""
DENIED, NOBODY = 0x87, 0x10
OFFLINE = ("c-002", "c-003", "c-004", "c-005", "c-019")
"""Who leaves before the offline sessions are listed."""


async def before(world: OldWorld, entry: Entry) -> None:
    """What the recording's script did without a request: commands, devices."""
    if "cli" in entry:
        _command(world, entry["cli"]["command"][1:])
    if "request" in entry and (entry["name"], entry["request"]["path"]) == LISTED:
        await _connect_all(world)
    if entry["name"].startswith("export"):
        world.clock.ahead += 1.0  # two in one second are one file
    if entry["name"].startswith(("import with version", "import: ")):
        _made_up(world, entry["name"])
    if entry["name"] == "offline sessions":
        for client_id in OFFLINE:
            await world.devices[client_id].drop()
        await seen(lambda: not any(_connected(world, one) for one in OFFLINE))


def _connected(world: OldWorld, client_id: str) -> bool:
    session = world.managed.cluster.sessions.get(client_id)
    return session is not None and session.connected


def _command(world: OldWorld, words: list[str]) -> None:
    tables = world.managed.store.old
    match words:
        case ["mgmt", "insert", name, called] if name not in tables.apps:
            secrets = {one["request"]["auth"] for one in _entries(world, "auth") if one["name"] == "app made by CLI"}
            tables.apps[name] = App(name, secrets.pop().partition(":")[2], called, "Application user")
        case ["mgmt", "update", name, status]:
            tables.apps[name] = App(name, tables.apps[name].secret, status=status)
        case ["mgmt", "delete", name]:
            del tables.apps[name]
        case ["plugins", "load" | "unload" as what, plugin]:
            world.managed.colony.plugged(plugin, loaded=what == "load")
        case ["retainer", "clean"]:
            for topic in [topic for topic in world.managed.store.retained if not topic.startswith("$")]:
                del world.managed.store.retained[topic]
        case ["clients", "kick", client_id]:
            world.managed.cluster.kick(client_id)


def _made_up(world: OldWorld, name: str) -> None:
    """The files that the recording's script put beside its exports: its own export with another version, or with less in it."""
    place = world.managed.place(f"emqx@{world.host()}")
    place = place / "backup" if world.managed.colony.line.hides_exports else place
    own = json.loads(max(place.glob("emqx-export-*"), key=lambda path: path.stat().st_mtime).read_text())
    if name.startswith("import with version"):
        version = name.rpartition(" ")[2]
        own |= {"version": version}
        if version == "None":
            del own["version"]
        (place / f"v{version}.json").write_text(json.dumps(own))
        return
    what = {
        "import: no users": {"version": "4.4"},
        "import: only version": {"version": own["version"]},
        "import: users of wrong shape": {"version": own["version"], "auth_mnesia": [{"nobody": 1}]},
    }
    (place / "k.json").write_text(json.dumps(what[name]))


def _entries(world: OldWorld, subject: str) -> list[Entry]:
    found: list[Entry] = json.loads((HERE / f"V_{world.version}_{subject}.json").read_text())
    return found


async def _connect_all(world: OldWorld) -> None:
    """The devices of the recorded list, each on its node and with its subscriptions."""
    entries = _entries(world, "clients")
    rows = entries[0]["response"]["body"]["data"]
    found = next(one for one in entries if one["name"] == "subscriptions")["response"]["body"]["data"]
    topics = {row["clientid"]: row["topic"] for row in found}
    for row in rows:
        level = row["proto_ver"]
        properties: dict[int, Any] = (
            {Property.SESSION_EXPIRY: row["expiry_interval"]} if level == 5 and row["expiry_interval"] else {}
        )
        connect = Connect(
            row["clientid"],
            clean_start=row["clean_start"],
            keep_alive=row["keepalive"],
            level=level,
            username=row["username"],
            properties=properties,
        )
        device, _ = await world.device(connect, 1 if row["node"].endswith(".1") else 2)
        world.devices[row["clientid"]] = device
        if row["clientid"] in topics:
            device.send(Subscribe(1, (Subscription(topics[row["clientid"]], 1),)))
            await device.next(Suback)


async def check(world: OldWorld, entry: Entry) -> list[str] | None:
    """Compare what clients saw; None where this knows nothing of it."""
    if "columns" in entry:
        return await _rules(world, entry)
    if "answers" in entry:
        return await _connects(world, entry)
    if "client" in entry and "seen" in entry:
        return await _seen(world, entry["client"], entry["seen"])
    if "client" in entry and "rc" in entry:
        return await _again(world, entry)
    if entry["name"].startswith("what a new subscriber"):
        return await _retained(world, entry)
    return None


def _on(entry: Entry) -> int:
    return 2 if "other node" in entry["name"] else 1


async def _rules(world: OldWorld, entry: Entry) -> list[str]:
    """Reason codes of SUBACK or PUBACK."""
    out = []
    for client_id, username, action, topic, code in entry["answers"]:
        password = PASSWORDS.get(username, "bob-pw2").encode()
        connect = Connect(client_id, level=5, username=username, password=password)
        got = await reason_of(world, connect, action, topic, _on(entry))
        if got != int(code, 16):
            out.append(f"{client_id} {username} {action} {topic}: {got:#04x} instead of {code}")
    return out


async def reason_of(world: OldWorld, connect: Connect, action: str, topic: str, number: int = 1) -> int:
    """The reason code of SUBACK or PUBACK, or of a CONNACK that refuses."""
    device, connack = await world.device(connect, number)
    reason = connack.reason
    if not reason:
        reason = await device_may(device, action, topic)
    await device.drop()
    return reason


async def device_may(device: RawClient, action: str, topic: str) -> int:
    """The reason code of SUBACK or PUBACK to a client that is connected."""
    if action == "sub":
        device.send(Subscribe(1, (Subscription(topic, 1),)))
        return int((await device.next(Suback)).reasons[0])
    device.send(Publish(topic, b"x", 1, packet_id=1))
    return int((await device.next(Puback)).reason)


async def may(world: OldWorld, connect: Connect, action: str, topic: str) -> str:
    """As the recordings of the hop say it."""
    reason = await reason_of(world, connect, action, topic)
    return "denied 0x87" if reason == DENIED else "allowed" if reason in {0, 1, NOBODY} else f"{reason:#x}"


async def _connects(world: OldWorld, entry: Entry) -> list[str]:
    out = []
    for one in entry["answers"]:
        password = None if one["password"] is None else one["password"].encode()
        device, connack = await world.device(
            Connect(one["clientid"], username=one["username"], password=password), _on(entry)
        )
        await device.drop()
        if connack.reason != one["connack"]:
            out.append(f"{one}: {connack.reason}")
    return out


async def _seen(world: OldWorld, client_id: str, recorded: list[str] | str) -> list[str]:
    """What came before the end of a connection."""
    device = world.devices[client_id]
    await device.fin()
    ours = [
        f"DISCONNECT reason {one.reason:#x} ({one.reason:02x}00)" for one in device.got if isinstance(one, Disconnect)
    ]
    theirs = [recorded] if isinstance(recorded, str) else recorded
    return [] if [*ours, "FIN"] == theirs else [f"{[*ours, 'FIN']} instead of {theirs}"]


async def _again(world: OldWorld, entry: Entry) -> list[str]:
    old = world.devices[entry["client"]]
    properties: dict[int, Any] = {Property.SESSION_EXPIRY: 300} if old.level == 5 else {}
    connect = Connect(entry["client"], clean_start=False, level=old.level, properties=properties)
    device, connack = await world.device(connect, 2)
    await device.drop()
    ours = (connack.reason, int(connack.session_present))
    return [] if ours == (entry["rc"], entry["session_present"]) else [f"{ours}"]


async def _retained(world: OldWorld, entry: Entry) -> list[str]:
    device, _ = await world.device(Connect("reader", level=5), _on(entry))
    device.send(Subscribe(1, (Subscription("r/#", 1),)))
    ours = []
    for _ in entry["messages"]:
        message = await device.next(Publish)
        ours.append([message.topic, message.payload.decode(), "retain" if message.retain else ""])
    await device.drop()
    return [] if sorted(ours) == sorted(entry["messages"]) else [f"{ours}"]
