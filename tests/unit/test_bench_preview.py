"""The figures of the preview: the quickest try counts, and what is over its bound is a failure."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from lab import bench_preview
from lab.bench_preview import Measured, app, best

pytestmark = pytest.mark.unit


class Previews:
    """A workspace whose previews take these seconds, one after the other."""

    def __init__(self, *seconds: float) -> None:
        self.left, self.now = list(seconds), 0.0

    def good(self) -> None:
        """All went well."""

    def clock(self) -> float:
        return self.now


def test_the_quickest_of_the_tries_counts_and_they_take_turns() -> None:
    clock: Any = Previews()
    one, other = (Previews(*seconds) for seconds in ((9.0, 3.0, 5.0), (4.0, 8.0, 7.0)))
    order: list[float] = []

    def preview(made: Previews) -> Any:
        order.append(made.left[0])
        clock.now += made.left.pop(0)
        return clock

    workspaces: Any = [SimpleNamespace(preview=partial(preview, made)) for made in (one, other)]
    assert best(*workspaces, clock=clock.clock) == [3.0, 4.0]
    assert order == [9.0, 4.0, 3.0, 8.0, 5.0, 7.0]


@pytest.mark.parametrize(("seconds", "status"), [(6.0, 0), (6.1, 1)])
def test_twice_a_bare_program_and_two_seconds_are_allowed(
    seconds: float, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_preview, "measure", lambda clients: Measured(clients, 2.0, seconds))
    done = CliRunner().invoke(app, ["--clients", "7"])
    assert done.exit_code == status, done.output
    assert "6.00" in done.output
