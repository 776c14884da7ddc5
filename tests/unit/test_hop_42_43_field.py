"""4.0 to 4.2 as people have it (field cases 06, 08, 21), by the command: switches of modules, plugins of other names, keys of all plugins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.migration.__main__ import main

pytestmark = pytest.mark.unit

FIELD = Path(__file__).parent / "recordings/field"


def convert(out: Path, *sources: Path, origin: str = "4.2.14", edition: str = "ce") -> dict[str, tuple[str, str]]:
    """Verdict and words of each item by its label."""
    given = list(map(str, sources))
    hop = ["--from", origin, "--to", "4.3.22", "--edition", edition]
    assert main(["convert", *given, *hop, "--out", str(out)]) == 0
    items = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["items"]
    return {item["label"]: (item["verdict"], item["how"]) for item in items}


def test_keys_of_plugins_that_both_ship_are_carried(tmp_path: Path) -> None:
    items = convert(tmp_path / "out", FIELD / "21-known-keys/plugins")
    assert {verdict for verdict, _ in items.values()} == {"carried"}
    assert len(items) == 7


ENTERPRISE = """\
backend.redis.pool1.server = 127.0.0.1:6379
backend.redis.pool1.pool_size = 8
backend.redis.hook.client.connected.1 = {"action": {"function": "on_client_connected"}, "pool": "pool1"}
backend.redis.hook.message.publish.2 = {"topic": "#", "action": {"function": "on_message_retain"}, "pool": "pool1"}
backend.mysql.pool2.user = root
backend.mongo.pool1.type = single
bridge.kafka.servers = 127.0.0.1:9092
bridge.kafka.producer.required_acks = none
bridge.kafka.hook.message.publish.1 = {"filter": "#", "topic": "message_publish"}
bridge.rabbit.3.server = 127.0.0.1:5672
"""


def test_keys_of_enterprise_s_own_plugins_are_carried_and_one_that_none_has_is_named(tmp_path: Path) -> None:
    file = tmp_path / "emqx_backend_redis.conf"
    file.write_text(f"{ENTERPRISE}bridge.kafka.no_such_key = 1\n", encoding="utf-8")
    items = convert(tmp_path / "out", file, edition="ee")
    verdicts = [(verdict, "no_such_key" in label) for label, (verdict, _) in items.items()]
    assert sorted(verdicts) == [*[("carried", False)] * 10, ("changed", True)]


@pytest.mark.parametrize("directory", ["etc", "etc2"])
def test_rules_in_a_file_of_another_name_stay_as_they_are(tmp_path: Path, directory: str) -> None:
    source = FIELD / "06-acl-file-elsewhere" / directory
    convert(tmp_path / "out", source)
    (rules,) = source.glob("*[s-].conf") if directory == "etc" else [source / "acl.conf"]
    assert (tmp_path / "out" / rules.name).read_bytes() == rules.read_bytes()


def test_switches_of_4_0_become_lines_of_loaded_modules(tmp_path: Path) -> None:
    items = convert(tmp_path / "out", FIELD / "08-module-keys-40/etc", origin="4.0.13")
    assert (tmp_path / "out/loaded_modules").read_text(encoding="utf-8").splitlines() == [
        "{emqx_mod_acl_internal, true}.",
        "{emqx_mod_presence, true}.",
        "{emqx_mod_subscription, true}.",
        "{emqx_mod_rewrite, false}.",
        "{emqx_mod_delayed, true}.",
    ]
    conf = (tmp_path / "out/emqx.conf").read_text(encoding="utf-8").splitlines()
    assert [line for line in conf if line.startswith("module.")] == [
        "module.presence.qos = 1",
        "module.subscription.1.topic = devices/%c/#",
        "module.subscription.1.qos = 1",
    ]
    assert "listener.tcp.external.max_connections = 1000" in conf
    assert "data directory" in (tmp_path / "out/steps.md").read_text(encoding="utf-8")
    assert items["line 5: module.presence"][0] == "carried"


def test_plugins_that_4_3_does_not_have_are_named_and_renamed_ones_loaded(tmp_path: Path) -> None:
    items = convert(tmp_path / "out", FIELD / "08-module-keys-40/etc", origin="4.0.13")
    for line, name in ((5, "emqx_plugin_template"), (6, "emqx_reloader"), (7, "emqx_cube")):
        assert items[f"line {line}: {name}"][0] == "dropped"
    plugins = (tmp_path / "out/loaded_plugins").read_text(encoding="utf-8")
    assert plugins == "{emqx_management, true}.\n{emqx_auth_mnesia, true}.\n{emqx_prometheus, true}.\n"
    assert "prometheus.interval = 15000" in (tmp_path / "out/plugins/emqx_prometheus.conf").read_text(encoding="utf-8")


def test_switches_in_variables_count_and_what_4_1_has_loaded_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "emqx.conf").write_text(
        "module.presence = off\nmodule.rewrite.rule.1 = a/# ^a/(.+)$ b/$1\n", encoding="utf-8"
    )
    (source / "loaded_modules").write_text("{emqx_mod_presence, true}.\n", encoding="utf-8")
    (tmp_path / "my.env").write_text("EMQX_MODULE__SUBSCRIPTION=on\n", encoding="utf-8")
    convert(tmp_path / "out", source, tmp_path / "my.env", origin="4.1.5")
    modules = (tmp_path / "out/loaded_modules").read_text(encoding="utf-8")
    assert modules == "{emqx_mod_presence, true}.\n{emqx_mod_subscription, true}.\n"
    conf = (tmp_path / "out/emqx.conf").read_text(encoding="utf-8")
    assert "module.rewrite.pub.rule.1 = a/# ^a/(.+)$ b/$1\nmodule.rewrite.sub.rule.1 = a/# ^a/(.+)$ b/$1\n" in conf


def test_a_plugin_of_ones_own_is_named(tmp_path: Path) -> None:
    (tmp_path / "loaded_plugins").write_text("{my_rules, true}.\n{emqx_retainer, true}.\n", encoding="utf-8")
    items = convert(tmp_path / "out", tmp_path / "loaded_plugins")
    assert items["line 1: my_rules"][0] == "changed"
    assert items["line 2: emqx_retainer"][0] == "carried"
