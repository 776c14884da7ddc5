"""Whether who was to look only has looked only: what was asked of the brokers, what was said at the balancer's socket, which files are others now."""

from __future__ import annotations

import hashlib
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from components.local import balancer as balancing
from lab.stage import Stage

ITS_OWN = ("plan.md", "plan.json")
"""What a preview may write."""
OF_PROCESSES = ("data", "log", "node")
"""Directories, and endings of names, that a running broker or balancer writes by itself."""


@contextmanager
def only_looked(stage: Stage) -> Iterator[None]:
    """Fails at the end unless somebody has looked in the block, and done nothing else."""
    colours = [colour for colour in ("blue", "green") if (stage.work / "clusters" / colour / "ready.json").exists()]
    before, counts = files(stage), {colour: heard(stage, colour)[0] for colour in colours}
    with ExitStack() as overheard:
        sockets = [Path(one) for one in balancing.handle_of(stage.work / "balancer").admin]
        said = [overheard.enter_context(listened(one)) for one in sockets]
        yield
    asked = [
        one
        for colour in colours
        for count, requests in [heard(stage, colour)]
        for one in requests[len(requests) - (count - counts[colour]) :]
    ]
    assert asked, "the brokers were not asked at all"
    assert {one.partition(" ")[0] for one in asked} == {"GET"}, asked
    commands = [one for at in said for one in at]
    assert commands, "the balancer was not asked at all"
    assert all(one.startswith("show ") for one in commands), commands
    assert files(stage) == before


def heard(stage: Stage, colour: str) -> tuple[int, list[str]]:
    """How many requests the nodes of a colour have had, and the newest of them."""
    told = stage.control(colour, "GET", "/heard")
    return told["count"], told["requests"]


def files(stage: Stage) -> dict[str, tuple[int, str]]:
    """When each was written, and what is in it."""
    found = {}
    for path in stage.work.rglob("*"):
        parts = path.relative_to(stage.work).parts
        if any(part.startswith(OF_PROCESSES) or part.endswith(OF_PROCESSES) for part in parts) or parts[-1] in ITS_OWN:
            continue
        with suppress(OSError):  # a draft that its writer has moved by now
            if path.is_file():
                found["/".join(parts)] = (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
    return found


@contextmanager
def listened(admin: Path) -> Iterator[list[str]]:
    """The commands that are given at a socket, which answers as before."""
    behind, said, done = admin.with_name(f"{admin.name}.x"), list[str](), threading.Event()
    admin.rename(behind)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(admin))
    listening.listen()
    listening.settimeout(0.1)

    def serve() -> None:
        while not done.is_set():
            with suppress(TimeoutError):
                client, _ = listening.accept()
                threading.Thread(target=relay, args=(client, behind, said), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield said
    finally:
        done.set()
        thread.join()
        listening.close()
        behind.replace(admin)


def relay(client: socket.socket, behind: Path, said: list[str]) -> None:
    """Carry both directions until one of them has ended."""
    with client, socket.socket(socket.AF_UNIX) as real, selectors.DefaultSelector() as ready:
        real.connect(str(behind))
        ready.register(client, selectors.EVENT_READ, real)
        ready.register(real, selectors.EVENT_READ, client)
        while True:
            for key, _ in ready.select():
                source: socket.socket = key.fileobj  # type: ignore[assignment]  # a socket is what was registered
                got = source.recv(65_536)
                if source is client and got:
                    said.extend(line for line in got.decode().replace(";", "\n").split("\n") if line.strip())
                if not got and source is real:
                    return
                if not got:
                    ready.unregister(client)
                    real.shutdown(socket.SHUT_WR)
                else:
                    key.data.sendall(got)
