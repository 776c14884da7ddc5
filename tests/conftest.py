"""Tiers: every test carries exactly one tier marker, and one pytest process runs them in order, the quick ones first."""

from __future__ import annotations

import pytest

TIERS = ("unit", "program", "provider", "policy", "lab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order by tier; a test without its one tier stops the collection."""
    wrong = [item.nodeid for item in items if len(tiers(item)) != 1]
    if wrong:
        raise pytest.UsageError(f"exactly one of the markers {', '.join(TIERS)} is needed: {', '.join(wrong[:10])}")
    items.sort(key=lambda item: TIERS.index(tiers(item)[0]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """A header line where a tier begins."""
    tier = tiers(item)[0]
    if item.config.stash.get(RUNNING, None) != tier:
        item.config.stash[RUNNING] = tier
        terminal = item.config.pluginmanager.get_plugin("terminalreporter")
        if terminal:
            terminal.ensure_newline()
            if terminal._tw.width_of_current_line:  # with -q the dots of the last tier are still there
                terminal._tw.line()
            terminal.section(f"tier {tier}", sep="-")


RUNNING = pytest.StashKey[str]()


def tiers(item: pytest.Item) -> list[str]:
    """The tiers that a test is marked with."""
    return [tier for tier in TIERS if item.get_closest_marker(tier)]
