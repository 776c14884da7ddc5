"""Resources of 4.4 with their actions as connectors and actions of 5.x: one row for each kind; what is not in it has no counterpart."""

from __future__ import annotations

from components.migration.hop_44_5.readers import (
    read_account,
    read_batch,
    read_buffer,
    read_host_port,
    read_influx_parameters,
    read_kafka_authentication,
    read_kafka_key,
    read_mode,
    read_mongo_parameters,
    read_pulsar_authentication,
    read_qos,
    read_redis_parameters,
    read_ssl,
    read_ssl_by,
    read_topic,
    read_version,
    read_words,
    read_write_syntax,
)
from components.migration.hop_44_5.recipes import Field, Recipe, need, same
from components.migration.hop_44_5.values import milliseconds, number, template, truth

OPTIONS = (Field("query_mode", "insert_mode", read_mode), Field("batch_size", "", read_batch))
POOL = Field("pool_size", "pool_size", lambda value: number(value, 8))
SSL = Field("ssl", "", read_ssl)
LOGIN = (Field("username", "username"), Field("username", "user"), Field("password", "password"))
SQL = (need("sql"),)


def _sql(kind: str, *more: Field, ssl: bool = True) -> Recipe:
    fields = (need("server"), need("database"), *LOGIN, POOL, *more, *((SSL,) if ssl else ()))
    return Recipe(kind, fields, SQL, OPTIONS)


def _redis(kind: str) -> Recipe:
    return Recipe(
        "redis",
        (Field("parameters", "", read_redis_parameters(kind)), SSL),
        (need("command_template", "cmd", read_words),),
        OPTIONS,
    )


def _mongo(kind: str) -> Recipe:
    login = (Field("username", "login"), Field("password", "password"))
    connector = (
        Field("parameters", "", read_mongo_parameters(kind)),
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
    connector = (Field("server", "", read_host_port), Field("parameters", "", read_influx_parameters(kind, *keys)), SSL)
    note = "5.x has no int_suffix: whole numbers need an i or u behind them in write_syntax"
    action = (Field("write_syntax", "", read_write_syntax), Field("precision", "precision"))
    return Recipe("influxdb", connector, action, (Field("batch_size", "", read_batch),), (note,))


MQTT_CONNECTOR = (
    need("server", "address"),
    POOL,
    Field("clientid_prefix", "clientid"),
    *same("username", "password", "keepalive", "retry_interval", "bridge_mode"),
    Field("proto_ver", "proto_ver", read_version),
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
            Field("ssl", "", read_ssl_by("url")),
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
        (Field("topic", "", read_topic), Field("qos", "qos", read_qos), Field("payload", "payload_tmpl", template)),
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
        (Field("server", "", read_host_port), *LOGIN, POOL),
        (need("sql"), Field("database", "db_name")),
        OPTIONS,
    ),
    "bridge_kafka": Recipe(
        "kafka_producer",
        (
            need("bootstrap_hosts", "servers"),
            Field("authentication", "", read_kafka_authentication),
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
            Field("query_mode", "type", read_mode),
            Field("sync_query_timeout", "sync_timeout", lambda value: milliseconds(value, "5s")),
            Field("message.key", "key", read_kafka_key),
            Field("message.value", "payload_tmpl", template),
            Field("buffer.mode", "cache_mode", read_buffer),
            Field("buffer.segment_bytes", "segments_bytes"),
            Field("buffer.per_partition_limit", "max_total_bytes"),
            Field("buffer.memory_overload_protection", "highmem_drop", truth),
        ),
    ),
    "bridge_pulsar": Recipe(
        "pulsar",
        (
            need("servers"),
            Field("authentication", "", read_pulsar_authentication),
            Field("ssl", "", read_ssl_by("servers")),
        ),
        (
            need("pulsar_topic", "topic"),
            Field("message.key", "key", read_kafka_key),
            Field("message.value", "payload_tmpl", template),
            Field("strategy", "strategy"),
            Field("buffer.mode", "buffer_mode", read_buffer),
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
        (need("service_account_json", read=read_account), POOL, *same("connect_timeout", "pipelining")),
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
        (
            Field("query_mode", "flush_mode", read_mode),
            Field("batch_size", "batch_size", lambda value: number(value, 100)),
        ),
    ),
}
