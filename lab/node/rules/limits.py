"""The `mqtt` root of the configuration as numbers, read once for each change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from components.system.sizes import in_bytes

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_NEVER = 10.0**10
_NAMES = frozenset({"cn", "dn"})
"""Both are the common name behind a balancer (docs/emqx/balancer.md#the-name-in-a-clients-certificate)."""


def seconds(value: Any) -> float:
    """A duration of EMQX's configuration: ``2h``, ``1m30s``, ``500ms``, a number of seconds, ``infinity`` (three centuries).

    Raises:
        ValueError: it is none of these.

    """
    if isinstance(value, int | float):
        return float(value)
    if value in {"infinity", "disabled"}:
        return _NEVER
    if str(value).isdigit():
        return float(value)
    parts = re.findall(r"(\d+)(ms|s|m|h|d|w)", value)
    if not parts or "".join(a + b for a, b in parts) != value:
        raise ValueError(f"{value!r} is no duration")
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)


def size(value: Any) -> int:
    """A size of EMQX's configuration (``1MB``, ``4KB``, a number) in bytes.

    Raises:
        ValueError: it is none of these.

    """
    if isinstance(value, int):
        return value
    amount = in_bytes(str(value))
    if amount is None:
        raise ValueError(f"{value!r} is no size")
    return amount


def rate(value: Any) -> float:
    """A rate of EMQX's configuration (``1000/s``, ``infinity``) in events per second."""
    if value == "infinity":
        return _NEVER
    number, _, per = str(value).partition("/")
    return float(number) / (seconds(per if per[:1].isdigit() else f"1{per}") if per else 1.0)


def count(value: Any) -> int:
    """A number of things, or ``infinity``."""
    return int(_NEVER) if value == "infinity" else int(value)


@dataclass(slots=True, frozen=True)
class Limits:
    """What the broker asks for at every packet; durations in seconds, sizes in bytes."""

    idle_timeout: float
    session_expiry: int
    max_packet_size: int
    max_inflight: int
    max_mqueue: int
    store_qos0: bool
    max_topic_alias: int
    max_topic_levels: int
    max_awaiting_rel: int
    max_subscriptions: int
    max_clientid: int
    max_qos: int
    keepalive_multiplier: float
    server_keepalive: int | None
    message_expiry: float | None
    upgrade_qos: bool
    ignore_loop: bool
    retain_available: bool
    wildcards: bool
    shared: bool
    username_as_clientid: bool
    await_rel_timeout: float
    certificate_as_username: bool = False
    certificate_as_clientid: bool = False

    @classmethod
    def of(cls, mqtt: dict[str, Any]) -> Limits:
        """The limits of an effective `mqtt` root.

        Raises:
            ValueError: a value that EMQX would not accept either.

        """
        keepalive, expiry = mqtt["server_keepalive"], mqtt["message_expiry_interval"]
        return cls(
            idle_timeout=seconds(mqtt["idle_timeout"]),
            session_expiry=int(seconds(mqtt["session_expiry_interval"])),
            max_packet_size=size(mqtt["max_packet_size"]),
            max_inflight=count(mqtt["max_inflight"]),
            max_mqueue=count(mqtt["max_mqueue_len"]),
            store_qos0=mqtt["mqueue_store_qos0"],
            max_topic_alias=int(mqtt["max_topic_alias"]),
            max_topic_levels=int(mqtt["max_topic_levels"]),
            max_awaiting_rel=count(mqtt["max_awaiting_rel"]),
            max_subscriptions=count(mqtt["max_subscriptions"]),
            max_clientid=int(mqtt["max_clientid_len"]),
            max_qos=int(mqtt["max_qos_allowed"]),
            keepalive_multiplier=float(mqtt["keepalive_multiplier"]),
            server_keepalive=None if keepalive == "disabled" else int(keepalive),
            message_expiry=None if expiry == "infinity" else seconds(expiry),
            upgrade_qos=mqtt["upgrade_qos"],
            ignore_loop=mqtt["ignore_loop_deliver"],
            retain_available=mqtt["retain_available"],
            wildcards=mqtt["wildcard_subscription"],
            shared=mqtt["shared_subscription"],
            username_as_clientid=mqtt["use_username_as_clientid"],
            await_rel_timeout=seconds(mqtt["await_rel_timeout"]),
            certificate_as_username=mqtt["peer_cert_as_username"] in _NAMES,
            certificate_as_clientid=mqtt["peer_cert_as_clientid"] in _NAMES,
        )
