"""Who could not come in on 4.4 because a plugin was off cannot come in on green, and who could does: a real client decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.migration.hop_44_5 import Conversion
from components.mqtt import Connect, Pingreq, Pingresp, Publish, Suback
from tests.lab.converted_bed import green, login
from tests.lab.node_mqtt_client import RawClient
from tests.lab.recordings.bed import host
from tests.unit.hop_44_5_bed import NOW, run, user

pytestmark = pytest.mark.lab

FILES = {"auth.user.1.username": "joe", "auth.user.1.password": "word"}
LOADED = {
    "on": "{emqx_auth_mnesia, true}.\n",
    "off": "{emqx_auth_mnesia, false}.\n",
    "not named": "{emqx_recon, true}.\n",
}


@pytest.mark.parametrize("plugin", LOADED)
@pytest.mark.parametrize("anonymous", ["true", "false"])
async def test_a_login_decides_as_4_4_did(tmp_path: Path, plugin: str, anonymous: str) -> None:
    conversion = run(
        {"auth_mnesia": [user("ann")]},
        {**FILES, "allow_anonymous": anonymous},
        {"loaded_plugins": LOADED[plugin], "loaded_modules": ""},
        to="5.8.9",
        edition="ce",
    )
    everybody = plugin != "on" and anonymous == "true"
    async with green(tmp_path, conversion) as managed:
        codes = {
            "ann": await login(managed, "ann", b"secret"),
            "joe": await login(managed, "joe", b"word"),
            "ann, wrong": await login(managed, "ann", b"other"),
            "nobody": await login(managed, None, None),
        }
    knows = plugin == "on"
    assert {name: code == 0 for name, code in codes.items()} == {
        "ann": knows or everybody,
        "joe": knows or everybody,
        "ann, wrong": everybody,
        "nobody": everybody,
    }


MODULES = {
    "module.subscription.1.topic": "to/%c",
    "module.subscription.1.qos": "0",
    "module.rewrite.pub.rule.1": "x/# ^x/(.+)$ z/$1",
}
PLUGINS = {True: "{emqx_retainer, true}.\n", False: "{emqx_recon, true}.\n"}
LATER = "$delayed/3600/later/1"
"""A topic like any other where nothing is delayed."""
NAMES = ("subscription", "rewrite", "delayed")


def of_modules(*, are_on: bool) -> Conversion:
    """Settings of modules and a ban, with all that makes them work on or off."""
    loaded = "".join(f"{{emqx_mod_{name}, {str(are_on).lower()}}}.\n" for name in NAMES)
    ban = {"who": {"clientid": "device-1"}, "until": NOW + 10**9}
    switch = {"zone.external.enable_ban": "on" if are_on else "off", "acl_nomatch": "allow", "allow_anonymous": "true"}
    files = {"loaded_plugins": PLUGINS[are_on], "loaded_modules": loaded}
    return run({"blacklist": [ban]}, {**MODULES, **switch}, files, to="5.8.9", edition="ce")


async def answered(one: RawClient) -> list[str]:
    """Topics of the messages that came until now."""
    one.send(Pingreq())
    await one.next(Pingresp)
    return [packet.topic for packet in one.got if isinstance(packet, Publish)]


@pytest.mark.parametrize("are_on", [True, False])
async def test_modules_retainer_and_bans_do_what_they_did(tmp_path: Path, are_on: bool) -> None:
    async with green(tmp_path, of_modules(are_on=are_on)) as managed:
        assert (await login(managed, None, None) == 0) is not are_on, "device-1 is banned"
        address = (host(managed), 1883)
        async with RawClient(address, Connect("ann", keep_alive=0)) as ann, RawClient(address, Connect("bob")) as bob:
            await ann.connack()
            await bob.connack()
            await ann.subscribe("x/+", "z/+", LATER)
            await ann.next(Suback)
            bob.send(
                Publish("kept/1", b"r", retain=True),
                Publish("x/1", b"m"),
                Publish("to/ann", b"s"),
                Publish(LATER, b"d"),
            )
            await answered(bob)
            assert await answered(ann) == (["z/1", "to/ann"] if are_on else ["x/1", LATER])
            await bob.subscribe("kept/+")
            await bob.next(Suback)
            assert ("kept/1" in await answered(bob)) is are_on
