"""Small conversions that the tables share: TLS, durations, sizes, placeholders, templates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
PLACEHOLDERS = {
    "u": "username",
    "c": "clientid",
    "C": "cert_common_name",
    "d": "cert_subject",
    "a": "peerhost",
    "P": "password",
}
HTTP_PLACEHOLDERS = {**PLACEHOLDERS, "r": "proto_name", "A": "action", "t": "topic", "m": "mountpoint"}
_TLS_FILES = ("cacertfile", "certfile", "keyfile")


def placed(text: str, names: Mapping[str, str] = PLACEHOLDERS) -> str:
    """``%u`` as ``${username}``, quoted or not, in queries and request bodies."""
    pattern = "|".join(sorted(names))
    return re.sub(rf"'?%({pattern})'?", lambda found: f"${{{names[found[1]]}}}", text)


def foreign_placeholders(text: str, names: Mapping[str, str] = PLACEHOLDERS) -> list[str]:
    """Placeholders of 4.4 that 5.x has no name for."""
    return sorted({f"%{name}" for name in re.findall(r"%([A-Za-z]+)", text) if name not in names})


def file_text(value: Any) -> str:
    """The content of an uploaded file (Enterprise: ``{"filename", "file"}``), or a path (files)."""
    return str(value.get("file", "")) if isinstance(value, Mapping) else str(value or "")


def tls(config: Mapping[str, Any], *, enabled: bool) -> Json:
    """``ssl`` of a client connection."""
    if not enabled:
        return {"enable": False}
    ssl: Json = {"enable": True, "verify": "verify_peer" if truth(config.get("verify")) else "verify_none"}
    ssl |= {key: text for key in _TLS_FILES if (text := file_text(config.get(key)))}
    name = config.get("server_name_indication")
    if name and name != "auto":
        ssl["server_name_indication"] = name
    versions = tls_versions(config.get("tls_versions") or config.get("tls_version") or "")
    return ssl | ({"versions": versions} if versions else {})


def tls_versions(value: Any) -> list[str]:
    """``tlsv1.3,tlsv1.2`` or a list; what is older than 1.2 is left out where a newer one is there."""
    names = value if isinstance(value, list) else [name.strip() for name in str(value).split(",")]
    known = [name for name in names if name in ("tlsv1.3", "tlsv1.2", "tlsv1.1", "tlsv1")]
    return [name for name in known if name in ("tlsv1.3", "tlsv1.2")] or known


def etc(file: str) -> str:
    """A file in ``etc`` for settings that EMQX opens as they are (API keys, PSK): no variable is put in there, and it starts in its root."""
    return f"etc/{file}"


MODES = {"w_mode": ("unsafe", "safe"), "r_mode": ("master", "slave_ok")}


def modes(config: Mapping[str, Any], *names: str) -> Json:
    """Modes of MongoDB that 5.x knows; 4.4's ``undef`` is its default."""
    return {name: config.get(name) for name in names if config.get(name) in MODES[name]}


def truth(value: Any) -> bool:
    """``true``, ``on``, ``verify_peer`` and True."""
    return value is True or str(value).lower() in ("true", "on", "verify_peer", "1")


def filled(config: Mapping[str, Any]) -> Json:
    """Without what is empty."""
    return {key: value for key, value in config.items() if value is not None and value not in ("", {}, [])}


def number(value: Any, default: int) -> int:
    """A whole number that 4.4 wrote as one or as text."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return default


def milliseconds(value: Any, default: str) -> str:
    """A duration: a number is milliseconds in 4.4's actions."""
    return f"{value}ms" if isinstance(value, int) and not isinstance(value, bool) else str(value or default)


def template(value: Any) -> str:
    """A payload template: empty is the whole output of the rule."""
    return str(value) if value else "${.}"


HASH_NAMES = {"plain", "md5", "sha", "sha256", "sha512", "bcrypt", "pbkdf2"}


def hash_algorithm(text: str) -> Json:
    """``sha256``, ``salt,sha256``, ``sha256,salt``, ``pbkdf2,sha256,1000,20`` or ``salt,bcrypt``.

    Raises:
        ValueError: 5.x knows no such hash.

    """
    parts = [part.strip() for part in text.split(",")]
    if not set(parts) & HASH_NAMES or (parts[0] in ("pbkdf2", "salt") and "pbkdf2" in parts and len(parts) < 3):
        raise ValueError("an unknown hash")
    if "bcrypt" in parts:
        return {"name": "bcrypt"}
    if "pbkdf2" in parts:
        rest = [part for part in parts if part not in ("pbkdf2", "salt")]
        return {"name": "pbkdf2", "mac_fun": rest[0], "iterations": int(rest[1])} | (
            {"dk_length": int(rest[2])} if len(rest) > 2 else {}
        )
    position = "disable" if len(parts) == 1 else "prefix" if parts[0] == "salt" else "suffix"
    return {"name": next((part for part in parts if part != "salt"), "sha256"), "salt_position": position}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; of anything else, none."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
