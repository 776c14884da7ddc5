"""Tiers: every test carries exactly one tier marker, and one run has the quick ones first, in order, then the slow ones by what they may take."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Nothing is judged by the clock: a busy machine makes examples slow, and says nothing of the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

MOST_WORKERS = 4
QUICK = ("unit", "program", "provider", "policy")
TIERS = (*QUICK, "lab", "kubernetes", "aws")


@pytest.fixture(scope="module")
def swept() -> Iterator[None]:
    """What a module has left unfinished is collected at its end, so that no other module is told of it."""
    yield
    gc.collect()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Headings go where results are shown; pytest makes that place after the conftests are read."""
    end_in_order()
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal:
        config.pluginmanager.register(Headings(terminal))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order by tier; a test without its one tier stops the collection."""
    wrong = [item.nodeid for item in items if len(tiers(item)) != 1]
    if wrong:
        raise pytest.UsageError(f"exactly one of the markers {', '.join(TIERS)} is needed: {', '.join(wrong[:10])}")
    for item in items:
        item.user_properties.append(("tier", tiers(item)[0]))
    items.sort(key=in_order(items))


def in_order(items: Sequence[pytest.Item]) -> Callable[[pytest.Item], tuple[int, float, int]]:
    """The quick tiers first, each by itself; then all others together.

    Of those that may be run side by side the files begin that may take longest, or one of them would be left at the end with the other
    workers idle.
    """
    limits: dict[Path, float] = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        limits[item.path] = max(limits.get(item.path, 0.0), float(marker.args[0]) if marker and marker.args else 0.0)
    tier = {item: TIERS.index(tiers(item)[0]) for item in items}
    return lambda item: (min(tier[item], len(QUICK)), -limits[item.path], tier[item])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For ``-n auto`` and ``-n logical``: two more than there are processors, since these tests wait for a third of their time."""
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) + 2)


def end_in_order() -> None:
    """A SIGTERM is a Ctrl-C: what runs is taken down.

    Both are heard also by a run that a shell has put into the background, which lets it and all that it starts ignore Ctrl-C: a worker
    is ended by one when whoever started it is gone.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


class Headings:
    """A line where a tier begins; tests of another that is run beside it may still follow."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._seen: set[object] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        self._head(*tiers(item))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Where workers run the tests, their reports are all that is seen here; that of a worker's own end has no tier."""
        self._head(dict(report.user_properties).get("tier"))

    def _head(self, tier: object) -> None:
        if tier is None or tier in self._seen:
            return
        self._seen.add(tier)
        self._terminal.ensure_newline()
        if self._terminal._tw.width_of_current_line:  # with -q the dots of the last tier are still there
            self._terminal._tw.line()
        self._terminal.section(f"tier {tier}", sep="-")


def tiers(item: pytest.Item) -> list[str]:
    """The tiers that a test is marked with."""
    return [tier for tier in TIERS if item.get_closest_marker(tier)]
