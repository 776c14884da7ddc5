"""A node dies under a fleet: who meets a busy server or a close without a word tries again, and the summary counts what was met."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from components.mqtt import Connack
from lab.fleet.fleet import Fleet
from lab.fleet.kinds import PLAIN
from lab.fleet.mixture import only
from lab.fleet.settings import FleetSettings
from lab.fleet.tally import summary
from lab.node.broker.cluster import Cluster
from tests.lab.node_mqtt_bed import client, node, persistent
from tests.lab.node_mqtt_client import Time
from tests.lab.node_process import until

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(("level", "code"), [(5, 0x89), (4, 3)])
async def test_who_is_busy_is_refused_for_twenty_seconds_on_every_node(
    cluster: Cluster, clock: Time, level: int, code: int
) -> None:
    async with client(cluster, "dev", 1, **persistent(level)) as one:
        await one.connack()
        await node(cluster).die(busy=1)
    for ahead in (0.0, 19.0):
        clock.ahead = ahead
        for index in (2, 3):
            async with client(cluster, "dev", index, **persistent(level)) as again:
                assert (await again.connack()).reason == code
                await again.fin()
    assert cluster.sessions == {}
    clock.ahead = 21.0
    async with client(cluster, "dev", 2, **persistent(level)) as again:
        assert (await again.connack()).reason == 0


async def test_who_is_cut_off_sees_a_bare_fin_once(cluster: Cluster) -> None:
    async with client(cluster, "dev", 1) as one:
        await one.connack()
        await node(cluster).die(cut=1)
    async with client(cluster, "dev", 2) as cut:
        await cut.fin()
        assert cut.raw == b""
    async with client(cluster, "dev", 2) as again:
        assert (await again.connack()).reason == 0


async def test_of_few_clients_none_meets_anything_unless_it_is_asked_for(cluster: Cluster) -> None:
    async with client(cluster, "dev", 1) as one:
        await one.connack()
        await node(cluster).die()
    async with client(cluster, "dev", 2) as again:
        assert isinstance(await again.next(Connack), Connack)
        assert "dev" in node(cluster, 2).sessions


async def test_the_fleet_copes_and_counts_what_it_met(cluster: Cluster, clock: Time) -> None:
    dead = node(cluster)
    addresses = tuple((one.ip, 1883) for one in cluster.nodes.values())
    quick = replace(PLAIN, first=(0.0, 0.02), then=(0.05, 0.1))
    settings = FleetSettings(addresses, 12, kinds=only(quick))
    fleet = Fleet(settings, log=None, chance=random.Random(7))
    await fleet.start(60)
    await dead.die(busy=1, cut=2)
    await until(lambda: fleet.connected_now == 11, "all but the busy one are back")
    clock.ahead = 21.0
    await until(lambda: fleet.connected_now == 12, "the busy one is back")
    told = summary(await fleet.stop(), ready_at=0.0)
    met = told["refused_by_reason"]
    assert met["FIN"] == 2
    assert met.get("connack 0x89", 0) + met.get("connack 0x03", 0) > 0
    assert told["refused_connections"] == sum(met.values())
    assert told["disconnects"]["max"] == 1
