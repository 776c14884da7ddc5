"""4.4 -> 5.x: a gateway lets nobody in that 4.4 did not let in, and is never opened in clear text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.hop_44_5_unseen_bed import (
    GATEWAYS,
    NO_FILE,
    OPEN,
    STOMP,
    export,
    item,
    run,
)

pytestmark = pytest.mark.unit


def test_a_gateway_lets_nobody_in_that_44_did_not_let_in() -> None:
    gateways = run(export(*GATEWAYS)).config["gateway"]
    assert set(gateways) == {"stomp", "lwm2m", "mqttsn", "coap", "gbt32960"}
    assert all(one["authentication"]["backend"] == "built_in_database" for one in gateways.values())


def test_a_gateway_is_open_only_where_everybody_was_let_in() -> None:
    assert "authentication" not in run(export(STOMP, **OPEN)).config["gateway"]["stomp"]


@pytest.mark.parametrize(
    ("kind", "options"), [("ssl", "ssl_options"), ("dtls", "dtls_options"), ("wss", "ssl_options")]
)
def test_an_encrypted_listener_of_a_gateway_is_never_opened_in_clear_text(kind: str, options: str) -> None:
    files = {"certfile": {"filename": "c", "file": "CERT"}, "keyfile": {"filename": "k", "file": "S3CRET"}}
    bare = {"listener_type": kind, "listen_on": "61614", "certfile": NO_FILE}
    full = {**bare, **files, "verify": True, "fail_if_no_peer_cert": True}
    conversion = run(export(("stomp_protocol", {"listeners": [bare]}), ("coap_protocol", {"listeners": [full]})))
    assert "listeners" not in conversion.config["gateway"]["stomp"]
    assert "certificate is not in the export" in item(conversion, "modules")[1]
    listener = conversion.config["gateway"]["coap"]["listeners"][kind]["default"]
    assert listener[options] == {
        "verify": "verify_peer",
        "fail_if_no_peer_cert": True,
        "certfile": "CERT",
        "keyfile": "S3CRET",
    }


def test_a_gateway_has_what_5_x_requires_of_it_or_is_said_to_be_left_out() -> None:
    conversion = run(export(("lwm2m_protocol", {}), ("exproto_protocol", {}), ("jt808_protocol", {})))
    lwm2m = conversion.config["gateway"]["lwm2m"]
    assert lwm2m["xml_dir"]
    assert set(lwm2m["translators"]) == {"command", "response", "notify", "register", "update"}
    assert [item(conversion, "modules", at)[0] for at in (1, 2)] == ["dropped", "dropped"]


@pytest.mark.parametrize(
    ("config", "auth"),
    [
        ({"allow_anonymous": True}, {"allow_anonymous": True}),
        (
            {"registry": "http://r", "authentication": "http://a"},
            {"allow_anonymous": False, "registry": "http://r", "authentication": "http://a"},
        ),
    ],
)
def test_jt808_registers_whom_44_registered(config: dict[str, Any], auth: dict[str, Any]) -> None:
    assert run(export(("jt808_protocol", config))).config["gateway"]["jt808"]["proto"]["auth"] == auth


def test_exproto_keeps_its_handler() -> None:
    listener = {"listen_on": "7993", "connection_handler_url": "http://h:9001"}
    conversion = run(export(("exproto_protocol", {"server_http_port": 9100, "listeners": [listener]})))
    assert conversion.config["gateway"]["exproto"]["handler"] == {"address": "http://h:9001"}
    assert conversion.config["gateway"]["exproto"]["server"] == {"bind": "9100"}
