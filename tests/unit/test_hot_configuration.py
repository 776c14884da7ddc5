"""The hot configuration of an Enterprise export says the same as the files it stands for, and what nobody has set is no value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import Conversion, Options, Source, convert
from components.migration.manifest import Verdict
from components.migration.prove import prove

pytestmark = pytest.mark.unit

OWN = Path(__file__).parent / "recordings/field/07-ee-export-own-module/export.json"
OPTIONS = Options(now=1795343060.0, edition="ee")


def genuine() -> dict[str, Any]:
    return dict(json.loads(OWN.read_text(encoding="utf-8")))


def converted(export: dict[str, Any], given_settings: list[Setting] | None = None) -> Conversion:
    return convert(Source(export, "export.json", given_settings or []), "4.4.19", "5.8.11", OPTIONS)


def written(conversion: Conversion) -> tuple[Any, Any, Any]:
    files = {name: json.loads(text) for name, text in conversion.bootstrap.items()}
    return dict(conversion.config), files, [one.body for one in conversion.requests]


def test_a_genuine_shape_has_its_listeners_and_nothing_is_called_null() -> None:
    conversion = converted(genuine())
    base = json.loads(conversion.bootstrap["base.hocon"])
    binds = {
        (kind, name): one["bind"] for kind, listeners in base["listeners"].items() for name, one in listeners.items()
    }
    assert binds == {
        ("tcp", "internal"): "127.0.0.1:11883",
        ("tcp", "default"): "0.0.0.0:1883",
        ("ssl", "default"): "8883",
        ("ws", "default"): "8083",
        ("wss", "default"): "8084",
    }
    assert conversion.config["mqtt"]["max_packet_size"] == "1MB"
    assert conversion.config["authorization"]["no_match"] == "allow"
    assert conversion.config["authentication"] == []
    assert not [text for text in map(json.dumps, written(conversion)) if '"null"' in text]


def test_the_settings_of_a_listener_are_not_dropped_as_unknown() -> None:
    lost = [
        item.label
        for item in converted(genuine()).account.items
        if item.label.startswith("listener.") and item.verdict is Verdict.DROPPED
    ]
    assert lost == ["listener.wss.external.ciphers"]


def test_a_module_of_somebody_s_own_is_named_and_its_password_is_not() -> None:
    conversion = converted(genuine())
    own = next(item for item in conversion.account.items if item.label == "shopkeeper")
    assert own.verdict is Verdict.DROPPED
    assert "of your own" in own.how
    assert "hidden-word" not in conversion.account.to_json(origin="4.4.19", target="5.8.11")


def test_the_proof_decides_with_what_the_zones_inherit() -> None:
    proof = prove(Source(genuine(), "export.json"), "4.4.19", "5.8.11", options=OPTIONS)
    assert (proof.widened, proof.narrowed) == (0, 0)


NAMES = {
    "emqx": ["allow_anonymous", "acl_nomatch", "mqtt_max_packet_size", "broker_sys_interval", "acl_cache_ttl"],
    "zone": ["max_inflight", "session_expiry_interval", "acl_nomatch", "rate_limit_conn_messages_in", "enable_acl"],
    "tcp": ["acceptors", "recbuf", "proxy_protocol", "zone", "max_conn_rate"],
}
VALUES = {
    "allow_anonymous": "true", "acl_nomatch": "allow", "mqtt_max_packet_size": "2MB", "broker_sys_interval": "2m",
    "acl_cache_ttl": "3m", "max_inflight": "64", "session_expiry_interval": "3h", "rate_limit_conn_messages_in": "5,10s",
    "enable_acl": "off", "acceptors": "8", "recbuf": "8KB", "proxy_protocol": "on", "zone": "external",
    "max_conn_rate": "70",
}  # fmt: skip
DOTS = {
    "mqtt_max_packet_size": "mqtt.max_packet_size",
    "broker_sys_interval": "broker.sys_interval",
    "rate_limit_conn_messages_in": "rate_limit.conn_messages_in",
}
CHOSEN = st.fixed_dictionaries({kind: st.lists(st.sampled_from(keys), unique=True) for kind, keys in NAMES.items()})


def rows(chosen: dict[str, list[str]]) -> list[dict[str, Any]]:
    confs = {kind: {key: VALUES[key] for key in keys} for kind, keys in chosen.items()}
    listener = {**confs["tcp"], "listener": "0.0.0.0:1883"}
    return [
        {"name": "emqx", "confs": confs["emqx"]},
        {"zone": "external", "confs": confs["zone"]},
        {"type": "tcp", "name": "external", "confs": listener},
    ]


def in_files(chosen: dict[str, list[str]]) -> list[Setting]:
    prefix = {"emqx": "", "zone": "zone.external.", "tcp": "listener.tcp.external."}
    pairs = [(f"{prefix[kind]}{DOTS.get(key, key)}", VALUES[key]) for kind, keys in chosen.items() for key in keys]
    pairs.append(("listener.tcp.external", "0.0.0.0:1883"))
    return [Setting("emqx.conf", line, key, value) for line, (key, value) in enumerate(pairs, start=1)]


@settings(max_examples=60, deadline=None)
@given(CHOSEN)
def test_hot_configuration_and_files_give_the_same(chosen: dict[str, list[str]]) -> None:
    hot = converted({"version": "4.4", "modules": [], "configs": rows(chosen)})
    files = converted({"version": "4.4", "modules": []}, in_files(chosen))
    assert written(hot) == written(files)


@settings(max_examples=60, deadline=None)
@given(CHOSEN, CHOSEN, st.sampled_from(["null", None, "undefined"]))
def test_what_nobody_has_set_changes_nothing_and_is_accounted(
    chosen: dict[str, list[str]], unset: dict[str, list[str]], word: str | None
) -> None:
    more = rows(chosen)
    for row, kind in zip(more, NAMES, strict=True):
        row["confs"] = {**dict.fromkeys(unset[kind], word), **row["confs"]}
    with_them = converted({"version": "4.4", "modules": [], "configs": more})
    without = converted({"version": "4.4", "modules": [], "configs": rows(chosen)})
    assert written(with_them) == written(without)
    tally = with_them.account.tally()["configs"]
    assert tally["source"] == sum(len(row["confs"]) for row in more) == sum(tally[verdict] for verdict in Verdict)


def test_a_file_that_sets_what_the_hot_configuration_leaves_unset_is_said() -> None:
    hot = [{"zone": "external", "confs": {"max_inflight": "null"}}]
    conversion = converted(
        {"version": "4.4", "configs": hot}, [Setting("emqx.conf", 3, "zone.external.max_inflight", "7")]
    )
    item = next(item for item in conversion.account.items if item.section == "configs")
    assert (item.verdict, "emqx.conf, line 3" in item.how) == (Verdict.CHANGED, True)
    assert conversion.config["mqtt"]["max_inflight"] == 7


def test_two_nodes_with_two_values_are_said() -> None:
    hot = [{"name": "emqx", "node": f"emqx@n{n}", "confs": {"mqtt_max_packet_size": f"{n}MB"}} for n in (1, 2)]
    items = converted({"version": "4.4", "configs": hot}).account.items
    assert [(item.verdict, "another node" in item.how) for item in items] == [
        (Verdict.DROPPED, True),
        (Verdict.CARRIED, False),
    ]


def test_every_carried_key_shows_its_value_or_that_it_is_not_set() -> None:
    carried = [
        item
        for item in converted(genuine()).account.items
        if item.section == "configs" and item.verdict is Verdict.CARRIED
    ]
    assert len(carried) > 30
    assert all(item.value for item in carried)
