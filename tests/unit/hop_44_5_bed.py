"""What the tests of 4.4 -> 5.x convert, and how they look at what came out."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import Conversion, Options, Source, convert
from components.migration.hop_44_5.result import read_archive
from components.migration.hop_44_5.table import CLOSED_LOG, read_identities
from components.migration.permissions.client import hashed

HERE = Path(__file__).parent / "recordings" / "hop_44_5"


OSS = (HERE / "oss-4.4.19.json").read_bytes()


NOW = 1795343060.0


LOADED = {"loaded_plugins": "{emqx_auth_mnesia, true}.\n", "loaded_modules": "{emqx_mod_acl_internal, true}.\n"}


def run(
    export: dict[str, Any] | None = None,
    settings: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
    to: str = "5.8.11",
    **options: Any,
) -> Conversion:
    given = [Setting("emqx.conf", line, key, value) for line, (key, value) in enumerate((settings or {}).items(), 1)]
    data = None if export is None else {"version": "4.4", **export}
    return convert(Source(data, "e.json", given, files or {}), "4.4.19", to, Options(**{"now": NOW, **options}))


def identities(conversion: Conversion) -> str:
    """Whom green knows by PSK, a line each."""
    raw = read_archive(conversion.archive).get("mnesia/emqx_psk", CLOSED_LOG)
    return "".join(f"{identity}:{key.decode()}\n" for identity, key in read_identities(raw))


def verdicts(conversion: Conversion, section: str) -> list[str]:
    return [str(item.verdict) for item in conversion.account.items if item.section == section]


def how(conversion: Conversion, section: str, at: int = 0) -> str:
    item = next(item for item in conversion.account.items if (item.section, item.at) == (section, at))
    return f"{item.how} {item.todo}"


def user(login: str, kind: str = "username", salt: bytes = b"salt", algorithm: str = "sha256") -> dict[str, Any]:
    stored = base64.b64encode(salt + hashed(algorithm, salt, "secret")).decode()
    return {"login": login, "type": kind, "password": stored, "created_at": 1}


def imported(conversion: Conversion) -> list[dict[str, Any]]:
    return [row for request in conversion.requests if "import_users" in request.path for row in request.body]


def paths(conversion: Conversion) -> list[str]:
    return [request.path for request in conversion.requests]
