"""Gateways: which are on, on which addresses, and who may come in by them; the rest of their settings is 5.x's.

The rule kept here: a gateway of 5.x without an authenticator lets everybody in, so where 4.4 did not, one stands before it; and what was
encrypted is never opened in clear text (emqx_gateway_schema, emqx_lwm2m_schema, emqx_exproto_schema).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components.migration.hop_44_5.plugins import MODULES
from components.migration.hop_44_5.source import Source
from components.migration.hop_44_5.values import file_text, filled, mappings, truth
from components.migration.manifest import Ledger

Json = dict[str, Any]
PLAIN = {
    "stomp": "tcp",
    "coap": "udp",
    "lwm2m": "udp",
    "mqttsn": "udp",
    "exproto": "tcp",
    "jt808": "tcp",
    "gbt32960": "tcp",
    "ocpp": "ws",
}
SECURE = {"ssl": "ssl_options", "dtls": "dtls_options", "wss": "ssl_options"}
KINDS = ("tcp", "ssl", "udp", "dtls", "ws", "wss")
LATER = {"jt808": (5, 5), "gbt32960": (5, 5), "ocpp": (5, 5)}  # Enterprise has them from there on
TRANSLATORS = {
    "command": "dn/#",
    "response": "up/resp",
    "notify": "up/notify",
    "register": "up/resp",
    "update": "up/resp",
}
DEFAULTS = "the gateway and its addresses; its other settings are 5.x's defaults"
CLOSED = "nobody gets in by it until its users are entered"


def convert_gateways(source: Source, ledger: Ledger, target: tuple[int, int], door: Json | None) -> Json:
    """The root ``gateway``, if any.

    Args:
        source: its modules.
        ledger: where each is accounted.
        target: minor version of green.
        door: the authenticator that stands before each gateway; None where 4.4 let everybody in.

    """
    gateways: Json = {}
    for at, row in enumerate((source.export or {}).get(MODULES, [])):
        kind = _kind(str(row.get("type")))
        if kind not in PLAIN:
            continue
        config = row.get("config") or {}
        own = OWN[kind](config) if kind in OWN else {}
        if target < LATER.get(kind, (0, 0)):
            why, todo = "5.x has this gateway from 5.5 on, in the Enterprise edition", "choose 5.5 or newer"
            ledger.dropped(MODULES, at, kind, why, todo)
        elif own is None:
            ledger.dropped(MODULES, at, kind, REQUIRED[kind], f"PUT /gateways/{kind}")
        else:
            listeners, notes = _listeners(kind, config)
            gateways[kind] = {"enable": row.get("enabled") is True, **own, **filled({"listeners": listeners})}
            if door is not None:
                gateways[kind]["authentication"] = door
                notes = [CLOSED, *notes]
            todo = f"POST /gateways/{kind}/authentication/users; " if door else ""
            ledger.changed(MODULES, at, kind, "; ".join((DEFAULTS, *notes)), f"{todo}look at GET /gateways/{kind}")
    return {"gateway": gateways} if gateways else {}


def _kind(module: str) -> str:
    name = re.sub(r"_(protocol|gateway)$", "", module)
    return name.replace("mqtt_sn", "mqttsn").replace("gb32960", "gbt32960")


def _listeners(kind: str, config: Mapping[str, Any]) -> tuple[Json, list[str]]:
    """Listeners by type and name, and what could not be opened."""
    listeners: Json = {}
    notes: list[str] = []
    for listener in _listed(config):
        bind = str(next((listener[key] for key in ("listen_on", "bind", "port") if listener.get(key)), ""))
        said = str(listener.get("listener_type") or listener.get("type") or PLAIN[kind])
        if not bind or said not in KINDS:
            notes.append("a listener without an address, or of an unknown type, is left out")
            continue
        body: Json = {"bind": bind}
        if said in SECURE:
            body[SECURE[said]] = _tls(listener)
            if not {"certfile", "keyfile"} <= body[SECURE[said]].keys():
                notes.append(f"its {said} listener is left out: the certificate is not in the export")
                continue
        names = listeners.setdefault(said, {})
        names["default" if not names else f"l{len(names) + 1}"] = body
    return listeners, list(dict.fromkeys(notes))


def _listed(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    listed = config.get("listeners") or config.get("listener") or []
    yield from mappings(listed if isinstance(listed, list) else [listed])


def _tls(listener: Mapping[str, Any]) -> Json:
    """Whoever had to show a certificate has to on 5.x."""
    files = {
        new: file_text(next((listener[key] for key in keys if listener.get(key)), "")) for new, keys in FILES.items()
    }
    asks = truth(listener.get("verify"))
    required = truth(listener.get("fail_if_no_peer_cert"))
    return {"verify": "verify_peer" if asks else "verify_none", **filled(files)} | (
        {"fail_if_no_peer_cert": required} if asks else {}
    )


FILES = {"cacertfile": ("cacertfile", "cacert"), "certfile": ("certfile", "cert"), "keyfile": ("keyfile", "key")}


def _lwm2m(config: Mapping[str, Any]) -> Json:
    """What 5.x requires of it; the topics of 4.4's own defaults where none are given."""
    topics = {name: str(config.get(f"{name}_topic") or default) for name, default in TRANSLATORS.items()}
    translators = {name: {"topic": topic, "qos": 0} for name, topic in topics.items()}
    return {"xml_dir": str(config.get("xml_dir") or "etc/lwm2m_xml"), "translators": translators}


def _exproto(config: Mapping[str, Any]) -> Json | None:
    """The port of its server and the address of its handler, or None where one is missing."""
    handlers = (listener.get("connection_handler_url") for listener in _listed(config))
    handler = next((str(one) for one in (config.get("connection_handler_url"), *handlers) if one), "")
    port = config.get("server_http_port") or config.get("server.http.port")
    return {"server": {"bind": str(port)}, "handler": {"address": handler}} if handler and port else None


def _jt808(config: Mapping[str, Any]) -> Json | None:
    """It asks no authenticator: either everybody may register, or two addresses say who may; None where neither is said."""
    names = {new: next((config[key] for key in keys if config.get(key)), None) for new, keys in JT808.items()}
    if truth(names.pop("allow_anonymous")):
        return {"proto": {"auth": {"allow_anonymous": True}}}
    return {"proto": {"auth": {"allow_anonymous": False, **names}}} if all(names.values()) else None


JT808 = {
    "allow_anonymous": ("allow_anonymous", "auth.allow_anonymous", "proto.auth.allow_anonymous"),
    "registry": ("registry", "registry_url", "auth.registry", "proto.auth.registry"),
    "authentication": ("authentication", "authentication_url", "auth.authentication", "proto.auth.authentication"),
}
REQUIRED = {
    "exproto": "5.x requires the address of its handler and its own port, which are not there",
    "jt808": "5.x requires to be told who may register (proto.auth), which is not there",
}
OWN: dict[str, Callable[[Mapping[str, Any]], Json | None]] = {
    "lwm2m": _lwm2m,
    "exproto": _exproto,
    "jt808": _jt808,
    "mqttsn": lambda config: {"gateway_id": config["gateway_id"]} if isinstance(config.get("gateway_id"), int) else {},
}
