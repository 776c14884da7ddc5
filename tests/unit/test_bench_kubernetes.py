"""The verdict of the bench on Kubernetes, what it counts of an audit log, and the bare program that it is held against."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from components.report.model import Extremes, Report
from lab.bench import Measured
from lab.kubernetes.bench import BARE_NAMESPACE, Cost, app, links, missed, objects
from lab.kubernetes.control_plane import AUDIT
from lab.kubernetes.requests import by_kind, requests

pytestmark = pytest.mark.unit


def costing(clients: int, *, ratio: float | None = 1.0, asked: int = 100, times: float = 1.0, worst: int = 1) -> Cost:
    facts: dict[str, Any] = {
        "ratio": ratio,
        "disconnects": Extremes(max=worst, mean=1.0),
        "refused_connections": 0,
    }
    report = Report.model_construct(**facts)
    return Cost(Measured(clients, report, {}), Counter(reads=asked), 2.0, 2.0 * times)


def test_figures_at_their_bounds_are_good() -> None:
    assert missed(costing(250, ratio=3.0), costing(1_000, ratio=1.15, asked=110, times=2.0)) == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (costing(1_000, ratio=1.16), "ratio 1.16 is over 1.15"),
        (costing(1_000, ratio=None), "ratio None is over 1.15"),
        (costing(1_000, asked=120), "requests grow 1.20 times"),
        (costing(1_000, times=2.01), "a preview is 2.01 bare ones"),
        (costing(1_000, worst=2), "1000 clients: a device was disconnected twice or refused"),
    ],
)
def test_each_bound_that_does_not_hold_is_named(more: Cost, told: str) -> None:
    assert missed(costing(250), more) == [told]


def test_two_sizes_that_are_none_are_refused_before_anything_is_started() -> None:
    assert CliRunner().invoke(app, ["--small", "300", "--clients", "300"]).exit_code == 2


def test_a_request_is_counted_once_however_long_it_lasts(tmp_path: Path) -> None:
    def line(number: int, verb: str, **about: str) -> str:
        user = {"username": "person"}
        return json.dumps({"auditID": str(number), "verb": verb, "user": user, "objectRef": about}) + "\n"

    forward = line(1, "create", resource="pods", subresource="portforward", namespace="mqtt")
    lines = [forward, line(2, "list", resource="pods"), line(3, "patch", resource="configmaps"), forward]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / AUDIT).write_text("".join(lines) + '{"auditID": "4", "ver')
    assert by_kind(requests(tmp_path)) == {"forwards": 1, "reads": 1, "writes": 1}


def test_the_bare_program_has_the_same_objects_without_pods_and_secrets() -> None:
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "emqx"}}
    secret = {"data": {"4dabf18193072939515e22adb298388d": "cipher"}, "metadata": {"name": "s", "namespace": "emqx"}}
    state = {
        "deployment": {
            "resources": [
                {"type": "pulumi:pulumi:Stack"},
                {"type": "kubernetes:apps/v1:Deployment", "inputs": {**deployment, "spec": {"replicas": 2}}},
                {"type": "kubernetes:core/v1:Secret", "inputs": secret},
            ]
        }
    }
    (_, first), (_, second) = objects(state)
    assert first == {"metadata": {"name": "x", "namespace": BARE_NAMESPACE}, "spec": {"replicas": 0}}
    assert "cipher" not in str(second)


def test_the_bare_program_has_as_many_dynamic_resources_with_the_same_inputs_and_no_secret() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}
    inputs = {"__provider": "pickled", "to": "green", "clusters": [{"colour": "blue", "key": secret}], "shares": [10]}
    types = ("pulumi:pulumi:Stack", "kubernetes:core/v1:Secret", "pulumi-python:dynamic/emqx:Cutover")
    state = {"deployment": {"resources": [{"type": one, "inputs": inputs} for one in types]}}
    clusters = [{"colour": "blue", "key": "a secret"}]
    assert links(state) == [{"to": "green", "clusters": clusters, "shares": [10]}]
