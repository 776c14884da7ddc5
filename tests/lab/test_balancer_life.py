"""The balancer's resources as the engine calls them: replicas come and go, colours leave or are refused, and nobody is cut."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from components.cutover.decide import decide
from components.cutover.words import COLOURS, Colour
from components.emqx.errors import Refused, UpgradeError
from components.ledger import files as maps
from components.ledger.base import SERVERS, drained, origin
from components.ledger.registry import ledger_of
from components.ledger.remembered import EXTERNAL, remembered
from components.local import balancer as balancing
from components.routers.haproxy import process
from components.routers.share import set_server
from tests.lab.balancer_life_bed import Balancer, Clients, clients_of, until
from tests.lab.node_bed import allocated

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


# -- nodes out of service ----------------------------------------------------------------------------------------------


def test_a_node_that_is_out_of_service_is_so_at_each_replica_that_comes_and_until_its_colour_leaves(
    balancer: Balancer,
) -> None:
    both: dict[Colour, str] = {"blue": "old", "green": "new"}
    balancer.up(both)
    node = balancer.clusters.handles["new"]["nodes"][0]["name"]
    ledger = ledger_of(balancer.handle)
    asyncio.run(set_server(balancer.router, ledger, "green", node, "maint", holder=None))

    def states() -> list[str | None]:
        return [asyncio.run(one.servers())["green"][node].state for one in balancer.router.replicas()]

    assert balancer.up(both, replicas=2)
    assert states() == ["maint"] * 2
    balancing.stop(balancer.directory)
    balancer.state |= {"replicas": 0}
    assert balancer.up(both, replicas=2), "as after a refresh that found it dead"
    assert states() == ["maint"] * 2
    balancer.remember({"drained_at": "green 2.0"})
    assert balancer.up({"blue": "old"}, replicas=2)
    assert SERVERS not in balancer.memory()
    assert balancer.up(both, replicas=2)
    assert states() == ["ready"] * 2


# -- replicas -----------------------------------------------------------------------------------------------------------


def test_a_replica_comes_and_goes_beside_a_running_one_and_no_client_is_cut(balancer: Balancer) -> None:
    balancer.up({"blue": "old"})
    with ExitStack() as stack:
        fleets = [stack.enter_context(Clients(balancer.handle.mqtt, 40))]
        assert balancer.up({"blue": "old"}, replicas=2)
        first, second = balancer.directory / "1", balancer.directory / "2"
        pid = process.running(second)
        fleets.append(stack.enter_context(Clients(balancer.handle.mqtt, 40)))
        taken = clients_of(second)
        assert taken > 0, "the kernel gives each replica its part"
        assert balancer.up({"blue": "old"}, replicas=1)
        assert balancer.handle.admin == (str(first / process.ADMIN),)
        assert process.running(second) == pid, "it keeps its clients"
        assert not balancer.up({"blue": "old"}, replicas=1), "an up right after an up is empty"
        fleets.append(stack.enter_context(Clients(balancer.handle.mqtt, 40)))
        assert clients_of(first) == 120 - taken, "all the new ones"
        assert balancer.up({"blue": "old"}, replicas=2)
        assert [Path(admin).parent.name for admin in balancer.handle.admin] == ["1", "3"]
        assert [fleet.cut() for fleet in fleets] == [0] * 3
    until(lambda: process.running(second) is None)
    balancer.up({"blue": "old"}, replicas=2, max_connections=600)
    assert not second.exists(), "tidied once its last client has left"


def test_a_retirement_that_was_killed_half_way_is_finished_by_the_next_update(balancer: Balancer) -> None:
    balancer.up({"blue": "old"}, replicas=2)
    second = balancer.directory / "2"
    (second / process.CONFIG).unlink()  # and killed before the signal; then nobody wants fewer any more
    assert balancer.up({"blue": "old"}, replicas=2)
    until(lambda: process.running(second) is None)
    assert [Path(admin).parent.name for admin in balancer.handle.admin] == ["1", "3"]


def test_two_balancers_are_never_on_one_address_by_mistake(balancer: Balancer, tmp_path: Path) -> None:
    balancer.up({"blue": "old"})
    second = Balancer(tmp_path / "second", balancer.clusters)
    with pytest.raises(Refused, match=r"somebody listens there already.*another port"):
        second.up({"blue": "old"}, address=balancer.handle.mqtt)
    assert not balancing.running(second.directory)
    assert second.up({"blue": "old"}), "at a port of its own"
    with pytest.raises(Refused, match="somebody listens there already"):
        second.up({"blue": "old"}, address=balancer.handle.mqtt)
    assert second.handle.mqtt != balancer.handle.mqtt
    balancing.stop(second.directory)


def test_listeners_come_and_go_and_who_came_through_one_stays(balancer: Balancer) -> None:
    balancer.up({"blue": "old"})
    first = balancer.handle.mqtt
    host, _, port = first.rpartition(":")
    with allocated() as network, ExitStack() as stack:
        plain = {"port": int(port), "host": host, "protocol": "mqtt"}
        more = {"port": 1883, "host": f"{network}.1", "protocol": "mqtt"}
        fleets = [stack.enter_context(Clients(first, 10))]
        assert balancer.up({"blue": "old"}, listeners=[plain, more])
        assert [one.address for one in balancer.handle.endpoints] == [first, f"{network}.1:1883"]
        fleets.append(stack.enter_context(Clients(f"{network}.1:1883", 10)))
        second = Balancer(balancer.directory.with_name("second"), balancer.clusters)
        with pytest.raises(Refused, match=rf"{network}.1:1883.*somebody listens there already"):
            second.up({"blue": "old"}, listeners=[more])
        assert balancer.up({"blue": "old"}, listeners=[plain])
        until(lambda: not listens(f"{network}.1", 1883))
        assert balancer.up({"blue": "old"})
        assert (balancer.handle.mqtt, balancer.handle.endpoints) == (first, ())
        assert [fleet.cut() for fleet in fleets] == [0, 0]


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_everything_in_its_directory_is_for_its_owner_only(balancer: Balancer) -> None:
    """Who may write to the admin socket moves every client; also where another program of ours left it open to others."""
    balancer.directory.mkdir()
    (balancer.directory / "1").mkdir()
    for place in (balancer.directory, balancer.directory / "1"):
        place.chmod(0o755)
    (balancer.directory / "1" / process.LOG).touch(mode=0o644)
    before = os.umask(0)
    try:
        balancer.up({"blue": "old", "green": "new"}, external=["blue"])
        balancer.set_share(10)
        balancer.remember({"origin": "blue"})
        balancer.up({"blue": "old", "green": "new"}, replicas=2, max_connections=600)
    finally:
        os.umask(before)
    found = [balancer.directory, *balancer.directory.rglob("*")]
    assert {process.ADMIN, process.CONFIG, process.LOG, process.PID, process.STATE, process.LOADED} <= {
        one.name for one in found
    }
    assert [f"{one} {one.lstat().st_mode:o}" for one in found if one.lstat().st_mode & 0o077] == []


def test_a_balancer_that_is_too_small_is_refused_before_anything_is_touched(balancer: Balancer) -> None:
    with Clients(balancer.clusters.handles["old"]["nodes"][0]["mqtt"], 12):
        (refusal,) = balancer.refusals({"blue": "old"}, max_connections=11)
        assert "12 clients are connected (12 on blue), and it holds 11" in refusal
        assert not balancer.directory.exists()
        assert balancer.refusals({"blue": "old"}, max_connections=11, replicas=2) == []
        balancer.clusters.fault("old", kind="status", status=500)
        assert balancer.refusals({"blue": "old"}, max_connections=11) == [], "not known, not refused"


def test_what_a_deleted_balancer_remembered_is_not_inherited_by_the_next(balancer: Balancer) -> None:
    balancer.up({"blue": "old", "green": "new"})
    balancer.set_share(10_000)
    balancer.remember({"origin": "blue", "drained_at": "blue 1795344713.0"})
    balancer.delete()
    assert not balancing.running(balancer.directory)
    for name in (maps.SHARE, maps.MEMORY, balancing.ADDRESS):
        assert not (balancer.directory / name).exists()
    balancer.up({"blue": "old", "green": "new"})
    assert balancer.memory() == {}
    assert asyncio.run(balancer.router.share()) == 0


def test_of_two_idle_colours_the_one_that_was_there_serves_first(balancer: Balancer) -> None:
    balancer.up({"blue": "old", "green": "new"}, live="green", standing=["blue"])
    assert asyncio.run(balancer.router.share()) == 0


def test_whose_clusters_are_not_ours_is_written_down_for_the_next_preview(balancer: Balancer) -> None:
    work = str(balancer.directory.parent)
    balancer.up({"blue": "old", "green": "new"}, external=["blue"])
    assert remembered(work).external == ("blue",)
    assert balancer.up({"blue": "old"}, max_connections=600)
    assert remembered(work).external == ()
    balancer.delete()
    assert not (balancer.directory / EXTERNAL).exists()


# -- another cluster under the same colour ----------------------------------------------------------------------------------


def test_a_colour_whose_addresses_are_all_replaced_leaves_like_any_other(balancer: Balancer) -> None:
    balancer.up({"blue": "old", "green": "new"})
    (refusal,) = balancer.refusals({"blue": "other", "green": "new"})
    assert "removing blue" in refusal
    assert "100 % of the share" in refusal
    balancer.set_share(10_000)
    balancer.remember({"origin": "blue", "began_at": "1.0"})
    (refusal,) = balancer.refusals({"blue": "other", "green": "new"})
    assert "not all moved away" in refusal
    balancer.remember({"drained_at": f"blue {time.time():.3f}"})
    (refusal,) = balancer.refusals({"blue": "other", "green": "new"}, soak_seconds=3600)
    assert "3600 s of soak" in refusal
    with Clients(balancer.clusters.handles["old"]["nodes"][0]["mqtt"], 2):
        (refusal,) = balancer.refusals({"blue": "other", "green": "new"})
        assert "clients are connected" in refusal


def test_once_it_may_leave_nothing_speaks_of_a_way_back_into_the_new_cluster(balancer: Balancer) -> None:
    balancer.up({"blue": "old", "green": "new"})
    balancer.set_share(10_000)
    balancer.remember({"origin": "blue", "began_at": "1.0", "drained_at": "blue 2.0"})
    until(lambda: balancer.clusters.live("old") == 0)
    assert balancer.up({"blue": "other", "green": "new"})
    memory, share = balancer.memory(), asyncio.run(balancer.router.share())
    assert share == 10_000
    assert memory == {}
    live: dict[Colour, int | None] = {"blue": 0, "green": 5}
    assert decide("blue", share, origin(memory), live, COLOURS, drained(memory)).direction == "forward"


@pytest.mark.parametrize("address", ["10.255.255.254:18830", "nobody.invalid:1883"])
def test_an_address_on_which_nothing_could_be_started_is_forgotten(balancer: Balancer, address: str) -> None:
    with pytest.raises(UpgradeError):
        balancer.up({"blue": "old"}, address=address)
    balancer.up({"blue": "old"})
    mqtt = balancer.handle.mqtt
    assert mqtt.startswith("127.0.0.1:")
    with pytest.raises(UpgradeError):
        balancer.up({"blue": "old"}, address=address)
    assert balancer.handle.mqtt == mqtt, "where it is reached is not lost"
