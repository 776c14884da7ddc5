"""Zones and ``mqtt.*`` of 4.4: the zone external becomes the global settings of 5.x, other zones keep their names.

Tables: the key of 4.4, where it is in 5.x, and how its value is read; what is not in them is said to be gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from components.migration.hop_44_5.settings import Settings, is_on
from components.migration.manifest import BadSource

Json = dict[str, Any]
MAIN_ZONE = "external"
Reader = Callable[[str], Any]


def switch(value: str) -> bool:
    """``on``."""
    return is_on(value)


def unlimited_at_zero(value: str) -> Any:
    """0 was no limit."""
    return "infinity" if value.strip() in ("0", "0s", "0ms") else int(value) if value.strip().isdecimal() else value


def disabled_at_zero(value: str) -> Any:
    """0 was off."""
    return "disabled" if int(value) == 0 else int(value)


def largest_at_zero(value: str) -> int:
    """0 was no limit; 5.x has a largest number."""
    return int(value) or 65535


def backoff(value: str) -> float:
    """5.x counts from the keep-alive itself, 4.4 from twice of it."""
    return round(float(value) * 2, 3)


def priorities(value: str) -> Any:
    """``none`` or ``topic/1=10,topic/2=8``."""
    if value.strip() in ("none", ""):
        return "disabled"
    return {topic.strip(): int(priority) for topic, priority in (pair.rsplit("=", 1) for pair in value.split(","))}


# key of 4.4 -> (path below mqtt, reader)
MQTT: dict[str, tuple[str, Reader]] = {
    "max_packet_size": ("max_packet_size", str),
    "max_clientid_len": ("max_clientid_len", int),
    "max_topic_levels": ("max_topic_levels", largest_at_zero),
    "max_qos_allowed": ("max_qos_allowed", int),
    "max_topic_alias": ("max_topic_alias", int),
    "retain_available": ("retain_available", switch),
    "wildcard_subscription": ("wildcard_subscription", switch),
    "shared_subscription": ("shared_subscription", switch),
    "exclusive_subscription": ("exclusive_subscription", switch),
    "ignore_loop_deliver": ("ignore_loop_deliver", switch),
    "strict_mode": ("strict_mode", switch),
    "response_information": ("response_information", str),
    "server_keepalive": ("server_keepalive", disabled_at_zero),
    "keepalive_backoff": ("keepalive_multiplier", backoff),
    "idle_timeout": ("idle_timeout", str),
    "max_subscriptions": ("max_subscriptions", unlimited_at_zero),
    "upgrade_qos": ("upgrade_qos", switch),
    "max_inflight": ("max_inflight", largest_at_zero),
    "retry_interval": ("retry_interval", unlimited_at_zero),
    "max_awaiting_rel": ("max_awaiting_rel", unlimited_at_zero),
    "await_rel_timeout": ("await_rel_timeout", str),
    "session_expiry_interval": ("session_expiry_interval", str),
    "max_mqueue_len": ("max_mqueue_len", unlimited_at_zero),
    "mqueue_priorities": ("mqueue_priorities", priorities),
    "mqueue_default_priority": ("mqueue_default_priority", str),
    "mqueue_store_qos0": ("mqueue_store_qos0", switch),
    "use_username_as_clientid": ("use_username_as_clientid", switch),
}
ALWAYS = ("enable_stats", "enable_ban")
STRATEGIES = {"hash": "hash_clientid"}
INFINITE_RETRY_SINCE = (5, 8)


def convert_mqtt(settings: Settings, target: tuple[int, int]) -> Json:
    """The roots ``mqtt``, ``zones``, ``flapping_detect``, ``force_gc``, ``force_shutdown``, ``conn_congestion``, ``sys_topics``, ``alarm``."""
    config: Json = {}
    for found, match in list(settings.matching(r"mqtt\.(\w+)")):
        _put(settings, config, found.key, match[1], target)
    for found, match in list(settings.matching(r"zone\.([\w-]+)\.(.+)")):
        zone, key = match[1], match[2]
        place = config if zone == MAIN_ZONE else config.setdefault("zones", {}).setdefault(zone, {})
        if key in MQTT:
            _put(settings, place, found.key, key, target)
        elif key in POLICIES:
            _policy(settings, place, found.key, key, found.value)
        elif key in ALWAYS and is_on(found.value):
            settings.carried(found.key, "5.x always does this")
    _others(settings, config)
    return config


def _put(settings: Settings, place: Json, key: str, name: str, target: tuple[int, int]) -> None:
    if name not in MQTT:
        return
    path, read = MQTT[name]
    value = _read(settings, key, read)
    if value is None:
        return
    if name == "retry_interval" and value == "infinity" and target < INFINITE_RETRY_SINCE:
        settings.dropped(
            key, "before 5.8 there is no 'never' for it; the default of 30s holds", "nothing, or choose 5.8"
        )
        return
    place.setdefault("mqtt", {})[path] = value
    settings.carried(key, f"mqtt.{path}", value)


def _read(settings: Settings, key: str, read: Reader) -> Any:
    """The value, or None where it cannot be read; then it is accounted for."""
    try:
        return read(settings.peek(key))
    except ValueError:
        settings.dropped(key, "its value cannot be read", "set it on green")
        return None


def _gc(value: str) -> tuple[str, Json]:
    count, size = value.split("|")
    return "force_gc", {"enable": True, "count": int(count), "bytes": size.strip()}


def _shutdown(value: str) -> tuple[str, Json]:
    length, size = value.split("|")
    return "force_shutdown", {"enable": True, "max_mailbox_size": int(length), "max_heap_size": size.strip()}


def _congestion(value: str) -> tuple[str, Json]:
    return "conn_congestion", {"enable_alarm": is_on(value)}


def _congestion_time(value: str) -> tuple[str, Json]:
    return "conn_congestion", {"min_alarm_sustain_duration": value}


def _flapping(value: str) -> tuple[str, Json]:
    return "flapping_detect", {"enable": is_on(value)}


POLICIES: dict[str, Callable[[str], tuple[str, Json]]] = {
    "force_gc_policy": _gc,
    "force_shutdown_policy": _shutdown,
    "conn_congestion.alarm": _congestion,
    "conn_congestion.min_alarm_sustain_duration": _congestion_time,
    "enable_flapping_detect": _flapping,
}


def _policy(settings: Settings, place: Json, key: str, name: str, value: str) -> None:
    try:
        root, content = POLICIES[name](value)
    except ValueError:
        settings.dropped(key, "its value cannot be read", "set it on green")
        return
    place.setdefault(root, {}).update(content)
    settings.carried(key, root, content)


def _others(settings: Settings, config: Json) -> None:
    """What is not in a zone."""
    policy = re.fullmatch(r"\s*(\d+)\s*,\s*(\w+)\s*,\s*(\w+)\s*", settings.peek("flapping_detect_policy"))
    if policy:
        flapping = {"max_count": int(policy[1]), "window_time": policy[2], "ban_time": policy[3]}
        config.setdefault("flapping_detect", {}).update(flapping)
        settings.carried("flapping_detect_policy", "flapping_detect", flapping)
    for key, name in (("broker.sys_interval", "sys_msg_interval"), ("broker.sys_heartbeat", "sys_heartbeat_interval")):
        if key in settings:
            config.setdefault("sys_topics", {})[name] = settings.carried(key, f"sys_topics.{name}")
    if "broker.shared_subscription_strategy" in settings:
        strategy = settings.peek("broker.shared_subscription_strategy")
        strategy = STRATEGIES.get(strategy, strategy)
        settings.carried("broker.shared_subscription_strategy", "mqtt.shared_subscription_strategy", strategy)
        config.setdefault("mqtt", {})["shared_subscription_strategy"] = strategy
    if "alarm.size_limit" in settings:
        config.setdefault("alarm", {})["size_limit"] = settings.whole("alarm.size_limit")
    if "alarm.validity_period" in settings:
        config.setdefault("alarm", {})["validity_period"] = settings.carried("alarm.validity_period")
    if "alarm.actions" in settings:
        named = [action.strip() for action in settings.peek("alarm.actions").split(",")]
        actions = [action for action in named if action in ("log", "publish")]
        settings.carried("alarm.actions", got=actions)
        config.setdefault("alarm", {})["actions"] = actions
    for side in ("username", "clientid"):
        _names_of_certificates(settings, config, f"peer_cert_as_{side}")


def _names_of_certificates(settings: Settings, config: Json, name: str) -> None:
    """One for all listeners; two that differ would give devices the names of others."""
    for found, _ in list(settings.matching(rf"listener\.(tcp|ssl|wss?)\.[\w-]+\.{name}")):
        mqtt = config.setdefault("mqtt", {})
        if mqtt.setdefault(name, found.value) != found.value:
            seen = f"{found.key} is unlike that of another listener, and 5.x would give devices the names of others"
            raise BadSource(*settings.place(found.key), seen, "give all listeners the same, or take one listener out")
        settings.changed(
            found.key, f"mqtt.{name}: for all listeners together", "look at listeners that did not have it"
        )
