"""A machine boots: it becomes the node that is declared for it, its data are never formatted, and where something is wrong EMQX is not started."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.unit.boot_bed import PARAMETERS, Machine

pytestmark = pytest.mark.unit


def test_a_first_boot_makes_the_node_that_is_declared(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.boot()
    assert done.returncode == 0, done.stderr
    assert machine.started
    assert any(call.startswith("mkfs.xfs") for call in machine.calls)
    assert "dnf install -y emqx-enterprise-5.8.6" in machine.calls
    assert machine.calls.index("systemctl disable emqx") < machine.calls.index("systemctl restart emqx")
    written = (tmp_path / "etc/emqx/emqx.conf").read_text().splitlines()
    assert written == [
        PARAMETERS["born"],
        PARAMETERS["config"],
        'node.name = "emqx@10.0.1.4"',
        PARAMETERS["secrets/cookie"],
        PARAMETERS["secrets/settings"],
    ]
    assert (tmp_path / "etc/emqx/api-keys").read_text() == "key:planted-secret:administrator\n"
    assert "emqx@10.0.1.4 is started with 5.8.6 ee repository" in done.stdout


def test_a_secret_is_on_no_command_line_and_in_no_output_and_is_for_emqx_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.boot()
    assert "planted" not in done.stdout + done.stderr + "\n".join(machine.calls)
    for name in ("emqx.conf", "api-keys"):
        path = tmp_path / "etc/emqx" / name
        assert "planted" in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("there", ["xfs", "ext4", "somebody's data"])
def test_a_volume_with_anything_on_it_is_not_formatted(tmp_path: Path, there: str) -> None:
    machine = Machine(tmp_path, volume=there)
    assert machine.boot().returncode == 0
    assert machine.started
    assert not [call for call in machine.calls if call.startswith("mkfs")]
    assert (tmp_path / "sdf").read_text() == there


def test_a_volume_of_which_nobody_can_tell_what_is_on_it_is_not_touched(tmp_path: Path) -> None:
    machine = Machine(tmp_path, volume="doubtful")
    done = machine.boot()
    assert done.returncode == 1
    assert "cannot be told" in done.stderr
    assert not [call for call in machine.calls if call.startswith(("mkfs", "mount ", "systemctl"))]


def test_a_volume_that_does_not_attach_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "sdf").unlink()
    done = machine.boot()
    assert done.returncode == 1
    assert "gave up waiting for the data volume: vol-0123 is not attached" in done.stderr
    assert not machine.started


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_missing_parameter_is_named_and_nothing_is_started(tmp_path: Path, name: str) -> None:
    machine = Machine(tmp_path)
    machine.parameter(name, None)
    # those of a node that is made already are there, or never come: no boot waits for them for long
    machine.script.write_text(machine.script.read_text().replace("awaited 60 ", "awaited 0 "))
    done = machine.boot()
    assert done.returncode == 1
    assert f"gave up waiting for parameter /emqx-prod/blue/{name}: ParameterNotFound" in done.stderr
    assert not machine.started


def test_a_node_that_the_parameter_does_not_name_is_not_started(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.facts(NODE="2")
    done = machine.boot()
    assert "names no node 2" in done.stderr
    assert not machine.started


def test_another_version_takes_effect_at_the_next_boot_and_the_same_one_installs_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.boot()
    again = machine.boot()
    assert again.returncode == 0
    assert not [call for call in machine.calls if call.startswith(("dnf", "mkfs", "mount "))]
    assert machine.started
    machine.parameter("declared", "5.8.9 ee repository")
    machine.boot()
    assert "dnf install -y emqx-enterprise-5.8.9" in machine.calls


def test_the_other_edition_is_removed_first(tmp_path: Path) -> None:
    machine = Machine(tmp_path, installed={"emqx": "5.8.6"})
    assert machine.boot().returncode == 0
    assert machine.calls.index("dnf remove -y emqx") < machine.calls.index("dnf install -y emqx-enterprise-5.8.6")


def test_a_package_in_s3_is_installed_by_its_sha256_only(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    sha256 = machine.package("emqx-enterprise-5.8.6.rpm")
    uri = "s3://packages/emqx-enterprise-5.8.6.rpm"
    machine.parameter("declared", f"5.8.6 ee {uri} {'0' * 64}")
    done = machine.boot()
    assert done.returncode == 1
    assert f"{uri} has not the sha256 that is declared" in done.stderr
    assert not machine.started
    assert not [call for call in machine.calls if call.startswith("dnf")]
    machine.parameter("declared", f"5.8.6 ee {uri} {sha256}")
    assert machine.boot().returncode == 0
    assert machine.started


def test_an_image_that_has_another_version_is_refused(tmp_path: Path) -> None:
    machine = Machine(tmp_path, installed={"emqx-enterprise": "5.8.1"})
    machine.parameter("declared", "5.8.6 ee image")
    done = machine.boot()
    assert "the image has emqx-enterprise 5.8.1, 5.8.6 is declared" in done.stderr
    assert not machine.started


def test_a_package_that_is_not_what_it_says_is_not_started(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.boot(BROKEN="5.8.5")
    assert "emqx-enterprise 5.8.6 is declared, 5.8.5 was installed" in done.stderr
    assert not machine.started


def test_data_of_a_node_that_has_left_are_set_aside_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path, volume="xfs")
    data = tmp_path / "data"
    (data / "mnesia").mkdir()
    (tmp_path / "aside").write_text("aside-1")
    assert machine.boot().returncode == 0
    assert (data / ".aside-1/mnesia").is_dir()
    assert not (data / "mnesia").exists()
    (data / "mnesia").mkdir()
    machine.boot()
    assert (data / "mnesia").exists(), "the word is of one time"


def test_without_its_metadata_service_nobody_knows_whether_data_are_to_be_set_aside_and_nothing_is_started(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)
    done = machine.boot(ALONE="yes")
    assert done.returncode == 1
    assert "gave up waiting for the metadata service" in done.stderr
    assert not machine.started
