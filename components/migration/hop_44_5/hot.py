"""The hot configuration in an export of Enterprise 4.4, in the words of the files.

A row is of a zone, of a listener, or of an application (``emqx``, ``os_mon``, ``license``); where a file has a dot a key has ``_``, a
listener's address is its key ``listener``, and ``"null"`` is what nobody has set (a genuine export of 4.4, public).
The rule kept here: what is not set is never a value; who asks for it gets what the zone, the file or the schema has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.migration.hop_44_5.source import Source

HOT = "configs"
ADDRESS = (
    "listener",
    "endpoint",
    "listen_on",
    "bind",
    "on",
)  # of a listener; in a file its address is the value of its own name
UNSET = ("null", "undefined")
_DOTTED = re.compile(r"(mqtt|broker)_(?=\w)")  # of the application emqx
_ZONE_DOTTED = re.compile(r"(conn_congestion|rate_limit|quota)_(?=\w)")
MAIN = ("emqx", "")


class HotSetting(NamedTuple):
    """One key: its place in the export, its name as a file has it, its value as text (None: not set), and the node, where a row is of one."""

    place: str
    key: str
    value: str | None
    node: str


def hot(source: Source) -> Iterator[HotSetting]:
    """All keys of all rows in their order; a row that is of no kind that is known is one key without a name."""
    for number, config in enumerate((source.export or {}).get(HOT, [])):
        confs, place, node = config.get("confs"), f"{HOT}[{number}]", str(config.get("node") or "")
        if not isinstance(confs, Mapping):
            rows: list[tuple[str, Any]] = [] if confs == [] else [("", str(config))]  # Erlang writes no pairs as []
        else:
            rows = [(_full(config, key), value) for key, value in confs.items()]
        yield from (HotSetting(place, key, _text(value), node) for key, value in rows)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None or value in UNSET else str(value)


def _full(config: Mapping[str, Any], key: str) -> str:
    """The name in a file; a key of a zone or a listener may stand with or without what it belongs to."""
    if "zone" in config:
        return _below(f"zone.{config['zone']}", _ZONE_DOTTED.sub(r"\1.", key, count=1))
    if "type" in config:
        prefix = f"listener.{str(config['type']).rsplit(':')[-1]}.{config.get('name')}"
        return prefix if key in ADDRESS else _below(prefix, key)
    name = str(config.get("name") or "")
    return _DOTTED.sub(r"\1.", key, count=1) if name in MAIN else _below(name, key)


def _below(prefix: str, key: str) -> str:
    return key if key == prefix or key.startswith(f"{prefix}.") else f"{prefix}.{key}"
