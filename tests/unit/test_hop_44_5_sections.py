"""4.4 -> 5.x: what each section of an export becomes."""

from __future__ import annotations

import json

import pytest

from components.hocon.document import loads
from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import Options, Source, convert, read_export
from components.migration.hop_44_5.result import read_archive
from components.migration.manifest import Verdict
from tests.unit.hop_44_5_bed import HERE, LOADED, NOW, how, identities, run, verdicts

pytestmark = pytest.mark.unit


class TestSections:
    """The rest of an export and of the files."""

    def test_every_kind_of_an_enterprise_export_is_carried_or_its_loss_is_said(self) -> None:
        export = read_export("ee", (HERE / "ee-4.4-all-kinds.json").read_bytes(), "4.4.19")
        conversion = convert(Source(export, "ee"), "4.4.19", "5.8.11", Options(now=NOW))
        lost = {
            item.label.partition(" ")[0]
            for item in conversion.account.items
            if item.section == "resources" and item.verdict is Verdict.DROPPED
        }
        assert lost == {"backend_iotdb", "backend_lindorm"}
        assert len(conversion.config["connectors"]) == 22
        assert identities(conversion) == "dev1:S3CRETabc\ndev2:S3CRETdef\n"
        assert [one["who"] for one in (r.body for r in conversion.requests if r.path == "/banned")] == [
            "bad",
            "10.0.0.1",
        ]
        assert "no rule of this conversion knows it" not in conversion.files()["manifest.md"].decode()

    @pytest.mark.parametrize(("target", "kept"), [("5.5.1", 0), ("5.8.11", 22), ("6.1.0", 21)])
    def test_the_target_decides_which_connectors_there_are(self, target: str, kept: int) -> None:
        export = read_export("ee", (HERE / "ee-4.4-all-kinds.json").read_bytes(), "4.4.19")
        conversion = convert(Source(export, "ee"), "4.4.19", target, Options(now=NOW))
        assert len(conversion.config.get("connectors", {})) == kept

    def test_the_open_source_edition_has_two_kinds_of_connectors(self) -> None:
        export = read_export("ee", (HERE / "ee-4.4-all-kinds.json").read_bytes(), "4.4.19")
        conversion = convert(Source(export, "ee"), "4.4.19", "5.8.9", Options(now=NOW, edition="ce"))
        assert set(conversion.config["connectors"]) == {"http", "mqtt"}

    def test_applications_become_a_key_file_without_defaults_and_without_those_that_are_off(self) -> None:
        app = {"id": "a", "secret": "s", "status": True, "expired": "undefined"}
        apps = [
            app,
            {**app, "id": "admin", "secret": "public"},
            {**app, "id": "off", "status": False},
            {**app, "id": "c:d"},
            {**app, "id": "gone", "expired": 5},
        ]
        conversion = run({"apps": apps})
        assert conversion.bootstrap["api-keys.txt"] == "a:s:administrator\n"
        assert verdicts(conversion, "apps") == ["carried", "dropped", "dropped", "dropped", "dropped"]

    def test_a_ban_that_is_over_or_cannot_be_read_is_dropped(self) -> None:
        rows = [
            {"who": {"clientid": "a"}, "until": NOW + 9},
            {"who": {"username": "b"}, "until": 5},
            {"who": "c"},
            {"who": {"peerhost": "no"}},
            {"who": {"clientid": "d"}, "until": 10**30},
        ]
        conversion = run({"blacklist": rows})
        sent = [request.body for request in conversion.requests if request.path == "/banned"]
        assert [(one["who"], one["until"] == "infinity") for one in sent] == [("a", False), ("d", True)]
        assert verdicts(conversion, "blacklist") == ["carried", "dropped", "dropped", "dropped", "carried"]

    def test_zones_and_mqtt_settings_keep_their_meaning(self) -> None:
        settings = {
            "mqtt.max_packet_size": "2MB",
            "zone.external.keepalive_backoff": "0.75",
            "zone.external.max_subscriptions": "0",
            "zone.external.retry_interval": "30s",
            "zone.external.max_inflight": "0",
            "mqtt.max_topic_levels": "0",
            "zone.external.mqueue_priorities": "a/b=10,c=2",
            "zone.other.upgrade_qos": "on",
            "zone.external.rate_limit.conn_messages_in": "100,10s",
            "listener.tcp.external": "1883",
            "listener.ssl.tls": "8883",
            "listener.ssl.tls.keyfile": "etc/certs/k.pem",
            "listener.ssl.tls.tls_versions": "tlsv1.3,tlsv1.2,tlsv1.1",
            "listener.ssl.tls.peer_cert_as_username": "cn",
        }
        conversion = run({}, settings)
        mqtt = conversion.config["mqtt"]
        assert mqtt["keepalive_multiplier"] == 1.5
        assert mqtt["max_subscriptions"] == "infinity"
        assert mqtt["retry_interval"] == "30s"
        assert mqtt["max_inflight"] == 65535
        assert mqtt["max_topic_levels"] == 65535, "4.2 ships 0, and files live long: 5.x would refuse every topic"
        assert mqtt["mqueue_priorities"] == {"a/b": 10, "c": 2}
        assert mqtt["peer_cert_as_username"] == "cn"
        assert conversion.config["zones"]["other"]["mqtt"]["upgrade_qos"] is True
        listeners = json.loads(conversion.bootstrap["base.hocon"])["listeners"]
        assert listeners["tcp"]["default"]["messages_rate"] == "100/10s"
        assert listeners["ssl"]["tls"]["ssl_options"] == {
            "keyfile": "${EMQX_ETC_DIR}/certs/k.pem",
            "versions": ["tlsv1.3", "tlsv1.2"],
        }

    def test_of_a_setting_that_is_there_twice_the_last_counts(self) -> None:
        twice = [Setting("emqx.conf", 1, "acl_nomatch", "allow"), Setting("emqx.conf", 2, "acl_nomatch", "deny")]
        conversion = convert(Source(None, "", twice, {**LOADED, "acl.conf": "{allow, all}."}), "4.4.19", "5.8.8")
        assert conversion.config["authorization"]["no_match"] == "deny"
        assert verdicts(conversion, "emqx.conf") == ["dropped", "carried"]

    def test_many_rules_of_one_login_raise_the_limit(self) -> None:
        rows = [
            {
                "type": "username",
                "type_value": "u",
                "topic": f"t/{n}",
                "action": "pub",
                "access": "allow",
                "created_at": n,
            }
            for n in range(150)
        ]
        source = run({"acl_mnesia": rows}).config["authorization"]["sources"][0]
        assert source["max_rules"] == 150

    @pytest.mark.parametrize(("target", "known"), [("5.6.1", False), ("5.7.0", True)])
    def test_a_token_that_ends_disconnects_nobody_as_in_44(self, target: str, known: bool) -> None:
        module = {"type": "jwt_authentication", "enabled": True, "config": {"secret": "s", "from": "password"}}
        authenticator = run({"modules": [module]}, to=target).config["authentication"][0]
        assert ("disconnect_after_expire" in authenticator) is known
        assert not authenticator.get("disconnect_after_expire")

    def test_several_key_sources_of_tokens_are_asked_for_and_nobody_gets_in_meanwhile(self) -> None:
        module = {
            "type": "jwt_authentication",
            "enabled": True,
            "config": {"secret": "s", "jwks_addr": "http://k", "from": "password"},
        }
        conversion = run({"modules": [module]})
        assert [(one["mechanism"], one["enable"]) for one in conversion.config["authentication"]] == [
            ("password_based", True)
        ]
        assert "--jwt-key" in how(conversion, "modules")
        chosen = run({"modules": [module]}, jwt_key="jwks").config["authentication"][0]
        assert (chosen["mechanism"], chosen["endpoint"]) == ("jwt", "http://k")

    def test_text_in_the_configuration_is_written_as_it_is(self) -> None:
        conversion = run({"rules": [{"id": "r", "rawsql": 'SELECT "日本 ${x}"', "enabled": True, "actions": []}]})
        text = read_archive(conversion.archive)["cluster.hocon"].decode()
        assert "日本 ${x}" in text
        assert loads(text)["rule_engine"]["rules"]["r"]["sql"] == 'SELECT "日本 ${x}"'

    def test_a_section_that_nobody_knows_is_accounted(self) -> None:
        conversion = run({"tomorrow": [1, 2], "more": {"a": 1}})
        assert verdicts(conversion, "tomorrow") == ["dropped", "dropped"]
        assert verdicts(conversion, "more") == ["dropped"]

    def test_files_alone_are_enough(self) -> None:
        conversion = run(None, {"acl_nomatch": "deny"}, {**LOADED, "acl.conf": "{deny, all}."})
        assert conversion.config["authorization"]["no_match"] == "deny"
