"""Verification: a green that is like blue passes, every way in which it is not is named, and the probes leave no trace."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from components.cutover.evacuation import Evacuation
from components.emqx.account import PREFIX
from components.emqx.errors import GaveUp, LeaseLost, Unauthorized, VerificationFailed
from components.emqx.models import Credentials
from components.emqx.probes import Prober, Topics
from components.emqx.v5.cluster import ClusterApi
from components.links.readiness import api_state, mqtt_state, wait_until_ready
from components.links.verification import Verified, verify
from components.migration.inventory import Inventory, Section
from tests.lab.data_bed import ACL, KEY, SECRET, USERS, Bed, bed, cluster, fill, pair

pytestmark = pytest.mark.lab


async def verified(here: Bed, expected: Inventory | None = None, *, seconds: float = 8) -> Verified:
    known = expected or await here.run.clusters["blue"].inventory()
    return await verify(here.run, "blue", "green", known, ready_limit_seconds=seconds)


async def traces(api: ClusterApi) -> list[str]:
    found = []
    for name, section in (await api.inventory()).sections.items():
        if isinstance(section, Section):
            found += [f"{name} {key}" for key in section.items if "upgrade-probe" in key]
    clients = [row["clientid"] async for page in api.http.pages("/clients", {"fields": "clientid"}) for row in page]
    return found + [name for name in clients if name.startswith("upgrade-probe")]


async def test_a_green_like_blue_passes_and_nothing_of_the_probes_stays(tmp_path: Path) -> None:
    proxied = ("--proxy-protocol",)
    async with pair(tmp_path, blue=proxied, green=proxied) as (one, two), one.api() as blue, two.api() as green:
        await asyncio.gather(fill(blue), fill(green))
        here = bed(blue, green)
        expected = await blue.inventory()
        same = {
            **expected.sections,
            "retained": Section(dict.fromkeys(_items(expected, "retained"), 0), optional=_all(expected)),
        }
        found = await verified(here, Inventory(same))
        assert set(found.probes) == set(green.node_names)
        asked = found.probes[green.node_names[0]]
        assert asked["wrong password, MQTT 4"] == "CONNACK 0x04"
        assert asked["wrong password, MQTT 5"] == "CONNACK 0x86"
        assert asked["denied publish"] == "PUBACK 0x87"
        assert asked["publish and receive, MQTT 4"] == asked["publish and receive, MQTT 5"] == "received"
        assert found.reference == "blue"
        assert found.room == 25
        assert "psk" in found.unlisted
        assert await traces(blue) == await traces(green) == []
        assert [event["section"] for event in here.events if event["event"] == "fact"] == ["verify"]
        assert SECRET not in json.dumps(here.events)


def _items(inventory: Inventory, name: str) -> list[str]:
    section = inventory.sections[name]
    assert isinstance(section, Section)
    return list(section.items)


def _all(inventory: Inventory) -> frozenset[str]:
    return frozenset(_items(inventory, "retained"))


async def test_each_way_in_which_green_differs_is_named_with_section_expected_and_found(tmp_path: Path) -> None:
    async with pair(tmp_path, green=("--max-sessions", "5")) as (one, two), one.api() as blue, two.api() as green:
        await asyncio.gather(fill(blue, retained=0), fill(green, retained=0, order=("file", "built_in_database")))
        here = bed(blue, green)
        with pytest.raises(VerificationFailed) as caught:
            await verified(here)
        message = str(caught.value)
        assert "authorization_sources: expected built_in_database > file, found file > built_in_database" in message
        assert "denied publish: expected refused, found PUBACK 0x10" in message
        await green.http.call("POST", "/authorization/sources/built_in_database/move", body={"position": "front"})
        await verified(here)
        await green.http.call("DELETE", f"{USERS}/bob")
        with pytest.raises(
            VerificationFailed, match="users:password_based:built_in_database: expected bob, found none"
        ):
            await verified(here)
        await green.http.call("POST", USERS, body={"user_id": "bob", "password": "x"})
        await green.http.call("DELETE", "/authentication/scram%3Abuilt_in_database")
        with pytest.raises(VerificationFailed, match="authenticators: expected scram:built_in_database"):
            await verified(here)
        assert await traces(green) == []


async def test_a_green_without_an_authenticator_lets_everybody_in_and_is_named(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue, retained=0)
        here = bed(blue, green)
        with pytest.raises(VerificationFailed):
            await verified(here)
        findings = next(e["findings"] for e in here.events if e.get("section") == "verify")
        assert any("anonymous, MQTT 5: expected refused, found CONNACK 0x00" in line for line in findings)
        assert any(line.startswith("authenticators: expected") for line in findings)


async def test_a_licence_without_room_for_blues_clients_is_named(tmp_path: Path) -> None:
    async with pair(tmp_path, green=("--max-sessions", "2")) as (one, two), one.api() as blue, two.api() as green:
        here = bed(blue, green)
        wires = [await _connected(one.handle.nodes[0].mqtt, f"dev{number}") for number in range(4)]
        with pytest.raises(VerificationFailed, match="licence: expected room for 4 clients, found 2"):
            await verified(here)
        for writer in wires:
            writer.close()


async def _connected(address: str, name: str) -> asyncio.StreamWriter:
    from components.mqtt import Connect, encode

    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(encode(Connect(client_id=name), 4))
    assert await reader.readexactly(4) == bytes.fromhex("20020000")
    return writer


@pytest.mark.parametrize(
    ("fault", "options", "seen"),
    [
        ("die", {}, "missing emqx@|does not see|closed|refused"),
        ("hang", {}, "no answer in time"),
        ("refuse_connects", {"reason": 0x9C}, "a right client got CONNACK 0x9c|an anonymous client got CONNACK 0x9c"),
        ("status", {"status": 500, "path": "/cluster"}, "500"),
    ],
)
async def test_a_green_that_is_not_ready_is_given_up_with_what_was_last_seen(
    tmp_path: Path, fault: str, options: dict[str, Any], seen: str
) -> None:
    one_call = 1 if fault == "hang" else 30  # only what never answers is to be given up early
    async with (
        cluster(tmp_path / "green", "green") as two,
        two.api(timeout_seconds=one_call, patience_seconds=one_call) as green,
    ):
        name = green.node_names[1]
        await two.fault(fault, node=name, **options)
        with pytest.raises(GaveUp, match=seen) as caught:
            await wait_until_ready(bed(green, green).run, "green", limit_seconds=3)
        assert name in str(caught.value)


async def test_a_wrong_key_ends_the_wait_at_once(tmp_path: Path) -> None:
    async with (
        cluster(tmp_path / "green", "green") as two,
        ClusterApi(two.handle, Credentials(api_key=KEY, api_secret="wrong")) as green,
    ):
        with pytest.raises(Unauthorized):
            await wait_until_ready(bed(green, green).run, "green", limit_seconds=60)


async def test_an_evacuating_node_is_not_ready(tmp_path: Path) -> None:
    async with cluster(tmp_path / "green", "green") as two, two.api() as green:
        assert await api_state(green) == ""
        await green.evacuation_start(green.node_names[1], Evacuation())
        assert "does not take clients" in await api_state(green)
        await green.evacuation_stop(green.node_names[1])
        assert await api_state(green) == ""


async def test_a_cluster_with_another_member_than_declared_is_not_ready(tmp_path: Path) -> None:
    async with cluster(tmp_path / "green", "green") as two:
        less = two.handle.model_copy(update={"nodes": two.handle.nodes[:1]})
        async with ClusterApi(less, Credentials(api_key=KEY, api_secret=SECRET)) as green:
            assert f"not declared {two.handle.nodes[1].name}" in await api_state(green)


async def test_a_node_that_lets_everybody_in_while_it_boots_is_not_ready(tmp_path: Path) -> None:
    async with cluster(tmp_path / "green", "green", "--boot-delays", "--boot-factor", "0.3") as two, two.api() as green:
        await fill(green, retained=0)
        name = green.node_names[1]
        await two.fault("die", node=name)
        await two.fault("revive", node=name)
        await wait_until_ready(bed(green, green).run, "green", limit_seconds=60)
        async with green.temporary_account(Topics.fresh(None).rules()) as account:
            assert account is not None
            assert await mqtt_state(green, account) == ""


async def test_the_account_goes_also_on_failure_and_on_cancellation_and_a_killed_runs_is_swept(tmp_path: Path) -> None:
    async with cluster(tmp_path / "green", "green") as two, two.api() as green:
        await fill(green, retained=0)
        rules = Topics.fresh(None).rules()
        with pytest.raises(ZeroDivisionError):
            async with green.temporary_account(rules):
                _ = 1 / 0
        assert await traces(green) == []
        inside = asyncio.Event()

        async def use() -> None:
            async with green.temporary_account(rules):
                inside.set()
                await asyncio.sleep(3600)

        task = asyncio.create_task(use())
        await inside.wait()
        assert len(await traces(green)) == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await traces(green) == []
        await green.http.call("POST", USERS, body={"user_id": f"{PREFIX}left", "password": "x"})
        await green.http.call("POST", f"{ACL}/users", body=[{"username": f"{PREFIX}left", "rules": rules}])
        assert await green.sweep() == 1
        assert await traces(green) == []


async def test_a_cancelled_run_ends_soon_also_when_the_api_hangs(tmp_path: Path) -> None:
    async with cluster(tmp_path / "green", "green") as two, two.api() as green:
        await fill(green, retained=0)
        inside = asyncio.Event()

        async def use() -> None:
            async with green.temporary_account(Topics.fresh(None).rules()):
                inside.set()
                await asyncio.sleep(3600)

        task = asyncio.create_task(use())
        await inside.wait()
        await two.fault("hang")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)
        await two.heal()
        assert await green.sweep() == 1, "the next run removes what this one could not"


async def test_an_orphan_whose_lease_is_gone_does_not_verify(tmp_path: Path) -> None:
    async with cluster(tmp_path / "green", "green") as two, two.api() as green:
        here = bed(green, green)
        here.ledger.memory["run"] = "another-run"
        with pytest.raises(LeaseLost):
            await verified(here, Inventory({}))


async def test_users_that_are_looked_up_by_client_id_are_probed_by_client_id(tmp_path: Path) -> None:
    async with cluster(tmp_path / "green", "green") as two, two.api() as green:
        await green.http.call(
            "POST",
            "/authentication",
            body={
                "mechanism": "password_based",
                "backend": "built_in_database",
                "user_id_type": "clientid",
                "password_hash_algorithm": {"name": "sha256", "salt_position": "suffix"},
            },
        )
        async with green.temporary_account(Topics.fresh(None).rules()) as account:
            assert account is not None
            assert account.by_client_id
            prober = Prober(green.handle.nodes[0], proxy_protocol=False)
            assert (await prober.connects(5, account, account.password)).accepted
            assert not (await prober.connects(5, account, "wrong")).accepted


async def test_what_only_green_has_is_named_and_refused_unless_it_may_be_there(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await asyncio.gather(fill(blue, retained=0), fill(green, retained=0))
        here, expected = bed(blue, green), await blue.inventory()
        await green.http.call("POST", "/banned", body={"as": "clientid", "who": "left-behind", "by": "somebody"})
        with pytest.raises(VerificationFailed, match=r"left-behind.*left there earlier.*acknowledge \[leftovers\]"):
            await verify(here.run, "blue", "green", expected)
        assert (await verify(here.run, "blue", "green", expected, extra_allowed=True)).tolerated
