"""What a connection to the management API lives through: silence, pipelining, long imports, a client that goes away."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab.node.kept.message import Message, message_id
from lab.node.process import Managed
from tests.lab.recordings.bed import AUTH, api, cluster, host

pytestmark = pytest.mark.lab

HEADER = "Authorization: Basic " + base64.b64encode(":".join(AUTH).encode()).decode()
WALL = 1.0
"""Seconds; a busy machine may sleep for some of them between two of ours."""
IMPORT_SECONDS = 2.0
RETAINED = 60
BEATS = 10


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Managed]:
    """A node whose imports take twice as long for the retained messages as its wall lets a silent connection live."""
    async with cluster(tmp_path, nodes=1, import_rate=RETAINED / IMPORT_SECONDS, wall_seconds=WALL) as managed:
        yield managed


def _request(managed: Managed, method: str, path: str, body: str = "") -> bytes:
    lines = [f"{method} /api/v5{path} HTTP/1.1", f"Host: {host(managed)}", HEADER]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


async def _archive(managed: Managed) -> str:
    """An export with users and retained messages, both then removed, so that an import has to bring them back."""
    store = managed.store
    now = time.time()
    for number in range(RETAINED):
        store.retained[f"keep/{number}"] = Message(f"keep/{number}", b"x", 1, retain=True, at=now, id=message_id(now))
    async with api(managed) as client:
        body = {
            "mechanism": "password_based",
            "backend": "built_in_database",
            "password_hash_algorithm": {"name": "sha256"},
        }
        await client.post("/authentication", json=body)
        await client.post(
            "/authentication/password_based:built_in_database/users", json={"user_id": "u", "password": "p"}
        )
        name: str = (await client.post("/data/export", json={})).json()["filename"]
    for topic in [one for one in store.retained if one.startswith("keep/")]:
        del store.retained[topic]
    store.authn_users.clear()
    return name


async def test_silence_during_an_import_closes_the_connection_and_leaves_it_half_done(slow: Managed) -> None:
    name = await _archive(slow)
    reader, writer = await asyncio.open_connection(host(slow), 18083)
    writer.write(_request(slow, "POST", "/data/import", f'{{"filename":"{name}"}}'))
    assert await asyncio.wait_for(reader.read(), 60) == b"", "no answer, only the end of the connection"
    writer.close()
    await asyncio.sleep(IMPORT_SECONDS)
    kept = [topic for topic in slow.store.retained if topic.startswith("keep/")]
    assert len(kept) == RETAINED, "retained messages come first and stay"
    assert not slow.store.authn_users.get("password_based:built_in_database"), "the users never came"
    assert slow.store.reindexing, "the mark stays"


async def test_the_mark_makes_every_later_import_of_retained_messages_a_400_that_applies_the_rest(
    slow: Managed,
) -> None:
    name = await _archive(slow)
    slow.store.reindexing = True
    async with api(slow) as client:
        answer = await client.post("/data/import", json={"filename": name})
    assert answer.status_code == 400
    assert "emqx_retainer_message, reason: {error, already_started}" in answer.json()["message"]
    assert "u" in slow.store.authn_users["password_based:built_in_database"]


async def test_a_pipelined_request_every_now_and_then_keeps_the_import_alive(slow: Managed) -> None:
    name = await _archive(slow)
    reader, writer = await asyncio.open_connection(host(slow), 18083)
    writer.write(_request(slow, "POST", "/data/import", f'{{"filename":"{name}"}}'))
    for _ in range(BEATS):
        await asyncio.sleep(IMPORT_SECONDS / BEATS)
        writer.write(_request(slow, "GET", "/status"))
    answers = b""
    async with asyncio.timeout(60):
        while answers.count(b"HTTP/1.1") < 1 + BEATS and (more := await reader.read(4096)):
            answers += more
    statuses = [int(part[1:4]) for part in answers.split(b"HTTP/1.1")[1:]]
    writer.close()
    assert statuses == [204, *[200] * BEATS]
    assert "u" in slow.store.authn_users["password_based:built_in_database"]
    assert not slow.store.reindexing


async def test_a_client_that_closes_aborts_the_import(slow: Managed) -> None:
    name = await _archive(slow)
    _, writer = await asyncio.open_connection(host(slow), 18083)
    writer.write(_request(slow, "POST", "/data/import", f'{{"filename":"{name}"}}'))
    async with asyncio.timeout(60):
        while not slow.store.reindexing:  # noqa: ASYNC110 - the store has no event for it
            await asyncio.sleep(0.01)
    writer.close()
    await asyncio.sleep(IMPORT_SECONDS)
    assert slow.store.reindexing
    assert not slow.store.authn_users.get("password_based:built_in_database")


async def test_an_idle_connection_is_closed_at_the_wall_and_not_before(slow: Managed) -> None:
    reader, writer = await asyncio.open_connection(host(slow), 18083)
    writer.write(_request(slow, "GET", "/status"))
    head = await reader.readuntil(b"is running")
    assert head.startswith(b"HTTP/1.1 200")
    began = asyncio.get_running_loop().time()
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()
    assert asyncio.get_running_loop().time() - began >= WALL * 0.9


async def test_the_thousandth_answer_on_a_connection_says_that_it_is_the_last(tmp_path: Path) -> None:
    async with cluster(tmp_path, nodes=1) as managed:
        reader, writer = await asyncio.open_connection(host(managed), 18083)
        writer.write(_request(managed, "GET", "/status") * 1000)
        everything = await asyncio.wait_for(reader.read(), 60)
        writer.close()
    assert everything.count(b"HTTP/1.1 200 OK") == 1000
    assert everything.count(b"connection: close") == 1
    assert everything.index(b"connection: close") > everything.rindex(b"HTTP/1.1 200 OK")
