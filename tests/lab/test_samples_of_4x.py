"""Each recorded export of a 4.x goes through to live nodes of the next line, where its users log in with the passwords that they had; or is refused with its reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from components.emqx.errors import Refused
from components.emqx.models import Credentials, ExportsAccess, Node
from components.emqx.probes import opened
from components.emqx.registry import cluster_of
from components.emqx.v4.cluster import ClusterApi
from components.links.conversion import convert
from components.links.converted_import import import_converted
from components.links.data_export import export
from components.links.data_import import ImportResult
from components.links.given import Wanted, facts_of, refusing
from components.migration.moving import moving
from components.mqtt import Connack, Connect
from lab.node.v4 import etc
from lab.node.v4.line import CLIENTID, LINES, LOADED, USERNAME
from tests.lab.data_bed import bed
from tests.lab.node_process import node_process
from tests.unit.migration_cli_bed import SAMPLES

pytestmark = pytest.mark.lab

APPLICATION = Credentials(api_key="admin", api_secret="public")
SHUT: dict[str, Any] = {"EMQX_ALLOW_ANONYMOUS": "false"}
Login = tuple[str, str | None, str]
"""Client id, user name, password."""


async def gets_in(node: Node, login: Login) -> bool:
    client_id, username, password = login
    async with opened(node, 5, proxy_protocol=False) as wire:
        await wire.send(Connect(client_id=client_id, username=username, password=password.encode(), level=5))
        answer = await wire.expect(Connack)
        return answer is not None and answer.reason == 0


@asynccontextmanager
async def pair(directory: Path, old: str, new: str) -> AsyncIterator[tuple[Path, Any, Any]]:
    """Nodes of both versions, nobody let in without a login; the archives' place."""
    for name in ("blue", "green"):
        (directory / name).mkdir()
    if old.startswith("4.2."):  # its users are of three plugins
        etc.lay_down(directory / "blue", LINES["4.2"], "127.0.0", proxy_protocol=False)
        etc.write_loaded(directory / "blue" / "etc" / "loaded_plugins", LINES["4.2"], (*LOADED, CLIENTID, USERNAME))
    words = ("--edition", "ce", "--nodes", "1", "--version")
    key = ("admin", "public") if new.startswith("5.") else None
    async with (
        node_process(directory / "blue", *words, old, **SHUT) as source,
        node_process(directory / "green", *words, new, key=key, **SHUT) as target,
    ):
        yield directory / "archives", source, target


async def moved(directory: Path, sample: str, old: str, new: str, logins: dict[Login, bool]) -> ImportResult:
    """The sample is what an old node exported; what its users may do on the new one afterwards."""
    (directory / "node.env").write_text("".join(f"{name}={value}\n" for name, value in SHUT.items()))
    async with pair(directory, old, new) as (archives, source, target):
        access = ExportsAccess(kind="path", path=str(SAMPLES / sample))
        left = source.handle("blue").model_copy(update={"exports": access, "edition": "ce"})
        right = target.handle("green").model_copy(update={"edition": "ce"})
        wanted = Wanted(
            configuration=(str(directory / "blue" / "etc"), str(directory / "node.env")),
            credential_type="username",
            editions=("ce", "ce"),
            acknowledge=("conversion", "permissions", "retained"),
        )
        async with ClusterApi(left, APPLICATION) as blue, cluster_of(right, APPLICATION) as green:
            here: Any = blue
            there: Any = green
            run = bed(here, there).run
            exported = await export(run, "blue", archives, accounts=False)
            made = await convert(run, "blue", "green", exported, archives, wanted)
            done = await import_converted(run, "blue", "green", exported, made, archives, account=None)
            for login, may in logins.items():
                assert await gets_in(right.nodes[0], login) is may, login
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
    done = await moved(tmp_path, "v4.4.19.json", "4.4.19", "5.8.9", logins)
    assert done.differences == ()


async def test_an_export_of_4_2_11_is_in_force_on_4_3(tmp_path: Path) -> None:
    logins: dict[Login, bool] = {
        ("client_for_test", None, "public"): True,
        ("c", "user_for_test", "public"): True,
        ("c", "user_mnesia", "public"): True,
        ("c", "user_mnesia", "another"): False,
        ("c", "nobody", "public"): False,
    }
    done = await moved(tmp_path, "v4.2.11.json", "4.2.14", "4.3.22", logins)
    assert done.differences == ()


async def test_an_export_without_users_goes_through_from_any_4_2(tmp_path: Path) -> None:
    done = await moved(tmp_path, "v4.2.10-no-auth.json", "4.2.14", "4.3.22", {("c", None, ""): False})
    assert done.differences == ()


def test_an_export_with_users_of_4_2_10_is_refused_by_its_rule(tmp_path: Path) -> None:
    (tmp_path / "emqx.conf").write_text("allow_anonymous = false\n")
    wanted = Wanted(configuration=(str(tmp_path),), credential_type="username", editions=("ce", "ce"))
    with (
        pytest.raises(Refused, match=r"4\.3 takes them from 4\.2\.11 on \(rule 43-03\)"),
        refusing("blue", "the conversion"),
    ):
        moving(facts_of(("4.2.10", "4.3.22"), wanted, [SAMPLES / "v4.2.10.json"]), now=0.0)
