"""4.2 -> 4.3: nothing is lost silently; comments, order and what means the same stay as they were."""

from __future__ import annotations

import base64
import json
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.cutover.versions import parse as version
from components.migration import facts as known
from components.migration.configs import flat, variables
from components.migration.configs.terms import parse_loaded
from components.migration.detectors import DETECTORS
from components.migration.facts import Export, Facts, Plan
from components.migration.hop_42_43.convert import convert
from components.migration.hop_42_43.export import convert_export, credential_for
from components.migration.hop_42_43.files import convert_confs, convert_loaded
from components.migration.hop_42_43.known import is_known, keys
from components.migration.hop_42_43.settings import OLD_DATE, OLD_TLS
from components.migration.manifest import BadSource, Ledger, Verdict
from components.migration.rules import Clear, Hit

pytestmark = pytest.mark.unit
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault of the code."""

RECORDED = Path(__file__).parent / "recordings/migration"
MENTIONED = re.compile(r"^\s*(?:##?\s*)?([a-z][A-Za-z0-9_$]*(?:\.[^\s=]+)*)\s*=\s*(.*?)\s*$")
PLAN = Plan(version("4.2.14"), version("4.3.22"), "ce", "ce")


def recorded(line: str) -> list[tuple[str, str, str]]:
    """(file, key, value) of every setting that the files of a version mention, commented out or not."""
    found = []
    for file in sorted((RECORDED / line).rglob("*.conf")):
        for text in file.read_text(encoding="utf-8").splitlines():
            mentioned = MENTIONED.match(text)
            if mentioned and "<" not in mentioned[1]:
                found.append((str(file.relative_to(RECORDED / line)), mentioned[1], mentioned[2]))
    return found


OLD, NEW = recorded("4.2"), recorded("4.3")


def converted(*confs: flat.Conf, credential: Any = "username") -> tuple[dict[str, str], Any]:
    ledger = Ledger()
    files = convert_confs(confs, credential, ledger)
    return dict(files.texts), ledger.account()


def one(text: str, file: str = "emqx.conf", **more: Any) -> tuple[str, Any]:
    texts, account = converted(flat.parse(file, text), **more)
    return "".join(texts.values()), account


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
        ("dashboard.listener.http = 18083", "does not know"),
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


@pytest.mark.parametrize(
    ("credential", "prefix", "field"), [("username", "user", "username"), ("clientid", "client", "clientid")]
)
def test_built_in_users_of_the_file_become_users_of_their_kind(credential: str, prefix: str, field: str) -> None:
    text, account = one(
        "auth.mnesia.7.login = name~!@#$%^&*()_+\nauth.mnesia.7.password = p#w\nauth.mnesia.7.is_superuser = true\n",
        credential=credential,
    )
    assert text.splitlines()[:2] == [f"auth.{prefix}.1.{field} = name~!@#$%^&*()_+", f"auth.{prefix}.1.password = p#w"]
    assert [item.verdict for item in account.items] == [Verdict.CARRIED, Verdict.CARRIED, Verdict.DROPPED]


USERS = "## users\nauth.user.password_hash = sha256\nauth.user.1.username = a\nauth.user.1.password = p\n"
CLIENTS = "auth.client.password_hash = sha256\nauth.client.1.clientid = c\nauth.client.1.password = p\n"
MNESIA = "# mine\nauth.mnesia.password_hash = sha256\nauth.mnesia.as = username\nauth.mnesia.1.login = m\nauth.mnesia.1.password = p\n"


def test_merged_plugins_move_their_users_without_losing_one() -> None:
    texts, account = converted(
        flat.parse("p/emqx_auth_clientid.conf", CLIENTS),
        flat.parse("p/emqx_auth_mnesia.conf", MNESIA),
        flat.parse("p/emqx_auth_username.conf", USERS),
    )
    assert set(texts) == {"p/emqx_auth_mnesia.conf"}
    settings = {setting.key: setting.value for setting in flat.parse("f", texts["p/emqx_auth_mnesia.conf"]).settings}
    assert sorted(value for key, value in settings.items() if key.endswith("username")) == ["a", "m"]
    assert settings["auth.client.1.clientid"] == "c"
    assert settings["auth.mnesia.password_hash"] == "sha256"
    assert not [item for item in account.items if item.verdict is Verdict.DROPPED]
    assert texts["p/emqx_auth_mnesia.conf"].startswith("# mine\n")


def test_users_that_are_hashed_otherwise_are_named() -> None:
    _, account = converted(
        flat.parse("p/emqx_auth_username.conf", USERS),
        flat.parse("p/emqx_auth_mnesia.conf", MNESIA.replace("sha256", "md5")),
    )
    dropped = [item for item in account.items if item.verdict is Verdict.DROPPED]
    assert [item.label for item in dropped] == ["line 2: auth.user.password_hash"]
    assert "new password" in dropped[0].todo


def test_users_without_a_file_of_the_merged_plugin_get_one() -> None:
    texts, _ = converted(flat.parse("etc/plugins/emqx_auth_username.conf", USERS))
    assert set(texts) == {"etc/plugins/emqx_auth_mnesia.conf"}


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


def test_what_one_node_sets_is_not_set_on_another() -> None:
    tls = "listener.ssl.external = 8883\nlistener.ssl.external.tls_versions = tlsv1.2\nlog.formatter.text.date.format = rfc3339\n"
    users_of = "auth.user.1.username = u\n"
    texts, _ = converted(
        flat.parse("a/emqx.conf", tls),
        flat.parse("b/emqx.conf", "listener.ssl.external = 8883\n"),
        flat.parse("a/plugins/emqx_auth_username.conf", users_of),
        flat.parse("b/plugins/emqx_auth_username.conf", users_of),
    )
    assert texts["a/emqx.conf"] == tls
    assert f"tls_versions = {OLD_TLS}" in texts["b/emqx.conf"]
    assert OLD_DATE[0] in texts["b/emqx.conf"]
    for node in "ab":
        assert "auth.user.1.username = u" in texts[f"{node}/plugins/emqx_auth_mnesia.conf"]


@pytest.mark.parametrize("number", ["²", "9" * 65536])
def test_a_digit_that_is_no_number_is_no_fault(number: str) -> None:
    facts = Facts(
        replace(PLAN, system=f"macos {number}"),
        confs=(flat.parse("emqx.conf", f"rpc.tcp_client_num = {number}\nauth.http.request.timeout = {number}\n"),),
    )
    export = Export("e.json", {"version": f"4.2.{number}", "auth_username": [{"username": "u", "password": PASSWORD}]})
    with pytest.raises(BadSource, match="43-03") if number == "²" else nullcontext():
        convert(replace(facts, export=export))
    assert convert(facts).account.items
    for rule in ("43-03", "43-28", "43-37"):
        DETECTORS[rule](replace(facts, export=export))


def test_a_file_that_is_named_twice_is_converted_once(tmp_path: Path) -> None:
    (tmp_path / "emqx.conf").write_text("rpc.tcp_client_port = 5369\nauth.mongo.login = u\n", encoding="utf-8")
    once, twice = (convert(known.load(PLAN, paths)) for paths in ((tmp_path,), (tmp_path, tmp_path / "emqx.conf")))
    assert once == twice


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


def test_an_include_of_enterprise_stays_and_says_what_was_not_given() -> None:
    texts, account = converted(
        flat.parse(
            "etc/emqx.conf",
            "include etc/listeners.conf\n include  etc/zones.conf \n{{ additional_configs }}\nnonsense\n",
        ),
        flat.parse("etc/listeners.conf", "listener.ws.external.verify_protocol_header = on\n"),
    )
    assert texts["etc/emqx.conf"].splitlines()[:4] == [
        "include etc/listeners.conf",
        " include  etc/zones.conf ",
        "{{ additional_configs }}",
        "## not in 4.3: nonsense",
    ]
    assert [(item.label, item.verdict) for item in account.items][:3] == [
        ("line 1", Verdict.CARRIED),
        ("line 2", Verdict.CHANGED),
        ("line 4", Verdict.DROPPED),
    ]
    assert "fail_if_no_subprotocol" in texts["etc/listeners.conf"]


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("exhook.drivers = java", Verdict.DROPPED),
        ("exhook.drivers.java.path = data/extension", Verdict.DROPPED),
        ("exhook.server.default.url = http://h:9000", Verdict.CHANGED),
        ("exproto.listener.protoname = tcp://0.0.0.0:7993", Verdict.CHANGED),
        ("exproto.listener.protoname.driver = python3", Verdict.DROPPED),
        ("exproto.listener.protoname.driver_search_path = data/extension", Verdict.DROPPED),
        ("exproto.listener.protoname.driver_callback_module = main", Verdict.DROPPED),
    ],
)
def test_extensions_over_erlport_are_gone_and_those_over_grpc_stay(line: str, verdict: Verdict) -> None:
    text, account = one(line + "\n", "etc/plugins/x.conf")
    assert account.items[0].verdict is verdict
    assert (text == line + "\n") is (verdict is Verdict.CHANGED)
    hit = DETECTORS["43-12"](Facts(PLAN, confs=(flat.parse("x.conf", line),), plugins=()))
    assert (hit != Clear()) is (verdict is Verdict.DROPPED)


def test_comments_of_a_merged_plugin_move_with_its_users() -> None:
    texts, _ = converted(
        flat.parse(
            "u/emqx_auth_username/emqx_auth_username.conf", "# who they are\r\nauth.user.1.username = a\r\n# end\r\n"
        ),
    )
    assert texts == {
        "u/emqx_auth_username/emqx_auth_mnesia.conf": "## from emqx_auth_username.conf, which is merged\n# who they are\nauth.user.1.username = a\n# end\n"
    }


def test_lines_that_are_added_end_as_the_file_does() -> None:
    assert one("log.to = file\r\n")[0].count("\n") == one("log.to = file\r\n")[0].count("\r\n") == 4


def test_two_settings_that_become_one_are_named_when_their_values_differ() -> None:
    _, account = one(
        "auth.redis.cafile = a\nauth.redis.cacertfile = b\nauth.redis.keyfile = k\nauth.redis.keyfile = l\n", "r.conf"
    )
    assert [item.verdict for item in account.items] == [Verdict.CHANGED] * 2 + [Verdict.CARRIED] * 2
    assert "keep the right one" in account.items[0].todo
    _, account = one("auth.redis.cafile = a\nauth.redis.cacertfile = a\n", "r.conf")
    assert {item.verdict for item in account.items} == {Verdict.CARRIED}


def test_a_built_in_user_that_stands_in_two_files_is_named() -> None:
    _, account = converted(
        flat.parse("p/emqx_auth_mnesia.conf", MNESIA),
        flat.parse("p/emqx_auth_username.conf", USERS.replace("username = a", "username = m")),
        flat.parse("p/emqx_auth_clientid.conf", CLIENTS.replace("clientid = c", "clientid = m")),
    )
    changed = [item.label for item in account.items if "more than once" in item.todo]
    assert changed == ["line 4: auth.mnesia.1.login", "line 3: auth.user.1.username"]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", []),
        ("%% none\r\n", []),
        (
            "{emqx_a, true}. {emqx_b,false}.\r\nemqx_c.",
            [(1, "emqx_a", True), (1, "emqx_b", False), (2, "emqx_c", True)],
        ),
        ("{emqx_a,\n  true}. % {emqx_x, true}.\n\n{'emqx_b', true}.\n", [(1, "emqx_a", True), (4, "emqx_b", True)]),
    ],
)
def test_loaded_plugins_are_read_as_erlang_reads_them(text: str, facts: list[tuple[int, str, bool]]) -> None:
    assert [(one.line, one.name, one.enabled) for one in parse_loaded("l", text)] == facts


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{emqx_a, true}.\n\n[emqx_b].\n", 3),
        ("{emqx_a, true}.{emqx_b, true}.", 1),
        ("{emqx_a, true}", 1),
        ('{"a", true}.', 1),
        ("\n\n{a, yes}.", 3),
    ],
)
def test_what_is_no_fact_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(BadSource, match=f"l, line {line}: no term"):
        parse_loaded("l", text)


VARIABLES = """# EMQX_AUTH__MONGO__LOGIN=old
EMQX_AUTH__MONGO__LOGIN=s3cr3t
export EMQX_AUTH__HTTP__AUTH_REQ="http://h/a?b=c#d"
  - EMQX_NODE__NAME=a@b
      EMQX_RPC__TCP_CLIENT_PORT: 5369
EMQX_AUTH__HTTP__AUTH_REQ__CONTENT_TYPE=json
EMQX_LOADED_PLUGINS="emqx_recon,emqx_auth_username,emqx_auth_mnesia,emqx_extension_hook"
EMQX_NODE__HEARTBEAT=on
- name: EMQX_AUTH__MONGO__LOGIN
PATH=/bin
"""


def test_environment_variables_are_translated_as_the_settings_that_they_override(tmp_path: Path) -> None:
    (tmp_path / "emqx.env").write_text(VARIABLES, encoding="utf-8")
    result = convert(known.load(PLAN, (tmp_path / "emqx.env",)))
    assert result.texts[str(tmp_path / "emqx.env")].splitlines() == [
        "# EMQX_AUTH__MONGO__LOGIN=old",
        "EMQX_AUTH__MONGO__USERNAME=s3cr3t",
        'export EMQX_AUTH__HTTP__AUTH_REQ__URL="http://h/a?b=c#d"',
        "  - EMQX_NODE__NAME=a@b",
        "## not in 4.3:       EMQX_RPC__TCP_CLIENT_PORT: 5369",
        "## not in 4.3: EMQX_AUTH__HTTP__AUTH_REQ__CONTENT_TYPE=json",
        'EMQX_LOADED_PLUGINS="emqx_recon,emqx_auth_mnesia"',
        "EMQX_NODE__HEARTBEAT=on",
        "- name: EMQX_AUTH__MONGO__LOGIN",
        "PATH=/bin",
    ]
    verdicts = [str(item.verdict) for item in result.account.items]
    assert verdicts == ["carried"] * 3 + ["dropped", "dropped", "changed", "changed", "changed"]
    assert "s3cr3t" not in result.account.to_json(origin="a", target="b")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("EMQX_A__B=v", "v"),
        ("EMQX_A__B = 'v w' ", "v w"),
        ('EMQX_A__B="v"x', 'v"x'),
        ('EMQX_A__B="', ""),
        ('EMQX_A__B=v"', 'v"'),
        ('  - "EMQX_A__B=v"', "v"),
        ("docker run -e EMQX_A__B=v", None),
        ("  -e EMQX_A__B=v \\", "v"),
        ("export EMQX_A__B='it''s'", "it''s"),
        ("EMQX_A__B:", None),
        ("MY_EMQX_A__B=v", None),
    ],
)
def test_a_variable_is_read_without_its_quotes_and_written_with_them(line: str, value: str | None) -> None:
    (row,) = variables.read("f", line).rows
    assert (row.setting.value if row.setting else None) == value
    if row.setting is not None and value is not None:
        assert row.setting.key == "a.b"
        assert variables.rewritten(line, "a.b", value) == line
        assert variables.rewritten(line, "c.d", value) == line.replace("A__B", "C__D")


@pytest.mark.parametrize("line", ["a = x{}y", "a{}y", "{}y", "include {}\0", "EMQX_A=x{}y", "EMQX_A{}y", "{{{{ {} x"])
def test_a_line_of_blanks_takes_time_with_its_length_only(line: str) -> None:
    """With the square of it, a megabyte would take hours; that is what this bound of the whole suite's time shows."""
    text = line.format(" " * 1_000_000)
    assert str(flat.parse("f", text)) == text
    assert str(variables.read("f", text)) == text
    assert len(one(text, "x.conf")[1].items) <= 1


def test_the_rules_see_what_a_variable_sets(tmp_path: Path) -> None:
    (tmp_path / "emqx.env").write_text(VARIABLES + "EMQX_AUTH__MNESIA__AS=clientid\n", encoding="utf-8")
    (tmp_path / "emqx.conf").write_text("node.name = a@b\n", encoding="utf-8")
    facts = known.load(PLAN, (tmp_path / "emqx.conf", tmp_path / "emqx.env"))
    for rule in ("43-07", "43-08", "43-24", "43-38"):
        finding = DETECTORS[rule](facts)
        assert isinstance(finding, Hit), rule
        assert "s3cr3t" not in str(finding)
    export = users({"login": "u"})
    assert DETECTORS["43-02"](replace(facts, export=export)) == Clear()
    assert json.loads(convert(replace(facts, export=export)).texts["e.json"])["auth_mnesia"][0]["type"] == "clientid"


@PATIENT
@given(
    st.lists(
        st.one_of(
            st.sampled_from(VARIABLES.splitlines()),
            st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=20),
        ),
        max_size=10,
    )
)
def test_any_text_of_variables_is_accounted_for_line_by_line(lines: list[str]) -> None:
    ledger = Ledger()
    before = "\n".join(lines)
    text = convert_confs((), "username", ledger, (variables.read("f", before),)).texts["f"]
    assert text.count("\n") == before.count("\n")
    spoken = [line for line in before.split("\n") if variables.mentions(line)]
    assert len(ledger.account().items) >= len(spoken)
    for old, new in zip(before.split("\n"), text.split("\n"), strict=True):
        assert old == new or variables.mentions(old)


def test_what_is_4_3_already_stays() -> None:
    for file, key, value in NEW:
        if key in {"rpc.tcp_client_num", "log.to"} or "psk_ciphers" in key:
            continue
        text, account = one(f"{key} = {value or 'x'}\n", file)
        assert text.splitlines()[0] == f"{key} = {value or 'x'}" or "auth.user" in key or "auth.client" in key, key
        assert account.items[0].verdict is Verdict.CARRIED


def test_loaded_plugins_name_the_merged_plugin_once() -> None:
    ledger = Ledger()
    text = "{emqx_management, true}.\n{emqx_auth_username, true}.\n%% comment\n{emqx_auth_clientid, true}.\n{emqx_auth_mnesia, false}.\n"
    done = convert_loaded("loaded_plugins", text, ledger)
    assert convert_loaded("l", "{emqx_extension_hook, true}.\n", ledger) == ""
    assert ledger.account().items[-1].verdict is Verdict.DROPPED
    assert done == "{emqx_management, true}.\n{emqx_auth_mnesia, true}.\n"
    assert ledger.account().tally()["loaded_plugins"] == ({"source": 4, "carried": 4, "changed": 0, "dropped": 0})
    assert parse_loaded("l", "emqx_retainer.\n")[0].enabled


LINES = st.lists(
    st.one_of(
        st.sampled_from([f"{key} = {value or 'x'}" for _, key, value in OLD]),
        st.sampled_from(["", "# comment", "## = odd", "   ", "{{ additional_configs }}", "no setting"]),
        st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=20),
    ),
    max_size=30,
)


@PATIENT
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_file_reads_back_byte_for_byte(lines: list[str], end: str, closed: bool) -> None:
    text = end.join(lines) + (end if closed else "")
    assert str(flat.parse("f", text)) == text


@PATIENT
@given(LINES, st.sampled_from(["username", "clientid"]))
def test_comments_and_their_order_survive_and_the_account_adds_up(lines: list[str], credential: str) -> None:
    text, account = one("\n".join(lines), credential=credential)
    before = [line for line in "\n".join(lines).split("\n") if line.lstrip().startswith("#")]
    after = [
        line
        for line in text.split("\n")
        if line.lstrip().startswith("#") and not line.startswith(("## not in 4.3: ", "## kept from 4.2"))
    ]
    assert after == [line for line in before if not line.startswith(("## not in 4.3: ", "## kept from 4.2"))]
    for row in account.tally().values():
        assert row["source"] == row["carried"] + row["changed"] + row["dropped"]
    settings = sum(1 for line in flat.parse("f", "\n".join(lines)).rows if line.setting or line.is_foreign)
    assert account.counts.get("emqx.conf", 0) == settings == len(account.items)


@PATIENT
@given(LINES)
def test_the_account_holds_no_value(lines: list[str]) -> None:
    secret = "s3cr3t-of-the-fleet"
    _, account = one(
        "\n".join([*lines, f"auth.mysql.password = {secret}", f"auth.mnesia.1.password = {secret}", f"x {secret}"])
    )
    assert secret not in account.to_json(origin="4.2.14", target="4.3.22")
    assert secret not in account.to_markdown(origin="4.2.14", target="4.3.22")


def sample(name: str) -> Export:
    return known.read_export(name, (RECORDED / "samples" / name).read_text(encoding="utf-8"))


PASSWORD = base64.b64encode(b"salt" + b"a" * 64).decode()


def users(*rows: dict[str, Any], **sections: Any) -> Export:
    return Export(
        "e.json", {"version": "4.2.11", "auth_mnesia": [{"password": PASSWORD, **row} for row in rows], **sections}
    )


def test_a_genuine_export_of_4_2_11_has_what_every_4_3_reads() -> None:
    ledger = Ledger()
    data = convert_export(sample("v4.2.11.json"), "username", ledger)
    assert data["version"] == "4.2.11"
    assert data["auth.mnesia.as"] == "username"
    assert data["auth_mnesia"][0] == {
        "login": "user_mnesia",
        "type": "username",
        "password": sample("v4.2.11.json").rows("auth_mnesia")[0]["password"],
    }
    assert data["acl_mnesia"][0] == {
        "login": "emqx_c", "topic": "Topic/A", "action": "sub", "allow": True,
        "type": "username", "type_value": "emqx_c", "access": "allow",
    }  # fmt: skip
    changed = [item for item in ledger.account().items if item.verdict is not Verdict.CARRIED]
    assert [(item.section, item.label, item.verdict) for item in changed] == [
        ("auth_mnesia", "user_mnesia", Verdict.CHANGED)
    ]
    facts = Facts(PLAN, export=Export("out.json", data))
    assert DETECTORS["43-02"](facts) == Clear()
    assert DETECTORS["43-40"](facts) == Clear()


def test_users_of_4_2_10_are_refused_with_the_patch_to_go_to() -> None:
    with pytest.raises(BadSource, match=r"v4\.2\.10\.json, auth_clientid.*4\.2\.11.*newest patch"):
        convert_export(sample("v4.2.10.json"), "username", Ledger(), enterprise=False)


def test_users_of_4_2_10_go_into_enterprise_with_their_hash_in_base64() -> None:
    data = convert_export(sample("v4.2.10.json"), "username", Ledger())
    before = sample("v4.2.10.json").rows("auth_mnesia")[0]["password"]
    assert base64.b64decode(data["auth_mnesia"][0]["password"]) == before.encode()
    assert data["auth_clientid"] == sample("v4.2.10.json").data["auth_clientid"]


def test_enterprise_4_2_has_types_of_its_own_and_may_have_both() -> None:
    rows = [
        {"login": "u", "type": "username", "password": PASSWORD, "created_at": 1},
        {"login": "u", "type": "clientid", "password": PASSWORD, "created_at": 2},
    ]
    acl = [
        {"type": "clientid", "type_value": "u", "topic": "t", "action": "pubsub", "access": "allow", "created_at": 3},
        {"type": "all", "topic": "t", "action": "sub", "access": "allow"},
        {"type": "all", "type_value": "u", "topic": "t", "action": "sub", "access": "allow"},
    ]
    export = Export("e.json", {"version": "4.2", "modules": [], "auth_mnesia": rows, "acl_mnesia": acl})
    known.require_declared(export, version("4.2.9"))
    assert credential_for(export, None, None) is None
    ledger = Ledger()
    data = convert_export(export, None, ledger)
    assert data["auth_mnesia"] == rows
    assert data["acl_mnesia"] == acl[:2]
    assert [item.verdict for item in ledger.account().items] == [Verdict.CARRIED] * 4 + [Verdict.DROPPED]


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("4.0", True),
        ("4.0.12", True),
        ("4.0.13", False),
        ("4.1", False),
        ("4.2", True),
        ("4.2.10", True),
        ("4.2.11", False),
    ],
)
def test_open_source_takes_users_from_the_patches_that_4_3_names(said: str, refused: bool) -> None:
    export = Export("e.json", {"version": said, "auth_username": [{"username": "u", "password": PASSWORD}]})
    with pytest.raises(BadSource) if refused else nullcontext():
        convert_export(export, None, Ledger(), enterprise=False)


def test_an_export_of_4_2_10_without_users_is_carried() -> None:
    ledger = Ledger()
    export = sample("v4.2.10-no-auth.json")
    assert convert_export(export, None, ledger) == export.data
    assert {item.verdict for item in ledger.account().items} == {Verdict.CARRIED}


@pytest.mark.parametrize(
    ("said", "configured", "wanted"),
    [("username", "clientid", None), (None, "username", "clientid"), ("clientid", None, "username")],
)
def test_both_credential_types_are_refused(said: Any, configured: Any, wanted: Any) -> None:
    export = users({"login": "u"}, **({"auth.mnesia.as": said} if said else {}))
    with pytest.raises(BadSource, match="both credential types"):
        credential_for(export, configured, wanted)


def test_no_credential_type_is_refused_only_where_a_user_needs_one() -> None:
    with pytest.raises(BadSource, match="--credential"):
        credential_for(users({"login": "u"}), None, None)
    assert credential_for(users(), None, None) is None


def test_duplicate_users_are_named_and_the_one_that_the_import_keeps_stays() -> None:
    export = users(
        {"login": "u"},
        {"login": "u"},
        auth_username=[{"username": "u", "password": PASSWORD}],
        auth_clientid=[{"clientid": "u", "password": PASSWORD}],
    )
    ledger = Ledger()
    data = convert_export(export, "username", ledger)
    assert (len(data["auth_mnesia"]), data["auth_username"], len(data["auth_clientid"])) == (1, [], 1)
    dropped = [f"{item.section}[{item.at}]" for item in ledger.account().items if item.verdict is Verdict.DROPPED]
    assert sorted(dropped) == ["auth_mnesia[0]", "auth_username[0]"]


@pytest.mark.parametrize("password", [None, "", "not base64!", "YWJj", 7])
def test_a_password_that_could_never_be_checked_is_named(password: Any) -> None:
    ledger = Ledger()
    assert convert_export(users({"login": "u", "password": password}), "username", ledger)["auth_mnesia"] == []
    assert ledger.account().items[0].verdict is Verdict.DROPPED


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"login": "u", "topic": "t", "action": "x", "allow": True},
        {"login": "u", "topic": 1, "action": "pub", "allow": True},
        {"login": "u", "topic": "t", "action": "pub", "allow": "maybe"},
    ],
)
def test_a_rule_that_is_none_is_named(row: dict[str, Any]) -> None:
    ledger = Ledger()
    assert convert_export(users(acl_mnesia=[row]), "username", ledger)["acl_mnesia"] == []
    assert ledger.account().items[0].verdict is Verdict.DROPPED


def test_a_deny_that_an_allow_may_overtake_is_changed() -> None:
    rows = [
        {"login": "u", "topic": "cmd/secret", "action": "pubsub", "allow": False},
        {"login": "u", "topic": "cmd/#", "action": "pub", "allow": True},
    ]
    ledger = Ledger()
    convert_export(users(acl_mnesia=rows), "username", ledger)
    assert [item.verdict for item in ledger.account().items] == [Verdict.CHANGED, Verdict.CARRIED]


def test_open_source_does_not_take_enterprise_sections() -> None:
    export = users(modules=[{"id": "m", "type": "retainer"}], schemas=[{"name": "s"}])
    for enterprise, verdict in ((True, Verdict.CARRIED), (False, Verdict.DROPPED)):
        ledger = Ledger()
        convert_export(export, None, ledger, enterprise=enterprise)
        assert {item.verdict for item in ledger.account().items} == {verdict}


def test_a_rule_for_everybody_still_binds_everybody() -> None:
    rows = [
        {"login": "$all", "topic": "cmd/#", "action": "pub", "allow": False},
        {"login": "u", "topic": "own/%c", "action": "pub", "allow": True},
        {"login": "u", "topic": "own/x", "action": "pub", "allow": True},
    ]
    ledger = Ledger()
    data = convert_export(users(acl_mnesia=rows), "clientid", ledger)
    everybody, *others = data["acl_mnesia"]
    # Without type_value the import of 4.3 takes a rule for all (emqx_mgmt_data_backup do_import_acl_mnesia).
    assert everybody == {**rows[0], "type": "all", "access": "deny"}
    assert {row["type_value"] for row in others} == {"u"}
    assert [item.verdict for item in ledger.account().items] == [Verdict.CHANGED, Verdict.CHANGED, Verdict.CARRIED]
    after = Facts(PLAN, export=Export("out.json", data))
    assert DETECTORS["43-44"](after) == Clear()


def matches(topic: str, pattern: str) -> bool:
    levels, wanted = topic.split("/"), pattern.split("/")
    if wanted[-1] == "#":
        return levels[: len(wanted) - 1] == wanted[:-1] if "+" not in wanted else fits(levels, wanted[:-1])
    return len(levels) == len(wanted) and fits(levels, wanted)


def fits(levels: list[str], wanted: list[str]) -> bool:
    return len(levels) >= len(wanted) and all(one in {"+", level} for one, level in zip(wanted, levels, strict=False))


def decision_of_4_2(rows: list[dict[str, Any]], login: str, action: str, topic: str) -> bool | None:
    """The login's own rules in their order, then those of ``$all`` (emqx-auth-mnesia of 4.2, do_check_acl)."""
    for who in (login, "$all"):
        for row in rows:
            if row["login"] == who and row["action"] in {action, "pubsub"} and matches(topic, row["topic"]):
                return bool(row["allow"])
    return None


def decisions_of_4_3(rows: list[dict[str, Any]], login: str, action: str, topic: str) -> set[bool]:
    """Whatever order the import gave them: every rule that binds the login and fits."""
    return {
        row["access"] == "allow"
        for row in rows
        if (row["type"] == "all" or row["type_value"] == login)
        and row["action"] in {action, "pubsub"}
        and matches(topic, row["topic"])
    }


OLD_RULE = st.fixed_dictionaries(
    {
        "login": st.sampled_from(["u", "v", "$all"]),
        "topic": st.sampled_from(["a", "a/b", "a/#", "a/+", "+/b", "#", "b"]),
        "action": st.sampled_from(["pub", "sub", "pubsub"]),
        "allow": st.booleans(),
    }
)


@PATIENT
@given(st.lists(OLD_RULE, max_size=6), st.sampled_from(["username", "clientid"]))
def test_a_decision_of_4_2_stands_on_4_3_or_a_rule_of_it_is_named(rows: list[dict[str, Any]], credential: Any) -> None:
    ledger = Ledger()
    after = convert_export(users(acl_mnesia=rows), credential, ledger)["acl_mnesia"]
    named = any("another order" in item.how for item in ledger.account().items)
    for login in ("u", "v", "w"):
        for action in ("pub", "sub"):
            for topic in ("a", "a/b", "a/c", "b", "c/b", "c"):
                before = decision_of_4_2(rows, login, action, topic)
                possible = decisions_of_4_3(after, login, action, topic)
                assert before is None or before in possible, "a rule was lost"
                assert before is not None or not possible, "a rule appeared"
                assert named or len(possible) < 2, "an order that decides is gone, and nobody was told"


def test_what_is_no_list_of_an_export_is_named_too() -> None:
    ledger = Ledger()
    convert_export(users(date="2021-04-12", odd={"a": 1}, **{"auth.mnesia.as": "username"}), None, ledger)
    assert [(item.section, item.verdict) for item in ledger.account().items] == [("odd", Verdict.DROPPED)]


def test_a_ban_is_named_by_whom_it_is_for() -> None:
    ledger = Ledger()
    rows = [{"who": {"clientid": "badguy"}}, {"who": ["username", "u"]}, {"who": 7}]
    convert_export(users(blacklist=rows), None, ledger)
    assert [item.label for item in ledger.account().items] == ["clientid badguy", "username u", ""]


NAMES = st.one_of(st.text(max_size=30), st.sampled_from(['"', "'", "\n", "a\r\nb", "ключ", "x" * 65536, "\x00", "%u"]))


@PATIENT
@given(st.lists(NAMES, max_size=20), st.sampled_from(["username", "clientid"]))
def test_any_name_is_carried_or_named_and_survives_as_json(names: list[str], credential: Any) -> None:
    export = users(
        *({"login": name} for name in names),
        acl_mnesia=[{"login": name, "topic": "t", "action": "pub", "allow": True} for name in names],
    )
    ledger = Ledger()
    data = json.loads(json.dumps(convert_export(export, credential, ledger)))
    assert {row["login"] for row in data["auth_mnesia"]} == set(names)
    assert [row["type_value"] for row in data["acl_mnesia"]] == names
    account = ledger.account()
    assert all(row["source"] == row["carried"] + row["changed"] + row["dropped"] for row in account.tally().values())
    assert len(account.items) == 2 * len(names)
    assert PASSWORD not in account.to_json(origin="a", target="b")


def test_100_000_users_have_a_full_account() -> None:
    ledger = Ledger()
    data = convert_export(users(*({"login": f"u{i}"} for i in range(100_000))), "clientid", ledger)
    assert len(data["auth_mnesia"]) == 100_000
    assert ledger.account().tally()["auth_mnesia"]["carried"] == 100_000


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


def test_the_steps_name_the_data_directory_the_import_and_the_restart() -> None:
    facts = Facts(
        PLAN, export=sample("v4.2.10-no-auth.json"), confs=(flat.parse("emqx.conf", "node.data_dir = /srv/emqx\n"),)
    )
    steps = convert(facts).steps
    assert any("/srv/emqx" in step for step in steps)
    assert any("mnesia" in step for step in steps)
    override = replace(facts, texts=(known.Text("e.env", "EMQX_NODE__DATA_DIR=/mnt/data\n"),))
    assert convert(override).steps[-4].endswith("/mnt/data")
    assert [word in step for step, word in zip(steps[-2:], ("data import", "restart"), strict=True)] == [True, True]


FIELDS = [
    "login",
    "type",
    "type_value",
    "password",
    "topic",
    "action",
    "access",
    "allow",
    "clientid",
    "username",
    "id",
    "name",
    "is_superuser",
]
WORDS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
    st.sampled_from(["username", "all", "pub", "allow", "true", PASSWORD]),
)
ROWS = st.lists(st.dictionaries(st.sampled_from(FIELDS), WORDS, max_size=6), max_size=4)


@PATIENT
@given(
    st.dictionaries(
        st.sampled_from(["auth_mnesia", "acl_mnesia", "auth_username", "auth_clientid", "users", "rules", "odd"]), ROWS
    ),
    st.sampled_from(["username", None]),
    st.booleans(),
)
def test_whatever_rows_an_export_has_they_are_refused_or_accounted_for(
    sections: dict[str, Any], credential: Any, enterprise: bool
) -> None:
    export = Export("e.json", {"version": "4.2.11", **sections})
    ledger = Ledger()
    data = json.loads(json.dumps(convert_export(export, credential, ledger, enterprise=enterprise)))
    account = ledger.account()
    assert sum(account.counts.values()) == len(account.items) == sum(map(len, sections.values()))
    for section, rows in sections.items():
        kept = [item for item in account.items if item.section == section and item.verdict is not Verdict.DROPPED]
        assert len(kept) == len(data[section]) or section in {"odd", "users", "rules"}
        assert len(data[section]) <= len(rows)
    for row in data.get("auth_mnesia", ()):
        assert row["type"] in {"username", "clientid"}
        assert isinstance(row["password"], str)
        assert isinstance(row["login"], str)
    for row in data.get("acl_mnesia", ()):
        assert {"type", "topic", "action", "access"} <= row.keys()


def test_files_that_are_no_settings_come_out_as_they_went_in(tmp_path: Path) -> None:
    texts = {
        "acl.conf": '{allow, all, pubsub, ["a"]}.\n',
        "ssl_dist.conf": '[{server, [{certfile, "c"}]}].\n',
        "loaded_modules": "{emqx_mod_presence, true}.\n",
        "psk.txt": "id:secret\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    result = convert(known.load(PLAN, (tmp_path,)))
    assert {Path(name).name: text for name, text in result.texts.items()} == texts
    assert "secret" not in result.account.to_json(origin="a", target="b")


def test_a_plan_and_a_file_that_disagree_on_the_credential_type_are_refused() -> None:
    facts = Facts(
        replace(PLAN, credential="clientid"),
        confs=(flat.parse("emqx_auth_mnesia.conf", "auth.mnesia.as = username\n"),),
    )
    with pytest.raises(BadSource, match="both credential types"):
        convert(facts)


def test_half_a_character_in_a_name_is_written_as_it_was_read() -> None:
    export = known.read_export(
        "e.json", json.dumps({"version": "4.2.11", "auth_mnesia": [{"login": "\ud800", "password": PASSWORD}]})
    )
    text = convert(Facts(replace(PLAN, credential="username"), export=export)).texts["e.json"]
    assert json.loads(text.encode())["auth_mnesia"][0]["login"] == "\ud800"
