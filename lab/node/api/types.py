"""The defaults that EMQX shows for the two kinds of connector that were recorded; other kinds are shown as they were stored.

Source: recordings 04 (http and mqtt, with and without options) and 07 (an http connector with the address alone).
"""

from __future__ import annotations

from typing import Any

_SSL: dict[str, Any] = {
    "ciphers": [],
    "depth": 10,
    "enable": False,
    "hibernate_after": "5s",
    "log_level": "notice",
    "reuse_sessions": True,
    "secure_renegotiate": True,
    "verify": "verify_none",
    "versions": ["tlsv1.3", "tlsv1.2"],
}
_CONNECTOR_OPTS = {"health_check_interval": "15s", "start_after_created": True, "start_timeout": "5s"}
HTTP_HEADERS = {
    "accept": "application/json",
    "cache-control": "no-cache",
    "connection": "keep-alive",
    "content-type": "application/json",
    "keep-alive": "timeout=5",
}
"""The headers of an http connector that was made without any; given ones replace them all."""

DEFAULTS_OF: dict[tuple[str, str], dict[str, Any]] = {
    ("connectors", "http"): {
        "connect_timeout": "15s",
        "enable": True,
        "enable_pipelining": 100,
        "pool_size": 8,
        "pool_type": "random",
        "resource_opts": _CONNECTOR_OPTS,
        "ssl": _SSL,
    },
    ("connectors", "mqtt"): {
        "bridge_mode": False,
        "clean_start": True,
        "connect_timeout": "10s",
        "enable": True,
        "keepalive": "160s",
        "max_inflight": 32,
        "pool_size": 8,
        "proto_ver": "v4",
        "resource_opts": _CONNECTOR_OPTS,
        "retry_interval": "15s",
        "ssl": _SSL,
        "static_clientids": [],
    },
    ("actions", "http"): {
        "enable": True,
        "parameters": {"max_retries": 2},
        "resource_opts": {
            "health_check_interval": "15s",
            "inflight_window": 100,
            "max_buffer_bytes": "256MB",
            "query_mode": "async",
            "request_ttl": "45s",
            "worker_pool_size": 16,
        },
    },
    ("sources", "mqtt"): {
        "enable": True,
        "parameters": {"no_local": False, "qos": 0},
        "resource_opts": {"health_check_interval": "15s"},
    },
}
"""(root, type) -> what is shown for keys that were not given."""
