"""Listeners as part of the nodes' own configuration: an import would bind every node to the addresses of one.

The import: docs/emqx/config.md#what-an-import-writes. The rule kept here: a door is never wider than before: everybody has to log in, also where a zone of 4.4 let people by.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from components.migration.hop_44_5.mqtt import MAIN_ZONE
from components.migration.hop_44_5.settings import Settings, is_on
from components.migration.hop_44_5.source import Source
from components.migration.hop_44_5.values import tls_versions
from components.migration.manifest import Ledger, shorten

Json = dict[str, Any]
Reader = Callable[[str], Any]
CERTIFICATES = "copy the certificates to the same place on green's nodes"


def _etc(path: str) -> str:
    """4.4's own etc directory under 5.x's name for it."""
    return re.sub(r"^(\{\{ *platform_etc_dir *\}\}|(?:\./)?etc)/", "${EMQX_ETC_DIR}/", path)


def _rate(value: str) -> str:
    """4.4 counts connections in a second."""
    return f"{int(value)}/s"


def _count(value: str) -> int:
    return int(value)


def _verify(value: str) -> str:
    return "verify_peer" if value == "verify_peer" else "verify_none"


def _versions(value: str) -> list[str]:
    versions = tls_versions(value)
    if not versions:
        raise ValueError(value)
    return versions


# key of 4.4 -> (path in the listener, reader)
TABLE: dict[str, tuple[str, Reader]] = {
    "acceptors": ("acceptors", _count),
    "max_connections": ("max_connections", _count),
    "max_conn_rate": ("max_conn_rate", _rate),
    "proxy_protocol": ("proxy_protocol", is_on),
    "proxy_protocol_timeout": ("proxy_protocol_timeout", str),
    "mountpoint": ("mountpoint", str),
    **{key: (f"tcp_options.{key}", str) for key in ("send_timeout", "recbuf", "sndbuf", "buffer", "high_watermark")},
    **{key: (f"tcp_options.{key}", is_on) for key in ("send_timeout_close", "nodelay", "reuseaddr")},
    **{key: (f"tcp_options.{key}", _count) for key in ("active_n", "backlog")},
    **{key: (f"ssl_options.{key}", _etc) for key in ("keyfile", "certfile", "cacertfile", "dhfile")},
    "key_password": ("ssl_options.password", str),
    "tls_versions": ("ssl_options.versions", _versions),
    "verify": ("ssl_options.verify", _verify),
    "depth": ("ssl_options.depth", _count),
    "partial_chain": ("ssl_options.partial_chain", is_on),
    "verify_peer_ext_key_usage": ("ssl_options.verify_peer_ext_key_usage", lambda text: text.strip('"')),
    **{f"{key}": (f"ssl_options.{key}", str) for key in ("handshake_timeout", "hibernate_after", "log_level")},
    **{
        key: (f"ssl_options.{key}", is_on)
        for key in (
            "fail_if_no_peer_cert",
            "secure_renegotiate",
            "reuse_sessions",
            "honor_cipher_order",
            "gc_after_handshake",
        )
    },
    **{
        key: (f"websocket.{key}", str)
        for key in (
            "mqtt_path",
            "mqtt_piggyback",
            "check_origins",
            "supported_subprotocols",
            "proxy_address_header",
            "proxy_port_header",
        )
    },
    **{
        key: (f"websocket.{key}", is_on)
        for key in ("check_origin_enable", "allow_origin_absence", "compress", "fail_if_no_subprotocol")
    },
    "idle_timeout": ("websocket.idle_timeout", str),
    "max_frame_size": ("websocket.max_frame_size", lambda text: int(text) or "infinity"),
}
KINDS = ("tcp", "ssl", "ws", "wss")
SHUT: Json = {"enable": False}
"""5.x opens a listener of each kind by itself; one that 4.4 did not have stays shut."""
FILES = ("keyfile", "certfile", "cacertfile", "dhfile")
GONE = {
    "ciphers": (
        "4.4's list has names that 5.x refuses to start with",
        "set ssl_options.ciphers if you need another list than 5.x's own",
    ),
    "tune_buffer": ("5.x has no such setting", "nothing"),
}
PARTIAL_CHAIN_SINCE = (5, 4)
_HASHED = (
    "AES256-GCM-SHA384",
    "AES256-CBC-SHA384",
    "AES128-GCM-SHA256",
    "AES128-CBC-SHA256",
    "AES256-CBC-SHA",
    "AES128-CBC-SHA",
)
PSK_CIPHERS = tuple(f"{exchange}-{rest}" for exchange in ("RSA-PSK", "PSK") for rest in _HASHED)
"""What 4.4 and every 5.x know of these (emqx.schema of v4.4.19, emqx_tls_lib.erl of v5.1.0 to v5.8.9)."""
PSK_KEY = "psk_ciphers"


def convert_listeners(settings: Settings, target: tuple[int, int]) -> Json:
    """The root ``listeners`` by type and name; ``external`` becomes ``default``, which 5.x has already."""
    listeners: Json = {}
    for found, match in list(settings.matching(r"listener\.(tcp|ssl|ws|wss)\.([\w-]+)")):
        kind, name = match[1], match[2]
        listener: Json = {"bind": found.value, "enable": True, "enable_authn": True}
        _fill(settings, listener, kind, name, target)
        listeners.setdefault(kind, {})["default" if name == MAIN_ZONE else name] = listener
        settings.carried(found.key, "in the nodes' own configuration; look at the address")
        _bypass(settings, found.key, listener.get("zone", "default"))
    for kind in KINDS if listeners else ():
        listeners.setdefault(kind, {}).setdefault("default", dict(SHUT))
    return listeners


def _fill(settings: Settings, listener: Json, kind: str, name: str, target: tuple[int, int]) -> None:
    for found, match in list(settings.matching(rf"listener\.{kind}\.{re.escape(name)}\.(.+)")):
        key = match[1]
        if re.fullmatch(r"access\.\d+", key):
            listener.setdefault("access_rules", []).append(found.value)
            settings.carried(found.key, "access_rules")
        elif key == "zone":
            if found.value != MAIN_ZONE:
                listener["zone"] = found.value
            settings.carried(found.key, "zone", listener.get("zone", "default"))
        elif key in GONE:
            settings.dropped(found.key, *GONE[key])
        elif key in TABLE and not (
            key in ("partial_chain", "verify_peer_ext_key_usage") and target < PARTIAL_CHAIN_SINCE
        ):
            _set(settings, listener, found.key, key)
        elif not key.startswith("peer_cert_as_") and key != PSK_KEY:
            settings.dropped(
                found.key,
                f"no setting of a {kind} listener in {target[0]}.{target[1]} that this table knows",
                "set it on green",
            )
    if settings.peek(f"listener.{kind}.{name}.{PSK_KEY}"):
        _psk(settings, listener, f"listener.{kind}.{name}.{PSK_KEY}")
    _rates(settings, listener)


def _set(settings: Settings, listener: Json, full: str, key: str) -> None:
    path, read = TABLE[key]
    try:
        value = read(settings.peek(full))
    except ValueError:
        settings.dropped(full, "its value cannot be read", "set it on green")
        return
    *parents, last = path.split(".")
    place = listener
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    if key in FILES:
        settings.changed(full, path, CERTIFICATES)
    else:
        settings.carried(full, path, value)


def _psk(settings: Settings, listener: Json, full: str) -> None:
    """A listener that takes PSK takes nothing else, on green too: 4.4 starts with no other ciphers beside them, and without TLS 1.3."""
    asked = [name for part in settings.peek(full).split(",") if (name := part.strip())]
    kept = [name for name in asked if name in PSK_CIPHERS]
    options = listener.setdefault("ssl_options", {})
    options["ciphers"] = kept or list(PSK_CIPHERS)
    options["versions"] = [one for one in options.get("versions", []) if one != "tlsv1.3"] or ["tlsv1.2"]
    if kept == asked:
        settings.carried(full, "ssl_options.ciphers", ", ".join(kept))
    else:
        gone = ", ".join(shorten(name) for name in asked if name not in kept) or "no cipher"
        how = f"ssl_options.ciphers = {', '.join(options['ciphers'])}; 5.x does not know: {gone}"
        settings.changed(full, how, "see that each device speaks one of these")


def _rates(settings: Settings, listener: Json) -> None:
    """Limits and mount points of the zone are the listener's in 5.x."""
    zone = listener.get("zone", MAIN_ZONE)
    for key, name in (("conn_messages_in", "messages_rate"), ("conn_bytes_in", "bytes_rate")):
        full = f"zone.{zone}.rate_limit.{key}"
        if full in settings and "," in settings.peek(full):
            count, seconds = (part.strip() for part in settings.peek(full).split(",", 1))
            listener[name] = f"{count}/{seconds}"
            settings.carried(full, name, listener[name])
    full = f"zone.{zone}.mountpoint"
    if full in settings:
        listener["mountpoint"] = settings.peek(full).replace("%u", "${username}").replace("%c", "${clientid}")
        settings.carried(full, "mountpoint of the listener", listener["mountpoint"])


def _bypass(settings: Settings, key: str, zone: str) -> None:
    name = MAIN_ZONE if zone == "default" else zone
    if is_on(settings.peek(f"zone.{name}.bypass_auth_plugins")) or (
        name != MAIN_ZONE and is_on(settings.peek(f"zone.{name}.allow_anonymous"))
    ):
        how = "its clients got in without a password and have to log in on 5.x"
        settings.changed(
            key, how, "give them credentials, or set enable_authn = false on this listener and guard its address"
        )
        for setting in ("bypass_auth_plugins", "allow_anonymous"):
            settings.changed(f"zone.{name}.{setting}", how)


STATE = "listeners_state"
STOPPED, RUNNING = ("stopped", "stop", "false", "off"), ("running", "start", "started", "true", "on")


def stop_listeners(source: Source, ledger: Ledger, listeners: Json) -> None:
    """A door that was shut by hand stays shut (``listeners_state`` of Enterprise: type, name, status)."""
    rows = (source.export or {}).get(STATE, [])
    ledger.expect(STATE, len(rows))
    for at, row in enumerate(rows):
        kind, name = str(row.get("type") or "").rsplit(":")[-1], str(row.get("name") or "")
        label, status = f"{kind}:{name}", str(row.get("status")).lower()
        listener = listeners.get(kind, {}).get("default" if name == MAIN_ZONE else name)
        if status in RUNNING:
            ledger.carried(STATE, at, label, "open, as a listener is anyway")
        elif listener is not None and status in STOPPED:
            listener["enable"] = False
            ledger.carried(STATE, at, label, "off, as it was stopped by hand")
        else:
            why = "whether it was stopped by hand: its settings are not given, or its state is of no kind that is known"
            ledger.dropped(STATE, at, label, why, "stop it on green too, if it must stay so")
