"""4.2 -> 4.3, settings: every key is known to 4.3 afterwards or named, and what a default meant stays written."""

from __future__ import annotations

from typing import Any

import pytest

from components.cutover.versions import parse as version
from components.migration.configs import flat
from components.migration.detectors import DETECTORS
from components.migration.facts import Facts, Plan
from components.migration.hop_42_43.convert import convert
from components.migration.hop_42_43.known import is_known, keys
from components.migration.hop_42_43.settings import OLD_DATE
from components.migration.manifest import Verdict
from components.migration.rules import Clear
from tests.unit.hop_42_43_bed import NEW, OLD, PLAN, converted, one

pytestmark = pytest.mark.unit


def test_the_recorded_files_are_the_shipped_ones() -> None:
    assert len(OLD) > 450
    assert len(NEW) > 590
    assert {is_known(key) for _, key, _ in NEW} == {True}
    assert len(keys()) > 550


@pytest.mark.parametrize(("file", "key", "value"), OLD, ids=[f"{i}-{key}" for i, (_, key, _) in enumerate(OLD)])
def test_every_key_that_4_2_mentions_is_known_to_4_3_afterwards_or_named(file: str, key: str, value: str) -> None:
    text, account = one(f"## before\n{key} = {value or 'x'}\n## after\n", file)
    made = [setting.key for setting in flat.parse(file, text).settings]
    item = account.items[0]
    assert item.label.startswith("line 2: ")
    assert key in item.label
    if item.verdict is Verdict.DROPPED:
        assert set(made) <= {OLD_DATE[0]}
        assert f"## not in 4.3: {key}" in text
        assert item.how
        assert item.todo
    elif item.verdict is Verdict.CARRIED:
        assert made
        assert all(is_known(one_key) for one_key in made), made
    else:
        assert item.how
        assert item.todo or key == "auth.mnesia.as"


def test_figures_of_the_shipped_keys() -> None:
    verdicts = [one(f"{key} = {value or 'x'}\n", file)[1].items[0] for file, key, value in OLD]
    named = [item.label.split(": ", 1)[1] for item in verdicts if item.verdict is not Verdict.CARRIED]
    assert sorted(set(named)) == [
        "auth.http.request.connect_timeout",
        "auth.http.request.retry_backoff",
        "auth.http.request.retry_interval",
        "auth.http.request.retry_times",
        "auth.mnesia.1.is_superuser",
        "auth.mnesia.2.is_superuser",
        "auth.mnesia.3.is_superuser",
        "auth.mnesia.as",
        "listener.ssl.external.psk_ciphers",
        "listener.wss.external.psk_ciphers",
        "rpc.tcp_client_port",
    ]


RENAMED = [
    ("auth.http.auth_req = http://h/a", "auth.http.auth_req.url = http://h/a"),
    ("auth.http.super_req = http://h/a", "auth.http.super_req.url = http://h/a"),
    ("auth.http.acl_req = http://h/a", "auth.http.acl_req.url = http://h/a"),
    ("auth.http.acl_req.content_type = json", "auth.http.acl_req.headers.content-type = application/json"),
    (
        "auth.http.super_req.content_type = x-www-form-urlencoded",
        "auth.http.super_req.headers.content-type = application/x-www-form-urlencoded",
    ),
    ("auth.http.request.timeout = 5s", "auth.http.timeout = 5s"),
    ("auth.http.request.connect_timeout = 5", "auth.http.connect_timeout = 5ms"),
    ("auth.mongo.login = u", "auth.mongo.username = u"),
    ("auth.mongo.ssl = true", "auth.mongo.ssl = on"),
    ("auth.mongo.ssl_opts.certfile = c", "auth.mongo.ssl.certfile = c"),
    ("auth.pgsql.ssl_opts.cacertfile = c", "auth.pgsql.ssl.cacertfile = c"),
    ("auth.pgsql.ssl = false", "auth.pgsql.ssl = off"),
    ("auth.redis.cafile = c", "auth.redis.ssl.cacertfile = c"),
    ("auth.redis.cacertfile = c", "auth.redis.ssl.cacertfile = c"),
    ("auth.redis.keyfile = k", "auth.redis.ssl.keyfile = k"),
    ("auth.mysql.ssl.cafile = c", "auth.mysql.ssl.cacertfile = c"),
    ("web.hook.api.url = http://h", "web.hook.url = http://h"),
    ("web.hook.encode_payload = base64", "web.hook.body.encoding_of_payload_field = base64"),
    ("web.hook.ssl.cafile = c", "web.hook.ssl.cacertfile = c"),
    ("listener.ws.external.verify_protocol_header = on", "listener.ws.external.fail_if_no_subprotocol = true"),
    ("listener.wss.other.verify_protocol_header = off", "listener.wss.other.fail_if_no_subprotocol = false"),
    ("  auth.mongo.login   =   u  ", "  auth.mongo.username   =   u  "),
    ("node.heartbeat = on", "node.heartbeat = on"),
    ("bridge.x.forwards = a/#,b/#", "bridge.x.forwards = a/#,b/#"),
]


@pytest.mark.parametrize(("before", "after"), RENAMED)
def test_a_renamed_line_keeps_its_place_and_its_blanks(before: str, after: str) -> None:
    assert one(f"# a\n{before}\r\n\n# b", "etc/plugins/x.conf")[0] == f"# a\n{after}\r\n\n# b"


@pytest.mark.parametrize(
    ("line", "todo"),
    [
        ("auth.http.request.timeout = 0", "choose a time"),
        ("auth.http.request.timeout = 5000", "milliseconds"),
        ("auth.http.auth_req.content_type = text", "application/json"),
        ("listener.ws.external.verify_protocol_header = off", "supported_subprotocols"),
        ("log.to = off", "console"),
        ("listener.ssl.external.psk_ciphers = PSK-AES128-CBC-SHA", "RSA-PSK"),
        ("rpc.tcp_client_num = 2", "reorder"),
        ("listener.tcp.external.peer_cert_as_username = dn", "cn only"),
        ("mine.listener.http = 18083", "does not know"),
    ],
)
def test_a_doubtful_value_is_named_with_its_line(line: str, todo: str) -> None:
    item = one(f"\n{line}\n")[1].items[0]
    assert item.verdict is Verdict.CHANGED
    assert item.label == f"line 2: {line.split(' ', maxsplit=1)[0]}"
    assert todo in item.todo


def test_a_header_is_written_for_each_request_that_is_made() -> None:
    text, account = one(
        "auth.http.auth_req = http://h\nauth.http.acl_req = http://h\nauth.http.header.Accept = */*\n# end\n",
        "emqx_auth_http.conf",
    )
    assert text.splitlines()[2:] == [
        "auth.http.auth_req.headers.Accept = */*",
        "auth.http.acl_req.headers.Accept = */*",
        "# end",
    ]
    assert account.counts == {"emqx_auth_http.conf": 3}


def test_defaults_that_4_3_changes_are_written_as_they_were() -> None:
    text, _ = one("listener.ssl.external = 8883\nlog.to = file")
    assert text.splitlines()[-2:] == [
        "listener.ssl.external.tls_versions = tlsv1.2,tlsv1.1,tlsv1",
        "log.formatter.text.date.format = %Y-%m-%d %H:%M:%S.%3N",
    ]
    text, _ = one(
        "listener.ssl.external = 8883\nlistener.ssl.external.tls_versions = tlsv1.2\nlog.formatter.text.date.format = rfc3339\n"
    )
    assert "kept from 4.2" not in text


def test_a_file_that_relies_on_no_default_comes_out_as_it_went_in() -> None:
    text = "# only\n\nnode.name = emqx@127.0.0.1\nlog.formatter.text.date.format = rfc3339\n"
    assert one(text)[0] == text
    assert one("zone.a.mqueue_store_qos0 = true", "zones.conf")[0] == "zone.a.mqueue_store_qos0 = true"


def test_the_date_of_the_log_stays_also_where_no_file_speaks_of_the_log() -> None:
    texts, _ = converted(
        flat.parse("etc/emqx.conf", "node.name = a@b\n"), flat.parse("etc/plugins/x.conf", "auth.mysql.pool = 8\n")
    )
    assert texts["etc/emqx.conf"].splitlines()[-1] == " = ".join(OLD_DATE)
    assert texts["etc/plugins/x.conf"] == "auth.mysql.pool = 8\n"


def test_a_default_that_another_file_sets_is_not_written() -> None:
    texts, _ = converted(
        flat.parse("listeners.conf", "listener.ssl.external = 8883\n"),
        flat.parse(
            "tls.conf", "listener.ssl.external.tls_versions = tlsv1.2\nlog.formatter.text.date.format = rfc3339\n"
        ),
        flat.parse("emqx.conf", "log.to = file\n"),
    )
    assert not [text for text in texts.values() if "kept from 4.2" in text]


@pytest.mark.parametrize(
    ("edition", "target", "knows"),
    [("ce", "4.3.14", False), ("ce", "4.3.15", True), ("ee", "4.3.9", False), ("ee", "4.3.10", True)],
)
def test_a_key_is_only_written_for_a_patch_that_knows_it(edition: Any, target: str, knows: bool) -> None:
    facts = Facts(
        Plan(version("4.2.14"), version(target), edition, edition), confs=(flat.parse("emqx.conf", "log.to = file\n"),)
    )
    result = convert(facts)
    assert (OLD_DATE[0] in result.texts["emqx.conf"]) is knows
    assert any("43-27" in step for step in result.steps) is not knows


def test_two_settings_that_become_one_are_named_when_their_values_differ() -> None:
    _, account = one(
        "auth.redis.cafile = a\nauth.redis.cacertfile = b\nauth.redis.keyfile = k\nauth.redis.keyfile = l\n", "r.conf"
    )
    assert [item.verdict for item in account.items] == [Verdict.CHANGED] * 2 + [Verdict.CARRIED] * 2
    assert "keep the right one" in account.items[0].todo
    _, account = one("auth.redis.cafile = a\nauth.redis.cacertfile = a\n", "r.conf")
    assert {item.verdict for item in account.items} == {Verdict.CARRIED}


def test_what_is_4_3_already_stays() -> None:
    for file, key, value in NEW:
        if key in {"rpc.tcp_client_num", "log.to"} or "psk_ciphers" in key:
            continue
        text, account = one(f"{key} = {value or 'x'}\n", file)
        assert text.splitlines()[0] == f"{key} = {value or 'x'}" or "auth.user" in key or "auth.client" in key, key
        assert account.items[0].verdict is Verdict.CARRIED


def test_a_converted_directory_has_nothing_left_of_the_settings_rules() -> None:
    files = {"emqx.conf": "\n".join(f"{key} = {value or 'x'}" for file, key, value in OLD if file == "emqx.conf")}
    for name in {file for file, _, _ in OLD if file != "emqx.conf"}:
        files[name] = "\n".join(f"{key} = {value or 'x'}" for file, key, value in OLD if file == name)
    facts = Facts(PLAN, confs=tuple(flat.parse(name, text) for name, text in files.items()))
    result = convert(facts)
    after = Facts(PLAN, confs=tuple(flat.parse(name, text) for name, text in result.texts.items()))
    for rule in (
        "43-06",
        "43-07",
        "43-08",
        "43-09",
        "43-10",
        "43-22",
        "43-29",
        "43-31",
        "43-32",
        "43-33",
        "43-35",
        "43-38",
        "43-39",
    ):
        assert DETECTORS[rule](after) == Clear(), rule
        assert rule == "43-22" or DETECTORS[rule](facts) != Clear(), rule
