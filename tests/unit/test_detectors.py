"""Every rule's detector: a fact that hits, one that just misses, and a question where the fact was not given."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.cutover.versions import parse
from components.migration.archive import Archive
from components.migration.configs import flat, hocon
from components.migration.configs.terms import parse_loaded
from components.migration.detectors import DETECTORS
from components.migration.detectors.overlap import Filters
from components.migration.facts import Export, Facts, Live, Plan, Text
from components.migration.manifest import BadSource
from components.migration.rules import Clear, Hit, Question, catalogue

pytestmark = pytest.mark.unit
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault of the code."""

HOPS = {"43": ("4.2.14", "4.3.22"), "51": ("4.4.19", "5.8.11"), "54": ("5.3.2", "5.4.1"), "55": ("5.4.1", "5.5.1"), "56": ("5.5.1", "5.6.1"),
        "57": ("5.6.1", "5.7.2"), "58": ("5.7.2", "5.8.11"), "59": ("5.8.11", "5.9.3"), "510": ("5.9.3", "5.10.4"), "60": ("5.10.4", "6.0.4"),
        "61": ("6.0.4", "6.1.5"), "62": ("6.1.5", "6.2.4"), "63": ("6.2.4", "6.3.1"), "BK": ("5.8.11", "5.9.3")}  # fmt: skip


def plan(rule: str = "51-01", *, source: str = "", target: str = "", **more: Any) -> Facts:
    hop = HOPS[rule.split("-", maxsplit=1)[0]]
    return Facts(Plan(parse(source or hop[0]), parse(target or hop[1]), **more))


def conf(*lines: str) -> dict[str, Any]:
    return {"confs": (flat.parse("emqx.conf", "\n".join(lines)),)}


def tree(text: str) -> dict[str, Any]:
    return {"hocons": (hocon.parse("cluster.hocon", text),)}


def live(**counts: Any) -> dict[str, Any]:
    return {"live": Live(**counts)}


def export(**sections: Any) -> dict[str, Any]:
    return {"export": Export("export.json", {"version": "4.4", "modules": [], **sections})}


def says(text: str) -> dict[str, Any]:
    return {"texts": (Text("alerts.yaml", text),)}


def acl(text: str) -> dict[str, Any]:
    return {"acl": (Text("acl.conf", text),)}


def plugins(*names: str) -> dict[str, Any]:
    return {"plugins": parse_loaded("loaded_plugins", "\n".join(f"{{{name}, true}}." for name in names))}


def archive(
    text: str = "", *, file: str = "x.tar.gz", version: str = "5.8.11", edition: Any = "ee", **rest: Any
) -> dict[str, Any]:
    tree_of = hocon.parse("cluster.hocon", text)
    return {"archive": Archive(file, "x", edition, parse(version), tree_of, **rest), "hocons": (tree_of,)}


def rule(*actions: str) -> dict[str, Any]:
    return export(rules=[{"id": "r", "actions": [{"name": name} for name in actions]}])


def resource(kind: str, **config: Any) -> dict[str, Any]:
    return export(resources=[{"id": "resource:1", "type": kind, "config": config}])


def grants(*rows: tuple[str, str, str, str]) -> list[dict[str, Any]]:
    return [
        {"type": "username", "type_value": who, "topic": topic, "action": action, "access": access}
        for who, topic, action, access in rows
    ]


def old_grants(*rows: tuple[str, str, str, bool]) -> list[dict[str, Any]]:
    return [{"login": who, "topic": topic, "action": action, "allow": allow} for who, topic, action, allow in rows]


def said_of(**words: Any) -> dict[str, Any]:
    """A plan that says more; merged into the plan of the rule's hop."""
    return {"plan": words}


USER42 = {"login": "u", "password": "p"}
OPEN: dict[str, Any] = {}

# rule: (a fact that hits, a fact that just misses)
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "43-01": (said_of(strategy="rolling"), said_of(strategy="two-cluster")),
    "43-02": (export(auth_mnesia=[USER42]), {**export(auth_mnesia=[USER42]), **said_of(credential="username")}),
    "43-03": ({**said_of(edition_to="ce"), **export(version="4.2.10", auth_username=[{"username": "u"}])}, {**said_of(edition_to="ce"), **export(version="4.2.11", auth_username=[{"username": "u"}])}),
    "43-04": (said_of(steps=("export", "import")), said_of(steps=("export", "import", "restart"))),
    "43-05": (plugins("emqx_auth_username"), plugins("emqx_auth_mnesia")),
    "43-06": (conf("listener.ws.external.verify_protocol_header = on"), conf("# listener.ws.external.verify_protocol_header = on")),
    "43-07": (conf("auth.http.auth_req = http://h"), conf("auth.http.auth_req.url = http://h")),
    "43-08": (conf("auth.mongo.login = x"), conf("auth.mongo.username = x")),
    "43-09": (conf("auth.pgsql.ssl_opts.keyfile = k"), conf("auth.pgsql.ssl.keyfile = k")),
    "43-10": (conf("web.hook.api.url = http://h"), conf("web.hook.url = http://h")),
    "43-11": (conf("node.name = n"), conf("rpc.tcp_client_num = 1")),
    "43-12": ({**plugins("emqx_extension_hook"), **conf()}, {**plugins("emqx_retainer"), **conf("exproto.listener.x = y")}),
    "43-20": (said_of(data_directory="used"), said_of(data_directory="empty")),
    "43-21": (said_of(steps=("export",)), said_of(steps=("backup", "export"))),
    "43-22": (conf("listener.ssl.external = 8883"), conf("listener.ssl.external = 8883", "listener.ssl.external.tls_versions = tlsv1.2")),
    "43-23": (conf("listener.ws.external = 8083"), conf("listener.tcp.external = 1883")),
    "43-24": (said_of(environment=("EMQX_NODE__HEARTBEAT",)), said_of(environment=("EMQX_NODE__NAME",))),
    "43-25": (conf("log.to = file"), conf("log.formatter = text")),
    "43-26": (conf("log.to = file"), conf("log.single_line = true")),
    "43-27": (conf("log.formatter = text"), conf("log.formatter.text.date.format = %Y")),
    "43-28": (conf("rpc.tcp_client_num = 2"), conf("rpc.tcp_client_num = 1")),
    "43-29": (conf("auth.http.request.retry_times = 5"), conf("auth.http.request.timeout = 5s")),
    "43-30": (conf("auth.http.auth_req.url = http://h"), conf("auth.http.auth_req.url = http://h", "auth.http.pool_size = 8")),
    "43-31": (conf("auth.redis.cafile = c"), conf("auth.redis.ssl.cacertfile = c")),
    "43-32": (conf("web.hook.encode_payload = base64"), conf("web.hook.body.encoding_of_payload_field = base64")),
    "43-33": (conf("web.hook.ssl.cafile = c"), conf("web.hook.ssl.cacertfile = c")),
    "43-34": (conf("web.hook.url = http://h"), conf("web.hook.url = http://h", "web.hook.ssl.verify = true")),
    "43-35": (conf("auth.mysql.ssl.cafile = c"), conf("auth.mysql.ssl.cacertfile = c")),
    "43-36": (conf("broker.shared_subscription_strategy = round_robin"), conf("broker.shared_subscription_strategy = random")),
    "43-37": (said_of(system="macos 10.13"), said_of(system="macos 10.14")),
    "43-38": (conf("rpc.tcp_client_port = 5369"), conf("rpc.tcp_server_port = 5369")),
    "43-39": (conf("auth.mnesia.as = username"), conf("auth.mnesia.password_hash = sha256")),
    "43-40": (export(auth_mnesia=[{**USER42, "is_superuser": True}]), export(auth_mnesia=[{**USER42, "is_superuser": False}])),
    "43-41": (
        export(acl_mnesia=old_grants(("u", "cmd/#", "pub", True), ("u", "cmd/secret", "pub", False))),
        export(acl_mnesia=old_grants(("u", "cmd/#", "sub", True), ("u", "cmd/secret", "pub", False))),
    ),
    "43-42": (conf("listener.ssl.external.psk_ciphers = PSK-AES128-CBC-SHA"), conf("listener.ssl.external.psk_ciphers = RSA-PSK-AES128-CBC-SHA")),
    "43-43": (resource("web_hook"), resource("bridge_mqtt")),
    "43-44": (export(acl_mnesia=old_grants(("$all", "a", "pub", False))), export(acl_mnesia=old_grants(("all", "a", "pub", False)))),
    "43-45": (export(acl_mnesia=old_grants(("u", "a/%c", "pub", True))), export(acl_mnesia=old_grants(("u", "a/x%c", "pub", True)))),
    "51-01": (said_of(strategy="rolling"), said_of(strategy="two-cluster")),
    "51-02": (conf("zone.external.max_packet_size = 2MB"), conf("node.name = n")),
    "51-03": (says("http://emqx:8081/"), says("http://emqx:18081/")),
    "51-04": (says("/api/v4/clients"), says("/api/v5/clients")),
    "51-05": ({**export(apps=[{"id": "admin"}]), **says("")}, {**export(apps=[{"id": "app2"}]), **says("-u app2:secret")}),
    "51-06": (says("GET /api/v4/routes"), says("GET /api/v4/rules")),
    "51-07": ({**live(internal_connections=1), **says("")}, {**live(internal_connections=0), **says("tcp://h:1883")}),
    "51-08": (conf("cluster.discovery = static"), conf("cluster.name = emqxcl")),
    "51-09": (conf("allow_anonymous = true", "auth.mysql.server = h"), conf("allow_anonymous = false", "auth.mysql.server = h")),
    "51-10": (conf("auth.mysql.auth_query = select p from u where n = '%u'"), conf("auth.mysql.auth_query = select p from u where n like 'x%'")),
    "51-11": (conf("auth.mysql.super_query = select 1"), conf("auth.mysql.super_query =")),
    "51-12": (
        {**conf("auth.http.auth_req.url = http://h"), **export(), **live(green_http_auth_has_body=False)},
        {**conf("auth.http.auth_req.url = http://h"), **export(), **live(green_http_auth_has_body=True)},
    ),
    "51-13": ({**plugins("emqx_sasl"), **export()}, {**plugins("emqx_auth_mnesia"), **export()}),
    "51-14": (export(auth_mnesia=[{"type": "username"}, {"type": "clientid"}]), export(auth_mnesia=[{"type": "username"}, {"type": "username"}])),
    "51-15": (conf("auth.redis.auth_cmd = GET mqtt:%u"), conf("auth.redis.auth_cmd = HMGET mqtt:%u password", "auth.redis.acl_cmd = HGETALL a:%u")),
    "51-16": (conf("auth.pgsql.encoding = utf8"), conf("auth.pgsql.pool = 8")),
    "51-17": (conf("auth.mysql.acl_query = select 1"), {**conf("auth.mysql.acl_query = select 1"), **plugins("emqx_auth_mnesia")}),
    "51-18": (conf("auth.mongo.acl_query.selector = username=%u"), conf("auth.mongo.auth_query.selector = username=%u")),
    "51-19": ({**acl('{allow, all, pubsub, ["a"]}.'), **export()}, {**acl('{allow, all, publish, ["a"]}. %% not pubsub'), **export()}),
    "51-20": (conf("auth.mysql.password_hash = salt,sha256"), conf("auth.mysql.password_hash = sha256")),
    "51-21": ({**plugins("emqx_lua_hook"), **export()}, {**plugins("emqx_web_hook"), **export()}),
    "51-22": (rule("data_to_mysql_offline_msg"), rule("data_to_mysql")),
    "51-23": (resource("bridge_emqx"), resource("bridge_mqtt")),
    "51-24": (
        {**said_of(target="5.4.1"), **export(modules=[{"type": "jt808_gateway"}]), **plugins()},
        {**said_of(target="5.5.1"), **export(modules=[{"type": "jt808_gateway"}]), **plugins()},
    ),
    "51-25": (conf("listener.ssl.external.partial_chain = true"), conf("listener.ssl.external.verify = verify_peer")),
    "51-27": (conf("zone.external.max_inflight = 32"), conf("zone.external.retry_interval = 30s")),
    "51-29": (says("rate(emqx_routes_count[1m])"), says("rate(emqx_topics_count[1m])")),
    "51-30": (resource("bridge_kafka"), resource("bridge_rabbit")),
    "51-31": (resource("backend_influxdb_http_v2"), resource("backend_dynamo")),
    "51-32": (resource("bridge_rabbit", durable=True), resource("bridge_rabbit", server="h")),
    "51-33": (resource("bridge_mqtt"), resource("bridge_kafka")),
    "51-34": (
        {**export(schemas=[{"name": "s"}]), **live(persistent_sessions=0, delayed_messages=0)},
        {**export(users=[{"username": "admin"}]), **live(persistent_sessions=0, delayed_messages=0)},
    ),
    "51-35": (
        export(acl_mnesia=grants(("u", "cmd/#", "pub", "allow"), ("u", "cmd/secret", "pub", "deny"))),
        export(acl_mnesia=grants(("u", "cmd/+", "pub", "allow"), ("u", "cmd/secret/x", "pub", "deny"))),
    ),
    "51-36": (
        {"export": Export("e.json", {"version": "4.4", "auth_mnesia": [{"type": "username"}]})},
        {"export": Export("e.json", {"version": "4.4", "auth_mnesia": [{"type": "username"}]}), **conf("auth.mnesia.password_hash = sha256")},
    ),
    "51-37": (conf("acl_nomatch = deny"), {**conf("acl_nomatch = deny"), **tree("authorization { no_match = deny }")}),
    "51-38": (rule("do_nothing"), rule("republish", "inspect", "data_to_webserver")),
    "51-39": ({**conf("retainer.storage_type = ram"), **live(retained_messages=1)}, {**conf("retainer.storage_type = disc"), **live(retained_messages=1)}),
    "51-40": (said_of(data_directory="used"), said_of(data_directory="empty")),
    "54-01": (tree("cluster.discovery_strategy = mcast"), tree("cluster.discovery_strategy = static")),
    "54-02": (tree('rule_engine.rules.a.sql = "select * from \\"$events/session_subscribed\\""'), tree('rule_engine.rules.a.sql = "select * from t"')),
    "54-03": (tree("exhook.servers = [{name = a}]"), tree("exhook.servers = []")),
    "54-04": (said_of(licence=False), said_of(licence=True)),
    "54-05": (said_of(system="macos 11"), said_of(system="macos 12")),
    "54-06": (said_of(strategy="rolling"), said_of(strategy="rolling", target="5.6.1")),
    "55-01": (tree("bridges.mqtt.m { server = h }"), tree("bridges.webhook.m { url = h }")),
    "55-02": (
        tree("connectors.gcp_pubsub_producer.g.resource_opts { worker_pool_size = 4 }"),
        tree("connectors.gcp_pubsub_producer.g.resource_opts { start_timeout = 5s }"),
    ),
    "56-01": (tree("bridges.webhook.m { url = h }"), tree("actions.http.m { connector = h }")),
    "56-02": (tree('a = """x\\ny"""'), tree('a = """~\n x\\\\y\n~"""')),
    "57-01": (tree("authentication = [{mechanism = jwt}]"), tree("authentication = [{mechanism = jwt, disconnect_after_expire = false}]")),
    "57-02": (tree("connectors.dynamo.d { url = h }"), tree("connectors.dynamo.d { url = h, region = r }")),
    "57-03": (said_of(system="macos 12"), said_of(system="macos 13")),
    "57-04": (
        {**tree("actions.kafka_producer.k.parameters.buffer.mode = disk"), **live(buffered=1)},
        {**tree("actions.kafka_producer.k.parameters.buffer.mode = disk"), **live(buffered=0)},
    ),
    "57-05": (tree("actions.s3.s.parameters.mode = aggregated"), tree("actions.s3.s.parameters.mode = direct")),
    "57-06": (tree("schema_validation.validations = [{topics = []}]"), tree("schema_validation.validations = [{topics = [a]}]")),
    "58-01": (tree("mqtt.max_inflight = 32"), tree("mqtt.retry_interval = 30s")),
    "58-02": (said_of(system="ubuntu 18.04"), said_of(system="ubuntu 20.04")),
    "58-03": (tree("durable_sessions.enable = true"), tree("durable_sessions.enable = false")),
    "58-04": (says("emqx_ds_egress_batches"), says("emqx_ds_buffer_batches")),
    "58-05": ({**tree("node.role = replicant"), **said_of(edition_to="ce")}, {**tree("node.role = core"), **said_of(edition_to="ce")}),
    "58-06": (said_of(edition_to="ce"), said_of(edition_to="ee")),
    "58-07": (
        {**tree("gateway.stomp { enable = true }"), **live(connections=80, gateway_connections=11, licence_limit=100)},
        {**tree("gateway.stomp { enable = true }"), **live(connections=80, gateway_connections=10, licence_limit=100)},
    ),
    "58-08": (says("POST /api/v5/banned"), says("POST /api/v5/publish")),
    "58-10": ({**said_of(source="5.8.4"), **live(connections=91, licence_limit=100)}, {**said_of(source="5.8.4"), **live(connections=90, licence_limit=100)}),
    "58-11": (
        {**said_of(source="5.8.7", target="5.9.0", strategy="rolling"), **tree("opentelemetry.traces.enable = true")},
        {**said_of(source="5.8.7", target="5.9.0", strategy="rolling"), **tree("opentelemetry.traces.enable = false")},
    ),
    "59-01": (said_of(nodes=2, licence=False), said_of(nodes=1, licence=False)),
    "59-02": (
        tree("authentication = [{mechanism = password_based, backend = ldap, password_attribute = p}]"),
        tree("authentication = [{mechanism = password_based, backend = ldap, method { type = hash, password_attribute = p }}]"),
    ),
    "59-03": (tree('connectors.sqlserver.s.server = "h\\\\inst"'), tree('connectors.sqlserver.s.server = "h\\\\inst:1433"')),
    "59-04": (tree("limiter.connection { rate = 1000 }"), tree("limiter.max_conn_rate = 1000")),
    "59-05": (tree("force_shutdown.max_heap_size = 129GB"), tree("force_shutdown.max_heap_size = 128GB")),
    "59-06": (tree("plugins.states = [{name_vsn = a}]"), tree("plugins.states = []")),
    "59-07": (tree('listeners.tcp.default.max_conn_rate = "1000/s"'), tree("listeners.tcp.default.max_conn_rate = infinity")),
    "59-08": (tree("dashboard.sso.oidc.issuer = example"), tree('dashboard.sso.oidc.issuer = "https://example.org"')),
    "510-01": (tree("connectors.http.h { url = h }"), tree("connectors.http.h { url = h, resource_opts { health_check_timeout = 60s } }")),
    "510-02": (said_of(source="5.3.2", strategy="rolling"), said_of(source="5.3.2", strategy="two-cluster")),
    "510-03": (tree("multi_tenancy.default_max_sessions = 0"), tree("multi_tenancy.default_max_sessions = 1")),
    "60-02": (tree("durable_storage.messages.n_sites = 3"), tree("durable_storage.n_sites = 3")),
    "60-04": (tree("actions.rocketmq.r { connector = c }"), tree("actions.kafka_producer.r { connector = c }")),
    "60-05": (tree("multi_tenancy.x = 1"), tree("multi_tenancy.x = 1, rule_engine.limit_selects_in_namespace = false")),
    "61-01": (tree('rule_engine.rules.a.sql = "select regex_match(a, b) from t"'), tree('rule_engine.rules.a.sql = "select regexp from t"')),
    "61-02": (tree("retainer.flow_control.batch_read_number = 0"), tree("retainer.flow_control.x = 0")),
    "61-03": (says("POST /api/v5/relup/upgrade"), says("POST /api/v5/reload")),
    "62-01": ({**said_of(target="6.2.0"), **tree("durable_sessions.enable = true")}, {**said_of(target="6.2.1"), **tree("durable_sessions.enable = true")}),
    "63-01": (said_of(target="6.3.0", operator=True), said_of(target="6.3.1", operator=True)),
    "63-02": (tree("mqtt.max_inflight = 32"), tree("mqtt.strict_mode = false")),
    "63-03": (tree("prometheus.x = 1"), tree("prometheus.enable_basic_auth = false")),
    "63-04": (says("mosquitto_sub -t '$SYS/#'"), says("mosquitto_sub -t health")),
    "63-05": (said_of(hardened=True), said_of(hardened=False)),
    "63-06": (tree("actions.mysql.m { connector = c }"), tree("actions.http.m { connector = c }")),
    "63-07": (says("grep enbale"), says("grep enable")),
    "BK-01": ({**said_of(target="5.7.2"), **archive()}, {**said_of(target="5.8.9"), **archive()}),
    "BK-02": (
        {**said_of(caller="api-key"), **archive(tables={"emqx_app": 0})},
        {**said_of(caller="api-key"), **archive(tables={"emqx_banned": 3})},
    ),
    "BK-03": (said_of(strategy="rolling", steps=("import",)), said_of(strategy="two-cluster", steps=("import",))),
    "BK-04": ({**said_of(edition_to="ce"), **archive(edition="ee")}, {**said_of(edition_to="ce"), **archive(edition="ce")}),
    "BK-05": (archive(file="dir/y.tar.gz"), archive(file="dir/x.tar.gz")),
    "BK-06": (archive(tables={"emqx_retainer_message": 8}, system_retained=7), archive(tables={"emqx_retainer_message": 7}, system_retained=7)),
    "BK-07": (live(node_settings_equal=False), live(node_settings_equal=True)),
    "BK-08": ({**said_of(operator=True), **archive(tables={"emqx_app": 1})}, {**said_of(operator=False), **archive(tables={"emqx_app": 1})}),
    "BK-20": (archive("listeners.tcp.default.enable = true"), archive("mqtt.max_inflight = 1")),
    "BK-21": (archive(tables={"emqx_retainer_message": 1}, system_retained=1), archive(tables={"emqx_retainer_message": 1})),
    "BK-22": (
        archive("authorization.sources = [{type = built_in_database}, {type = file}]"),
        archive("authorization.sources = [{type = file}, {type = built_in_database}]"),
    ),
}  # fmt: skip

PEOPLE = {
    "51-26": "what devices send to keep a connection alive is seen in no file",
    "51-28": "how a test waits is seen in no file of the cluster",
    "58-09": "what a subscriber expects is seen in no file",
    "60-01": "which packages there are is not in the rule",
    "60-03": "which topics wills use is only known to the devices",
}
"""Rules that only a person can answer, and why."""

VERSIONS_DECIDE = {"43-03", "58-06", "51-24", "58-05", "62-01", "63-01", "BK-01", "BK-04"}
"""The plan always has versions and editions, so these may be clear without a further fact."""


def given_facts(rule_id: str, what: dict[str, Any]) -> Facts:
    words = dict(what.get("plan", {}))
    base = plan(rule_id, **words)
    return replace(base, **{name: value for name, value in what.items() if name != "plan"})


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
    ("one", "two", "met"),
    [
        ("cmd/#", "cmd/secret", True),
        ("cmd/#", "cmd", True),
        ("cmd/+", "cmd/secret", True),
        ("cmd/+", "cmd", False),
        ("cmd/+/x", "cmd/secret", False),
        ("#", "a/b/c", True),
        ("a/b", "a/c", False),
        ("dev/%c/up", "dev/7/up", True),
        ("dev/%c/up", "dev/7/down", False),
        ("dev-%u/up", "dev-7/up", True),
    ],
)
def test_filters_overlap_when_one_topic_fits_both(one: str, two: str, met: bool) -> None:
    rows = grants(("u", one, "pub", "allow"), ("u", two, "pub", "deny"))
    assert isinstance(DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=rows))), Hit) is met


def test_one_login_s_deny_does_not_stand_against_another_s_allow() -> None:
    everybody = [{"type": "all", "topic": "z", "action": "pub", "access": "deny"}]
    rows = [*grants(("u", "a", "pub", "allow"), ("v", "a", "pub", "deny")), *everybody]
    assert DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=rows))) == Clear()
    rows.append({"type": "all", "topic": "a", "action": "pub", "access": "allow"})
    assert isinstance(DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=rows))), Hit)


def test_a_rule_for_all_stands_against_everybodys_rules() -> None:
    everybody = [{"type": "all", "topic": "#", "action": "pubsub", "access": "deny"}]
    rows = [*grants(("u", "a", "pub", "allow")), *everybody]
    assert isinstance(DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=rows))), Hit)


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


LEVEL = st.sampled_from(["a", "b", "c"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=3).map("/".join)
FILTER = st.lists(st.one_of(LEVEL, st.just("+")), min_size=1, max_size=3).flatmap(
    lambda levels: st.sampled_from(["/".join(levels), "/".join([*levels, "#"]), "#"])
)


def fits(topic: str, pattern: str) -> bool:
    """MQTT's own rule, spelled out (5.0, section 4.7.1)."""
    levels, wanted = topic.split("/"), pattern.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)] if len(levels) >= len(wanted) else []
    return len(levels) == len(wanted) and all(want in {"+", level} for level, want in zip(levels, wanted, strict=True))


@PATIENT
@given(st.lists(FILTER, min_size=1, max_size=4), FILTER)
def test_filters_meet_exactly_when_some_topic_fits_both(granted: list[str], denied: str) -> None:
    filters = Filters()
    for one_filter in granted:
        filters.add(one_filter)
    # Four levels of three letters are enough to tell filters of at most four levels apart.
    topics = ("/".join(levels) for count in range(1, 5) for levels in product("abcd", repeat=count))
    met = any(fits(topic, denied) and any(fits(topic, one_filter) for one_filter in granted) for topic in topics)
    assert filters.meets(denied) is met


@PATIENT
@given(TOPIC, FILTER)
def test_a_topic_is_a_filter_of_its_own(topic: str, pattern: str) -> None:
    filters = Filters()
    filters.add(pattern)
    assert filters.meets(topic) is fits(topic, pattern)


def test_100_000_rules_of_one_login_are_looked_through() -> None:
    rows = [("u", f"dev/{index}/#", "pub", "allow") for index in range(50_000)] + [
        ("u", f"cmd/{index}/#", "pub", "deny") for index in range(50_000)
    ]
    assert DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=grants(*rows)))) == Clear()


def test_100_000_logins_with_a_rule_each_are_looked_through() -> None:
    rows = [(f"u{index}", f"dev/{index}/#", "pub", "deny" if index % 3 else "allow") for index in range(100_000)]
    assert DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=grants(*rows)))) == Clear()


def test_a_topic_of_64_kb_is_looked_at() -> None:
    filters = Filters()
    filters.add("a/" * 32_768)
    assert filters.meets("a/" * 32_768)
    assert not filters.meets("a/" * 32_767)
