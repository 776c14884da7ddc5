"""What HAProxy does with every kind of CONNECT (docs/emqx/balancer.md#connects-that-need-care); EMQX decides, not the balancer."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from components.cutover.words import PARTS
from tests.lab.balancer_bench import CONNACK, Bench, Broker, Connect, bench, send, send_all, text

pytestmark = pytest.mark.lab

USER, PASSWORD, WILL = 0x80, 0x40, 0x04
USER_PROPERTY = b"\x26" + text(b"key") + text(b"value")


def will(payload: bytes, properties: bytes = b"") -> bytes:
    return properties + text(b"will/topic") + text(payload)


def five(properties: bytes = b"", *, flags: int = 0x02, rest: bytes = b"", client_id: bytes = b"device-0001") -> bytes:
    return Connect(level=5, properties=properties, flags=flags, rest=rest, client_id=client_id).packet()


def four(*, flags: int = 0x02, rest: bytes = b"", client_id: bytes = b"device-0001", keep_alive: int = 60) -> bytes:
    return Connect(flags=flags, rest=rest, client_id=client_id, keep_alive=keep_alive).packet()


PASSED = {
    "3.1.1 plain": four(),
    "3.1 MQIsdp level 3": Connect(level=3).packet(),
    "3.1 MQIsdp, client id of 40 chars": Connect(level=3, client_id=b"x" * 40).packet(),
    "3.1.1 bridge bit 0x84": Connect(level=0x84).packet(),
    "3.1 bridge bit 0x83": Connect(level=0x83).packet(),
    "3.1.1 bridge bit, length in 2 bytes": Connect(level=0x84, client_id=b"b" * 200).packet(),
    "3.1 bridge bit, length in 2 bytes": Connect(level=0x83, client_id=b"b" * 200).packet(),
    "3.1.1 bridge bit, length in 3 bytes": Connect(level=0x84, flags=0x06, rest=will(b"w" * 40000)).packet(),
    "3.1 bridge bit, length in 3 bytes": Connect(level=0x83, flags=0x06, rest=will(b"w" * 40000)).packet(),
    "3.1.1 bridge bit, empty client id": Connect(level=0x84, client_id=b"").packet(),
    "3.1.1 empty client id, clean": four(client_id=b""),
    "3.1.1 empty client id, not clean": four(client_id=b"", flags=0),
    "5 empty client id": five(client_id=b""),
    "5 session expiry + receive max + max packet + topic alias + request problem/response": five(
        bytes.fromhex("1100000e10210064270001000022000a17011901")
    ),
    "5 user properties": five(USER_PROPERTY),
    "5 user property twice the same key": five(USER_PROPERTY * 2),
    "5 20 user properties": five(USER_PROPERTY * 20),
    "5 will with properties (delay, expiry, content type, user property)": five(
        flags=0x06,
        rest=will(b"w", b"\x1d\x18\x00\x00\x00\x1e\x02\x00\x00\x00\x3c\x03" + text(b"a/b") + USER_PROPERTY),
    ),
    "5 will qos2 retained": five(flags=0x36, rest=will(b"w", b"\x00")),
    "3.1.1 will empty payload": four(flags=0x06, rest=will(b"")),
    "3.1.1 user without password": four(flags=0x02 | USER, rest=text(b"u")),
    "5 password without user": five(flags=0x02 | PASSWORD, rest=text(b"p")),
    "3.1.1 client id UTF-8": four(client_id="gerät-设备-0001-прибор".encode()),
    "3.1.1 keep-alive 0": four(keep_alive=0),
    "5 client id 1,000 bytes": five(client_id=b"c" * 1000),
    "5 enhanced auth SCRAM first": five(b"\x15" + text(b"SCRAM-SHA-256") + b"\x16" + text(b"n,,n=u,r=x")),
    **{
        f"3.1.1 will payload {size}": four(flags=0x06, rest=will(b"w" * size))
        for size in (1000, 4000, 8000, 15000, 16000, 16384, 17000, 40000, 60000)
    },
    **{
        f"3.1.1 password of {size} bytes": four(flags=0xC2, rest=text(b"u") + text(b"p" * size))
        for size in (2000, 15000, 17000, 60000)
    },
    **{f"3.1.1 user name of {size} bytes": four(flags=0x82, rest=text(b"u" * size)) for size in (15000, 65535)},
    "5 three 10,000 byte user properties": five((b"\x26" + text(b"k") + text(b"v" * 10000)) * 3),
}

REFUSED = {
    "TLS client hello": bytes.fromhex("16030100c4010000c00303") + bytes(190),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "PINGREQ first": b"\xc0\x00",
    "protocol level 6": Connect(level=6).packet(),
    "reserved flag set": four(flags=0x03),
}


@pytest.fixture
async def fork(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as running:
        yield running


async def test_every_connect_that_emqx_takes_arrives_unchanged(fork: Bench) -> None:
    answers = await send_all(fork, list(PASSED.values()))
    assert {what: answer for what, answer in zip(PASSED, answers, strict=True) if answer != CONNACK} == {}
    assert sorted(fork.got("blue")) == sorted(PASSED.values())
    assert fork.got("green") == []


async def test_what_is_no_connect_reaches_nobody(fork: Bench) -> None:
    assert await send_all(fork, list(REFUSED.values())) == [b""] * len(REFUSED)
    assert fork.got("blue") == fork.got("green") == []


async def test_packets_in_the_same_segment_follow_their_connect(fork: Bench) -> None:
    subscribe = bytes.fromhex("8208000100036162630 0".replace(" ", ""))
    publish = b"\x30" + bytes.fromhex("a09c01") + text(b"t") + bytes(19997)
    for more in (subscribe, publish):
        reader, writer = await asyncio.open_connection(fork.address, 1883)
        writer.write(four() + more)
        async with asyncio.timeout(60):
            assert await reader.readexactly(4) == CONNACK
            assert await reader.readexactly(len(more)) == more
        writer.close()


async def test_slow_connects_are_waited_for(fork: Bench) -> None:
    packet = five(USER_PROPERTY)
    answers = await asyncio.gather(
        send(fork, packet, size=1, pause_seconds=0.01),
        send(fork, packet, size=10, pause_seconds=0.3),
        send(fork, packet, size=len(packet) // 2 + 1, pause_seconds=3),
        send(fork, packet, size=len(packet) // 2 + 1, pause_seconds=6),
        send(fork, packet, before=3),
        send(fork, packet, before=6),
        send(fork, Connect(level=0x84).packet(), size=1, pause_seconds=0.01),
    )
    assert answers == [CONNACK] * 7


@pytest.mark.parametrize("percent", [0, 10, 50, 100])
async def test_the_cohort_is_the_one_that_python_computes(fork: Bench, percent: int) -> None:
    share = percent * 100
    chance = random.Random(percent)
    ids = {
        chance.choice(["dev-{}", "gerät/{}", "设备-{}", "{:x}" * 20]).format(*[chance.getrandbits(40)] * 20)
        for _ in range(1200)
    }
    kinds = [
        Connect(),
        Connect(level=5, properties=USER_PROPERTY),
        Connect(level=3),
        Connect(level=0x84),
        Connect(level=0x83),
    ]
    sent = {chance.choice(kinds).of(name.encode()).packet(): name for name in ids}
    await fork.set_share(share)
    assert await send_all(fork, list(sent)) == [CONNACK] * len(sent)
    expected = {name for name in ids if zlib.crc32(name.encode()) % PARTS < share}
    assert {sent[packet] for packet in fork.got("green")} == expected
    assert {sent[packet] for packet in fork.got("blue")} == ids - expected
    assert (len(expected) == 0) == (percent == 0)


async def test_a_cohort_only_grows_with_the_share(fork: Bench) -> None:
    packets = [Connect(client_id=f"d{number}".encode()).packet() for number in range(300)]
    before: set[bytes] = set()
    for share in (1, 777, 778, 5000, 9999, 10000):
        fork.forget()
        await fork.set_share(share)
        await send_all(fork, packets)
        assert before <= set(fork.got("green"))
        before = set(fork.got("green"))
    assert before == set(packets)


@pytest.mark.parametrize(
    "packet", [four(client_id=b""), five(client_id=b""), Connect(level=0x84, client_id=b"").packet()]
)
async def test_clients_without_id_are_random_and_all_on_one_side_at_the_ends(fork: Bench, packet: bytes) -> None:
    for share, green in ((0, range(1)), (5000, range(1, 100)), (10000, range(100, 101))):
        fork.forget()
        await fork.set_share(share)
        await send_all(fork, [packet] * 100)
        assert len(fork.got("green")) in green
        assert len(fork.got("blue")) + len(fork.got("green")) == 100
