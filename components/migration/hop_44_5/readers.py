"""How values of 4.4's resources and actions are read into those of 5.x.

The rule kept here: nothing is made up that a server would believe; what 5.x requires and 4.4 lacks is a MissingError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.migration.hop_44_5.recipes import MissingError
from components.migration.hop_44_5.values import file_text, filled, modes, number, tls, truth

Json = dict[str, Any]


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
    return ",".join(f"{_escaped(str(key))}={value}" for key, value in dict(values or {}).items())


def _escaped(name: str) -> str:
    """A blank in a name ends it in the line protocol."""
    return name.replace(" ", "\\ ")


def read_write_syntax(args: Mapping[str, Any]) -> str:
    """A line of the line protocol from measurement, tags, fields and timestamp."""
    if not args.get("measurement"):
        raise MissingError("measurement")
    tags, fields = _pairs(args.get("tags")), _pairs(args.get("fields"))
    if not fields:
        raise MissingError("fields")
    measurement = _escaped(str(args["measurement"]))
    head = f"{measurement},{tags}" if tags else measurement
    return f"{head} {fields} {args.get('timestamp') or ''}".strip()


def read_influx_parameters(kind: str, *keys: str) -> Callable[[Mapping[str, Any]], Json]:
    """The part of an InfluxDB connector that depends on its version."""

    def read(config: Mapping[str, Any]) -> Json:
        return {"influxdb_type": kind, **filled({key: config.get(key) for key in keys})}

    return read


def read_kafka_authentication(config: Mapping[str, Any]) -> Any:
    """``none``, or mechanism, user name and password."""
    method = str(config.get("authentication_mechanism") or ("PLAIN" if config.get("username") else "NONE"))
    if method == "KERBEROS":
        keytab = dict(config).get("kerberos_keytab")  # not `config.get`: its content is not carried, and said to be
        name = str(keytab.get("filename") or "") if isinstance(keytab, Mapping) else str(keytab or "")
        principal = config.get("kerberos_principal")
        return {"kerberos_principal": principal, "kerberos_keytab_file": f"etc/{name.rsplit('/', 1)[-1]}"}
    if method == "NONE" or not config.get("username"):
        return "none"
    return {"mechanism": method.lower(), "username": config.get("username"), "password": config.get("password") or ""}


def read_hosts(value: Any) -> str:
    """Addresses, between which 4.4 takes blanks as well as commas."""
    return ",".join(str(value).replace(",", " ").split())


def read_offset(value: Any) -> str:
    """Where a consumer begins that has no place yet; 5.x has no ``reset_by_subscriber``."""
    return "earliest" if "earliest" in str(value) else "latest"


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


def read_target_qos(value: Any) -> Any:
    """Of a republished message: a number, a placeholder, or that of the message, for which 4.4 has -1 too."""
    return value if isinstance(value, str) and value.startswith("${") else read_qos(value)


def read_target_retain(value: Any) -> Any:
    """Of a republished message: yes, no, or a placeholder (emqx_rule_actions of 4.4: to_retain)."""
    if isinstance(value, str) and value.startswith("${"):
        return value
    return truth(value)


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
