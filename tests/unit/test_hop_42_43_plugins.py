"""4.2 -> 4.3, plugins: those that were merged move their users without losing one, those that are gone are named."""

from __future__ import annotations

import pytest

from components.migration.configs import flat
from components.migration.configs.terms import parse_loaded
from components.migration.detectors import DETECTORS
from components.migration.facts import Facts
from components.migration.hop_42_43.files import convert_loaded
from components.migration.hop_42_43.settings import OLD_DATE, OLD_TLS
from components.migration.manifest import BadSource, Ledger, Verdict
from components.migration.rules import Clear
from tests.unit.hop_42_43_bed import CLIENTS, MNESIA, PLAN, USERS, converted, one

pytestmark = pytest.mark.unit


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


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("exhook.drivers = java", Verdict.DROPPED),
        ("exhook.drivers.java.path = data/extension", Verdict.DROPPED),
        ("exhook.server.default.url = http://h:9000", Verdict.CARRIED),
        ("exproto.listener.protoname = tcp://0.0.0.0:7993", Verdict.CARRIED),
        ("exproto.listener.protoname.driver = python3", Verdict.DROPPED),
        ("exproto.listener.protoname.driver_search_path = data/extension", Verdict.DROPPED),
        ("exproto.listener.protoname.driver_callback_module = main", Verdict.DROPPED),
    ],
)
def test_extensions_over_erlport_are_gone_and_those_over_grpc_stay(line: str, verdict: Verdict) -> None:
    text, account = one(line + "\n", "etc/plugins/x.conf")
    assert account.items[0].verdict is verdict
    assert (text == line + "\n") is (verdict is Verdict.CARRIED)
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


def test_loaded_plugins_name_the_merged_plugin_once() -> None:
    ledger = Ledger()
    text = "{emqx_management, true}.\n{emqx_auth_username, true}.\n%% comment\n{emqx_auth_clientid, true}.\n{emqx_auth_mnesia, false}.\n"
    done = convert_loaded("loaded_plugins", text, ledger)
    assert convert_loaded("l", "{emqx_extension_hook, true}.\n", ledger) == ""
    assert ledger.account().items[-1].verdict is Verdict.DROPPED
    assert done == "{emqx_management, true}.\n{emqx_auth_mnesia, true}.\n"
    assert ledger.account().tally()["loaded_plugins"] == ({"source": 4, "carried": 4, "changed": 0, "dropped": 0})
    assert parse_loaded("l", "emqx_retainer.\n")[0].enabled
