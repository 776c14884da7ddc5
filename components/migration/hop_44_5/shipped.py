"""Values that 4.4 has by itself: what the files of emqx and of the plugins that it loads by itself set in v4.4.19 (public sources).

The rule kept here: a plugin that somebody loads is not among them; what it does with shipped values was wanted.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

AS_SHIPPED = "it is what 4.4 ships"
_PLACES = (("/etc/emqx/", "etc/"), ("/var/lib/emqx", "data"), ("/var/log/emqx", "log"), ("./", ""))


@cache
def _values() -> dict[str, str]:
    text = (files("components.migration") / "data" / "shipped-4.4.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def is_shipped(key: str, value: str) -> bool:
    """Whether 4.4 sets this to that value by itself, be it in its root or where packages put it."""
    for place, root in _PLACES:
        value = root + value.removeprefix(place) if value.startswith(place) else value
    return _values().get(key) == value
