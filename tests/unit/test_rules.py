"""The catalogue of rules: complete, well-formed, and applied to what lies between source and target."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.cutover.versions import KNOWN, Version, parse
from components.migration import rules
from components.migration.archive import Archive
from components.migration.configs.hocon import Hocon
from components.migration.detectors import DETECTORS
from components.migration.facts import Export, Facts, Plan
from components.migration.rules import Clear, Hit, Place, Question, Rule, UnknownRuleError, Verdict, catalogue, evaluate
from components.migration.versions import scope

pytestmark = pytest.mark.unit
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault of the code."""

SEED = json.loads((Path(__file__).parent / "recordings/migration/seed-4.2-to-4.3.json").read_text(encoding="utf-8"))
BULLETS = {
    *range(24, 29),
    *range(37, 42),
    *range(75, 82),
    *range(89, 98),
    101,
    102,
    106,
    110,
    *range(116, 121),
    *range(124, 128),
}
"""The lines of seed 004 that begin with a bullet or a number."""


def test_all_114_rules_are_there_and_ours_beside_them() -> None:
    ids = [rule.id for rule in catalogue()]
    assert len(ids) == len(set(ids))
    assert len(ids) == 114 + 35
    assert all(rule.change and rule.detect and rule.severity for rule in catalogue())


@pytest.mark.parametrize("bullet", SEED, ids=lambda bullet: f"line {bullet['line']}")
def test_each_line_of_the_seed_has_a_rule(bullet: dict[str, Any]) -> None:
    by_id = {rule.id: rule for rule in catalogue()}
    assert bullet["rules"]
    assert all(by_id[rule].since == "4.3.0" for rule in bullet["rules"])


def test_no_bullet_of_the_seed_is_left_out_and_no_own_rule_of_the_hop_is_invented() -> None:
    assert {bullet["line"] for bullet in SEED} >= BULLETS
    mapped = {rule for bullet in SEED for rule in bullet["rules"]}
    own = {rule.id for rule in catalogue() if rule.id.startswith("43-") and rule.id not in mapped}
    # These come from the shipped files and from EMQX's import code, and say so.
    assert own == {"43-05", "43-33", "43-35", "43-38", "43-40", "43-41", "43-42", "43-44", "43-45"}


def plan(source: str, target: str, **more: Any) -> Plan:
    return Plan(parse(source), parse(target), **more)


def applied(source: str, target: str, **more: Any) -> set[str]:
    return {rule.id for rule in catalogue() if rule.applies(plan(source, target, **more))}


def test_a_rule_applies_when_its_change_lies_between_source_and_target() -> None:
    on_the_way = applied("4.4.19", "5.8.11")
    assert {"51-01", "54-01", "58-10"} <= on_the_way
    assert not {one for one in on_the_way if one.startswith(("43-", "59-", "60-"))}
    assert "58-08" not in applied("5.8.1", "5.8.11")
    assert "58-08" in applied("5.8.0", "5.8.11")


@pytest.mark.parametrize(
    ("rule", "source", "target", "bites"),
    [
        ("58-11", "5.8.7", "5.9.0", True),
        ("58-11", "5.8.6", "5.9.0", False),
        ("58-11", "5.8.11", "5.10.1", False),
        ("58-10", "5.7.2", "5.8.4", True),
        ("58-10", "4.4.19", "5.8.3", True),
        ("58-10", "5.8.4", "6.3.1", True),
        ("58-10", "5.8.5", "5.8.11", False),
        ("58-10", "4.2.14", "4.3.22", False),
        ("59-07", "5.9.2", "5.10.0", True),
        ("59-07", "5.8.11", "5.9.2", False),
        ("60-05", "6.0.2", "6.0.3", True),
        ("60-05", "6.0.3", "6.1.2", False),
        ("60-05", "6.1.1", "6.2.0", False),
        ("60-05", "6.2.0", "6.3.0", True),
        ("BK-01", "5.8.11", "5.10.4", True),
        ("BK-01", "5.8.11", "6.0.0", False),
        ("BK-02", "5.8.9", "5.8.11", True),
        ("BK-02", "5.8.9", "5.8.10", False),
        ("BK-02", "5.8.9", "6.3.0", True),
        ("BK-03", "6.0.3", "6.0.4", True),
        ("BK-03", "6.0.3", "6.1.4", False),
        ("BK-05", "4.2.14", "4.3.22", False),
        ("BK-05", "5.8.9", "5.8.11", True),
        ("BK-06", "4.4.19", "5.6.1", False),
        ("BK-06", "4.4.19", "5.7.0", True),
    ],
)
def test_the_other_forms_of_since(rule: str, source: str, target: str, bites: bool) -> None:
    since = next(one.since for one in catalogue() if one.id == rule)
    assert scope(rule, since)(parse(source), parse(target)) is bites


def test_a_rule_of_one_edition_does_not_apply_to_the_other() -> None:
    assert "51-36" in applied("4.4.19", "5.8.9", edition_from="ce", edition_to="ce")
    assert "51-36" in applied("4.4.19", "5.8.9", edition_from="ce", edition_to="ee")
    assert "51-36" not in applied("4.4.19", "5.8.9")
    assert "54-04" not in applied("5.3.2", "5.4.1", edition_from="ce", edition_to="ce")


def verdict(finding: Any, severity: Any, *, acknowledged: bool = False) -> Verdict:
    return Verdict(replace(catalogue()[0], severity=severity), finding, acknowledged)


@pytest.mark.parametrize("finding", [Hit((Place("f", 1),)), Question("?")])
def test_a_block_blocks_until_it_is_acknowledged_or_gone(finding: Any) -> None:
    assert verdict(finding, "block").blocks
    assert not verdict(finding, "block", acknowledged=True).blocks
    assert not verdict(finding, "warn").blocks
    assert not verdict(finding, "info").blocks
    assert not verdict(Clear(), "block").blocks


def test_an_acknowledgement_of_no_rule_is_refused() -> None:
    with pytest.raises(UnknownRuleError, match="51-99"):
        evaluate(Facts(plan("4.4.19", "5.8.11")), DETECTORS, ["51-01", "51-99"])


def test_an_acknowledged_rule_is_still_shown() -> None:
    verdicts = {one.rule.id: one for one in evaluate(Facts(plan("4.4.19", "5.8.11")), DETECTORS, ["51-26", "51-40"])}
    assert verdicts["51-40"].acknowledged
    assert not verdicts["51-40"].blocks
    assert verdicts["51-12"].blocks


VERSIONS = [Version(*line, patch) for line, last in KNOWN["ee"].items() for patch in range(last + 1)]


@PATIENT
@given(st.sampled_from(VERSIONS), st.sampled_from(VERSIONS))
def test_a_bare_plan_never_breaks_a_detector(source: Version, target: Version) -> None:
    verdicts = evaluate(Facts(Plan(source, target)), DETECTORS)
    assert len({one.rule.id for one in verdicts}) == len(verdicts)


def test_a_change_on_the_way_concerns_upgrades_only() -> None:
    """BK-* speak of the archives that the target takes, whatever comes; every pair of known releases is tried."""
    changes = {rule.id: scope(rule.id, rule.since) for rule in catalogue() if not rule.id.startswith("BK")}
    pairs = [(source, target) for source in VERSIONS for target in VERSIONS if source >= target]
    bitten = {name for name, bites in changes.items() for source, target in pairs if bites(source, target)}
    assert bitten == set()


@pytest.mark.parametrize("row", [{}, {"id": 5}, dict.fromkeys(Rule.__dataclass_fields__, "x")])
def test_a_broken_row_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="rule"):
        rules.parse([row])


KEYS = ["id", "type", "type_value", "login", "topic", "action", "access", "allow", "actions", "name", "args", "$resource", "config", "enabled", "storage_type", "is_superuser"]  # fmt: skip
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(max_size=8),
        st.sampled_from(["#", "%u", "pubsub", "all"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=8,
)
SECTIONS = ["rules", "resources", "modules", "auth_mnesia", "acl_mnesia", "apps", "users", "schemas", "auth_username", "auth_clientid", "blacklist", "auth.mnesia.as"]  # fmt: skip


@PATIENT
@given(
    st.dictionaries(
        st.sampled_from(SECTIONS),
        st.one_of(JSON, st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5), max_size=4)),
        max_size=6,
    ),
    st.sampled_from([("4.2.14", "4.3.22"), ("4.4.19", "5.8.11"), ("4.4.19", "5.4.1")]),
)
def test_whatever_an_export_holds_no_detector_breaks(sections: dict[str, Any], hop: tuple[str, str]) -> None:
    facts = Facts(plan(*hop), export=Export("e.json", {"version": hop[0], **sections}))
    assert evaluate(facts, DETECTORS)


ROOTS = ["authentication", "authorization", "sources", "listeners", "tcp", "default", "connectors", "actions", "limiter", "client", "rule_engine", "rules", "sql",
         "force_shutdown", "max_heap_size", "gateway", "opentelemetry", "traces", "enable", "dashboard", "sso", "oidc", "issuer", "http", "x", "resource_opts",
         "schema_validation", "validations", "topics", "plugins", "states", "dynamo", "parameters", "sqlserver", "server", "multi_tenancy", "default_max_sessions"]  # fmt: skip
TREE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just("infinity")),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(ROOTS), inner, max_size=4)),
    max_leaves=12,
)


@PATIENT
@given(
    st.dictionaries(st.sampled_from(ROOTS), TREE, max_size=6),
    st.sampled_from([("5.3.2", "6.3.0"), ("5.8.11", "5.9.0"), ("6.1.5", "6.3.0")]),
)
def test_whatever_a_cluster_hocon_holds_no_detector_breaks(tree: dict[str, Any], hop: tuple[str, str]) -> None:
    file = Hocon("cluster.hocon", json.dumps(tree), tree)
    archive = Archive("x.tar.gz", "x", "ee", parse("5.8.11"), file)
    assert evaluate(Facts(plan(*hop), hocons=(file,), archive=archive), DETECTORS)


def test_a_move_from_5_0_meets_its_own_rules_and_none_of_those_from_4_4() -> None:
    from_first = applied("5.0.26", "5.8.9", edition_from="ce", edition_to="ce")
    assert {one for one in from_first if one.startswith("50-")} == {"50-01", "50-02", "50-03", "50-04", "50-05"}
    assert not {one for one in from_first if one.startswith("51-")}
    assert not {one for one in applied("4.4.19", "5.8.9") if one.startswith("50-")}
    assert not {one for one in applied("5.1.0", "5.8.9") if one.startswith("50-")}
