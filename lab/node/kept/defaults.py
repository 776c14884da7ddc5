"""The configuration that a fresh EMQX 5.8.11 runs with, as recorded (02_nodes_cluster_stats: global_zone, retainer, listeners)."""

from __future__ import annotations

from typing import Any

FILE_RULES = """{allow, {username, {re, "^dashboard$"}}, subscribe, ["$SYS/#"]}.

{allow, {ipaddr, "127.0.0.1"}, all, ["$SYS/#", "#"]}.

{deny, all, subscribe, ["$SYS/#", {eq, "#"}, {eq, "+/#"}]}.

{allow, all}.
"""
"""The rules of the ``acl.conf`` that EMQX ships, without its comments (04_setup_resources)."""

_MQTT: dict[str, Any] = {
    "ignore_loop_deliver": False,
    "max_topic_alias": 65535,
    "peer_cert_as_username": "disabled",
    "max_topic_levels": 128,
    "peer_cert_as_clientid": "disabled",
    "max_subscriptions": "infinity",
    "retain_available": True,
    "max_awaiting_rel": 100,
    "max_clientid_len": 65535,
    "idle_timeout": "15s",
    "max_mqueue_len": 1000,
    "max_qos_allowed": 2,
    "wildcard_subscription": True,
    "mqueue_store_qos0": True,
    "max_inflight": 32,
    "session_expiry_interval": "2h",
    "keepalive_check_interval": "30s",
    "strict_mode": False,
    "mqueue_default_priority": "lowest",
    "message_expiry_interval": "infinity",
    "mqueue_priorities": "disabled",
    "retry_interval": "infinity",
    "client_attrs_init": [],
    "server_keepalive": "disabled",
    "shared_subscription_initial_sticky_pick": "random",
    "clientid_override": "disabled",
    "upgrade_qos": False,
    "shared_subscription_strategy": "round_robin",
    "max_packet_size": "1MB",
    "keepalive_multiplier": 1.5,
    "await_rel_timeout": "300s",
    "use_username_as_clientid": False,
    "exclusive_subscription": False,
    "response_information": "",
    "shared_subscription": True,
}

_TCP: dict[str, Any] = {
    "acceptors": 16,
    "access_rules": ["allow all"],
    "bind": "0.0.0.0:1883",
    "enable": True,
    "enable_authn": True,
    "max_conn_rate": "infinity",
    "max_connections": "infinity",
    "mountpoint": "",
    "proxy_protocol": False,
    "proxy_protocol_timeout": "3s",
    "tcp_options": {
        "active_n": 100,
        "backlog": 1024,
        "buffer": "4KB",
        "high_watermark": "1MB",
        "keepalive": "none",
        "nodelay": True,
        "nolinger": False,
        "reuseaddr": True,
        "send_timeout": "15s",
        "send_timeout_close": True,
    },
    "zone": "default",
}

DEFAULTS: dict[str, Any] = {
    "actions": {},
    "authentication": [],
    "authorization": {
        "cache": {"enable": True, "excludes": [], "max_size": 32, "ttl": "1m"},
        "deny_action": "ignore",
        "no_match": "allow",
        "sources": [{"type": "file", "enable": True, "rules": FILE_RULES}],
    },
    "auto_subscribe": {"topics": []},
    "bridges": {},
    "connectors": {},
    "delayed": {"enable": True, "max_delayed_messages": 0},
    "flapping_detect": {"ban_time": "5m", "enable": False, "max_count": 15, "window_time": "1m"},
    "gateway": {},
    "listeners": {"tcp": {"default": _TCP}},
    "mqtt": _MQTT,
    "psk_authentication": {"enable": False},
    "retainer": {
        "allow_never_expire": True,
        "backend": {
            "enable": True,
            "index_specs": [[1, 2, 3], [1, 3], [2, 3], [3]],
            "max_retained_messages": 0,
            "storage_type": "ram",
            "type": "built_in_database",
        },
        "delivery_rate": "1000/s",
        "enable": True,
        "max_payload_size": "1MB",
        "max_publish_rate": "1000/s",
        "msg_clear_interval": "0s",
        "msg_expiry_interval": "0s",
        "msg_expiry_interval_override": "disabled",
        "stop_publish_clear_msg": False,
    },
    "rewrite": [],
    "rule_engine": {"rules": {}},
    "sources": {},
    "topic_metrics": [],
}
"""Root -> value.  ``bind`` on all addresses means the address of the node (docs/emqx/README.md#the-test-bed)."""
