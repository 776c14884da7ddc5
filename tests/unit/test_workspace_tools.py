"""Getting `pulumi`: which one is used, why not another, and that a build happens once; with a go and a pulumi made of shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tool_machine import GO, Machine

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, "get_pulumi.py")


def test_a_recent_pulumi_with_its_own_language_host_is_used(machine: Machine) -> None:
    machine.has("pulumi", "#!/bin/sh\necho v3.300.1\n")
    for name in ("pulumi-language-python", "pulumi-resource-pulumi-python"):
        machine.has(name, "#!/bin/sh\n")
    code, said = machine.get()
    assert code == 0
    assert "version 3.300.1" in said
    assert (machine.venv / "pulumi").resolve() == machine.path / "pulumi"
    assert os.listdir(machine.venv) == ["pulumi"]  # noqa: PTH208  -- names only


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("v3.100.0", "is 3.100.0, at least 3.259.0 is needed"),
        ("nonsense", "does not tell its version"),
        ("v3.300.0", "comes without pulumi-language-python"),
    ],
)
def test_a_pulumi_that_cannot_be_used_is_named_with_the_reason(machine: Machine, version: str, why: str) -> None:
    machine.has("pulumi", f"#!/bin/sh\necho {version}\n")
    machine.has("go", GO)
    code, said = machine.get()
    assert code == 0
    assert why in said
    assert machine.build_count() == 1


def test_without_pulumi_and_go_it_says_how_to_get_them(machine: Machine) -> None:
    code, said = machine.get()
    assert code == 1
    assert said.startswith("pulumi: no pulumi on PATH, and no go to build one: install Go 1.")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("script", "why"),
    [("#!/bin/sh\necho v3.100.0\n", "is 3.100.0, at least 3.259.0 is needed"), ("junk", "does not tell its version")],
    ids=["too old", "no program"],
)
def test_without_go_it_says_why_the_pulumi_on_path_will_not_do(machine: Machine, script: str, why: str) -> None:
    machine.has("pulumi", script)
    code, said = machine.get()
    assert code == 1
    assert said.startswith(f"pulumi: {machine.path / 'pulumi'} {why}, and no go to build one: install Go 1.")
    assert said.count("\n") == 1


def test_a_cache_that_cannot_be_made_is_named(machine: Machine, tmp_path: Path) -> None:
    machine.has("go", GO)
    (tmp_path / "file").write_text("")
    code, said = machine.get(XDG_CACHE_HOME=str(tmp_path / "file"))
    assert code == 1
    assert said.startswith("pulumi: no place for the build of pulumi (")
    assert said.endswith("name a directory in XDG_CACHE_HOME\n")
    assert said.count("\n") == 1
    assert machine.build_count() == 0


def test_what_a_killed_build_left_is_taken_away(machine: Machine, tmp_path: Path) -> None:
    machine.has("go", GO)
    left = tmp_path / "cache" / "emqx-upgrade" / "pulumi-v3.259.0" / "build-killed"
    left.mkdir(parents=True)
    assert machine.get()[0] == 0
    assert sorted(os.listdir(left.parent)) == ["lock", "pulumi"]  # noqa: PTH208  -- names only


def test_a_go_that_is_too_old_is_named_before_anything_is_built(machine: Machine) -> None:
    machine.has("go", GO.replace("go1.99", "go1.20.3"))
    code, said = machine.get()
    assert code == 1
    assert "cannot build one (go version go1.20.3): install Go 1." in said
    assert machine.build_count() == 0


def test_a_build_has_the_language_host_beside_it_and_is_made_once(machine: Machine) -> None:
    machine.has("go", GO)
    assert machine.get()[0] == machine.get()[0] == 0
    assert machine.build_count() == 1
    answer = subprocess.run([machine.venv / "pulumi"], capture_output=True, text=True, check=True)
    assert answer.stdout == "v3.259.0\n"
    for name in ("pulumi-language-python", "pulumi-resource-pulumi-python"):
        assert os.access(machine.venv / name, os.X_OK)


def test_two_that_ask_at_once_build_once(machine: Machine) -> None:
    machine.has("go", GO)
    both = [machine.start(), machine.start()]
    said = "".join(process.communicate(timeout=60)[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert machine.build_count() == said.count("building v3.259.0") == 1


def test_a_build_that_fails_leaves_nothing_and_says_why(machine: Machine) -> None:
    machine.has("go", GO)
    code, said = machine.get(FAIL="yes")
    assert code == 1
    assert "failed with status 1: no space left on device" in said
    assert not (machine.venv / "pulumi").exists()
    assert machine.get()[0] == 0


def test_another_clones_pulumi_is_not_used(machine: Machine, tmp_path: Path) -> None:
    machine.has("go", GO)
    machine.get()
    other = tmp_path / "other" / "bin"
    other.mkdir(parents=True)
    code, _ = machine.get(PATH=f"{machine.venv}:{machine.path}")
    assert code == 0
    subprocess.run(
        [sys.executable, machine.script, "--into", other],
        env=machine.environment | {"PATH": f"{machine.venv}:{machine.path}"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert not (other / "pulumi").is_symlink()
    assert machine.build_count() == 1


def test_the_language_host_starts_without_the_sdk_which_every_command_of_pulumi_would_wait_for() -> None:
    code = "import sys, host; print(*sorted(name for name in sys.modules if name.startswith('pulumi.')))"
    home = ROOT / "tools" / "language_host"
    found = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True)
    allowed = ("pulumi.runtime", "pulumi.runtime._grpc_settings", "pulumi.runtime.proto")
    assert "pulumi.runtime.proto.language_pb2" in found.stdout.split()
    assert [name for name in found.stdout.split() if not name.startswith(allowed[2]) and name not in allowed] == []
