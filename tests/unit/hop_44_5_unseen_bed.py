"""Exports of Enterprise that nobody has seen, as the tests of 4.4 -> 5.x make them."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import Conversion, Options, Source, convert

NO_FILE = {"filename": "", "file": ""}


RULES = '{deny, all, publish, ["x"]}.\n{allow, all}.\n'


OPEN = {"configs": [{"name": "emqx", "confs": {"allow_anonymous": "true"}}]}


MNESIA = ("mnesia_authentication", {"password_hash": "sha256"})


JWT = ("jwt_authentication", {"secret": "S3CRET", "from": "password", "acl_claim_name": "acl"})


def export(*modules: tuple[str, dict[str, Any]], **sections: Any) -> dict[str, Any]:
    rows = [{"id": f"module:{kind}", "type": kind, "config": config, "enabled": True} for kind, config in modules]
    return {"version": "4.4", "modules": rows, **sections}


def source(data: dict[str, Any], **files: str) -> Source:
    return Source(data, "e.json", (), {f"etc/{name.replace('_', '.')}": text for name, text in files.items()})


def run(data: dict[str, Any], to: str = "5.8.11", **files: str) -> Conversion:
    return convert(source(data, **files), "4.4.19", to, Options(now=1795343060.0))


def item(conversion: Conversion, section: str, at: int = 0) -> tuple[str, str]:
    found = next(one for one in conversion.account.items if (one.section, one.at) == (section, at))
    return str(found.verdict), found.how


def user(login: str) -> dict[str, Any]:
    digest = hashlib.sha256(b"saltpassword").hexdigest().encode()
    return {"login": login, "type": "username", "password": base64.b64encode(b"salt" + digest).decode()}


def republished(args: dict[str, Any]) -> Any:
    action = {"id": "a", "name": "republish", "args": {"target_topic": "t", **args}}
    rule = {"id": "r", "rawsql": 'SELECT * FROM "t"', "enabled": True, "actions": [action]}
    return run({"version": "4.4", "rules": [rule]}).config["rule_engine"]["rules"]["r"]["actions"][0]["args"]


def written(kind: str, config: dict[str, Any], name: str, args: dict[str, Any]) -> tuple[Conversion, str]:
    action = {"id": "a", "name": name, "args": {"$resource": "resource:1", **args}}
    rule = {"id": "r", "rawsql": 'SELECT * FROM "t"', "enabled": True, "actions": [action]}
    data = {"version": "4.4", "rules": [rule], "resources": [{"id": "resource:1", "type": kind, "config": config}]}
    return run(data), kind


STOMP = ("stomp_protocol", {"listeners": [{"listener_type": "tcp", "listen_on": "61613"}]})


GATEWAYS: list[tuple[str, dict[str, Any]]] = [
    STOMP,
    ("lwm2m_protocol", {"xml_dir": "etc/lwm2m_xml", "listeners": [{"listen_on": "5683"}]}),
    ("mqtt_sn_protocol", {"gateway_id": 3, "listeners": [{"listen_on": 1884}]}),
    ("coap_protocol", {}),
    ("gbt32960_protocol", {}),
]


def with_plugin(name: str, settings: dict[str, str]) -> Conversion:
    lines = [
        Setting(f"emqx_auth_{name}.conf", line, key, value) for line, (key, value) in enumerate(settings.items(), 1)
    ]
    files = {"loaded_plugins": f"{{emqx_auth_{name}, true}}.\n"}
    return convert(Source(None, "", lines, files), "4.4.19", "5.8.11", Options(now=1.0))
