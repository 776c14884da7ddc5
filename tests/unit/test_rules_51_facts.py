"""4.4 -> 5.x: what a rule is decided on: plugins of the image's variable, LDAP by target, MongoDB's default collection, backend plugins."""

from __future__ import annotations

from typing import Any

import pytest

from components.cutover.versions import parse
from components.migration.detectors import DETECTORS
from components.migration.facts import Export, Facts, Plan
from components.migration.hop_44_5 import Options, Source, convert
from components.migration.loading import add
from components.migration.rules import Clear, Finding, Hit, Question

pytestmark = pytest.mark.unit


def found(rule: str, target: str = "5.8.11", modules: list[dict[str, Any]] | None = None, **files: str) -> Finding:
    data = {"version": "4.4", "modules": modules or []}
    facts = Facts(Plan(parse("4.4.19"), parse(target)), export=Export("e.json", data))
    for name, text in files.items():
        facts = add(facts, name.replace("__", "."), text.encode())
    return DETECTORS[rule](facts)


@pytest.mark.parametrize(("target", "kind"), [("5.1.6", Hit), ("5.2.1", Hit), ("5.3.0", Clear), ("5.8.11", Clear)])
def test_ldap_is_gone_only_where_the_target_has_none(target: str, kind: type) -> None:
    plugin = "{emqx_auth_ldap, true}.\n"
    module = {"type": "ldap_authentication", "config": {}, "enabled": True}
    assert isinstance(found("51-21", target, loaded_plugins=plugin), kind)
    assert isinstance(found("51-21", target, [module], loaded_plugins=""), kind)


@pytest.mark.parametrize("plugin", ["emqx_lua_hook", "emqx_statsd"])
def test_what_no_target_has_is_gone_for_every_target(plugin: str) -> None:
    assert isinstance(found("51-21", loaded_plugins=f"{{{plugin}, true}}.\n"), Hit)
    assert isinstance(found("51-21"), Question)


@pytest.mark.parametrize(("state", "kind"), [("true", Hit), ("false", Clear)])
def test_a_backend_plugin_that_is_loaded_persists_messages(state: str, kind: type) -> None:
    assert isinstance(found("51-22", loaded_plugins=f"{{emqx_backend_redis, {state}}}.\n"), kind)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"acl_query_collection": "mqtt_acl", "acl_query_selectors": []}, Clear),
        ({"acl_query_collection": "mqtt_acl"}, Clear),
        ({"acl_query_collection": "mqtt_acl", "acl_query_selectors": [{"acl_query_selector": "username=%u"}]}, Hit),
        ({"acl_query_collection": "mine", "acl_query_selectors": []}, Hit),
    ],
)
def test_the_default_collection_of_mongodb_asks_for_no_permission_by_itself(config: dict[str, Any], kind: type) -> None:
    module = {"type": "mongo_authentication", "config": config, "enabled": True}
    assert isinstance(found("51-18", modules=[module]), kind)


@pytest.mark.parametrize("files", [{}, {"loaded_plugins": "{emqx_auth_http, false}.\n"}])
def test_a_plugin_that_a_variable_loads_is_as_loaded_as_one_of_the_file(files: dict[str, Any]) -> None:
    variable = 'EMQX_LOADED_PLUGINS="emqx_recon,emqx_auth_http emqx_lua_hook"\nEMQX_AUTH__HTTP__ACL_REQ=http://h/acl\n'
    lua = found("51-21", my__env=variable, **files)
    assert isinstance(lua, Hit)
    assert [str(one) for one in lua.places] == ["my.env:1:emqx_lua_hook"]
    http = found("51-12", my__env=variable, emqx__conf="node.name = a@b\n", **files)
    assert not isinstance(http, Clear)


@pytest.mark.parametrize(
    ("target", "words"), [("5.2.1", "5.1 and 5.2 have no LDAP"), ("5.8.11", "asks in another way")]
)
def test_the_conversion_says_of_ldap_what_the_rule_says(target: str, words: str) -> None:
    export = {"version": "4.4", "modules": [{"type": "ldap_authentication", "config": {}, "enabled": True}]}
    account = convert(Source(export), "4.4.19", target, Options(now=1.0)).account
    assert [words in item.how for item in account.items if item.section == "modules"] == [True]


@pytest.mark.parametrize(("selectors", "denied"), [([], False), ([{"acl_query_selector": "username=%u"}], True)])
def test_a_database_that_was_not_asked_for_permissions_denies_nothing_behind_it(
    selectors: list[dict[str, str]], *, denied: bool
) -> None:
    """Its settings are refused by 5.x; only where 4.4 asked it for permissions must the sources behind it be off."""
    config = {"type": "unknown", "acl_query_collection": "mqtt_acl", "acl_query_selectors": selectors}
    acl = {"acl_rule_file": {"filename": "acl.conf", "file": "{allow, all}.\n"}}
    modules = [
        {"type": "mongo_authentication", "config": config, "enabled": True},
        {"type": "internal_acl", "config": acl, "enabled": True},
    ]
    authorization = convert(
        Source({"version": "4.4", "modules": modules}), "4.4.19", "5.8.11", Options(now=1.0)
    ).config["authorization"]
    file = next(one for one in authorization["sources"] if one["type"] == "file")
    assert file["enable"] is not denied
