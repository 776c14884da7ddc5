"""What preview says of the rules: the program's own work is not asked of a person, what it cannot know is."""

from __future__ import annotations

import pytest

from components.migration.advice import advise, lines
from components.migration.check import Report
from components.migration.facts import Live
from components.migration.rules import UnknownRuleError

pytestmark = pytest.mark.unit

EFFECTIVE = 'mqtt { retry_interval = "30s" }\nconnectors {}\nlisteners.tcp.default { bind = "0.0.0.0:1883" }\n'


def of(old: str, new: str, *acknowledged: str, effective: str | None = EFFECTIVE) -> Report:
    return advise((old, new), ("ee", "ee"), 3, acknowledged, effective=effective, live=Live(connections=1000))


def test_a_patch_upgrade_asks_nothing() -> None:
    assert of("5.8.6", "5.8.11").blocking == ()


def test_a_rule_that_only_a_person_can_answer_blocks_until_it_is_acknowledged() -> None:
    assert of("5.8.9", "5.10.1").blocking == ("59-01",)
    assert of("5.8.9", "5.10.1", "59-01").blocking == ()


def test_preview_shows_route_conditions_and_question() -> None:
    text = "\n".join(lines(of("5.8.9", "5.10.1")))
    assert "5.8.9 -> 5.10.1 (rolling or same-cluster or two-cluster)" in text
    assert "ask: has each new node a commercial licence key" in text
    assert "--acknowledge" not in text


def test_a_setting_of_the_old_cluster_that_breaks_is_a_hit_with_its_place() -> None:
    limiter = EFFECTIVE + "limiter { max_conn { rate = infinity } }\n"
    found = {
        verdict.rule.id for verdict in of("5.8.9", "5.10.1", "59-01", effective=limiter).verdicts if verdict.blocks
    }
    assert "59-04" in found


def test_an_id_that_no_rule_has_is_refused() -> None:
    with pytest.raises(UnknownRuleError, match="99-99"):
        of("5.8.9", "5.8.11", "99-99")


def test_what_preview_shows_is_bounded() -> None:
    assert len(lines(of("5.1.0", "5.8.11", effective=None), most=5)) == 6
