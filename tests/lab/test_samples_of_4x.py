"""Each recorded export of a 4.x goes through to live nodes of the next line, where its users log in with the passwords that they had; or is refused with its reason."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from components.cutover.words import Edition
from components.emqx.errors import Refused
from components.emqx.models import Credentials, ExportsAccess, Node
from components.emqx.probes import opened
from components.emqx.registry import cluster_of
from components.emqx.v4.cluster import ClusterApi
from components.links.birth import Wanted
from components.links.conversion import convert
from components.links.converted_import import import_converted
from components.links.data_export import export
from components.links.data_import import ImportResult
from components.links.given import facts_of, refusing
from components.migration.moving import moving
from components.mqtt import Connack, Connect, Suback, Subscribe, Subscription
from lab.node.v4 import etc
from lab.node.v4.line import CLIENTID, LINES, LOADED, USERNAME
from tests.lab.data_bed import bed
from tests.lab.node_process import node_process
from tests.unit.hop_44_5_bed import user
from tests.unit.migration_cli_bed import SAMPLES

pytestmark = pytest.mark.lab

APPLICATION = Credentials(api_key="admin", api_secret="public")
SHUT: dict[str, Any] = {"EMQX_ALLOW_ANONYMOUS": "false"}
TO_43 = ("4.2.14", "4.3.22")
Login = tuple[str, str | None, str]
"""Client id, user name, password."""


async def gets_in(node: Node, login: Login) -> bool:
    client_id, username, password = login
    async with opened(node, 5, proxy_protocol=False) as wire:
        await wire.send(Connect(client_id=client_id, username=username, password=password.encode(), level=5))
        answer = await wire.expect(Connack)
        return answer is not None and answer.reason == 0


async def subscribes(node: Node, login: Login, topic: str) -> bool:
    client_id, username, password = login
    async with opened(node, 5, proxy_protocol=False) as wire:
        await wire.send(Connect(client_id=client_id, username=username, password=password.encode(), level=5))
        assert await wire.expect(Connack)
        await wire.send(Subscribe(packet_id=1, subscriptions=(Subscription(topic_filter=topic),)))
        granted = await wire.expect(Suback)
        return granted is not None and granted.reasons[0] < 0x80


@asynccontextmanager
async def pair(directory: Path, old: str, new: str, edition: Edition) -> AsyncIterator[tuple[Path, Any, Any]]:
    """Nodes of both versions, nobody let in without a login; the archives' place."""
    for name in ("blue", "green"):
        (directory / name).mkdir()
    if old.startswith("4.2."):  # its users are of three plugins
        etc.lay_down(directory / "blue", LINES["4.2"], "127.0.0", proxy_protocol=False)
        etc.write_loaded(directory / "blue" / "etc" / "loaded_plugins", LINES["4.2"], (*LOADED, CLIENTID, USERNAME))
    words = ("--edition", edition, "--nodes", "1", "--version")
    key = ("admin", "public") if new.startswith("5.") else None
    async with (
        node_process(directory / "blue", *words, old, **SHUT) as source,
        node_process(directory / "green", *words, new, key=key, **SHUT) as target,
    ):
        yield directory / "archives", source, target


async def moved(
    directory: Path,
    sample: Path,
    versions: tuple[str, str],
    logins: dict[Login, bool],
    *,
    edition: Edition = "ce",
    may: Mapping[str, bool] | None = None,
) -> ImportResult:
    """The sample is what an old node exported; who gets in on the new one afterwards, and what the first of them may subscribe to."""
    (directory / "node.env").write_text("".join(f"{name}={value}\n" for name, value in SHUT.items()))
    async with pair(directory, *versions, edition) as (archives, source, target):
        access = ExportsAccess(kind="path", path=str(sample))
        left = source.handle("blue").model_copy(update={"exports": access, "edition": edition})
        right = target.handle("green").model_copy(update={"edition": edition})
        wanted = Wanted(
            configuration=(str(directory / "blue" / "etc"), str(directory / "node.env")),
            credential_type="username",
            editions=(edition, edition),
            acknowledge=("conversion", "permissions", "retained"),
        )
        async with ClusterApi(left, APPLICATION) as blue, cluster_of(right, APPLICATION) as green:
            here: Any = blue
            there: Any = green
            run = bed(here, there).run
            exported = await export(run, "blue", archives, accounts=False)
            made = await convert(run, "blue", "green", exported, archives, wanted)
            done = await import_converted(run, "blue", "green", exported, made, archives, account=None)
            for login, allowed in logins.items():
                assert await gets_in(right.nodes[0], login) is allowed, login
            for topic, allowed in (may or {}).items():
                assert await subscribes(right.nodes[0], next(iter(logins)), topic) is allowed, topic
            return done


async def test_an_export_of_4_4_is_in_force_on_5_8(tmp_path: Path) -> None:
    logins: dict[Login, bool] = {
        ("c", "alice", "alicepw"): True,
        ("c", "bob", "bobpw"): True,
        ("c", "carol", "carolpw"): True,
        ("c", "alice", "bobpw"): False,
        ("c", None, ""): False,
        ("dev-1", None, "devpw"): False,  # 5.x holds one type of them, and the stack has chosen: it is in the account
    }
    done = await moved(tmp_path, SAMPLES / "v4.4.19.json", ("4.4.19", "5.8.9"), logins)
    assert done.differences == ()


async def test_an_export_of_4_2_11_is_in_force_on_4_3(tmp_path: Path) -> None:
    logins: dict[Login, bool] = {
        ("client_for_test", None, "public"): True,
        ("c", "user_for_test", "public"): True,
        ("c", "user_mnesia", "public"): True,
        ("c", "user_mnesia", "another"): False,
        ("c", "nobody", "public"): False,
    }
    done = await moved(tmp_path, SAMPLES / "v4.2.11.json", TO_43, logins)
    assert done.differences == ()


async def test_an_export_without_users_goes_through_from_any_4_2(tmp_path: Path) -> None:
    done = await moved(tmp_path, SAMPLES / "v4.2.10-no-auth.json", TO_43, {("c", None, ""): False})
    assert done.differences == ()


def rule(kind: str, value: str, topic: str, access: str, at: int) -> dict[str, Any]:
    """A row as Enterprise 4.2 writes it (emqx-auth-mnesia, e4.2.0 to e4.2.13); of everybody without a name."""
    who = {"type": kind} | ({"type_value": value} if value else {})
    return {**who, "topic": topic, "action": "pubsub", "access": access, "created_at": at}


async def test_an_export_of_enterprise_4_2_is_in_force_on_enterprise_4_3(tmp_path: Path) -> None:
    rules = [rule("username", "alice", "c/#", "deny", 1), rule("username", "alice", "c/open", "allow", 2)]
    rules += [rule("all", "", "vault/#", "deny", 3), rule("username", "alice", "own/%c", "deny", 4)]
    users = [user("alice"), {**user("dev-1"), "type": "clientid"}]
    (sample := tmp_path / "e4.2.json").write_text(
        json.dumps({"version": "4.2.13", "modules": [], "auth_mnesia": users, "acl_mnesia": rules})
    )
    logins: dict[Login, bool] = {
        ("c", "alice", "secret"): True,
        ("dev-1", None, "secret"): True,
        ("c", "alice", "another"): False,
        ("c", None, ""): False,
    }
    may = {"c/open": True, "c/other": False, "vault/1": False, "own/c": False, "own/d": True}
    done = await moved(tmp_path, sample, ("4.2.13", "4.3.22"), logins, edition="ee", may=may)
    assert done.differences == ()


def test_an_export_with_users_of_4_2_10_is_refused_by_its_rule(tmp_path: Path) -> None:
    (tmp_path / "emqx.conf").write_text("allow_anonymous = false\n")
    wanted = Wanted(configuration=(str(tmp_path),), credential_type="username", editions=("ce", "ce"))
    with (
        pytest.raises(Refused, match=r"4\.3 takes them from 4\.2\.11 on \(rule 43-03\)"),
        refusing("blue", "the conversion"),
    ):
        moving(facts_of(("4.2.10", "4.3.22"), wanted, [SAMPLES / "v4.2.10.json"]), now=0.0)
