"""From 4.2 to 4.3 as the links do it: rules of everybody stay rules of everybody, and of two that meet the same one decides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from components.emqx.errors import Refused, Stopped
from components.emqx.models import Credentials, ExportsAccess, MqttAccount
from components.emqx.probes import opened
from components.emqx.v4.cluster import ClusterApi
from components.links.archives import ArchiveDirectory
from components.links.birth import Wanted
from components.links.conversion import ConversionResult, convert
from components.links.converted_import import import_converted
from components.links.data_export import ExportResult, export
from components.links.live_questions import ask_live, questions_of
from components.mqtt import Connack, Connect, Suback, Subscribe, Subscription
from tests.lab.data_bed import Bed, bed
from tests.lab.node_process import NodeProcess, node_process

pytestmark = pytest.mark.lab

APPLICATION = Credentials(api_key="admin", api_secret="public")
ENVIRONMENT: dict[str, Any] = {"EMQX_ALLOW_ANONYMOUS": "false", "EMQX_ACL_NOMATCH": "allow"}
ALICE = MqttAccount(username="alice", password="alice-pw")
RULES = (
    {"login": "alice", "topic": "c/open", "action": "pubsub", "allow": True},
    {"login": "alice", "topic": "c/%23", "action": "pubsub", "allow": False},
    {"login": "$all", "topic": "vault/%23", "action": "pubsub", "allow": False},
)
"""The oldest of a login is asked first: ``c/open`` is open below a ``c/#`` that is not. 4.2 decodes texts of a body."""
ASKED = {"c/open": True, "c/other": False, "vault/1": False, "free": True}


@asynccontextmanager
async def pair(directory: Path) -> AsyncIterator[tuple[NodeProcess, ClusterApi, ClusterApi]]:
    """A 4.2 of two nodes and a 4.3 of one."""
    words = ("--edition", "ce", "--nodes")
    for name in ("blue", "green"):
        (directory / name).mkdir()
    async with (
        node_process(directory / "blue", "--version", "4.2.14", *words, "2", **ENVIRONMENT) as old,
        node_process(directory / "green", "--version", "4.3.22", *words, "1", **ENVIRONMENT) as new,
    ):
        source = old.handle("blue").model_copy(update={"exports": ExportsAccess(kind="api"), "edition": "ce"})
        target = new.handle("green").model_copy(update={"edition": "ce"})
        async with ClusterApi(source, APPLICATION) as blue, ClusterApi(target, APPLICATION) as green:
            user = {"login": "alice", "password": "alice-pw", "is_superuser": False}
            await blue.http.ask("POST", "/mqtt_user", body=user)
            for rule in RULES:
                await blue.http.ask("POST", "/mqtt_acl", body=rule)
            yield old, blue, green


def wanted(directory: Path) -> Wanted:
    """The files that the old nodes run with."""
    (directory / "node.env").write_text("".join(f"{name}={value}\n" for name, value in ENVIRONMENT.items()))
    paths = (str(directory / "blue" / "etc"), str(directory / "node.env"))
    return Wanted(configuration=paths, editions=("ce", "ce"), acknowledge=("conversion", "retained"))


async def answers(cluster: ClusterApi) -> dict[str, bool]:
    """What alice may subscribe to."""
    found: dict[str, bool] = {}
    for topic in ASKED:
        async with opened(cluster.handle.nodes[0], 4, proxy_protocol=False) as wire:
            await wire.send(Connect(client_id="c", username="alice", password=b"alice-pw"))
            answer = await wire.expect(Connack)
            assert answer is not None
            assert answer.reason == 0
            await wire.send(Subscribe(packet_id=1, subscriptions=(Subscription(topic_filter=topic),)))
            granted = await wire.expect(Suback)
            found[topic] = granted is not None and granted.reasons[0] < 0x80
    return found


def of(blue: ClusterApi, green: ClusterApi) -> Bed:
    """A run over them."""
    one: Any = blue
    other: Any = green
    return bed(one, other)


async def test_permissions_of_4_2_are_those_of_4_3_what_was_cut_off_is_completed_and_what_failed_is_made_anew(
    tmp_path: Path,
) -> None:
    archives = tmp_path / "archives"
    async with pair(tmp_path) as (_, blue, green):
        assert await answers(blue) == ASKED
        here = of(blue, green)
        exported = await export(here.run, "blue", archives, accounts=False)
        made = await convert(here.run, "blue", "green", exported, archives, wanted(tmp_path), [ALICE])
        assert (made.wider, made.unknown) == (0, 0)
        await green.http.ask("POST", "/auth_username", body={"username": "somebody", "password": "else"})
        with pytest.raises(Refused, match=r"somebody.*green must be empty"):
            await import_converted(here.run, "blue", "green", exported, made, archives, account=None)
        await green.http.ask("DELETE", "/auth_username/somebody")
        await cut_off_after_each_request(here, exported, made, archives)
        done = await import_converted(here.run, "blue", "green", exported, made, archives, account=None)
        assert done.differences == ()
        assert await answers(green) == ASKED
        assert any("restart the nodes of green yourself" in line for line in here.warnings)
        questions = questions_of(ArchiveDirectory(archives), made.questions, made.questions_sha256)
        asked = await ask_live(here.run, "blue", "green", questions, [ALICE], narrower_allowed=False)
        assert asked.questions > 2
        shown = json.dumps(here.events)
        assert "alice-pw" not in shown
        rows = json.loads((archives / exported.archives[0].name).read_text())["auth_mnesia"]
        assert not [row for row in rows if row["password"] in shown]
        with pytest.raises(Refused, match=r"import_failed.*make green anew"):
            await import_converted(here.run, "blue", "green", exported, broken(archives, made), archives, account=None)


def broken(archives: Path, made: ConversionResult) -> ConversionResult:
    """The same with a document that 4.3 fails at in the middle."""
    document = {**json.loads((archives / made.archive.name).read_text()), "auth_mnesia": [{"login": 1}]}
    content = json.dumps(document).encode()
    sha256 = ArchiveDirectory(archives).keep(made.archive.name, content)
    return made.model_copy(update={"archive": made.archive.model_copy(update={"sha256": sha256, "size": len(content)})})


async def cut_off_after_each_request(here: Bed, exported: ExportResult, made: ConversionResult, archives: Path) -> None:
    """What was sent is there, and nobody wrote that down."""
    exports: Any = here.run.clusters["green"].exports
    send, sent = exports.send, 0

    async def once_more(request: Any, **options: Any) -> bool:
        nonlocal sent
        here.stopped = sent == at
        sent += 1
        changed: bool = await send(request, **options)
        return changed

    exports.send = once_more
    for at in range(made.sent - 1):  # noqa: B007 - once_more sees it
        sent, here.stopped = 0, False
        with pytest.raises(Stopped):
            await import_converted(here.run, "blue", "green", exported, made, archives, account=None)
    exports.send, here.stopped = send, False
