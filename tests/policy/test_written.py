"""What the pack has from elsewhere is current: its routes are the components' matrix, its README says what its rules say."""

from __future__ import annotations

import pytest

from components.cutover.routes import Route, route
from components.cutover.versions import KNOWN, newest
from tests.policy.asking import rules
from tools.write_policies import EDITIONS, README, ROUTES, readme, routes_text

pytestmark = pytest.mark.policy


def test_the_written_files_are_current() -> None:
    assert ROUTES.read_text() == routes_text(), "run `python -m tools.write_policies`"
    assert README.read_text() == readme(), "run `python -m tools.write_policies`"


def test_every_rule_stands_in_the_readme_with_its_settings() -> None:
    text = README.read_text()
    for rule in rules.RULES:
        assert f"### `{rule.name}`" in text
        assert rule.remedy in text
        assert all(f"setting `{name}`" in text for name in rule.settings)


def test_the_pack_allows_between_newest_patches_what_the_components_allow() -> None:
    table = rules.versions.routes()["routes"]
    for edition in EDITIONS:
        for line in KNOWN[edition]:
            for other in EDITIONS:
                for target in KNOWN[other]:
                    new, old = newest(target, other), newest(line, edition)
                    found = route(str(old), str(new), edition, other)
                    if isinstance(found, Route) and found.hops:
                        there = table[f"{line[0]}.{line[1]} {edition}"][f"{target[0]}.{target[1]} {other}"]
                        assert there == list(found.hops[0].strategies), (old, edition, new, other)
