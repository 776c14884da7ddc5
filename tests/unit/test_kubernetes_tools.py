"""Getting a control plane and Pulumi's Kubernetes plugin: what is built, what is not, and what is said; with a go and a pulumi made of shell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tool_machine import GO, Machine

pytestmark = pytest.mark.unit
PLUGIN = "pulumi-resource-kubernetes"
FETCHES = """#!/bin/sh
[ "$1 $2 $3 $4" = "plugin install resource kubernetes" ] || exit 2
[ -z "$OFFLINE" ] || { echo no such host; exit 1; }
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path, "get_kubernetes.py")
    for name in ("mkdir", "cat"):
        (found.path / name).symlink_to(f"/bin/{name}")
    found.environment |= {"PULUMI_HOME": str(tmp_path / "home"), "SOURCE": str(tmp_path / "source")}
    documents = tmp_path / "source" / "cmd" / PLUGIN
    documents.mkdir(parents=True)
    for name in ("schema.json", "terraform-mapping.json"):
        (documents / name).write_text("{}")
    return found


def cached(machine: Machine) -> dict[str, Path]:
    return {
        one.name.rpartition("-v")[0]: one
        for one in (Path(machine.environment["XDG_CACHE_HOME"]) / "emqx-upgrade").glob("*")
    }


def test_a_control_plane_is_one_program_with_all_its_names_and_is_built_once(machine: Machine) -> None:
    machine.has("go", GO)
    assert machine.get("control-plane")[0] == machine.get("control-plane")[0] == 0
    directory = cached(machine)["kubernetes"]
    links = {file.name for file in directory.iterdir() if file.is_symlink()}
    assert links >= {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
        "kubelet-streams",
    }
    assert {(directory / name).resolve().name for name in links} == {"kubernetes"}
    assert machine.build_count() == 1


def test_only_what_is_asked_for_is_built(machine: Machine) -> None:
    machine.has("go", GO)
    assert machine.get("control-plane")[0] == 0
    assert set(cached(machine)) == {"kubernetes"}


def test_a_plugin_that_the_home_has_is_used(machine: Machine, tmp_path: Path) -> None:
    machine.has("go", GO)
    there = tmp_path / "home" / "plugins" / "resource-kubernetes-v4.25.0"
    there.mkdir(parents=True)
    (there / PLUGIN).write_text("")
    assert machine.get("plugin")[0] == 0
    assert machine.build_count() == 0


def test_a_plugin_that_pulumi_may_fetch_is_not_built(machine: Machine) -> None:
    machine.has("go", GO)
    machine.has("pulumi", FETCHES)
    assert machine.get("plugin", PATH=f"{machine.path}")[0] == 0
    assert machine.build_count() == 0


def test_a_plugin_that_cannot_be_fetched_is_built_with_its_documents_beside_its_source(machine: Machine) -> None:
    machine.has("go", GO.replace("echo built", "cat schema.json terraform-mapping.json && echo built"))
    machine.has("pulumi", FETCHES)
    code, said = machine.get("plugin", OFFLINE="yes")
    assert code == 0, said
    assert "pulumi cannot fetch its Kubernetes plugin (no such host): building" in said
    assert os.access(cached(machine)["kubernetes-plugin"] / "resource-kubernetes-v4.25.0" / PLUGIN, os.X_OK)
    assert machine.build_count() == 1


def test_without_go_it_says_what_is_needed(machine: Machine) -> None:
    code, said = machine.get("control-plane")
    assert code == 1
    assert said.startswith(
        "kubernetes: the lab on Kubernetes needs a control plane, and no go to build one: install Go 1."
    )
    assert said.count("\n") == 1
