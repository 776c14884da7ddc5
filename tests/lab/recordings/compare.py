"""Says where an answer differs from the recorded one.

The rule: what may differ (times, sizes, ids, loads) stands in `FREE` and is compared by type; everything else is compared by value.
"""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from components.hocon.document import loads
from tests.lab.recordings.world import World

FREE = frozenset(
    [
        "send_msg",
        "send_msg.qos1",
        "subscriptions_cnt",
        "t",
        "ms",
        "time_stamp",
        "current_connections",
        "load1",
        "load5",
        "load15",
        "uptime",
        "node_uptime",
        "memory_total",
        "memory_used",
        "process_used",
        "process_available",
        "max_fds",
        "otp_release",
        "log_path",
        "sys_path",
        "connections",
        "cluster_sessions",
        "live_connections",
        "size",
        "created_at",
        "created_at_sec",
        "at",
        "last_modified_at",
        "publish_at",
        "expected_at",
        "inserted_at",
        "start",
        "position",
        "msgid",
        "id_of_message",
        "token",
        "api_key",
        "api_secret",
        "create_time",
        "connected_at",
        "disconnected_at",
        "port",
        "ip_address",
        "heap_size",
        "reductions",
        "mailbox_len",
        "recv_cnt",
        "recv_oct",
        "recv_pkt",
        "send_cnt",
        "send_oct",
        "send_pkt",
        "rules",
        "cursor",
        "cookie",
        "data_dir",
        "default_password",
        "bootstrap_file",
        "delayed_remaining",
        "name_of_key",
        "description",
        "otp",
        "customer",
        "start_at",
        "activate_at",
        "duration",
        "started_at",
        "finished_at",
    ]
)
"""Keys whose values are compared by type only."""

_PATH = re.compile(r'/[^" ]*/backup/')


def differences(recorded: Any, ours: Any, path: str = "", key: str = "") -> list[str]:
    """Where two JSON values differ; keys in `FREE` are compared by type."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        out = [f"{path}: no key {name}" for name in recorded if name not in ours]
        out += [f"{path}: new key {name}" for name in ours if name not in recorded]
        return out + [
            one
            for name in recorded
            if name in ours
            for one in differences(recorded[name], ours[name], f"{path}.{name}", name)
        ]
    if isinstance(recorded, list) and isinstance(ours, list) and key not in FREE:
        if len(recorded) != len(ours):
            return [f"{path}: {len(ours)} items instead of {len(recorded)}"]
        return [
            one
            for i, (a, b) in enumerate(zip(recorded, ours, strict=True))
            for one in differences(a, b, f"{path}[{i}]", key)
        ]
    if key in FREE or (key == "id" and re.fullmatch("[0-9A-F]{32}", str(recorded))):
        return [] if _kind(recorded) == _kind(ours) else [f"{path}: {_kind(ours)} instead of {_kind(recorded)}"]
    return (
        []
        if recorded == ours and _kind(recorded) == _kind(ours)
        else [f"{path}: {ours!r:.200} instead of {recorded!r:.200}"]
    )


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {str: "string", list: "list", dict: "object", type(None): "null"}[type(value)]


def compare(world: World, pair: dict[str, Any], response: httpx.Response) -> list[str]:
    """Status, media type, the two headers that mean something, and the body."""
    out = []
    if response.status_code != pair["status"]:
        return [f"status {response.status_code} instead of {pair['status']}: {response.text[:300]}"]
    media = response.headers.get("content-type", "").partition(";")[0]
    if media != pair.get("type", "").partition(";")[0]:
        out.append(f"content type {media!r} instead of {pair.get('type', '')!r}")
    out += [
        f"header {name} {response.headers.get(name)!r} instead of {pair.get(name)!r}"
        for name in ("retry-after", "www-authenticate")
        if response.headers.get(name) != pair.get(name)
    ]
    answer = pair.get("answer")
    if media == "application/json" and not isinstance(answer, str):
        world.learn(answer, json.loads(response.text))
        # A path on the recorded machine's disk means the same as one on ours.
        ours = json.loads(_PATH.sub("/backup/", world.there(response.text)))
        answer = json.loads(_PATH.sub("/backup/", json.dumps(answer)))
        return out + normal_differences(pair, answer, ours)
    if isinstance(answer, str) and "/configs" in pair["url"]:
        return out + differences(loads(answer), loads(world.there(response.text)))
    if isinstance(answer, str) and media != "application/octet-stream" and world.there(response.text) != answer:
        out.append(f"text {world.there(response.text)[:300]!r} instead of {answer[:300]!r}")
    return out


def normal_differences(pair: dict[str, Any], recorded: Any, ours: Any) -> list[str]:
    """The differences of two bodies after what is unordered by nature has been brought into one order."""
    if pair["status"] == 500 and isinstance(recorded, dict):
        return differences({"code": recorded.get("code")}, {"code": ours.get("code")})
    if re.search(r"/(stats|metrics|monitor)", pair["url"]):
        recorded, ours = _shape(recorded), _shape(ours)
    return differences(_ordered(recorded), _ordered(ours))


def _shape(value: Any) -> Any:
    """A body of counters: every number is 0, what was counted depends on what ran before."""
    if isinstance(value, dict):
        return {name: _shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return 0 if _kind(value) == "number" else value


def _ordered(value: Any) -> Any:
    """Rows of nodes, topics and keys in one order: Erlang's tables list them as they hash."""
    if isinstance(value, dict):
        return {name: _ordered(one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    rows = [_ordered(one) for one in value]
    if rows and all(isinstance(row, dict) for row in rows):
        if all("inserted_at" in row and "payload" in row for row in rows):
            # Nodes race: the recorded order of arrival is not the same for two sessions.
            return sorted(rows, key=lambda row: str(row["payload"]))
        for name in ("core_node", "clientid", "user_id", "username", "who", "id", "topic", "node", "name"):
            if all(name in row for row in rows):
                return sorted(rows, key=lambda row: (str(row[name]), str(row.get("topic")), str(row.get("node"))))
    return rows
