"""How fields of 4.4 are read into those of 5.x: (path in 5.x, key in 4.4, what to do with it).

The rule kept here: a field that 5.x requires and the source lacks raises MissingError, and the item is accounted as dropped; nothing is
made up that a server would believe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from components.migration.hop_44_5.values import file_text, filled, modes, number, tls, truth

Json = dict[str, Any]


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
        if read is None or read == "":
            continue
        *parents, last = field.path.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = read
    return result


def need(path: str, key: str = "", read: Callable[[Any], Any] = lambda value: value) -> Field:
    """A required field, by default of the same name."""
    return Field(path, key or path, read, required=True)


def same(*keys: str) -> tuple[Field, ...]:
    """Fields that keep their name."""
    return tuple(Field(key, key) for key in keys)


def read_ssl(config: Mapping[str, Any]) -> Json:
    """TLS by the switch of the resource."""
    return tls(config, enabled=truth(config.get("ssl")) or truth(config.get("https_enabled")))


def read_ssl_by(url_key: str) -> Callable[[Mapping[str, Any]], Json]:
    """TLS by the scheme of an address."""

    def read(config: Mapping[str, Any]) -> Json:
        return tls(config, enabled=str(config.get(url_key, "")).startswith(("https", "hstreams", "pulsar+ssl")))

    return read


def read_host_port(config: Mapping[str, Any]) -> str:
    """``host:port``; both are of one field in 5.x."""
    if not config.get("host"):
        raise MissingError("host")
    return f"{config['host']}:{number(config.get('port'), 0)}"


def read_words(command: str) -> list[str]:
    """A Redis command as its words."""
    return command.split()


def read_redis_parameters(kind: str) -> Callable[[Mapping[str, Any]], Json]:
    """The part of a Redis connector that depends on its kind."""

    def read(config: Mapping[str, Any]) -> Json:
        server = config.get("server") or config.get("servers")
        if not server:
            raise MissingError("server")
        place = {"server": server} if kind == "single" else {"servers": server}
        more = filled({"password": config.get("password"), "pool_size": number(config.get("pool_size"), 8)})
        more |= {} if kind == "cluster" else {"database": number(config.get("database"), 0)}
        return {"redis_type": kind, **place, **more} | (
            {"sentinel": config.get("sentinel", "mymaster")} if kind == "sentinel" else {}
        )

    return read


def read_mongo_parameters(kind: str) -> Callable[[Mapping[str, Any]], Json]:
    """The part of a MongoDB connector that depends on its kind."""

    def read(config: Mapping[str, Any]) -> Json:
        servers = config.get("servers") or config.get("server")
        if not servers:
            raise MissingError("servers")
        place = {"server": servers} if kind == "single" else {"servers": servers}
        more = modes(config, "w_mode")
        if kind == "rs":
            more |= {"replica_set_name": config.get("rs_set_name") or "rs0"} | modes(config, "r_mode")
        return {"mongo_type": kind, **place, **filled(more)}

    return read


def _pairs(values: Any) -> str:
    return ",".join(f"{key}={value}" for key, value in dict(values or {}).items())


def read_write_syntax(args: Mapping[str, Any]) -> str:
    """A line of the line protocol from measurement, tags, fields and timestamp."""
    if not args.get("measurement"):
        raise MissingError("measurement")
    tags = _pairs(args.get("tags"))
    head = f"{args['measurement']},{tags}" if tags else str(args["measurement"])
    return f"{head} {_pairs(args.get('fields'))} {args.get('timestamp') or ''}".strip()


def read_influx_parameters(kind: str, *keys: str) -> Callable[[Mapping[str, Any]], Json]:
    """The part of an InfluxDB connector that depends on its version."""

    def read(config: Mapping[str, Any]) -> Json:
        return {"influxdb_type": kind, **filled({key: config.get(key) for key in keys})}

    return read


def read_kafka_authentication(config: Mapping[str, Any]) -> Any:
    """``none``, or mechanism, user name and password."""
    method = str(config.get("authentication_mechanism") or ("PLAIN" if config.get("username") else "NONE"))
    if method == "NONE" or not config.get("username"):
        return "none"
    return {"mechanism": method.lower(), "username": config.get("username"), "password": config.get("password") or ""}


def read_kafka_key(value: Any) -> str:
    """What 4.4 takes as the key of a message, as a template."""
    return {"none": "", "topic": "${.topic}", "clientid": "${.clientid}", "username": "${.username}"}.get(
        str(value), str(value)
    )


def read_pulsar_authentication(config: Mapping[str, Any]) -> Any:
    """``none``, user name and password, or a token."""
    kind = str(config.get("authentication_type") or "none")
    if kind == "basic":
        user, _, password = str(config.get("secret") or "").partition(":")
        return {"username": user, "password": password}
    return {"jwt": config.get("jwt") or ""} if kind == "token" else "none"


_BUFFERS = {"Memory": "memory", "Disk": "disk", "Memory+Disk": "hybrid"}


def read_buffer(value: Any) -> str:
    """Where messages wait."""
    return _BUFFERS.get(str(value), "memory")


def read_qos(value: Any) -> Any:
    """A number, or that of the message."""
    return number(value, 0) if str(value) in ("0", "1", "2") else "${qos}"


def read_topic(args: Mapping[str, Any]) -> str:
    """Mount point and topic."""
    topic, mount = str(args.get("forward_topic") or "${topic}"), str(args.get("mountpoint") or "")
    return topic if not mount else f"{mount.removesuffix('/')}/{topic}"


def read_version(value: Any) -> str:
    """The protocol version of a bridge."""
    return {"mqttv3": "v3", "mqttv4": "v4", "mqttv5": "v5"}.get(str(value), "v4")


def read_account(value: Any) -> str:
    """The content of a service account file."""
    content = file_text(value)
    return content or str(value)


def read_batch(args: Mapping[str, Any]) -> int | None:
    """The size of a batch, where batches are on."""
    return number(args.get("batch_size"), 100) if args.get("enable_batch") is True else None


def read_mode(value: Any) -> str | None:
    """``sync`` or ``async``."""
    return str(value) if value in ("sync", "async") else None
