"""The unit tier opens no network socket: a test that does belongs to the lab tier, and is told so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from components.links import roll_ready

NETWORK = {socket.AF_INET, socket.AF_INET6}


@pytest.fixture(autouse=True, scope="module")
def no_network() -> Iterator[None]:
    """In this process, binding and connecting fail for everything but Unix sockets (an event loop has a pair of those)."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("bind", "connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(name))
        yield


def _guarded(name: str) -> Any:
    real = getattr(socket.socket, name)

    def guard(self: socket.socket, address: Any) -> Any:
        if self.family in NETWORK:
            raise AssertionError(f"{name} to {address}: no sockets in the unit tier")
        return real(self, address)

    return guard


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """MQTT probes find everything right, or what the list says next."""
    wrong: list[str] = []

    async def state(*_: Any) -> str:
        return wrong.pop(0) if wrong else ""

    async def anonymous(*_: Any) -> str:
        return "0x87"

    monkeypatch.setattr(roll_ready, "mqtt_state", state)
    monkeypatch.setattr(roll_ready, "_anonymous", anonymous)
    return wrong
