"""What 4.3 renamed and removed, as one table; each row is a line of the seed or a difference of the files that 4.2.14 and 4.3.22 shipped.

The seed has errors of its own, held against the shipped files here: ``auth.pgsql.ssl_opts.*`` becomes ``auth.pgsql.ssl.*`` (the seed:
``auth.mongo.pgsql.*``); ``verify_protocol_header`` keeps its listener's name (the seed: ``external``); the header is written
``content-type`` (the seed: ``content_type``, which only later patches of 4.3 normalise; 4.3.22's own file has both).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

REQUESTS = ("auth_req", "super_req", "acl_req")


class Value(NamedTuple):
    """A translated value; ``doubt`` says what a person has to look at, empty where nothing."""

    text: str
    doubt: str = ""


def same(value: str) -> Value:
    """A value that means the same."""
    return Value(value)


def media_type(value: str) -> Value:
    """``json`` and ``x-www-form-urlencoded`` are written in full as a header."""
    known = {"json": "application/json", "x-www-form-urlencoded": "application/x-www-form-urlencoded"}
    full = known.get(value, value)
    return Value(
        full, "" if full in known.values() else "4.3 knows application/json and application/x-www-form-urlencoded"
    )


def duration(value: str) -> Value:
    """4.2 took a number without unit for milliseconds (emqx_auth_http.schema), its ``0`` for never, which 4.3's file does not offer."""
    if value == "0":
        return Value(value, "0 meant no limit on 4.2; choose a time, for example 5s")
    if value.isdecimal():
        return Value(f"{value}ms", "4.2 took a number without unit for milliseconds; choose a time, for example 5s")
    return Value(value)


def switch(value: str) -> Value:
    """``true`` and ``false`` became ``on`` and ``off``."""
    return Value({"true": "on", "false": "off"}.get(value, value))


def truth(value: str) -> Value:
    """``on`` and ``off`` became ``true`` and ``false``."""
    text = {"on": "true", "off": "false"}.get(value, value)
    doubt = (
        ""
        if text == "true"
        else "a client that names another sub-protocol than mqtt, mqtt-v3, mqtt-v3.1.1, mqtt-v5 is refused now; add it to supported_subprotocols"
    )
    return Value(text, doubt)


def log_target(value: str) -> Value:
    """4.3's file has ``file``, ``console`` and ``both``."""
    return Value(
        value, "4.3's file does not offer off; choose file or console with a high log.level" if value == "off" else ""
    )


def ciphers(value: str) -> Value:
    """4.2's names of PSK ciphers are not in 4.3's list."""
    return Value(
        value,
        "choose ciphers of 4.3's list, such as RSA-PSK-AES128-CBC-SHA256, that the devices know"
        if value.startswith("PSK-")
        else "",
    )


def proxied_name(value: str) -> Value:
    """Of a certificate that a balancer has read, 4.3's file offers the common name only."""
    return Value(value, "" if value == "cn" else "4.3's file offers cn only on a listener without TLS of its own")


def one_client(value: str) -> Value:
    """More than one RPC client can reorder messages (seed line 81)."""
    return Value(
        value,
        "more than one can reorder messages between nodes; 4.3's default is 1"
        if value.isdecimal() and value.lstrip("0") not in {"", "1"}
        else "",
    )


@dataclass(frozen=True)
class Rename:
    """A key (whole match), what it is called now, and how its value changes."""

    pattern: re.Pattern[str]
    to: str
    value: Callable[[str], Value] = same


@dataclass(frozen=True)
class Removal:
    """A key that 4.3 does not have any more."""

    pattern: re.Pattern[str]
    why: str
    todo: str


def _rename(pattern: str, to: str, value: Callable[[str], Value] = same) -> Rename:
    return Rename(re.compile(pattern), to, value)


RENAMES: tuple[Rename, ...] = (
    _rename(r"auth\.http\.(auth_req|super_req|acl_req)", r"auth.http.\1.url"),
    _rename(
        r"auth\.http\.(auth_req|super_req|acl_req)\.content_type", r"auth.http.\1.headers.content-type", media_type
    ),
    _rename(r"auth\.http\.request\.(timeout|connect_timeout)", r"auth.http.\1", duration),
    _rename(r"auth\.mongo\.login", "auth.mongo.username"),
    _rename(r"auth\.(mongo|pgsql)\.ssl_opts\.(.+)", r"auth.\1.ssl.\2"),
    _rename(r"auth\.(mongo|pgsql)\.ssl", r"auth.\1.ssl", switch),
    _rename(r"auth\.redis\.ca(?:cert)?file", "auth.redis.ssl.cacertfile"),
    _rename(r"auth\.redis\.(certfile|keyfile)", r"auth.redis.ssl.\1"),
    _rename(r"auth\.mysql\.ssl\.cafile", "auth.mysql.ssl.cacertfile"),
    _rename(r"web\.hook\.api\.url", "web.hook.url"),
    _rename(r"web\.hook\.encode_payload", "web.hook.body.encoding_of_payload_field"),
    _rename(r"web\.hook\.ssl\.cafile", "web.hook.ssl.cacertfile"),
    _rename(r"listener\.(wss?)\.([^.]+)\.verify_protocol_header", r"listener.\1.\2.fail_if_no_subprotocol", truth),
    _rename(r"(listener\.(?:tcp|ssl|wss?)\.[^.]+)\.max_clients", r"\1.max_connections"),  # before 4.2
    _rename(r"statsd\.(push\.gateway\.server|interval)", r"prometheus.\1"),  # before 4.1
    _rename(r"log\.to", "log.to", log_target),
    _rename(r"(listener\.(?:ssl|wss)\.[^.]+\.psk_ciphers)", r"\1", ciphers),
    _rename(r"(listener\.tcp\.[^.]+\.peer_cert_as_username)", r"\1", proxied_name),
    _rename(r"rpc\.tcp_client_num", "rpc.tcp_client_num", one_client),
)

REMOVALS: tuple[Removal, ...] = (
    Removal(
        re.compile(r"auth\.http\.request\.retry_(times|interval|backoff)"),
        "4.3 does not repeat a request to the HTTP server",
        "make the server answer within auth.http.timeout",
    ),
    Removal(
        re.compile(r"rpc\.tcp_client_port"),
        "4.3 has one port for both directions",
        "set rpc.tcp_server_port alike on all nodes",
    ),
    Removal(
        re.compile(r"exhook\.(?!server\.).+"),
        "extensions speak gRPC in 4.3 (erlport is gone)",
        "port the extension to emqx_exhook",
    ),
    Removal(
        re.compile(r"exproto\.listener\.[^.]+\.driver(_\w+)?"),
        "protocol extensions speak gRPC in 4.3 (erlport is gone)",
        "port the extension and set exproto.listener.NAME.connection_handler_url",
    ),
    Removal(
        re.compile(r"auth\.mnesia\.\d+\.is_superuser"),
        "built-in users are no longer superusers",
        "where it was true, requests.json has an allow of everything for the user, unless the export has it as no superuser",
    ),
)
