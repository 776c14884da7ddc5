"""The verdict of the bench on AWS: calls that grow with the clients, or a slow or rough cutover, never end well."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from typer.testing import CliRunner

from components.report.model import Extremes, Report
from lab.aws.bench import Asked, app, missed
from lab.bench import Measured

pytestmark = pytest.mark.unit


def asked(clients: int, calls: int, *, ratio: float | None = 1.0, worst: int = 1) -> Asked:
    facts: dict[str, Any] = {"ratio": ratio, "disconnects": Extremes(max=worst, mean=1.0), "refused_connections": 0}
    report = Report.model_construct(**facts)
    return Asked(Measured(clients, report, {}), Counter({"ec2:DescribeInstances": calls}))


@pytest.mark.parametrize(
    ("less", "more", "told"),
    [
        (asked(200, 100), asked(2_000, 120, ratio=1.15), []),
        (asked(200, 100), asked(2_000, 121), ["121 calls of AWS, 100 with fewer clients"]),
        (asked(200, 100), asked(2_000, 100, ratio=1.16), ["ratio 1.16 is over 1.15"]),
        (asked(200, 100), asked(2_000, 100, ratio=None), ["ratio None is over 1.15"]),
        (asked(200, 100, worst=2), asked(2_000, 100), ["200 clients: a device was disconnected twice or refused"]),
    ],
)
def test_each_bound_that_does_not_hold_is_named(less: Asked, more: Asked, told: list[str]) -> None:
    assert missed(less, more) == told


def test_two_sizes_that_are_none_are_refused_before_anything_is_started() -> None:
    refused = CliRunner().invoke(app, ["--small", "300", "--clients", "300"])
    assert refused.exit_code == 2
    assert "300 is no smaller than 300" in refused.output
