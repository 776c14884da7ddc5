"""The recorded evacuation runs: what was asked for, who was there, and every change of the status with its time.

The rule: parameters that a recording does not name are those of its status (rates) and of docs/emqx/evacuation.md (waits); what is
expected always comes from the recording.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """One evacuation of the second node: its body, its clients, and who could take the sessions."""

    body: dict[str, Any]
    persistent: int
    clean: int
    recipients: tuple[str, ...] = ("one", "three")
    idle: int = 0
    taken: int = 0
    """Sessions that devices took over on another node before they would have been moved."""


RUNS: dict[str, Run] = {
    "evac_main_redirect": Run(
        {"wait_health_check": "4s", "conn_evict_rate": 3, "sess_evict_rate": 2, "wait_takeover": "6s"}, 10, 10, taken=2
    ),
    "evac_rate10_24clients": Run(
        {"wait_health_check": 0, "wait_takeover": 0, "conn_evict_rate": 10, "sess_evict_rate": 5}, 12, 12
    ),
    "evac_two_nodes_at_once": Run(
        {"wait_health_check": 0, "wait_takeover": 1, "conn_evict_rate": 2, "sess_evict_rate": 1}, 4, 4, ("one",)
    ),
    "evac_defaults_empty_body": Run({}, 3, 3),
    "evac_dur_wt_3_wh_2": Run({"wait_takeover": "3", "wait_health_check": "2"}, 0, 0),
    "evac_dur_wt_3s_wh_2s": Run({"wait_takeover": "3s", "wait_health_check": "2s"}, 0, 0),
    "evac_dur_wt_1500ms_wh_500ms": Run({"wait_takeover": "1500ms", "wait_health_check": "500ms"}, 0, 0),
    "evac_empty_node_wait0": Run({"wait_health_check": 0, "wait_takeover": 0}, 0, 0),
    "evac_cli_redirect": Run(
        {"wait_health_check": 1, "conn_evict_rate": 2, "sess_evict_rate": 1, "wait_takeover": 4}, 2, 4, idle=1
    ),
}

SKIPPED_RUNS: dict[str, str] = {
    "evac_no_recipients_all_three": "the 30 s retry has a unit test of its own (test_evacuation.py)",
    "evac_reconnecting_clients": "devices that reconnect: the broker's takeover tests",
    "evac_restart_while_evacuating": "a restart: test_node_api_evacuation.py does it with a lab cluster",
    "evac_stop_midway": "a stop between two starts: test_node_api_evacuation.py",
    "evac_rebalance": "validation and one run: test_node_api_evacuation.py",
    "D_evacuate_all_nodes": "three nodes at once: test_node_api_evacuation.py",
}


def recorded(name: str) -> list[tuple[float, str, int, int]]:
    """(seconds after the start, state, current_connected, current_sessions) of each change on the second node."""
    run = json.loads((HERE / f"{name}.json").read_text())
    begin = next(one["t"] for one in run["events"] if "start" in str(one.get("ev", "")) and "poll" not in one["ev"])
    out: list[tuple[float, str, int, int]] = []
    for one in run["events"]:
        if one.get("chg") == "status@127.0.1.2" and one["val"][1].get("status") == "enabled":
            body = one["val"][1]
            entry = (body["state"], body["stats"]["current_connected"], body["stats"]["current_sessions"])
            if not out or out[-1][1:] != entry:
                out.append((one["t"] - begin, *entry))
    return out
