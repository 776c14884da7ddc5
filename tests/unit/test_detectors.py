"""Every rule's detector: a fact that hits, one that just misses, and a question where the fact was not given."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from components.cutover.versions import parse
from components.migration.detectors import DETECTORS
from components.migration.rules import Clear, Hit, Question, catalogue
from tests.unit.detector_facts import acl, conf, export, given_facts, live, plugins, says, tree
from tests.unit.detector_pairs import PAIRS, PEOPLE, VERSIONS_DECIDE

pytestmark = pytest.mark.unit

OPEN: dict[str, Any] = {}


def test_no_rule_lacks_its_pair_of_facts() -> None:
    assert set(PAIRS) | set(PEOPLE) == {rule.id for rule in catalogue()}
    assert not set(PAIRS) & set(PEOPLE)
    assert set(DETECTORS) == {rule.id for rule in catalogue()}


@pytest.mark.parametrize("rule_id", PAIRS)
def test_a_fact_hits_and_names_its_place(rule_id: str) -> None:
    finding = DETECTORS[rule_id](given_facts(rule_id, PAIRS[rule_id][0]))
    assert isinstance(finding, Hit), finding
    assert finding.places
    assert all(str(place) for place in finding.places)


@pytest.mark.parametrize("rule_id", PAIRS)
def test_a_fact_that_just_misses_is_clear(rule_id: str) -> None:
    assert DETECTORS[rule_id](given_facts(rule_id, PAIRS[rule_id][1])) == Clear()


@pytest.mark.parametrize("rule_id", sorted({*PAIRS, *PEOPLE}))
def test_without_its_fact_a_rule_asks(rule_id: str) -> None:
    finding = DETECTORS[rule_id](given_facts(rule_id, OPEN))
    if rule_id in VERSIONS_DECIDE:
        assert not isinstance(finding, Question)
    else:
        assert isinstance(finding, Question), finding
        assert finding.text


@pytest.mark.parametrize("rule_id", PEOPLE)
def test_what_only_a_person_knows_is_asked_whatever_is_given(rule_id: str) -> None:
    everything = {
        **conf("a.b = c"),
        **tree("a = b"),
        **export(),
        **says("x"),
        **acl("x"),
        **plugins("x"),
        **live(connections=1),
    }
    assert isinstance(DETECTORS[rule_id](given_facts(rule_id, everything)), Question)


@pytest.mark.parametrize(("rule_id", "hits"), [(rule_id, hits) for rule_id, (hits, _) in PAIRS.items()])
def test_each_rule_that_hits_here_lies_on_the_way_of_its_facts(rule_id: str, hits: dict[str, Any]) -> None:
    row = next(rule for rule in catalogue() if rule.id == rule_id)
    facts = given_facts(rule_id, hits)
    edition: Any = row.edition if row.edition != "both" else facts.plan.edition_from
    narrow = {"43-03": {"edition_from": "ce"}, "51-36": {"edition_from": "ce"}}.get(rule_id, {})
    versions = {"59-07": {"target": parse("5.9.0")}, "60-05": {"source": parse("6.0.2")}, "61-03": {"source": parse("6.1.1")}, "BK-02": {"target": parse("5.9.3")},
                "BK-03": {"target": parse("6.0.4")}, "BK-01": {"target": parse("5.7.2")}, "63-06": {"source": parse("6.3.0")}, "63-07": {"source": parse("6.3.0")}}  # fmt: skip
    assert row.applies(replace(facts.plan, **{"edition_from": edition, **narrow, **versions.get(rule_id, {})}))


def test_a_place_never_holds_a_value() -> None:
    secret = "s3cr3t-of-the-fleet"
    everything = given_facts(
        "51-01",
        {
            **conf(
                f"auth.mysql.password = {secret}",
                f"auth.mysql.super_query = {secret}",
                f"auth.mysql.auth_query = {secret}%u",
                f"zone.a.b = {secret}",
            ),
            **export(
                auth_mnesia=[{"login": "u", "password": secret}],
                apps=[{"id": "admin", "secret": secret}],
                modules=[{"type": "x_authentication", "config": f"%u{secret}"}],
            ),
            **says(f"curl -u admin:public /api/v4 {secret}"),
        },
    )
    text = json.dumps([str(DETECTORS[rule.id](everything)) for rule in catalogue()])
    assert secret not in text
