"""From 4.4 to 5.8 as the links do it: converted, proven, imported, sent; and again after it was cut off anywhere."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from components.emqx.errors import Refused, Stopped, VerificationFailed
from components.emqx.models import Credentials, MqttAccount, Node
from components.emqx.probes import opened
from components.emqx.v5.cluster import ClusterApi
from components.links.archives import ArchiveDirectory
from components.links.conversion import ConversionResult
from components.links.live_questions import Asked, ask_live, questions_of
from components.mqtt import Connack, Connect, Suback, Subscribe, Subscription
from tests.lab.converted_move_bed import ACCEPTED, PLUGINS, SHOP_SECRET, Move, Old, document, moving

pytestmark = pytest.mark.lab


SECRET = "secret"


async def subscribes(node: Node, user: str, topic: str, password: str = SECRET) -> bool | None:
    """Whether a client of the old cluster may subscribe on the new one; None when it does not get in."""
    async with opened(node, 5, proxy_protocol=False) as wire:
        await wire.send(Connect(client_id=f"c-{user}", username=user, password=password.encode(), level=5))
        answer = await wire.expect(Connack)
        if answer is None or answer.reason:
            return None
        await wire.send(Subscribe(packet_id=1, subscriptions=(Subscription(topic_filter=topic),)))
        granted = await wire.expect(Suback)
        return granted is not None and granted.reasons[0] < 0x80


async def holds(move: Move) -> None:
    """Green lets in whom blue let in, and for what."""
    node = move.green.handle.nodes[0]
    asked = [("user-0", "plant/1"), ("user-0", "plant/secret"), ("user-1", "own/1/x"), ("user-1", "plant/1")]
    assert [await subscribes(node, *one) for one in asked] == [True, False, True, False]
    assert await subscribes(node, "user-0", "plant/1", "another") is None
    found = (await move.bed.run.clusters["green"].inventory()).counts()
    assert found["users:password_based:built_in_database"] == 3
    assert found["acl_users"] == 3
    assert found["banned"] == 1


async def test_clients_of_4_4_keep_their_logins_and_their_permissions(tmp_path: Path) -> None:
    async with moving(tmp_path) as move:
        made = await move.convert(*ACCEPTED)
        assert (made.wider, made.unknown) == (0, 0)
        done = await move.bring(made)
        assert done.differences == ()
        assert done.sent == made.sent
        await holds(move)
        again = await move.bring(made)
        assert again.adopted == 2
        assert again.differences == ()
        await holds(move)
        handle, shop = move.green.handle, Credentials(api_key="shop", api_secret=SHOP_SECRET)
        async with ClusterApi(handle, shop) as theirs:
            assert [node.name for node in await theirs.nodes()] == list(theirs.node_names), (
                "an application of 4.4 is a key"
            )
        assert (made.keys is not None, made.bootstrap) == (True, ("base.hocon",)), "and no file of the nodes"
        kept = "".join(map(json.dumps, move.bed.events)) + made.model_dump_json() + done.model_dump_json()
        for secret in ("planted", *(row["password"] for row in move.old.export["auth_mnesia"])):
            assert secret not in kept
            assert secret not in (move.archives / "manifest.md").read_text()
            assert secret not in (move.archives / "manifest.json").read_text()
        assert move.archives.stat().st_mode & 0o777 == 0o700
        assert {one.stat().st_mode & 0o777 for one in move.archives.rglob("*") if one.is_file()} == {0o600}


async def test_a_user_that_is_there_stops_the_import_and_cut_off_after_each_request_the_next_run_completes_it(
    tmp_path: Path,
) -> None:
    async with moving(tmp_path) as move:
        made = await move.convert(*ACCEPTED)
        await refused_beside_a_user(move, made)
        exports: Any = move.bed.run.clusters["green"].exports
        send, sent = exports.send, 0

        async def once_more(request: Any, **options: Any) -> bool:
            nonlocal sent
            if sent == at:
                move.bed.stopped = True  # what was sent is there, and nobody wrote that down
            sent += 1
            changed: bool = await send(request, **options)
            return changed

        exports.send = once_more
        for at in range(made.sent - 1):  # noqa: B007 - once_more sees it
            sent, move.bed.stopped = 0, False
            with pytest.raises(Stopped):
                await move.bring(made)
        exports.send, move.bed.stopped = send, False
        done = await move.bring(made)
        assert done.differences == ()
        await holds(move)


async def refused_beside_a_user(move: Move, made: ConversionResult) -> None:
    """A user that is on green already is named and nothing is imported."""
    green: Any = move.bed.run.clusters["green"]
    chain = {
        "mechanism": "password_based",
        "backend": "built_in_database",
        "user_id_type": "username",
        "password_hash_algorithm": {"name": "sha256"},
    }
    path = "/authentication/password_based%3Abuilt_in_database"
    await green.http.call("POST", "/authentication", body=chain)
    await green.http.call("POST", f"{path}/users", body={"user_id": "user-1", "password": "somebody-elses"})
    with pytest.raises(Refused, match=r"user-1.*green must be empty"):
        await move.bring(made)
    assert await green.exports.archives() == []
    await green.http.call("DELETE", path)


async def test_a_node_that_restarts_in_the_middle_of_the_requests_is_waited_for(tmp_path: Path) -> None:
    async with moving(tmp_path) as move:
        made = await move.convert(*ACCEPTED)
        exports: Any = move.bed.run.clusters["green"].exports
        send, sent, back = exports.send, 0, asyncio.Event()
        name = move.green.handle.nodes[0].name
        place = f"{move.green.control}/nodes/{quote(name, safe='')}"

        async def restarts(request: Any, **options: Any) -> bool:
            nonlocal sent
            sent += 1
            if sent == 2:  # the node is down when the request comes, and up again while it is repeated
                await acted(f"{place}/stop")
                again.append(asyncio.create_task(started()))
            changed: bool = await send(request, **options)
            return changed

        async def started() -> None:
            await asyncio.sleep(0.5)
            await acted(f"{place}/start", {"version": move.green.handle.version, "edition": "ee"})
            back.set()

        again: list[asyncio.Task[None]] = []
        exports.send = restarts
        done = await move.bring(made)
        assert back.is_set()
        assert done.differences == ()
        await holds(move)


async def acted(url: str, body: dict[str, Any] | None = None) -> None:
    """A call of the lab's control port."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.post(url, json=body)
        assert answer.status_code < 300, answer.text


RUNNING = dict.fromkeys(PLUGINS, True) | {"emqx_auth_mnesia": False, "emqx_web_hook": True}
LOSS = "a loss"
FOREIGN: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "an old copy": (
        {"export": document(), "plugins": RUNNING},
        ("loaded_plugins says emqx_auth_mnesia is on, and it is off", "emqx_web_hook is off, and it is on"),
    ),
    "of 4.3": ({"export": document(version="4.3")}, ("export of 4.3",)),
    "of another cluster": (
        {"export": document(), "conf": "listener.tcp.external = 0.0.0.0:1999\n"},
        ("listener.tcp.external is 1999, and the nodes listen for tcp on 1883",),
    ),
    LOSS: ({"export": document(users=[{"username": "boss", "tags": "viewer"}])}, ("acknowledge: [conversion",)),
}


async def test_what_is_not_that_of_the_nodes_and_a_loss_that_nobody_acknowledged_end_before_green_is_touched(
    tmp_path: Path,
) -> None:
    async with moving(tmp_path, login=False) as move:
        before = await move.bed.run.clusters["green"].inventory()
        for name, (given, seen) in FOREIGN.items():
            move.old = Old(tmp_path / name, **given)
            async with move.old.api() as blue:
                move.bed.run.clusters["blue"] = blue  # type: ignore[index]  # any dialect
                with pytest.raises(Refused) as caught:
                    await move.convert(*(() if name == LOSS else ACCEPTED))
            assert [text for text in seen if text not in str(caught.value)] == [], name
        assert (move.archives / "manifest.md").exists()
        keys = move.archives / "bootstrap" / "api-keys.txt"
        assert keys.read_text() == f"shop:{SHOP_SECRET}:administrator\n"
        assert any(str(keys) in line and "username and password" in line for line in move.bed.warnings), (
            "yours to enter"
        )
        assert await move.bed.run.clusters["green"].inventory() == before


ACCOUNT = MqttAccount(username="user-0", password=SECRET)


async def asked(move: Move, made: ConversionResult, *, narrower_allowed: bool = False) -> Asked:
    """The live questions of what was converted; the old cluster of this bed has no MQTT, so its data are what counts."""
    questions = questions_of(ArchiveDirectory(move.archives), made.questions, made.questions_sha256)
    return await ask_live(move.bed.run, "blue", "green", questions, [ACCOUNT], narrower_allowed=narrower_allowed)


async def test_a_deny_that_green_has_lost_and_who_gets_in_with_any_password_are_found_by_the_live_question_alone(
    tmp_path: Path,
) -> None:
    async with moving(tmp_path) as move:
        made = await move.convert(*ACCEPTED, accounts=[ACCOUNT])
        with pytest.raises(VerificationFailed, match=r"a stranger with a wrong password: expected refused"):
            await asked(move, made, narrower_allowed=True)  # a new node lets everybody in
        await move.bring(made)
        assert (await asked(move, made)).questions > 2
        green: Any = move.bed.run.clusters["green"]
        path = "/authorization/sources/built_in_database/rules/users/user-0"
        rules = [{"permission": "allow", "action": "all", "topic": topic} for topic in ("plant/#", "own/0/#")]
        await green.http.call("PUT", path, body={"username": "user-0", "rules": rules})
        with pytest.raises(VerificationFailed, match=r"user-0 subscribe plant/secret: expected refused"):
            await asked(move, made, narrower_allowed=True)
        await green.http.call("PUT", path, body={"username": "user-0", "rules": []})
        with pytest.raises(VerificationFailed, match="expected allowed"):
            await asked(move, made)
        assert (await asked(move, made, narrower_allowed=True)).narrower
