"""A lab cluster's network is its own, whoever else looks for one at the same time."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from lab.node import network
from lab.node.network import bound
from lab.node.place import free_network
from tests.lab.node_bed import allocated

pytestmark = pytest.mark.lab


def test_two_allocations_never_share_a_network() -> None:
    with allocated() as one, allocated() as two:
        assert one != two
        assert one.startswith("127.")


def test_a_network_that_is_held_is_refused_until_it_is_let_go(tmp_path: Path) -> None:
    with allocated() as held:
        with pytest.raises(OSError, match="in use"):
            network.hold(held)
        (tmp_path / "ready.json").write_text(json.dumps({"network": held}))
        other = free_network("auto", tmp_path)
        assert other != held
        network.release(other)
    assert free_network("auto", tmp_path) == held, "nodes are named after it, so the last run's is taken again"
    network.release(held)


def test_answers_do_not_wait_for_acknowledgements_on_any_event_loop() -> None:
    with allocated() as prefix, bound(f"{prefix}.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP, "asyncio sets TCP_NODELAY only where it is named"


def test_a_network_that_will_not_do_is_refused_with_its_address(tmp_path: Path) -> None:
    for wrong in ("10.1.2", "127.1", "127.1.256", "nonsense"):
        with pytest.raises(OSError, match=rf"give 127\.a\.b.*{wrong}"):
            free_network(wrong, tmp_path)
    with allocated() as held, pytest.raises(OSError, match=rf"in use.*{held}\.254:1883"):
        free_network(held, tmp_path)
