"""What the tests of lab nodes as MQTT clients see them share: clients of a node of the cluster, users, rules, and a wait for quiet."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from components.mqtt import Connect, Pingreq, Pingresp, Property
from lab.node.broker.cluster import Cluster
from lab.node.broker.node import BrokerNode
from lab.node.kept.records import AclRule
from lab.node.kept.store import PASSWORD_ID
from lab.node.rules.passwords import new_user
from tests.lab.node_bed import PASSWORD, SHA256
from tests.lab.node_mqtt_client import RawClient

LEVELS = pytest.mark.parametrize("level", [4, 5])


def node(cluster: Cluster, index: int = 1) -> BrokerNode:
    return list(cluster.nodes.values())[index - 1]


def client(cluster: Cluster, client_id: str = "c", index: int = 1, **more: Any) -> RawClient:
    return RawClient((node(cluster, index).ip, 1883), Connect(client_id, **{"keep_alive": 0, **more}))


def raw(cluster: Cluster, first: bytes, level: int = 4, index: int = 1) -> RawClient:
    return RawClient((node(cluster, index).ip, 1883), Connect(level=level), first)


def persistent(level: int) -> dict[str, Any]:
    return {"level": level, "clean_start": False, "properties": {Property.SESSION_EXPIRY: 3600} if level == 5 else {}}


async def settled(one: RawClient) -> None:
    """Wait until everything that the server sent before now has come."""
    one.send(Pingreq())
    await one.next(Pingresp)


def guard(cluster: Cluster, user: str = "alice", *, superuser: bool = False) -> None:
    cluster.store.put("authentication", [PASSWORD])
    users = cluster.store.authn_users.setdefault(PASSWORD_ID, {})
    users[user] = new_user(SHA256, user, f"{user}pw", superuser, Random(1))


def deny(cluster: Cluster, action: str) -> None:
    cluster.store.merge(
        "authorization", {"sources": [{"type": "built_in_database", "enable": True}], "deny_action": action}
    )
    cluster.store.acl_all = [AclRule("secret", "deny", "all")]
