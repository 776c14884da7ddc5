"""The rules of 4.4 -> 5.1 see what Enterprise calls things: kinds of resources and actions that its exports have."""

from __future__ import annotations

from typing import Any

import pytest

from components.cutover.versions import parse
from components.migration.detectors import DETECTORS
from components.migration.facts import Export, Facts, Plan
from components.migration.rules import Clear, Finding, Hit

pytestmark = pytest.mark.unit


def finding(rule: str, **sections: Any) -> Finding:
    plan = Plan(parse("4.4.19"), parse("5.8.11"))
    return DETECTORS[rule](Facts(plan, Export("e.json", {"version": "4.4", **sections})))


@pytest.mark.parametrize(
    "kind", ["backend_tablestore", "backend_dolphindb", "backend_lindorm", "bridge_sap_event_mesh", "bridge_rpc"]
)
def test_a_resource_without_a_counterpart_is_seen(kind: str) -> None:
    assert isinstance(finding("51-23", resources=[{"id": "r", "type": kind, "config": {}}], rules=[]), Hit)
    assert isinstance(finding("51-23", resources=[{"id": "r", "type": "backend_mysql", "config": {}}], rules=[]), Clear)


@pytest.mark.parametrize("name", ["offline_msg_to_redis", "get_subs_from_mysql", "lookup_sub_to_pgsql"])
def test_an_action_that_kept_messages_or_subscriptions_is_seen(name: str) -> None:
    rule = {"id": "r", "rawsql": "SELECT 1", "actions": [{"name": name, "args": {}}]}
    assert isinstance(finding("51-22", rules=[rule]), Hit)
