"""The keys that the files of 4.3.22 mention, with ``*`` for the names that people choose; taken from those files, as data."""

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


def is_known(key: str) -> bool:
    """Whether a file that 4.3.22 shipped mentions the key, commented out or not."""
    for pattern, to in _NAMES:
        key = pattern.sub(to, key)
    return key in keys()
