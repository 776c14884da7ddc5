"""The keys that 4.3.22 knows, with ``*`` for the names that people choose: of its recorded files, and of the schemas of its other plugins; as data."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

_NAMES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"^zone\.[^.]+\.", "zone.*."),
        (r"^listener\.(tcp|ssl|wss|ws)\.[^.]+", r"listener.\1.*"),
        (r"\.access\.\d+$", ".access.*"),
        (r"^bridge\.mqtt\.[^.]+\.", "bridge.mqtt.*."),
        (r"^(bridge\.mqtt\.\*\.subscription)\.\d+\.", r"\1.*."),
        (r"^auth\.(user|client)\.\d+\.", r"auth.\1.*."),
        (r"^auth\.http\.(auth|super|acl)_req\.headers\..+", r"auth.http.\1_req.headers.*"),
        (r"^auth\.jwt\.verify_claims\..+", "auth.jwt.verify_claims.*"),
        (r"^web\.hook\.rule\.(.+)\.\d+$", r"web.hook.rule.\1.*"),
        (r"^web\.hook\.headers\..+", "web.hook.headers.*"),
        (r"^broker\.[^.]+\.shared_subscription_strategy", "broker.*.shared_subscription_strategy"),
        (r"^module\.(.+)\.\d+(\..+)?$", r"module.\1.*\2"),
    )
)


@cache
def keys() -> frozenset[str]:
    """All of them."""
    text = (files("components.migration") / "data" / "keys-4.3.json").read_text(encoding="utf-8")
    return frozenset(json.loads(text))


@cache
def of_plugins() -> re.Pattern[str]:
    """Those of the plugins whose files were not recorded (``plugin-keys-4.3.json`` says from where they are)."""
    text = (files("components.migration") / "data" / "plugin-keys-4.3.json").read_text(encoding="utf-8")
    known = (key for plugin in json.loads(text)["plugins"].values() for key in plugin["keys"])
    return re.compile("|".join(re.escape(key).replace(r"\*", "[^.]+") for key in known))


def is_known(key: str) -> bool:
    """Whether 4.3.22 knows the key: a file that it shipped mentions it, commented out or not, or the schema of a plugin does."""
    if key in keys() or of_plugins().fullmatch(key):
        return True
    for pattern, to in _NAMES:
        key = pattern.sub(to, key)
    return key in keys()
