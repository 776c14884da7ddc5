"""The configuration files of a 4.x node: written as its release ships them, read at every start, and what of them the broker needs.

The rule: the files are the truth; what is here is read out of them, with ``EMQX_`` variables over them as 4.x has it (``__`` is a dot).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab.node.v4.line import ACTIVE_MODULES, LOADED, Line

_LOADED = re.compile(r"^\{?\s*(\w+)\s*(?:,\s*(?:true|(false))\s*\})?\.", re.MULTILINE)
SHIPPED = Path(__file__).parent / "shipped"
_PREFIX = "EMQX_"
_ON = frozenset({"on", "true"})
_NOT_OPENED = frozenset({"ssl", "wss"})
_MQTT = {
    "max_packet_size": "max_packet_size",
    "max_clientid_len": "max_clientid_len",
    "max_qos_allowed": "max_qos_allowed",
    "max_topic_alias": "max_topic_alias",
}
_MQTT_FLAGS = {
    "retain_available": "retain_available",
    "wildcard_subscription": "wildcard_subscription",
    "shared_subscription": "shared_subscription",
    "ignore_loop_deliver": "ignore_loop_deliver",
}
_ZONE = {
    "idle_timeout": "idle_timeout",
    "max_inflight": "max_inflight",
    "max_awaiting_rel": "max_awaiting_rel",
    "await_rel_timeout": "await_rel_timeout",
    "session_expiry_interval": "session_expiry_interval",
    "max_mqueue_len": "max_mqueue_len",
}


def lay_down(home: Path, line: Line, network: str, *, proxy_protocol: bool, allow_anonymous: bool = True) -> Path:
    """Write the files of a release below a cluster's directory, unless they are there.

    Returns:
        The directory of its configuration, ``etc``; ``loaded_plugins`` in it says what is loaded at the first start, ``loaded_modules`` which modules are on.

    """
    directory, loaded = home / "etc", loaded_file(home)
    if not loaded.exists():
        write_loaded(loaded, line, LOADED)
        modules = (f"{{{name}, {str(name in ACTIVE_MODULES).lower()}}}.\n" for name, _ in line.modules)
        loaded.with_name("loaded_modules").write_text("".join(modules))
    if (directory / "emqx.conf").exists():
        return directory
    shutil.copytree(SHIPPED / line.number, directory, dirs_exist_ok=True)
    places = {
        "{{ platform_etc_dir }}": str(directory),
        "{{ platform_data_dir }}": "data",
        "{{ platform_log_dir }}": "log",
        "{{ platform_plugins_dir }}": "plugins",
        "{{ additional_configs }}": "",
        "emqx@127.0.0.1": f"emqx@{network}.1",
    }
    for path in (directory / "emqx.conf", *(directory / "plugins").iterdir()):
        text = path.read_text()
        for place, value in places.items():
            text = text.replace(place, value)
        if not allow_anonymous:
            text = text.replace("\nallow_anonymous = true\n", "\nallow_anonymous = false\n")
        if proxy_protocol and path.name == "emqx.conf":
            text += "listener.tcp.external.proxy_protocol = on\nlistener.ws.external.proxy_protocol = on\n"
        path.write_text(text)
    return directory


def loaded_file(home: Path) -> Path:
    """What is loaded when the cluster starts for the first time."""
    return home / "etc" / "loaded_plugins"


def write_loaded(path: Path, line: Line, plugins: Iterable[str]) -> None:
    """A file of loaded plugins as a line has it (V_*_data)."""
    form = "{}.\n" if line.one_kind else "{{{}, true}}.\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(map(form.format, plugins)))


def read_loaded(path: Path) -> list[str]:
    """The plugins of such a file, of either form, those that are switched off left out."""
    return [name for name, off in _LOADED.findall(path.read_text()) if not off]


def read(directory: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """All settings of a directory: key -> text; what the environment says stands over the files."""
    files = [directory / "emqx.conf", *sorted((directory / "plugins").glob("*.conf"))]
    found: dict[str, str] = {}
    for path in files:
        for line in path.read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.lstrip().startswith("#"):
                found[key.strip()] = value.strip().strip('"')
    for name, value in environment.items():
        if name.startswith(_PREFIX):
            found[name.removeprefix(_PREFIX).lower().replace("__", ".")] = value
    return found


def flag(settings: Mapping[str, str], key: str, default: str = "off") -> bool:
    """A switch."""
    return settings.get(key, default) in _ON


def listeners(settings: Mapping[str, str]) -> dict[str, Any]:
    """The `listeners` root of the broker: kind -> name -> its fields; those with TLS are shown, and not opened."""
    out: dict[str, Any] = {}
    for key, value in settings.items():
        parts = key.split(".")
        if len(parts) != 3 or parts[0] != "listener":
            continue
        zone = settings.get(f"{key}.zone", "external")
        entry = {
            "bind": value,
            "enable": parts[1] not in _NOT_OPENED,
            "zone": zone,
            "acceptors": int(settings.get(f"{key}.acceptors", "8")),
            "max_conns": int(settings.get(f"{key}.max_connections", "1024000")),
            "proxy_protocol": flag(settings, f"{key}.proxy_protocol"),
            "mountpoint": settings.get(f"zone.{zone}.mountpoint", "")
            .replace("%c", "${clientid}")
            .replace("%u", "${username}"),
            "enable_authn": not flag(settings, f"zone.{zone}.bypass_auth_plugins"),
            "websocket": {"mqtt_path": settings.get(f"{key}.mqtt_path", "/mqtt")},
        }
        out.setdefault(parts[1], {})[parts[2]] = entry
    return out


def roots(settings: Mapping[str, str]) -> dict[str, Any]:
    """What the files say in the broker's own words: the roots `listeners`, `mqtt` and `retainer`."""
    zone = {key: settings.get(f"zone.external.{name}") for key, name in _ZONE.items()}
    mqtt: dict[str, Any] = {key: _number(value) for key, value in zone.items() if value is not None}
    mqtt |= {key: _number(settings[f"mqtt.{name}"]) for key, name in _MQTT.items() if f"mqtt.{name}" in settings}
    mqtt |= {
        key: flag(settings, f"mqtt.{name}", "true") for key, name in _MQTT_FLAGS.items() if f"mqtt.{name}" in settings
    }
    mqtt["max_topic_levels"] = int(settings.get("mqtt.max_topic_levels", "0")) or 65535
    mqtt["max_subscriptions"] = int(settings.get("zone.external.max_subscriptions", "0")) or "infinity"
    mqtt["mqueue_store_qos0"] = flag(settings, "zone.external.mqueue_store_qos0", "true")
    mqtt["upgrade_qos"] = flag(settings, "zone.external.upgrade_qos")
    mqtt["use_username_as_clientid"] = flag(settings, "zone.external.use_username_as_clientid")
    mqtt["keepalive_multiplier"] = 2 * float(settings.get("zone.external.keepalive_backoff", "0.75"))
    retainer = {
        "max_payload_size": settings.get("retainer.max_payload_size", "1MB"),
        "msg_expiry_interval": settings.get("retainer.expiry_interval", "0"),
        "max_publish_rate": "infinity",
        "backend": {
            "max_retained_messages": int(settings.get("retainer.max_retained_messages", "0")),
            "storage_type": "ram" if settings.get("retainer.storage_type", "ram") == "ram" else "disc",
        },
    }
    opened = listeners(settings)
    opened.setdefault("tcp", {})["default"] = {"enable": False}  # 5.x's own
    return {"listeners": opened, "mqtt": mqtt, "retainer": retainer}


def _number(text: str) -> int | str:
    return int(text) if text.isdigit() else text
