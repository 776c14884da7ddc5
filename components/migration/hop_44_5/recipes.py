"""How a resource of 4.4 and an action on it become a connector and an action of 5.x: one table for each kind of resource.

A field is (path in 5.x, key in 4.4, what to do with it). The rule kept here: a field that 5.x requires and the source lacks
raises Missing, and the item is accounted as dropped; nothing is made up that a server would believe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from components.migration.hop_44_5.values import file_text, filled, milliseconds, number, template, tls, truth

Json = dict[str, Any]


class Missing(Exception):
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


def build(fields: tuple[Field, ...], config: Mapping[str, Any]) -> Json:
    """Fill the fields from a configuration.

    Raises:
        Missing: a required one is not there.

    """
    result: Json = {}
    for field in fields:
        value = config if not field.key else config.get(field.key)
        if field.required and value in (None, ""):
            raise Missing(field.key)
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


def _ssl(config: Mapping[str, Any]) -> Json:
    return tls(config, enabled=truth(config.get("ssl")) or truth(config.get("https_enabled")))


def _ssl_by(url_key: str) -> Callable[[Mapping[str, Any]], Json]:
    def read(config: Mapping[str, Any]) -> Json:
        return tls(config, enabled=str(config.get(url_key, "")).startswith(("https", "hstreams", "pulsar+ssl")))

    return read


def _host_port(config: Mapping[str, Any]) -> str:
    if not config.get("host"):
        raise Missing("host")
    return f"{config['host']}:{number(config.get('port'), 0)}"


def _words(command: str) -> list[str]:
    return command.split()


def _redis_parameters(kind: str) -> Callable[[Mapping[str, Any]], Json]:
    def read(config: Mapping[str, Any]) -> Json:
        server = config.get("server") or config.get("servers")
        if not server:
            raise Missing("server")
        place = {"server": server} if kind == "single" else {"servers": server}
        more = filled({"password": config.get("password"), "pool_size": number(config.get("pool_size"), 8)})
        more |= {} if kind == "cluster" else {"database": number(config.get("database"), 0)}
        return {"redis_type": kind, **place, **more} | (
            {"sentinel": config.get("sentinel", "mymaster")} if kind == "sentinel" else {}
        )

    return read


def _mongo_parameters(kind: str) -> Callable[[Mapping[str, Any]], Json]:
    def read(config: Mapping[str, Any]) -> Json:
        servers = config.get("servers")
        if not servers:
            raise Missing("servers")
        place = {"server": servers} if kind == "single" else {"servers": servers}
        more = {"w_mode": config.get("w_mode")} | (
            {"r_mode": config.get("r_mode"), "replica_set_name": config.get("rs_set_name") or "rs0"}
            if kind == "rs"
            else {}
        )
        return {"mongo_type": kind, **place, **filled(more)}

    return read


def _pairs(values: Any) -> str:
    return ",".join(f"{key}={value}" for key, value in dict(values or {}).items())


def _write_syntax(args: Mapping[str, Any]) -> str:
    if not args.get("measurement"):
        raise Missing("measurement")
    tags = _pairs(args.get("tags"))
    head = f"{args['measurement']},{tags}" if tags else str(args["measurement"])
    return f"{head} {_pairs(args.get('fields'))} {args.get('timestamp') or ''}".strip()


def _influx_parameters(kind: str, *keys: str) -> Callable[[Mapping[str, Any]], Json]:
    def read(config: Mapping[str, Any]) -> Json:
        return {"influxdb_type": kind, **filled({key: config.get(key) for key in keys})}

    return read


def _kafka_authentication(config: Mapping[str, Any]) -> Any:
    method = str(config.get("authentication_mechanism") or ("PLAIN" if config.get("username") else "NONE"))
    if method == "NONE" or not config.get("username"):
        return "none"
    return {"mechanism": method.lower(), "username": config.get("username"), "password": config.get("password") or ""}


def _kafka_key(value: Any) -> str:
    return {"none": "", "topic": "${.topic}", "clientid": "${.clientid}", "username": "${.username}"}.get(
        str(value), str(value)
    )


def _pulsar_authentication(config: Mapping[str, Any]) -> Any:
    kind = str(config.get("authentication_type") or "none")
    if kind == "basic":
        user, _, password = str(config.get("secret") or "").partition(":")
        return {"username": user, "password": password}
    return {"jwt": config.get("jwt") or ""} if kind == "token" else "none"


_BUFFERS = {"Memory": "memory", "Disk": "disk", "Memory+Disk": "hybrid"}


def _buffer(value: Any) -> str:
    return _BUFFERS.get(str(value), "memory")


def _qos(value: Any) -> Any:
    return number(value, 0) if str(value) in ("0", "1", "2") else "${qos}"


def _topic(args: Mapping[str, Any]) -> str:
    topic, mount = str(args.get("forward_topic") or "${topic}"), str(args.get("mountpoint") or "")
    return topic if not mount else f"{mount.removesuffix('/')}/{topic}"


def _version(value: Any) -> str:
    return {"mqttv3": "v3", "mqttv4": "v4", "mqttv5": "v5"}.get(str(value), "v4")


def _account(value: Any) -> str:
    content = file_text(value)
    return content or str(value)


def _batch(args: Mapping[str, Any]) -> int | None:
    return number(args.get("batch_size"), 100) if args.get("enable_batch") is True else None


def _mode(value: Any) -> str | None:
    return str(value) if value in ("sync", "async") else None


OPTIONS = (Field("query_mode", "insert_mode", _mode), Field("batch_size", "", _batch))
POOL = Field("pool_size", "pool_size", lambda value: number(value, 8))
SSL = Field("ssl", "", _ssl)
LOGIN = (Field("username", "username"), Field("username", "user"), Field("password", "password"))
SQL = (need("sql"),)


def _sql(kind: str, *more: Field, ssl: bool = True) -> Recipe:
    fields = (need("server"), need("database"), *LOGIN, POOL, *more, *((SSL,) if ssl else ()))
    return Recipe(kind, fields, SQL, OPTIONS)


def _redis(kind: str) -> Recipe:
    return Recipe(
        "redis",
        (Field("parameters", "", _redis_parameters(kind)), SSL),
        (need("command_template", "cmd", _words),),
        OPTIONS,
    )


def _mongo(kind: str) -> Recipe:
    login = (Field("username", "login"), Field("password", "password"))
    connector = (
        Field("parameters", "", _mongo_parameters(kind)),
        need("database"),
        *login,
        *same("auth_source", "srv_record"),
        POOL,
        SSL,
    )
    return Recipe(
        "mongodb", connector, (need("collection"), Field("payload_template", "payload_tmpl", template)), OPTIONS
    )


def _influx(kind: str, *keys: str) -> Recipe:
    connector = (Field("server", "", _host_port), Field("parameters", "", _influx_parameters(kind, *keys)), SSL)
    note = "5.x has no int_suffix: whole numbers need an i or u behind them in write_syntax"
    action = (Field("write_syntax", "", _write_syntax), Field("precision", "precision"))
    return Recipe("influxdb", connector, action, (Field("batch_size", "", _batch),), (note,))


MQTT_CONNECTOR = (
    need("server", "address"),
    POOL,
    Field("clientid_prefix", "clientid"),
    *same("username", "password", "keepalive", "retry_interval", "bridge_mode"),
    Field("proto_ver", "proto_ver", _version),
    SSL,
)

RECIPES: dict[str, Recipe] = {
    "web_hook": Recipe(
        "http",
        (
            need("url"),
            POOL,
            Field("connect_timeout", "connect_timeout"),
            Field("enable_pipelining", "enable_pipelining", lambda value: 100 if truth(value) else 1),
            Field("headers", "headers", dict),
            Field("ssl", "", _ssl_by("url")),
        ),
        (
            Field("method", "method", lambda value: str(value).lower()),
            Field("path", "path"),
            Field("headers", "headers", dict),
            Field("body", "", lambda args: template(args.get("body") or args.get("payload_tmpl"))),
        ),
        (Field("request_ttl", "request_timeout"),),
        community=True,
    ),
    "bridge_mqtt": Recipe(
        "mqtt",
        MQTT_CONNECTOR,
        (Field("topic", "", _topic), Field("qos", "qos", _qos), Field("payload", "payload_tmpl", template)),
        community=True,
    ),
    "backend_mysql": _sql("mysql"),
    "backend_pgsql": _sql("pgsql"),
    "backend_timescale": _sql("timescale"),
    "backend_matrix": _sql("matrix"),
    "backend_sqlserver": _sql("sqlserver", Field("driver", "driver"), ssl=False),
    "backend_oracle": Recipe("oracle", (need("server"), *LOGIN, POOL, *same("sid", "service_name")), SQL, OPTIONS),
    "backend_redis_single": _redis("single"),
    "backend_redis_sentinel": _redis("sentinel"),
    "backend_redis_cluster": _redis("cluster"),
    "backend_mongo_single": _mongo("single"),
    "backend_mongo_rs": _mongo("rs"),
    "backend_mongo_sharded": _mongo("sharded"),
    "backend_cassa": Recipe(
        "cassandra", (need("servers", "nodes"), need("keyspace"), *LOGIN, POOL, SSL), (need("cql", "sql"),), OPTIONS
    ),
    "backend_clickhouse": Recipe(
        "clickhouse",
        (
            need("url", "server"),
            Field("database", "database"),
            Field("username", "user"),
            Field("password", "key"),
            POOL,
        ),
        SQL,
        OPTIONS,
    ),
    "backend_dynamo": Recipe(
        "dynamo",
        (need("url"), need("region"), *same("aws_access_key_id", "aws_secret_access_key"), POOL),
        (need("table"), need("hash_key"), Field("range_key", "range_key")),
        OPTIONS,
    ),
    "backend_hstreamdb": Recipe(
        "hstreamdb",
        (need("url", "server"), Field("grpc_timeout", "grpc_timeout", lambda value: milliseconds(value, "30s"))),
        (
            need("stream"),
            Field("record_template", "payload_tmpl", template),
            Field("partition_key", "partitioning_key"),
        ),
        OPTIONS,
        until=(6, 0),
    ),
    "backend_influxdb_http": _influx("influxdb_api_v1", "database", "username", "password"),
    "backend_influxdb_http_v2": _influx("influxdb_api_v2", "org", "bucket", "token"),
    "backend_opentsdb": Recipe(
        "opents",
        (need("server"), POOL, *same("summary", "details")),
        (),
        (),
        ("5.x takes a data template (metric, tags, value) in place of the rule's output",),
    ),
    "backend_tdengine": Recipe(
        "tdengine",
        (Field("server", "", _host_port), *LOGIN, POOL),
        (need("sql"), Field("database", "db_name")),
        OPTIONS,
    ),
    "bridge_kafka": Recipe(
        "kafka_producer",
        (
            need("bootstrap_hosts", "servers"),
            Field("authentication", "", _kafka_authentication),
            Field("min_metadata_refresh_interval", "min_metadata_refresh_interval"),
            Field("socket_opts.sndbuf", "send_buffer"),
            SSL,
        ),
        (
            need("topic"),
            Field("required_acks", "required_acks"),
            Field("compression", "compression"),
            Field("max_batch_bytes", "max_batch_bytes"),
            Field("partition_count_refresh_interval", "partition_count_refresh_interval"),
            Field("partition_strategy", "strategy", lambda value: "random" if value == "roundrobin" else value),
            Field("query_mode", "type", _mode),
            Field("sync_query_timeout", "sync_timeout", lambda value: milliseconds(value, "5s")),
            Field("message.key", "key", _kafka_key),
            Field("message.value", "payload_tmpl", template),
            Field("buffer.mode", "cache_mode", _buffer),
            Field("buffer.segment_bytes", "segments_bytes"),
            Field("buffer.per_partition_limit", "max_total_bytes"),
            Field("buffer.memory_overload_protection", "highmem_drop", truth),
        ),
    ),
    "bridge_pulsar": Recipe(
        "pulsar",
        (need("servers"), Field("authentication", "", _pulsar_authentication), Field("ssl", "", _ssl_by("servers"))),
        (
            need("pulsar_topic", "topic"),
            Field("message.key", "key", _kafka_key),
            Field("message.value", "payload_tmpl", template),
            Field("strategy", "strategy"),
            Field("buffer.mode", "buffer_mode", _buffer),
            Field("buffer.per_partition_limit", "max_total_bytes"),
            Field("retention_period", "retention_period"),
            Field("compression", "compression"),
            Field("batch_size", "batch_size", lambda value: number(value, 100)),
        ),
    ),
    "bridge_rabbit": Recipe(
        "rabbitmq",
        (
            Field("server", "server", lambda value: str(value).split(":")[0], required=True),
            Field("port", "server", lambda value: number(str(value).partition(":")[2], 5672)),
            *LOGIN,
            POOL,
            *same("virtual_host", "timeout", "heartbeat"),
            SSL,
        ),
        (
            need("exchange"),
            need("routing_key"),
            Field("payload_template", "payload_tmpl"),
            Field("delivery_mode", "durable", lambda value: "persistent" if truth(value) else "non_persistent"),
        ),
        OPTIONS,
    ),
    "bridge_rocket": Recipe(
        "rocketmq",
        (need("servers"), *same("access_key", "secret_key", "security_token", "namespace")),
        (
            need("topic"),
            Field("template", "payload_tmpl"),
            Field("sync_timeout", "sync_timeout"),
            Field("refresh_interval", "refresh_interval"),
            Field("send_buffer", "send_buffer"),
        ),
        (),
        ("its key and its dispatch by key have no counterpart: messages are spread round robin",),
    ),
    "bridge_gcp_pubsub": Recipe(
        "gcp_pubsub_producer",
        (need("service_account_json", read=_account), POOL, *same("connect_timeout", "pipelining")),
        (
            need("pubsub_topic"),
            Field("payload_template", "payload_template", template),
            Field("ordering_key_template", "ordering_key"),
            Field(
                "attributes_template",
                "attributes",
                lambda value: [{"key": k, "value": v} for k, v in dict(value or {}).items()],
            ),
        ),
        (Field("query_mode", "flush_mode", _mode), Field("batch_size", "batch_size", lambda value: number(value, 100))),
    ),
}
