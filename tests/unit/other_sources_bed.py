"""Sources of 4.4 besides the recorded ones, as the tests make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import Conversion, Options, Source, convert

SAMPLES = Path(__file__).parent / "recordings/migration/samples"


LOADED = {"loaded_plugins": "{emqx_auth_mnesia, false}.\n", "loaded_modules": "{emqx_mod_acl_internal, true}.\n"}


DOORS = {
    "listener.tcp.a": "1883",
    "listener.tcp.a.zone": "external",
    "listener.tcp.b": "1884",
    "listener.tcp.b.zone": "shut",
}


def source(export: dict[str, Any] | None = None, settings: dict[str, str] | None = None) -> Source:
    given = [Setting("emqx.conf", line, key, value) for line, (key, value) in enumerate((settings or {}).items(), 1)]
    return Source(None if export is None else {"version": "4.4", **export}, "e.json", given, LOADED)


def run(
    export: dict[str, Any] | None = None, settings: dict[str, str] | None = None, to: str = "5.8.11", **more: Any
) -> Conversion:
    return convert(source(export, settings), "4.4.19", to, Options(**{"now": 1795343060.0, **more}))


def hows(conversion: Conversion, section: str) -> list[tuple[str, str]]:
    return [(str(item.verdict), item.how) for item in conversion.account.items if item.section == section]
