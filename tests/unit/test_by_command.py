"""The way to admin sockets by Systems Manager: what is answered, what is kept of it, and the program at the far end."""

from __future__ import annotations

import asyncio
import json
import random
import shlex
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from components.emqx.errors import GaveUp
from components.routers import commands
from components.routers.haproxy import far_end
from components.routers.haproxy.by_command import ByCommand, packed, unpacked
from tests.unit.fake_ssm import FakeSsm

pytestmark = pytest.mark.unit


async def test_an_answer_of_before_an_order_is_not_kept_when_it_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    held, shares = asyncio.Event(), ["1000"]

    async def run(_region: str, _instance: str, lines: Sequence[str], *_: object) -> str:
        command = json.loads(unpacked(shlex.split(lines[0])[2]))["command"]
        share = shares[-1]
        if command.startswith("set "):
            shares.append(command.split()[-1])
        elif len(shares) == 1:
            await held.wait()
        return packed(share)

    monkeypatch.setattr(commands, "run", run)
    way = ByCommand("eu-central-1")
    early = asyncio.create_task(way.read("i-a/admin.sock", "show map share.map", 1.0, "".join))
    await asyncio.sleep(0)
    await way.read("i-a/admin.sock", "set map share.map green 2500", 1.0, "".join)
    held.set()
    assert await early == "1000"
    assert await way.read("i-a/admin.sock", "show map share.map", 1.0, "".join) == "2500"


async def test_an_answer_that_aws_has_cut_is_refused_and_never_taken_for_a_whole_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = random.Random(1)
    whole = packed("".join(f"{source.getrandbits(64):x}\n" for _ in range(9_000)))
    assert len(whole) > commands.MOST_OUTPUT
    FakeSsm(lambda *_: (0, whole[: commands.MOST_OUTPUT])).replace(monkeypatch)
    monkeypatch.setattr(commands, "FIRST_SECONDS", 0.0)
    with pytest.raises(GaveUp, match="24000 characters that are no whole answer"):
        await ByCommand("eu-central-1").read("i-a/admin.sock", "show sess", 1.0, "".join)


@pytest.fixture
def haproxy(tmp_path: Path) -> Iterator[Path]:
    """A socket that answers once, as HAProxy does: then it closes."""
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()

        def answer() -> None:
            line, _ = door.accept()
            with line:
                asked = line.recv(1_000)
                line.sendall(b"" if b"nothing" in asked else b"0x1: proto=tcpv4 rest\n0x2: other\n" + asked)

        worker = threading.Thread(target=answer)
        worker.start()
        yield path
        worker.join(30)


def asked(path: Path, command: str, *, only: str = "") -> str:
    return packed(json.dumps({"socket": str(path), "command": command, "seconds": 30, "closing": False, "only": only}))


def test_the_far_end_prints_what_haproxy_said_and_of_each_line_only_what_is_meant(
    haproxy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["", asked(haproxy, "show sess", only=r"0x\d: proto=\S+")])
    far_end.main()
    assert unpacked(capsys.readouterr().out) == "0x1: proto=tcpv4\n"


def test_a_far_end_without_an_answer_says_so_and_ends_with_3(
    haproxy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["", asked(haproxy, "show nothing")])
    with pytest.raises(SystemExit) as ended:
        far_end.main()
    assert ended.value.code == far_end.NO_ANSWER
    assert capsys.readouterr().err == "closed without an answer\n"
