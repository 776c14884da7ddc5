"""Which recordings are replayed together, against which clusters, in which order; one scenario is one world of lab clusters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.recordings import hooks, membership_hooks
from tests.lab.recordings.excluded import EXCLUDED
from tests.lab.recordings.replay import Before, Tally, replay
from tests.lab.recordings.uploads import make
from tests.lab.recordings.world import KEY, World

CE: dict[str, Any] = {"edition": "ce", "version": "5.8.9"}
ROLE_KEYS = f"{KEY}\nviewkey:viewer-secret-1:viewer\nbad line without colon\nnorole:norole-secret-1\npub:publisher-secret:publisher\n"


@dataclass(frozen=True)
class Scenario:
    """``clusters``: recorded network -> settings; ``files`` in order; ``before`` is called before each pair of a file."""

    name: str
    clusters: dict[str, dict[str, Any]]
    files: tuple[str, ...]
    keys: str = f"{KEY}\n"


BEFORE: dict[str, Before] = {
    "04_setup_resources": hooks.setup_resources,
    "04b_evacuation_run": hooks.evacuation_run,
    "13_config_priority_and_api_key_bootstrap": hooks.configuration_and_keys,
    "15_import_partial_failure": hooks.partial_failure,
    "A_order_changes_who_may_do_what": hooks.order_matters,
    "A_setup_blue_ce_5.8.9": hooks.blue,
    "A_setup_blue_ee_5.8.11": hooks.blue,
    "A_setup_5.8.10": hooks.blue,
    "E_kick_and_way_back_ce_5.8.9": hooks.kick_and_way_back,
    "F_session_formats_ce_5.8.9": hooks.session_formats,
    "F_mountpoint_shared_ce_5.8.9": hooks.mountpoint,
    "F_empty_client_id": hooks.empty_client_id,
    "K_checks": hooks.checks,
    "A2_invite_join_ce_5.8.8_5.8.9": membership_hooks.invitations,
    "A4_invite_join_ee_5.8.10_5.8.11": membership_hooks.invitations,
    "A5_variants_ce": membership_hooks.variants,
    "B0_fields": membership_hooks.fields,
    "C1_green_stopped_then_force_leave_ce": membership_hooks.stopped_then_forced_out,
    "C2_leave_ce": membership_hooks.leaving,
    "D3_roll_evac_ee_5.8.10_5.8.11": membership_hooks.rolled,
    "D6_rebalance_ee": membership_hooks.overshooting,
    "F1_ce_to_ee_mixed_and_roll": membership_hooks.to_enterprise,
}

OLD: dict[str, Any] = {"name": "emqxcl", "edition": "ce", "version": "5.8.8"}
NEW: dict[str, Any] = {"joins": "127.0.5", "edition": "ce", "version": "5.8.9"}
OLD_EE: dict[str, Any] = {"name": "emqxcl", "version": "5.8.10", "max_sessions": 0, "hosts": (11, 12, 13)}
NEW_EE: dict[str, Any] = {"joins": "127.0.5", "version": "5.8.11", "max_sessions": 0, "hosts": (11, 12, 13)}
MEMBERS: tuple[tuple[str, dict[str, dict[str, Any]], str], ...] = (
    (
        "nodes with other settings",
        {"127.0.5": OLD, "127.0.6": NEW | {"cookie": "another", "seeds": ()}},
        "A5_variants_ce",
    ),
    ("invitations", {"127.0.5": OLD, "127.0.6": NEW | {"seeds": ()}}, "A2_invite_join_ce_5.8.8_5.8.9"),
    ("invitations, EE", {"127.0.5": OLD_EE, "127.0.6": NEW_EE | {"seeds": ()}}, "A4_invite_join_ee_5.8.10_5.8.11"),
    ("forced out", {"127.0.5": OLD, "127.0.6": NEW}, "C1_green_stopped_then_force_leave_ce"),
    ("leaving", {"127.0.5": OLD, "127.0.6": NEW}, "C2_leave_ce"),
    ("fields of clients", {"127.0.5": OLD | {"nodes": 1}}, "B0_fields"),
    (
        "open source and Enterprise",
        {
            "127.0.5": {"name": "emqxcl", "edition": "ce", "version": "5.8.9"},
            "127.0.6": {"joins": "127.0.5", "version": "5.8.11", "nodes": 1},
        },
        "F1_ce_to_ee_mixed_and_roll",
    ),
    ("a roll", {"127.0.5": OLD_EE}, "D3_roll_evac_ee_5.8.10_5.8.11"),
    ("levelling", {"127.0.5": OLD_EE}, "D6_rebalance_ee"),
)

SCENARIOS = (
    *(Scenario(name, clusters, (file,)) for name, clusters, file in MEMBERS),
    Scenario(
        "reads",
        {"127.0.1": {"name": "lab1"}},
        ("01_auth_login_status", "02_nodes_cluster_stats", "03_evacuation_start_validation"),
    ),
    Scenario("an evacuation", {"127.0.1": {"name": "lab1"}}, ("04b_evacuation_run",)),
    Scenario(
        "backup between clusters",
        {"127.0.2": {}, "127.0.1": {}, "127.0.3": {"version": "5.8.10"}, "127.0.4": CE},
        (
            "04_setup_resources",
            "06_listener_edit",
            "07_import_merge_semantics",
            "05_data_backup",
            "09_data_backup_5.8.10_vs_5.8.11",
            "11_ce_ee_backup",
        ),
    ),
    Scenario(
        "keys and configuration", {"127.0.6": {"nodes": 1}}, ("13_config_priority_and_api_key_bootstrap",), ROLE_KEYS
    ),
    Scenario("the smallest import", {"127.0.1": {}, "127.0.2": {}}, ("14_import_minimal",)),
    Scenario(
        "a partial import",
        {"127.0.1": {}, "127.0.2": {}},
        ("04_setup_resources", "06_listener_edit", "15_import_partial_failure"),
    ),
    Scenario(
        "export and import by section",
        {
            "127.0.1": {},
            "127.0.2": {},
            "127.0.3": {"version": "5.8.10", "nodes": 1},
            "127.0.14": CE,
            "127.0.16": CE,
            "127.0.21": {},
            "127.0.22": {},
        },
        (
            "A_setup_blue_ce_5.8.9",
            "A_setup_blue_ee_5.8.11",
            "A_setup_5.8.10",
            "A_setup2",
            "A_root_keys",
            "A_5.8.10_to_5.8.11_apikey",
            "A_ce_5.8.9_to_5.8.9_apikey",
            "A_ce_5.8.9_to_ee_5.8.11_apikey",
            "A_ee_5.8.11_to_5.8.11_apikey",
            "A_5.8.11_token_api_keys_only",
            "A_5.8.9_apikey_api_keys_only",
            "A_reorder",
            "A_order_changes_who_may_do_what",
            "A_export_import_50000",
            "A_import_client_goes_away",
            "A_import_client_goes_away_2",
            "A_import_kept_alive_by_pipelining",
            "A_import_longer_than_60s",
            "A_import_per_table_set",
            "C_probes_ce_5.8.9",
            "F_session_formats_ce_5.8.9",
            "F_mountpoint_shared_ce_5.8.9",
            "F_empty_client_id",
            "E_kick_and_way_back_ce_5.8.9",
            "K_checks",
        ),
    ),
)


async def run(scenario: Scenario, directory: Path) -> list[Tally]:
    """Replay one scenario."""
    async with World(directory, scenario.clusters, scenario.keys) as world:
        return [await replay(world, file, EXCLUDED, make, BEFORE.get(file)) for file in scenario.files]
