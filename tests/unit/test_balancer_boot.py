"""An instance of the balancer boots: HAProxy begins with the share of the table or not at all, and who is connected stays when something is declared anew."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from components.machines.user_data import LIMIT_BYTES, UNIT, BalancerBoot, balancer_user_data
from tests.unit.balancer_boot_bed import Machine

pytestmark = pytest.mark.unit


def test_a_first_boot_has_the_share_of_the_table_before_haproxy_starts(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.read("etc/haproxy/share.map") == "green 2500"
    assert machine.read("etc/haproxy/haproxy.cfg") == "listen 10.0.0.7:1883"
    assert "dnf install -y haproxy" in machine.calls
    assert machine.calls.index("systemctl disable haproxy") < machine.calls.index("systemctl restart haproxy")
    assert machine.read("etc/haproxy/applied") == "digest-1"
    assert "HAProxy is started with digest-1 and green's share of 2500" in done.stdout


def test_a_share_that_changed_while_haproxy_started_is_set_too(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "next-share").write_text("5000\n")
    assert machine.run().returncode == 0
    assert machine.read("etc/haproxy/share.map") == "green 2500"
    assert machine.read("share-in-force") == "5000"


@pytest.mark.parametrize("said", ["None", "", "many"])
def test_without_a_share_in_the_table_nothing_is_started(tmp_path: Path, said: str) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "share").write_text(f"{said}\n")
    done = machine.run()
    assert done.returncode == 1
    assert "gave up waiting for green's share: table emqx-prod-cutover has no share yet" in done.stderr
    assert not machine.read("process")


def test_a_service_that_starts_by_itself_reads_the_share_first_and_does_nothing_else(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.run("share").returncode == 0
    assert machine.read("etc/haproxy/share.map") == "green 2500"
    assert [call.split()[0] for call in machine.calls if call.split()[0] != "id"] == ["aws"]
    document = balancer_user_data(BalancerBoot(region="eu-central-1", parameters="/p", table="t", wait_seconds=1))
    assert f'"{UNIT}"' in document
    assert "ExecStartPre=+/usr/local/lib/emqx-upgrade/balancer.sh share" in document
    assert len(document) < LIMIT_BYTES


def test_what_is_declared_anew_is_a_reload_that_keeps_the_states_of_servers(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.run().returncode == 0
    (tmp_path / "has").write_text("1\n# head\n3 blue 1 a 10.0.0.1 2 0 1\n")
    there = "1\n# head\n0 blue 0 a - 2 1 1\n# 0 green 0 b - 2 0 1\n0 green 0 c - 2 1 1\n"
    (tmp_path / "states").write_text(there)
    machine.parameters(declared="digest-2 2.8 repository")
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert "systemctl reload haproxy" in machine.calls
    assert not [call for call in machine.calls if call.startswith("systemctl restart")]
    states = machine.read("etc/haproxy/servers.state").splitlines()
    assert states[2:] == ["3 blue 1 a 10.0.0.1 2 0 1", "0 green 0 c - 2 1 1"], (
        "as it is, and who is new as the table says"
    )
    assert machine.read("etc/haproxy/applied") == "digest-2"


def test_a_configuration_that_haproxy_refuses_takes_the_place_of_none(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.run().returncode == 0
    before = machine.read("etc/haproxy/haproxy.cfg")
    (tmp_path / "wrong").touch()
    machine.parameters(declared="digest-2 2.8 repository")
    done = machine.run()
    assert done.returncode == 1
    assert "while checking the configuration" in done.stdout
    assert machine.read("etc/haproxy/haproxy.cfg") == before
    assert (machine.read("process"), machine.read("etc/haproxy/applied")) == ("1", "digest-1")


def test_another_haproxy_than_is_declared_is_not_started(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.run(OFFERED="2.4.22")
    assert done.returncode == 1
    assert "haproxy 2.8 is declared, there is 2.4.22" in done.stderr
    assert not machine.read("process")


@pytest.mark.parametrize("name", ["declared", "config", "files", "secrets/tls-8883.pem"])
def test_a_missing_parameter_is_named_and_nothing_is_started(tmp_path: Path, name: str) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "parameters/emqx-prod/balancer" / name).unlink()
    machine.script.write_text(machine.script.read_text().replace("awaited 60 ", "awaited 0 "))
    done = machine.run()
    assert done.returncode == 1
    assert f"gave up waiting for parameter /emqx-prod/balancer/{name}: ParameterNotFound" in done.stderr
    assert not machine.read("process")


def test_a_key_is_for_haproxy_alone_and_in_no_output(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.run()
    assert machine.read("etc/haproxy/tls-8883.pem") == "planted key"
    assert stat.S_IMODE((tmp_path / "etc/haproxy/tls-8883.pem").stat().st_mode) == 0o640
    assert "planted" not in done.stdout + done.stderr + "\n".join(machine.calls)
