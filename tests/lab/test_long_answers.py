"""An answer of HAProxy that is as long as the fleet is read as it comes: what is kept of it is what was looked for."""

from __future__ import annotations

import asyncio
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.emqx.models import BalancerHandle
from components.routers.haproxy.router import HaproxyRouter

pytestmark = pytest.mark.lab

CONNECTIONS = 30_000
LINE = (
    "0x{:x}: proto=tcpv4 src=10.{}.{}.{}:40000 fe=mqtt be=blue srv=a ts=00 epoch=0 age=1h calls=2 rate=0 cpu=0 lat=0\n"
)
MOST_BYTES = 500_000
"""The answer has four million."""


def shown(number: int) -> str:
    return LINE.format(0x1000 + number, number >> 16, number >> 8 & 255, number & 255)


def address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:40000"


def answers(listening: socket.socket, questions: int) -> None:
    """What a HAProxy with so many connections says, in pieces that end anywhere."""
    for _ in range(questions):
        connection = listening.accept()[0]
        with connection:
            asked = connection.recv(4096).decode().strip()
            if asked == "show info":
                connection.sendall(b"Pid: 7\nCumReq: 30000\n\n")
                continue
            for number in range(CONNECTIONS):
                connection.sendall(shown(number).encode())


@contextmanager
def balancer(directory: Path, questions: int) -> Iterator[HaproxyRouter]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(directory / "admin.sock"))
        listening.listen()
        listening.settimeout(60)
        server = threading.Thread(target=answers, args=(listening, questions))
        server.start()
        handle = BalancerHandle(mqtt="127.0.0.1:1883", admin=(str(directory / "admin.sock"),), maps=str(directory))
        yield HaproxyRouter(handle, timeout_seconds=60, patience_seconds=120)
        server.join()


def test_a_look_at_all_connections_keeps_only_those_that_were_looked_for(tmp_path: Path) -> None:
    wanted = [address(number) for number in range(0, CONNECTIONS, 1_000)]
    with balancer(tmp_path, questions=2) as router:
        tracemalloc.start()
        try:
            found = asyncio.run(router.find("blue", wanted))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert sorted(found) == sorted(wanted)
    assert found[address(2_000)].endswith(f" 7 0x{0x1000 + 2_000:x}")
    assert peak < MOST_BYTES
