"""Every item of the source is carried, changed or dropped; the counts add up; no value, and so no secret, is in a manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import BadSource, Options, Source, convert, read_export
from components.migration.manifest import Ledger, Verdict, shorten

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent / "recordings" / "hop_44_5"
TEXT = st.text(max_size=12)
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
RULE = st.fixed_dictionaries(
    {"id": TEXT, "rawsql": TEXT, "enabled": st.booleans()},
    optional={"actions": st.lists(JUNK, max_size=3), "description": JUNK},
)
ACTION = st.fixed_dictionaries(
    {"name": st.sampled_from(["inspect", "do_nothing", "republish", "data_to_mysql", "odd"]), "id": TEXT},
    optional={
        "args": st.dictionaries(st.sampled_from(["$resource", "sql", "target_topic", "payload_tmpl"]), JUNK),
        "fallbacks": st.lists(JUNK, max_size=2),
    },
)
KINDS = [
    "web_hook",
    "backend_mysql",
    "backend_redis_single",
    "backend_mongo_rs",
    "bridge_kafka",
    "backend_influxdb_http",
    "bridge_mqtt",
    "unknown",
]
RESOURCE = st.fixed_dictionaries(
    {"id": TEXT, "type": st.sampled_from(KINDS)},
    optional={
        "config": st.dictionaries(st.sampled_from(["url", "server", "servers", "host", "ssl", "database"]), JUNK)
    },
)
MODULE = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["retainer", "presence", "rewrite", "delayed", "mqtt_subscriber", "stomp_protocol", "recon", "odd"]
        ),
        "enabled": st.booleans(),
    },
    optional={
        "config": st.dictionaries(
            st.sampled_from(["rules", "address", "listeners", "storage_type", "max_delayed_messages"]), JUNK
        )
    },
)
ACL = st.fixed_dictionaries(
    {
        "type": st.just("all"),
        "topic": st.text(min_size=1, max_size=8),
        "action": st.sampled_from(["pub", "sub", "pubsub"]),
        "access": st.sampled_from(["allow", "deny"]),
    },
    optional={"created_at": st.integers()},
)
APP = st.fixed_dictionaries({"id": TEXT, "secret": TEXT, "status": st.booleans()}, optional={"expired": JUNK})
BAN = st.fixed_dictionaries(
    {"who": st.dictionaries(st.sampled_from(["clientid", "username", "peerhost"]), TEXT)},
    optional={"until": st.integers(), "at": st.integers()},
)
EXPORT = st.fixed_dictionaries(
    {"version": st.just("4.4")},
    optional={
        "rules": st.lists(
            RULE | st.builds(lambda rule, actions: {**rule, "actions": actions}, RULE, st.lists(ACTION, max_size=3)),
            max_size=3,
        ),
        "resources": st.lists(RESOURCE, max_size=3),
        "modules": st.lists(MODULE, max_size=3),
        "acl_mnesia": st.lists(ACL, max_size=4),
        "apps": st.lists(APP, max_size=3),
        "users": st.lists(st.fixed_dictionaries({"username": TEXT}), max_size=2),
        "blacklist": st.lists(BAN, max_size=3),
        "schemas": st.lists(st.fixed_dictionaries({"name": TEXT}), max_size=2),
        "listeners_state": st.lists(st.fixed_dictionaries({"identifier": TEXT}), max_size=2),
        "a_section_of_tomorrow": JUNK,
    },
)
SETTING = st.builds(
    lambda key, value: Setting("emqx.conf", 1, key, value),
    st.sampled_from(
        [
            "acl_nomatch",
            "zone.external.max_inflight",
            "listener.tcp.external",
            "zone.x.force_gc_policy",
            "mqtt.max_packet_size",
            "odd.key",
            "module.rewrite.pub.rule.1",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=10),
)


def census(export: dict[str, Any]) -> dict[str, int]:
    """How many items each section has, counted without any code of the conversion."""
    counts = {
        name: len(rows) if isinstance(rows, list) else 1
        for name, rows in export.items()
        if name not in ("version", "date")
    }
    actions = [rule.get("actions") for rule in export.get("rules", [])]
    counts["rules.actions"] = sum(len(one) for one in actions if isinstance(one, list))
    return counts


@settings(max_examples=300, deadline=None)
@given(EXPORT, st.lists(SETTING, max_size=5), st.sampled_from(["5.1.0", "5.5.0", "5.8.11", "6.1.0"]))
def test_accounted_items_are_the_items_of_the_source(
    export: dict[str, Any], given_settings: list[Setting], target: str
) -> None:
    try:
        account = convert(Source(export, "e.json", given_settings), "4.4.19", target, Options(edition="ee")).account
    except BadSource:
        return
    for section, count in census(export).items():
        assert account.counts.get(section, 0) == count, section
    for section, row in account.tally().items():
        assert sum(row[verdict] for verdict in Verdict) == row["source"] == account.counts[section], section
    assert len({(item.section, item.at) for item in account.items}) == sum(account.counts.values())
    assert account.counts.get("emqx.conf", 0) == len(given_settings)


def planted() -> Source:
    export = read_export("ee", (HERE / "ee-4.4-all-kinds.json").read_bytes(), "4.4.19")
    keys = [
        "node.cookie",
        "auth.user.1.password",
        "auth.mysql.password",
        "management.default_application.secret",
        "auth.ldap.bind_password",
    ]
    rest = [Setting("emqx.conf", n, key, f"S3CRET-{n}") for n, key in enumerate(keys)]
    return Source(
        export,
        "ee",
        [*rest, Setting("emqx.conf", 9, "auth.user.1.username", "joe")],
        {"loaded_plugins": "{emqx_auth_mysql, true}."},
    )


def test_no_secret_of_the_source_is_in_the_account() -> None:
    conversion = convert(planted(), "4.4.19", "5.8.11", Options(now=1795343060.0))
    files = conversion.files()
    assert (
        b"S3CRET"
        in files["requests.json"] + files["bootstrap/api-keys.txt"] + json.dumps(dict(conversion.config)).encode()
    )
    assert b"S3CRET" not in files["manifest.json"]
    assert b"S3CRET" not in files["manifest.md"]


def test_no_secret_of_the_source_is_in_a_refusal() -> None:
    source = planted()
    assert source.export is not None
    broken = {**source.export, "auth_mnesia": [{"login": "x", "type": "username", "password": "S3CRET!!"}]}
    with pytest.raises(BadSource) as caught:
        convert(Source(broken, "ee", source.settings, source.files), "4.4.19", "5.8.11")
    assert "S3CRET" not in str(caught.value)
    with pytest.raises(BadSource) as caught:
        read_export("e.json", b'{"version": "4.4", "apps": [{"secret": "S3CRET"', "4.4.19")
    assert "S3CRET" not in str(caught.value)


def test_an_item_that_nobody_mentions_is_dropped_and_said_to_be() -> None:
    ledger = Ledger()
    ledger.expect("rules", 2)
    ledger.carried("rules", 0, "one")
    account = ledger.account()
    assert [item.verdict for item in account.items] == [Verdict.CARRIED, Verdict.DROPPED]
    assert account.tally()["rules"] == {"source": 2, "carried": 1, "changed": 0, "dropped": 1}


def test_of_two_verdicts_on_one_item_the_worse_stands() -> None:
    ledger = Ledger()
    ledger.expect("s", 1)
    ledger.changed("s", 0, "x", "other", "do")
    ledger.carried("s", 0, "x")
    assert [(item.verdict, item.todo) for item in ledger.account().items] == [(Verdict.CHANGED, "do")]


@given(st.text())
def test_a_name_of_any_kind_fits_into_a_line(name: str) -> None:
    assert "\n" not in shorten(name)
    assert len(shorten(name)) <= 120


def test_a_table_cell_is_not_broken_by_a_name() -> None:
    ledger = Ledger()
    ledger.expect("s", 1)
    ledger.dropped("s", 0, "a|b\nc", "why", "todo")
    text = ledger.account().to_markdown(origin="4.4.19", target="5.8.11")
    assert "a\\|b\\nc" in text
