"""The addresses of releases: what a node opens on every address is moved to its own, and a network that is in use is not taken."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from components.local import release

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def bound(library: Path, own: str, code: str) -> str:
    environment = {**os.environ, "LD_PRELOAD": str(library), "NODE_OWN_ADDRESS": own}
    command = [sys.executable, "-c", f"import socket; s = socket.socket(); {code}; print(*s.getsockname())"]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_only_what_is_opened_on_every_address_is_moved(tmp_path: Path) -> None:
    library, network = release.own_address_library(tmp_path), release.free_network(Random(), 2)
    assert bound(library, f"{network}.2", "s.bind(('', 1883))") == f"{network}.2 1883"
    assert bound(library, f"{network}.2", f"s.bind(('{network}.1', 1883))") == f"{network}.1 1883"
    assert bound(library, f"{network}.2", "s.bind(('', 0))").startswith("0.0.0.0 ")
    assert bound(library, "nonsense", "s.bind(('127.0.0.1', 0))").startswith("127.0.0.1 ")


def test_a_network_of_the_lab_or_of_ours_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice(Random):
        """The same network at first, then another one."""

        def __init__(self, network: str) -> None:
            super().__init__()
            self.numbers = [int(part) for part in network.split(".")[1:]]

        def randint(self, a: int, b: int) -> int:
            return self.numbers.pop(0) if self.numbers else super().randint(a, b)

    network = release.free_network(Random(), 2)
    assert release.free_network(Twice(network), 2) == network
    for host, port in ((254, 1883), (254, 18083), (2, 4370), (1, 18083)):
        with socket.socket() as taken:
            taken.bind((f"{network}.{host}", port))
            assert release.free_network(Twice(network), 2) != network
