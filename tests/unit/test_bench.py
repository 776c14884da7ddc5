"""The verdict of the bench: a cutover that was slow, costly or rough never ends well."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from components.report.model import Extremes, Report
from lab.bench import Measured, Need, app, bytes_a_client, missed

pytestmark = pytest.mark.unit


def measured(
    clients: int, *, ratio: float | None = 1.0, resident: int = 100_000_000, worst: int | None = 1, refused: int = 0
) -> Measured:
    disconnects = None if worst is None else Extremes(max=worst, mean=1.0)
    facts: dict[str, Any] = {"ratio": ratio, "disconnects": disconnects, "refused_connections": refused}
    return Measured(clients, Report.model_construct(**facts), {"provider": Need(resident)})


def test_figures_at_their_bounds_are_good() -> None:
    less, more = measured(200, ratio=3.0), measured(1_200, ratio=1.1, resident=100_100_000)
    assert bytes_a_client(less, more) == 100
    assert missed(less, more) == []


@pytest.mark.parametrize(
    ("less", "more", "told"),
    [
        (measured(200), measured(1_200, ratio=1.11), "ratio 1.11 is over 1.1"),
        (measured(200), measured(1_200, ratio=None), "ratio None is over 1.1"),
        (measured(200), measured(1_200, resident=100_200_000), "200 bytes a client"),
        (measured(200, worst=2), measured(1_200), "200 clients: a device was disconnected twice or refused"),
        (measured(200), measured(1_200, refused=1), "1200 clients: a device was disconnected twice or refused"),
        (measured(200), measured(1_200, worst=None), "1200 clients: a device was disconnected twice or refused"),
    ],
)
def test_each_bound_that_does_not_hold_is_named(less: Measured, more: Measured, told: str) -> None:
    assert missed(less, more) == [told]


def test_two_sizes_that_are_none_are_refused_before_anything_is_started() -> None:
    refused = CliRunner().invoke(app, ["--small", "300", "--clients", "300"])
    assert refused.exit_code == 2
    assert "300 is no smaller than 300" in refused.output
