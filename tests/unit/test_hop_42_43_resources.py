"""4.2 -> 4.3, the rule engine: nothing goes into the import that 4.3 would refuse, for it would refuse all of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.facts import Export
from components.migration.hop_42_43.export import Exported, convert_export
from components.migration.manifest import Account, Ledger, Verdict
from tests.unit.hop_42_43_bed import PATIENT

pytestmark = pytest.mark.unit


def converted(
    resources: list[dict[str, Any]], rules: list[dict[str, Any]], said: str = "4.2.14", *, enterprise: bool = False
) -> tuple[Exported, Account]:
    export = Export("e.json", {"version": said, "resources": resources, "rules": rules})
    ledger = Ledger()
    return convert_export(export, None, ledger, enterprise=enterprise), ledger.account()


def hook(**config: Any) -> dict[str, Any]:
    return {"id": "r1", "type": "web_hook", "config": {"url": "http://h", **config}, "description": ""}


def rule(*actions: dict[str, Any], name: str = "rule:1") -> dict[str, Any]:
    return {"id": name, "rawsql": "SELECT * FROM t", "actions": list(actions), "enabled": True, "description": ""}


def action(name: str, resource: str = "", **args: Any) -> dict[str, Any]:
    return {"id": f"{name}_1", "name": name, "args": {**({"$resource": resource} if resource else {}), **args}}


@pytest.mark.parametrize(
    ("given_time", "written"), [(5, "5s"), ("5", "5s"), ("500ms", "500ms"), ("1m", "1m"), (None, "5s")]
)
def test_a_time_is_text_with_a_unit(given_time: Any, written: str) -> None:
    done, account = converted([hook(connect_timeout=given_time, request_timeout=given_time)], [])
    config = done.data["resources"][0]["config"]
    assert (config["connect_timeout"], config["request_timeout"]) == (written, written)
    assert [item.verdict for item in account.items] == [Verdict.CARRIED]


def test_headers_and_method_go_to_every_action_of_the_hook_fallbacks_too() -> None:
    resource = hook(headers=[], method="PUT", content_type="text/plain")
    behind = {**action("republish"), "fallbacks": [action("data_to_webserver", "r1", path="/p", payload_tmpl="x")]}
    done, _ = converted([resource], [rule(action("data_to_webserver", "r1"), behind)])
    first, second = done.data["rules"][0]["actions"]
    put = {"$resource": "r1", "method": "PUT", "headers": {"content-type": "text/plain"}}
    assert first["args"] == {**put, "path": "", "body": ""}
    assert second["fallbacks"][0]["args"] == {**put, "path": "/p", "body": "x"}
    assert {"headers", "method", "content_type"}.isdisjoint(done.data["resources"][0]["config"])


def test_headers_that_no_rule_takes_over_are_said_to_be_lost() -> None:
    _, account = converted([hook(headers={"key": "s3cret"})], [])
    assert [item.verdict for item in account.items] == [Verdict.CHANGED]
    assert "s3cret" not in account.to_json(origin="a", target="b")


def test_a_bridge_has_switches_and_times_as_4_3_wants_them() -> None:
    config = {"address": "h:1883", "ssl": "on", "bridge_mode": "false", "keepalive": 60, "pool_size": "4"}
    resource = {"id": "b", "type": "bridge_mqtt", "config": config}
    done, _ = converted([resource], [rule(action("data_to_mqtt_broker", "b", forward_topic="f", payload_tmpl=""))])
    assert done.data["resources"][0] == {
        **resource,
        "created_at": None,
        "description": "",
        "config": {"address": "h:1883", "ssl": True, "bridge_mode": False, "keepalive": "60s", "pool_size": 4},
    }
    assert len(done.data["rules"]) == 1


def test_a_resource_of_an_unknown_type_and_its_rule_are_requests_so_that_a_refusal_hurts_nothing_else() -> None:
    mysql = {"id": "m", "type": "backend_mysql", "config": {"server": "s", "timeout": 5}, "description": "d"}
    done, account = converted([hook(), mysql], [rule(action("data_to_mysql", "m", sql="x"))], enterprise=True)
    assert [one["id"] for one in done.data["resources"]] == ["r1"]
    assert done.data["rules"] == []
    assert [(one.method, one.path) for one in done.requests] == [("POST", "/resources"), ("POST", "/rules")]
    assert done.requests[0].body == {key: mysql[key] for key in ("id", "type", "config", "description")}
    assert done.requests[1].body["actions"] == [
        {"name": "data_to_mysql", "params": {"$resource": "m", "sql": "x"}, "fallbacks": []}
    ]
    assert [item.verdict for item in account.items] == [Verdict.CARRIED, Verdict.CHANGED, Verdict.CHANGED]


def test_an_action_that_4_3_may_not_know_goes_by_a_request() -> None:
    done, account = converted([], [rule(action("own_action"))])
    assert (done.data["rules"], [one.path for one in done.requests]) == ([], ["/rules"])
    assert account.items[0].verdict is Verdict.CHANGED


def test_a_value_of_no_type_that_4_3_takes_leaves_the_resource_and_its_rules_out_and_names_the_field() -> None:
    done, account = converted([hook(connect_timeout=[5])], [rule(action("data_to_webserver", "r1"))])
    assert (done.data["resources"], done.data["rules"], done.requests) == ([], [], ())
    assert [item.verdict for item in account.items] == [Verdict.DROPPED] * 2
    assert "connect_timeout" in account.items[0].how


def test_a_version_without_a_patch_is_not_converted_again() -> None:
    """Open source 4.3 converts what says 4.0, 4.1 or 4.2, and fails at republish (V_4.2.14_to_4.3.22_*, rr.json)."""
    rules = [rule(action("republish", target_topic="t"))]
    assert converted([], rules, "4.2")[0].data["version"] == "4.3"
    assert converted([], rules, "4.2", enterprise=True)[0].data["version"] == "4.2"
    assert converted([], [], "4.2")[0].data["version"] == "4.2"


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["5", "5s", "on", "off", "x", ""]),
    st.lists(st.text(max_size=2), max_size=2),
)
FIELDS = ("connect_timeout", "request_timeout", "pool_size", "verify", "url", "headers", "method", "content_type")
CONFIGS = st.one_of(VALUES, st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5))
RESOURCES = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", ""]),
        "type": st.sampled_from(["web_hook", "bridge_mqtt", "x"]),
        "config": CONFIGS,
    }
)
ACTIONS = st.builds(
    action, st.sampled_from(["republish", "data_to_webserver", "own"]), st.sampled_from(["", "a", "b", "gone"])
)


@PATIENT
@given(st.lists(RESOURCES, max_size=3), st.lists(st.lists(ACTIONS, max_size=2), max_size=3))
def test_what_is_imported_has_only_types_that_4_3_takes_and_every_row_has_its_item(
    resources: list[dict[str, Any]], listed: list[list[dict[str, Any]]]
) -> None:
    rules = [rule(*actions, name=f"rule:{at}") for at, actions in enumerate(listed)]
    done, account = converted(resources, rules)
    data = json.loads(json.dumps(done.data))
    assert len(account.items) == len(resources) + len(rules)
    there = {one["id"] for one in data["resources"]}
    for one in data["resources"]:
        assert {"id", "type", "config", "created_at", "description"} <= set(one)
        kinds = {"pool_size": int, "verify": bool, "ssl": bool, "headers": dict}
        for key, value in one["config"].items():
            assert type(value) is kinds.get(key, str), (key, value)
    for one in data["rules"]:
        assert {"id", "rawsql", "actions", "enabled", "description"} <= set(one)
        for each in one["actions"]:
            assert each["name"] in {"republish", "data_to_webserver"}
            assert each["args"].get("$resource", next(iter(there), None)) in {*there, None}
    kept = sum(item.verdict is not Verdict.DROPPED for item in account.items)
    assert kept == len(data["resources"]) + len(data["rules"]) + len(done.requests)
