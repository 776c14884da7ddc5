"""What breaks while clients are moved: the run goes on, or everybody is where the error says; nobody is disconnected twice by us."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from components.emqx.errors import GateFailed, Refused, Rejected, Unreachable
from components.movers import evacuation as drain
from components.routers.haproxy import process
from tests.lab.moving_bed import MovingBed

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CLIENTS = 60
UP_SECONDS = 150.0
GREEN, BLUE = {"blue": 0, "green": CLIENTS}, {"blue": CLIENTS, "green": 0}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingBed]:
    with MovingBed(tmp_path_factory.mktemp("faults"), CLIENTS) as made:
        yield made


@pytest.fixture
def bed(shared: MovingBed) -> MovingBed:
    shared.reset()
    return shared


def steps_of(bed: MovingBed) -> list[str]:
    return [event["name"] for event in bed.last_run() if event["event"] == "step" and event["phase"] == "begin"]


def in_the_middle(bed: MovingBed, going: Future[str], step: str, moved: int = 1) -> None:
    bed.wait(lambda: going.done() or bed.moved(step) >= moved)
    assert not going.done(), going.result()


class TestTheApiIsAwayForAWhile:
    def test_500_for_ten_seconds_during_a_step_is_sat_out(self, bed: MovingBed) -> None:
        going = bed.start(budget=20)
        in_the_middle(bed, going, "shift-50")
        for colour in ("blue", "green"):
            bed.fault(colour, "status", status=500, seconds=10)
        assert going.result(UP_SECONDS) == "forward"
        assert bed.live() == GREEN
        assert set(bed.devices.disconnects()) == {1}

    def test_a_hung_node_is_passed_by(self, bed: MovingBed) -> None:
        going = bed.start(budget=20)
        in_the_middle(bed, going, "shift-50")
        bed.fault("blue", "hang", node=bed.node("blue", 0), seconds=6)
        bed.fault("green", "hang", node=bed.node("green", 0), seconds=6)
        assert going.result(UP_SECONDS) == "forward"
        assert bed.live() == GREEN
        assert set(bed.devices.disconnects()) == {1}

    def test_idle_connections_that_the_server_closes_are_no_failure(self, bed: MovingBed) -> None:
        for colour in ("blue", "green"):
            bed.fault(colour, "close_idle", after_seconds=0.05)
        assert bed.up(steps=[{"share": 50}, {"hold": 1}, {"share": 100}]) == "forward"
        assert bed.live() == GREEN
        assert set(bed.devices.disconnects()) == {1}


class TestAGateFails:
    def test_refusals_at_50_percent_send_everybody_back_and_the_next_run_begins_anew(self, bed: MovingBed) -> None:
        going = bed.start(budget=6, gates={"connectFailureMinimumConnects": 5})
        in_the_middle(bed, going, "shift-50", moved=5)
        bed.fault("green", "refuse_connects", reason=0x97)
        wanted = (
            r"gate connect_failure_rate_above_baseline during shift-50 on green: .*\(value 0\.\d+, threshold 0\.05\); "
        )
        with pytest.raises(GateFailed, match=wanted + "all clients are back on blue"):
            going.result(UP_SECONDS)
        bed.wait(lambda: bed.live() == BLUE)
        assert bed.share() == 0
        bed.heal()
        bed.devices.mark()
        assert bed.up() == "forward"
        assert steps_of(bed) == ["shift-10", "shift-50", "shift-100", "drain"]
        assert bed.live() == GREEN
        assert set(bed.devices.disconnects()) == {1}

    def test_a_green_node_that_dies_during_a_step_is_named_and_everybody_goes_back(self, bed: MovingBed) -> None:
        going = bed.start(budget=20)
        in_the_middle(bed, going, "shift-50")
        dead = bed.node("green", 2)
        bed.fault("green", "die", node=dead)
        with pytest.raises(
            GateFailed, match=rf"gate nodes_lost during shift-(50|100) on {dead}: .*all clients are back on blue"
        ):
            going.result(UP_SECONDS)
        bed.wait(lambda: bed.live() == BLUE)
        bed.heal()
        bed.wait(lambda: len(bed.live()) == 2)
        bed.devices.mark()
        assert bed.up() == "forward"
        assert bed.live() == GREEN
        assert set(bed.devices.disconnects()) == {1}

    def test_a_dead_blue_node_does_not_bar_the_way_back(self, bed: MovingBed) -> None:
        going = bed.start(budget=6, gates={"connectFailureMinimumConnects": 5})
        in_the_middle(bed, going, "shift-50", moved=5)
        dead = bed.node("blue", 2)
        bed.fault("blue", "die", node=dead)
        bed.fault("green", "refuse_connects", reason=0x97)
        with pytest.raises(
            GateFailed, match=r"gate connect_failure_rate_above_baseline .*all clients are back on blue"
        ):
            going.result(UP_SECONDS)
        assert bed.share() == 0
        bed.wait(lambda: bed.live() == BLUE)
        missing = next(event for event in bed.last_run() if event.get("section") == "missing nodes")
        assert missing["nodes"] == [dead]


class TestTheBalancerRestarts:
    def kill(self, bed: MovingBed) -> None:
        pid = process.running(bed.replica)
        assert pid
        os.kill(pid, signal.SIGKILL)
        bed.wait(lambda: process.running(bed.replica) is None)

    def test_at_once_during_a_step_the_share_survives_and_the_step_goes_on(self, bed: MovingBed) -> None:
        going = bed.start(budget=20)
        in_the_middle(bed, going, "shift-50")
        self.kill(bed)
        process.start(bed.replica)
        assert bed.share() == 5000
        assert going.result(UP_SECONDS) == "forward"
        assert bed.live() == GREEN
        assert max(bed.devices.disconnects()) <= 2, "once by the kill, once by the move"

    def test_dead_it_ends_the_update_and_the_next_one_starts_it_with_share_and_memory(self, bed: MovingBed) -> None:
        going = bed.start(budget=20)
        in_the_middle(bed, going, "shift-50")
        memory = dict(bed.memory())
        self.kill(bed)
        with pytest.raises(Unreachable, match="see that this HAProxy runs"):
            going.result(UP_SECONDS)
        bed.serve_balancer()
        assert bed.share() == 5000
        assert bed.memory() == memory
        assert bed.up() == "forward"
        assert bed.live() == GREEN
        assert max(bed.devices.disconnects()) <= 2, "once by the kill, once by the move"


class TestTheDrain:
    def test_a_blue_node_that_dies_does_not_stop_it(self, bed: MovingBed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(drain, "LOST_NODE_SECONDS", 2.0)
        going = bed.start(budget=10, mover="evacuation")
        in_the_middle(bed, going, "shift-100")
        bed.fault("blue", "die", node=bed.node("blue", 1))
        died = time.time()
        assert going.result(UP_SECONDS) == "forward"
        assert bed.live() == GREEN
        assert set(bed.devices.disconnects()) == {1}
        drained = next(event["t"] for event in bed.last_run() if event["event"] == "drained")
        assert drained - died >= drain.LOST_NODE_SECONDS - 0.5, "it may yet come back with its clients"
        assert bed.memory()["drained_at"].startswith("blue ")

    def begin_elsewhere(self, bed: MovingBed, rate: int) -> None:
        node = bed.node("blue", 0)
        wish = {"wait_health_check": "3s", "wait_takeover": "1s", "conn_evict_rate": rate, "sess_evict_rate": 10}
        bed.api("blue", "POST", f"/load_rebalance/{node}/evacuation/start", wish)

    def rates(self, bed: MovingBed) -> dict[str, int]:
        status = bed.api("blue", "GET", "/load_rebalance/global_status")["evacuations"]
        return {entry["node"]: entry["connection_eviction_rate"] for entry in status}

    def test_an_evacuation_that_somebody_else_began_is_adopted_when_it_fits(self, bed: MovingBed) -> None:
        assert bed.up(budget=30, before={"shift-100": lambda: self.begin_elsewhere(bed, 7)}) == "forward"
        assert bed.live() == GREEN
        assert set(bed.devices.disconnects()) == {1}
        begun = next(event for event in bed.last_run() if event["event"] == "evacuation")
        assert begun["adopted"] == [bed.node("blue", 0)]
        assert sum(begun["rates"].values()) + 7 <= 30
        assert self.rates(bed)[bed.node("blue", 0)] == 7

    def test_one_that_does_not_fit_is_refused_and_left_alone(self, bed: MovingBed) -> None:
        with pytest.raises(Refused, match="running evacuations take 900 clients per second, the budget is 30"):
            bed.up(budget=30, before={"shift-100": lambda: self.begin_elsewhere(bed, 900)})
        assert self.rates(bed) == {bed.node("blue", 0): 900}
        assert sum(bed.live().values()) == CLIENTS


class TestTheDataOnItsWay:
    """The chain with its data; what one test leaves on green is our own, and no other test looks at it."""

    def fill(self, bed: MovingBed, number: int) -> None:
        for wanted in range(3):
            message = {"topic": f"kept/{number}/{wanted}", "payload": "v", "qos": 1, "retain": True}
            bed.api("blue", "POST", "/publish", message)

    def retained(self, bed: MovingBed, number: int) -> set[str]:
        rows = bed.api("green", "GET", f"/mqtt/retainer/messages?topic=kept%2F{number}%2F%23&limit=100")["data"]
        return {row["topic"] for row in rows}

    def archives(self, bed: MovingBed) -> list[Path]:
        return sorted((bed.directory / "archives").glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)

    def test_an_archive_cut_off_on_our_disk_is_refused_and_the_next_run_exports_anew(self, bed: MovingBed) -> None:
        self.fill(bed, 1)

        def cut_off() -> None:
            newest = self.archives(bed)[-1]
            newest.write_bytes(newest.read_bytes()[:-40])

        with pytest.raises(Refused, match=r"checking the archive .*bytes instead of .*it exports anew"):
            bed.up(data=True, before={"import": cut_off})
        assert bed.live() == BLUE
        assert self.retained(bed, 1) == set()
        assert bed.up(data=True, steps=[{"share": 100}]) == "forward"
        assert bed.live() == GREEN
        assert len(self.retained(bed, 1)) == 3

    def test_an_import_that_applies_half_is_named_and_the_next_run_completes_it(self, bed: MovingBed) -> None:
        self.fill(bed, 2)
        bed.fault("green", "partial_import")
        with pytest.raises(Rejected, match=r"import of .* on emqx@.*then "):
            bed.up(data=True)
        assert bed.live() == BLUE
        bed.heal()
        assert bed.up(data=True, steps=[{"share": 100}]) == "forward"
        assert bed.live() == GREEN
        assert len(self.retained(bed, 2)) == 3
        assert set(bed.devices.disconnects()) == {1}
