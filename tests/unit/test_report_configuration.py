"""Which settings no import carried is whole in the report, however many there are, and counted in its summary."""

from __future__ import annotations

from typing import Any

import pytest

from components.migration.unlike import Unlike
from components.report.html import page
from components.report.model import Report
from components.report.numbers import report_of
from components.report.terminal import summary
from tests.unit.report_bed import BEGAN, cutover

pytestmark = pytest.mark.unit

LISTENER = Unlike(kind="listener", name="tcp:extra", state="missing", paths=("listeners.tcp.extra.enable",))
OTHERS = tuple(
    Unlike(kind="other", name=f"sysmon.s{number}", state="different", paths=(f"sysmon.s{number}",))
    for number in range(70)
)


def report(*configurations: Any) -> Report:
    facts = [
        {"t": BEGAN + 9, "run": "aaaa", "event": "fact", "section": "import", "configuration": one}
        for one in configurations
    ]
    return report_of(sorted([*cutover(), *facts], key=lambda event: event["t"]))


def dumped(*things: Unlike) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json") for one in things]


def test_every_thing_that_differs_is_in_the_report_and_on_the_page_folded() -> None:
    found = report(dumped(LISTENER, *OTHERS))
    assert found.configuration is not None
    assert found.configuration.things == (LISTENER, *OTHERS)
    assert (found.configuration.grave, found.configuration.others) == (1, 70)
    folded = page(found).partition("<details>")[2].partition("</details>")[0]
    assert "1 grave, 70 others" in folded
    for one in (LISTENER, *OTHERS):
        assert one.paths[0] in folded
    assert "not on green" in folded
    assert Report.model_validate_json(found.model_dump_json()) == found


def test_the_summary_counts_them_in_one_line() -> None:
    told = [line for line in summary(report(dumped(LISTENER, *OTHERS))).splitlines() if "differs" in line]
    assert told == ["  differs      1 grave, 70 other settings of green, each named in the report"]


def test_of_two_imports_of_one_cutover_the_newer_one_counts() -> None:
    found = report(dumped(LISTENER, *OTHERS), dumped(LISTENER))
    assert found.configuration is not None
    assert found.configuration.things == (LISTENER,)


@pytest.mark.parametrize("configuration", [None, [["mqtt.max_packet_size", "different on both"]], "planted"])
def test_what_was_not_compared_or_is_told_otherwise_is_not_known(configuration: Any) -> None:
    found = report(configuration)
    assert found.configuration is None
    assert "<details>" not in page(found)
    assert "differs" not in summary(found)


def test_where_nothing_differs_nothing_is_shown() -> None:
    found = report([])
    assert found.configuration is not None
    assert found.configuration.things == ()
    assert "<details>" not in page(found)
    assert "differs" not in summary(found)
    assert report().configuration is None
