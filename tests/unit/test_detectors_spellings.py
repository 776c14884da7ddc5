"""What one pair of facts a rule does not show: other spellings, other places, and configurations of any shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.configs import hocon
from components.migration.detectors import DETECTORS
from components.migration.manifest import BadSource
from components.migration.rules import Clear, Hit, Question
from tests.unit.detector_facts import (
    PATIENT,
    USER42,
    archive,
    conf,
    export,
    given_facts,
    grants,
    live,
    old_grants,
    plan,
    plugins,
    said_of,
    says,
    tree,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("rule_id", "line"),
    [
        ("51-10", "auth.pgsql.auth_query = select '%u'"),
        ("51-11", "auth.pgsql.super_query = select 1"),
        ("51-16", "auth.pgsql.encoding = utf8"),
        ("51-17", "auth.pgsql.acl_query = select 1"),
        ("51-20", "auth.pgsql.password_hash = salt,bcrypt"),
    ],
)
def test_settings_of_a_plugin_that_is_not_loaded_do_not_count(rule_id: str, line: str) -> None:
    detect = DETECTORS[rule_id]
    assert isinstance(detect(given_facts(rule_id, {**conf(line), **plugins("emqx_auth_pgsql")})), Hit)
    assert detect(given_facts(rule_id, {**conf(line), **plugins("emqx_auth_mnesia")})) == Clear()


@pytest.mark.parametrize(
    "text",
    [
        'include "FILE"',
        'a = 1, include "FILE"',
        'a { include "FILE" }',
        'a { INCLUDE "FILE" }',
        'a { include file("FILE") }',
        'a { include required(file("FILE")) }',
        'a { include "FILE*" }',
        'a { include url("http://127.0.0.1:9/x") }',
        'a { include "http://127.0.0.1:9/x" }',
        'a { include package("os:x") }',
    ],
)
def test_no_include_is_ever_opened_wherever_it_stands(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret").write_text("b = s3cr3t\n", encoding="utf-8")
    with pytest.raises(BadSource) as refused:
        hocon.parse("cluster.hocon", text.replace("FILE", str(tmp_path / "secret")))
    said = f"{refused.value} {capsys.readouterr()} {caplog.text}"
    assert "s3cr3t" not in said
    assert "Cannot include" not in said


def test_a_key_that_6_0_calls_otherwise_is_shown_with_its_new_name() -> None:
    finding = DETECTORS["60-02"](given_facts("60-02", tree("durable_storage.messages.n_sites = 3")))
    assert isinstance(finding, Hit)
    assert str(finding.places[0]) == "cluster.hocon:1:durable_storage.messages.n_sites is durable_storage.n_sites now"


@pytest.mark.parametrize(
    ("rule_id", "kind", "config", "item"),
    [
        ("51-10", "pgsql", {"auth_query": "select '%u'"}, "auth_query"),
        ("51-11", "mysql", {"super_query": "select 1", "acl_query": ""}, "super_query"),
        ("51-11", "mongo", {"super_query_collection": "users"}, "super_query_collection"),
        ("51-15", "redis", {"auth_cmd": "GET %u"}, "auth_cmd"),
        ("51-17", "pgsql", {"acl_query": "select 1"}, "acl_query"),
        ("51-18", "mongo", {"acl_query_collection": "acl"}, "acl_query_collection"),
        ("51-20", "mysql", {"password_hash": "salt,bcrypt"}, "password_hash"),
    ],
)
def test_enterprise_keeps_authentication_in_modules(rule_id: str, kind: str, config: dict[str, str], item: str) -> None:
    module = {"type": f"{kind}_authentication", "config": config, "enabled": True}
    finding = DETECTORS[rule_id](given_facts(rule_id, export(modules=[module])))
    assert isinstance(finding, Hit)
    assert [place.item for place in finding.places] == [f"modules[0].config.{item}"]
    assert DETECTORS[rule_id](given_facts(rule_id, export(modules=[{**module, "enabled": False}]))) == Clear()
    assert (
        DETECTORS[rule_id](given_facts(rule_id, export(modules=[{**module, "config": dict.fromkeys(config, "")}])))
        == Clear()
    )


MORE: list[tuple[str, dict[str, Any], type]] = [
    ("43-12", {**conf("exhook.drivers = java"), **plugins()}, Hit),
    ("43-12", {**conf("exproto.listener.p.driver = python3"), **plugins()}, Hit),
    ("43-12", {**conf("exhook.server.default.url = http://h"), **plugins()}, Clear),
    ("43-02", {**export(auth_mnesia=[USER42], **{"auth.mnesia.as": "both"})}, Hit),
    ("43-02", {**export(auth_mnesia=[USER42]), **conf("auth.mnesia.as = clientid")}, Clear),
    (
        "43-44",
        export(acl_mnesia=[{**old_grants(("$all", "a", "pub", False))[0], "type": "all", "access": "deny"}]),
        Clear,
    ),
    ("43-45", export(acl_mnesia=grants(("u", "a/%c", "pub", "allow"))), Clear),
    ("43-41", export(acl_mnesia=old_grants(("$all", "a/#", "pub", False), ("u", "a/b", "pub", True))), Hit),
    ("43-41", export(acl_mnesia=old_grants(("$all", "a/#", "pub", False), ("u", "b", "pub", True))), Clear),
    ("43-24", {**said_of(environment=()), **says("EMQX_NODE__HEARTBEAT=on")}, Hit),
    ("43-24", says("EMQX_NODE__NAME=a@b"), Question),
    ("43-08", {**conf(), **says("export EMQX_AUTH__MONGO__LOGIN=root")}, Hit),
    ("43-08", {**conf(), **says("# EMQX_AUTH__MONGO__LOGIN=root")}, Clear),
    ("54-06", said_of(source="4.4.19"), Clear),
    ("57-02", tree("actions.dynamo.d { connector = c }"), Hit),
    ("57-02", tree("actions.dynamo.d.parameters { hash_key = k }"), Clear),
    ("57-02", tree("bridges.dynamo.d { hash_key = k }"), Hit),
    ("57-02", tree("bridges.dynamo.d { hash_key = k, region = r }"), Clear),
    ("57-04", {**tree("bridges.kafka.k.kafka.buffer.mode = disk"), **live(buffered=1)}, Hit),
    ("57-04", {**tree("bridges.kafka.k.kafka.buffer.mode = memory"), **live(buffered=1)}, Clear),
    ("58-07", said_of(source="4.4.19"), Question),
    ("58-07", {**said_of(source="4.4.19"), **live(connections=80, gateway_connections=11, licence_limit=100)}, Hit),
    ("59-03", tree('bridges.sqlserver.s.server = "h\\\\inst"'), Hit),
    ("59-04", tree("limiter.bytes_in { client { x = 1 } }"), Hit),
    ("59-07", {**said_of(source="4.4.19", target="5.9.0"), **conf("listener.tcp.external.max_conn_rate = 1000")}, Hit),
    (
        "59-07",
        {**said_of(source="4.4.19", target="5.9.0"), **conf("# listener.tcp.external.max_conn_rate = 1000")},
        Clear,
    ),
    ("59-07", said_of(source="4.4.19", target="5.9.0"), Question),
    ("510-02", said_of(source="4.4.19"), Clear),
    ("60-04", tree("bridges.rocketmq.r { x = 1 }"), Hit),
    ("63-06", tree("actions.doris.d { connector = c }"), Hit),
    ("BK-02", {**said_of(caller="token"), **archive(tables={"emqx_app": 1})}, Clear),
    ("BK-02", archive(tables={"emqx_app": 1}), Question),
    ("BK-03", said_of(strategy="rolling"), Question),
    ("BK-07", archive('listeners.ssl.default.ssl_options.certfile = "${EMQX_ETC_DIR}/certs/cert.pem"'), Hit),
    (
        "BK-07",
        {**archive('authentication = [{ssl {keyfile = "/etc/k.pem"}}]'), **live(node_settings_equal=True)},
        Clear,
    ),
    ("BK-07", archive('connectors.http.h.ssl.certfile = "/opt/emqx/data/certs/x/cert"'), Question),
    ("BK-07", archive('connectors.http.h.ssl { certfile = "-----BEGIN CERTIFICATE-----", keyfile = "" }'), Question),
    ("BK-03", said_of(source="4.4.19", target="6.0.4", steps=("import",)), Clear),
]
"""What one pair a rule does not show: other spellings of the same thing, and facts that are not there."""


@pytest.mark.parametrize(("rule_id", "what", "answer"), MORE)
def test_a_rule_knows_every_spelling_and_never_takes_silence_for_no(
    rule_id: str, what: dict[str, Any], answer: type
) -> None:
    assert isinstance(DETECTORS[rule_id](given_facts(rule_id, what)), answer)


ROOTS = ["actions", "authentication", "bridges", "cluster", "connectors", "durable_sessions", "exhook", "force_shutdown", "gateway", "limiter",
         "listeners", "multi_tenancy", "opentelemetry", "plugins", "prometheus", "retainer", "rule_engine", "schema_validation", "zones"]  # fmt: skip
NAMES = ["dynamo", "s3", "kafka_producer", "sqlserver", "x", "parameters", "resource_opts", "rules", "sql", "buffer", "mode", "enable", "server",
         "max_heap_size", "default_max_sessions", "mechanism", "topics", "servers", "rate"]  # fmt: skip
WORDS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["h\\i", "jwt", "9" * 5000]),
)
TREES = st.recursive(
    WORDS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)),
    max_leaves=12,
)


@PATIENT
@given(st.dictionaries(st.sampled_from(ROOTS), TREES, max_size=5))
def test_whatever_shape_a_configuration_has_a_rule_answers(shape: dict[str, Any]) -> None:
    facts = replace(plan("58-01"), hocons=(hocon.Hocon("cluster.hocon", "", shape),))
    for rule_id, detect in DETECTORS.items():
        assert isinstance(detect(facts), Hit | Clear | Question), rule_id


@pytest.mark.parametrize(
    ("rule_id", "text"),
    [("510-01", "connectors.http.h { resource_opts = 5 }"), ("57-02", "actions.dynamo.d { parameters = 5 }")],
)
def test_a_number_in_place_of_a_block_lacks_what_the_block_should_hold(rule_id: str, text: str) -> None:
    assert isinstance(DETECTORS[rule_id](given_facts(rule_id, tree(text))), Hit)
