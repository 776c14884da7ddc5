"""A manifest begins with what a person must read; a carried setting shows the value that green gets; no secret is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.__main__ import main
from components.migration.hop_44_5 import Conversion
from components.migration.manifest import Verdict
from components.migration.masking import MASK, shown
from tests.unit.hop_42_43_bed import one
from tests.unit.hop_44_5_bed import run, user

pytestmark = pytest.mark.unit

SHIPPED = {
    "node.global_gc_interval": "15m",
    "rpc.mode": "async",
    "log.level": "warning",
    "zone.external.max_inflight": "32",
    "web.hook.url": "http://127.0.0.1:80",
    "web.hook.rule.client.connect.1": '{"action": "on_client_connect"}',
}


def text(conversion: Conversion) -> str:
    return conversion.account.to_markdown(origin="4.4.19", target="5.8.11")


def part(conversion: Conversion, title: str) -> str:
    """A part of the manifest, by the beginning of its title."""
    return next((one for one in text(conversion).split("\n## ") if one.startswith(title)), "")


class TestValues:
    """Of settings."""

    def test_a_carried_setting_shows_the_value_that_green_gets(self) -> None:
        conversion = run({}, {"zone.external.keepalive_backoff": "0.75", "mqtt.max_packet_size": "10MB  # pictures"})
        values = {item.label: item.value for item in conversion.account.items}
        assert values == {
            "zone.external.keepalive_backoff": "1.5",
            "mqtt.max_packet_size": '"10MB  # pictures"',
        }
        assert '= "10MB  # pictures"' in part(conversion, "Carried")

    @pytest.mark.parametrize(
        ("key", "value", "wanted"),
        [
            ("flapping_detect_policy", "30, 1m, 5m", '{"max_count": 30, "window_time": "1m", "ban_time": "5m"}'),
            ("broker.shared_subscription_strategy", "hash", '"hash_clientid"'),
            ("alarm.actions", "log,publish,odd", '["log", "publish"]'),
            ("zone.external.rate_limit.conn_messages_in", "5,10s", '"5/10s"'),
            ("zone.external.mountpoint", "m/%u/", '"m/${username}/"'),
        ],
    )
    def test_where_green_writes_it_otherwise_that_is_shown(self, key: str, value: str, wanted: str) -> None:
        conversion = run({}, {key: value, "listener.tcp.external": "1883"})
        assert next(item.value for item in conversion.account.items if item.label == key) == wanted

    def test_every_carried_setting_of_a_file_has_one(self) -> None:
        conversion = run(
            {}, {**SHIPPED, "acl_nomatch": "deny", "listener.tcp.external": "1883"}, {"loaded_plugins": ""}
        )
        carried = [
            item for item in conversion.account.items if item.section == "emqx.conf" and item.verdict is Verdict.CARRIED
        ]
        assert carried
        assert all(item.value for item in carried)

    @given(
        st.sampled_from(
            [
                "auth.user.1.password",
                "auth.mysql.password",
                "auth.jwt.secret",
                "node.cookie",
                "auth.http.auth_req.headers.authorization",
                "web.hook.headers.x-api",
                "listener.ssl.external.key_password",
                "bridge.mqtt.far.password",
                "management.default_application.secret",
                "auth.ldap.bind_password",
                "license.key",
            ]
        ),
        st.text(min_size=1),
    )
    def test_the_value_of_a_secret_is_masked_whatever_it_is(self, key: str, value: str) -> None:
        assert shown(key, value) == MASK

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("auth.http.auth_req", "http://u:S3CRET@h/x"),
            ("auth.http.auth_req", "http://u:S3C@RET@h/x"),
            ("auth.http.auth_req", "http://h/x?apikey=S3CRET&u=%u"),
            ("auth.http.auth_req.params", "clientid=%c,token=S3CRET"),
            ("auth.mongo.server", "mongodb://u:S3CRET@h:27017/d"),
            ("auth.http.auth_req.params", "user=%u,password='S3CRET, S3CRET'"),
        ],
    )
    def test_a_secret_inside_a_value_is_masked(self, key: str, value: str) -> None:
        assert "RET" not in shown(key, value)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("auth.http.auth_req.params", "clientid=%c,password=%P"),
            ("auth.mnesia.password_hash", "sha256"),
            ("auth.redis.auth_cmd", "HMGET mqtt_user:%u password"),
            ("listener.ssl.external.keyfile", "etc/certs/key.pem"),
        ],
    )
    def test_what_is_no_secret_is_shown(self, key: str, value: str) -> None:
        assert json.loads(shown(key, value)) == value

    @given(st.text())
    def test_any_value_fits_into_a_line(self, value: str) -> None:
        assert shown("a.b", value).isprintable()
        assert len(shown("a.b", value)) < 120


class TestOrder:
    """What has to be read, and what has not."""

    def test_shipped_values_and_plugins_that_are_off_are_folded(self) -> None:
        conversion = run({}, SHIPPED, {"loaded_plugins": "{emqx_auth_mnesia, true}.\n"})
        head, _, folded = text(conversion).partition("<details>")
        for key in (
            "node.global_gc_interval",
            "rpc.mode",
            "log.level",
            "web.hook.url",
            "web.hook.rule.client.connect.1",
        ):
            assert (key in head, key in folded) == (False, True), key
        assert conversion.account.without_effect() == 5
        assert not list(conversion.account.losses())

    def test_a_value_of_somebody_s_own_and_a_plugin_that_was_on_are_not(self) -> None:
        changed = {**SHIPPED, "log.level": "debug"}
        conversion = run({}, changed, {"loaded_plugins": "{emqx_web_hook, true}.\n"})
        assert "log.level" in part(conversion, "Dropped, though")
        assert "web.hook.url" in part(conversion, "Dropped, though")
        assert "emqx_web_hook" in part(conversion, "Dropped, though")

    def test_where_it_is_not_known_what_is_on_nothing_is_folded_for_being_off(self) -> None:
        assert "web.hook.url" in part(run({}, SHIPPED), "Dropped, though")

    def test_it_begins_with_what_changes_for_devices(self) -> None:
        both = {"auth_mnesia": [user("u1"), user("c1", "clientid")], "users": [{"username": "boss"}]}
        conversion = run(both, {"log.level": "debug", "allow_anonymous": "true"}, credential="username")
        first = text(conversion).split("\n## ")[1]
        assert first.startswith("What changes for devices and people")
        assert [word in first for word in ("c1", "boss", "allow_anonymous", "log.level")] == [True, True, True, False]

    def test_every_item_is_in_the_text_once_by_name_or_place(self) -> None:
        conversion = run({"auth_mnesia": [user("u1")]}, {**SHIPPED, "odd.key": "x"}, {"loaded_plugins": ""})
        for item in conversion.account.items:
            assert text(conversion).count(item.label) == 1, item.label


def test_a_run_without_an_export_says_what_it_lacks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "emqx.conf").write_text("allow_anonymous = true\n", encoding="utf-8")
    for hop in (("4.4.19", "5.8.9"), ("4.2.14", "4.3.22")):
        words = ["--from", hop[0], "--to", hop[1], "--edition", "ce"]
        out = tmp_path / hop[0]
        assert main(["convert", str(tmp_path / "emqx.conf"), *words, "--out", str(out)]) == 0
        assert "not given: no export: users, permissions, bans" in capsys.readouterr().out
        assert "\n\n- Not given: no export" in (out / "manifest.md").read_text(encoding="utf-8")
        assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["not_given"]
        main(["check", str(tmp_path / "emqx.conf"), *words])
        assert "Not given: no export" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("mqtt.max_packet_size", "1MB  # pictures", '"1MB  # pictures"'),
        ("auth.redis.password", "S3CRET", MASK),
        ("auth.mongo.login", "S3CRET", MASK),
        ("auth.mongo.database", "fleet", '"fleet"'),
    ],
)
def test_a_carried_setting_of_4_2_shows_what_4_3_gets(key: str, value: str, wanted: str) -> None:
    _, account = one(f"{key} = {value}\n")
    assert [(str(item.verdict), item.value) for item in account.items] == [("carried", wanted)]
    assert "S3CRET" not in account.to_json(origin="4.2.14", target="4.3.22")
