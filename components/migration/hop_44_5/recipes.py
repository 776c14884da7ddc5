"""How fields of 4.4 are read into those of 5.x: (path in 5.x, key in 4.4, what to do with it).

The rule kept here: a field that 5.x requires and the source lacks raises MissingError, and the item is accounted as dropped; nothing is
made up that a server would believe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from components.migration.hop_44_5.values import file_text

Json = dict[str, Any]
T = TypeVar("T")
UNSHAPED = "its configuration is not of the shape that 4.4 writes"


class MissingError(Exception):
    """A field that 5.x requires is not in the source; its key."""


class Field(NamedTuple):
    """One field; ``read`` gets the value of ``key``, or the whole configuration where ``key`` is empty."""

    path: str
    key: str
    read: Callable[[Any], Any] = lambda value: value
    required: bool = False


@dataclass(frozen=True)
class Recipe:
    """One kind of resource.

    Args:
        kind: type of connector and action in 5.x.
        connector: from the resource's configuration.
        action: from the action's arguments and, behind them, the resource's configuration.
        options: ``resource_opts`` of the action.
        notes: what is not the same; the item is changed.
        until: the first minor version that has it no more.
        community: whether the open source edition has it too.

    """

    kind: str
    connector: tuple[Field, ...]
    action: tuple[Field, ...]
    options: tuple[Field, ...] = ()
    notes: tuple[str, ...] = ()
    until: tuple[int, int] = (99, 0)
    community: bool = False


class Watched(dict[str, Any]):
    """A configuration that remembers which of its keys were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Nothing is read yet."""
        super().__init__(values)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """Read, and remember."""
        self.read.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def unread(self, own: Iterable[str]) -> list[str]:
        """Of ``own`` keys those that have a value and that nobody read; timers and empty files of TLS are not worth a word."""
        return sorted(
            key for key in own if key not in self.read | MINOR and file_text(self.get(key)) not in ("", "False")
        )


MINOR = {
    "$resource",
    "auto_reconnect",
    "reconnect_interval",
    "sync_timeout",
    "connect_timeout",
    "request_timeout",
    "description",
}
MINOR |= {
    "verify",
    "cacertfile",
    "certfile",
    "keyfile",
    "ssl",
    "server_name_indication",
    "tls_version",
    "tls_versions",
    "ciphers",
}
MINOR |= {
    "batch_time",
    "batch_pool_size",
    "query_api_versions",
    "tcp_keepalive",
    "int_suffix",
    "kafka_header_value_encode_mode",
}


def build(fields: tuple[Field, ...], config: Mapping[str, Any]) -> Json:
    """Fill the fields from a configuration.

    Raises:
        MissingError: a required one is not there.

    """
    result: Json = {}
    for field in fields:
        value = config if not field.key else config.get(field.key)
        if field.required and value in (None, ""):
            raise MissingError(field.key)
        if value is None:
            continue
        read = field.read(value)
        if read is None or (
            read == "" and value == ""
        ):  # Kafka's key "none" is an empty one, and 5.x's default is another
            continue
        *parents, last = field.path.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = read
    return result


def attempt(make: Callable[[], T], unshaped: str = UNSHAPED) -> T | str:
    """What is made of a person's values; in words why nothing can be, ``unshaped`` where they are of a type that 4.4 never writes."""
    try:
        return make()
    except MissingError as missing:
        return f"5.x requires its {missing}, which is not there"
    except (TypeError, ValueError, AttributeError):
        return unshaped


def need(path: str, key: str = "", read: Callable[[Any], Any] = lambda value: value) -> Field:
    """A required field, by default of the same name."""
    return Field(path, key or path, read, required=True)


def same(*keys: str) -> tuple[Field, ...]:
    """Fields that keep their name."""
    return tuple(Field(key, key) for key in keys)
