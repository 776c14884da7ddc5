"""The recorded pairs that the replay does not compare, and the recordings that it does not replay, each with its reason.

The rule: docs/conformance.md is made from this file and from a run; a pair that differs and is not here fails the test.
"""

from __future__ import annotations

from tests.lab.recordings.replay import Excluded

WS = "the recorded nodes ran a WebSocket listener (ws:default), the lab runs TCP only"
STACK = "an Erlang stack trace of a build without that part"
NOT_BUILT = "part of EMQX that no step of an upgrade uses; the path does not exist in the lab"
FOREIGN = "not sent: needs the 50,000 records of the recorded source, measured there for time only"

EXCLUDED: tuple[Excluded, ...] = (
    Excluded("02_.*", url="/error_codes$|/prometheus", reason=NOT_BUILT),
    Excluded(
        "02_.*", url="/monitor\\?latest", reason="only the first 12 of 60 rows were kept in the trimmed recording"
    ),
    Excluded(
        "02_.*",
        url="/listeners$|/listeners/tcp:default",
        reason="the recorded cluster bound each node's own address in emqx.conf",
    ),
    Excluded("F1_.*", url="/evacuation/start$", reason=STACK),
    Excluded("02_.*", url="/alarms$", reason="the recorded machine was at 98 % CPU and said so"),
    Excluded(
        "02_.*",
        url="/configs$",
        note="configs as hocon",
        reason="names its machine's paths, seeds and per-node listener addresses",
    ),
    Excluded(
        "04_.*",
        url="/import_users",
        reason="not sent: users from a file are not imported by an upgrade; the replay makes them itself",
    ),
    Excluded("0[67]_.*|15_.*", url="/listeners$", method="GET", reason=WS),
    Excluded(
        "05_.*",
        note="cluster.hocon unparsable",
        reason="the line and the token of EMQX's own HOCON parser, in another file",
    ),
    Excluded("A_setup_.*", url="/exhooks|/schema_registry|/schema_validations|/slow_subscriptions", reason=NOT_BUILT),
    Excluded(
        "A_setup_.*", url="/configs$", method="PUT", reason="not sent: the recording keeps only the size of this body"
    ),
    Excluded("A_import_.*|A_export_import_50000", reason=FOREIGN),
    Excluded(
        "F_mountpoint.*",
        url="/clients/mp1|/publish",
        reason="the broker core has no mountpoints; the listener keeps and shows the setting",
    ),
    Excluded(
        "F_session.*",
        url="/clients/f2\\?fields=all",
        reason="the recorded row lacks four counters that every other recorded row has",
    ),
    Excluded(
        "F_session.*",
        url="payload=plain",
        reason="how many replacement characters jiffy makes of a run of bytes that is no UTF-8",
    ),
    Excluded(
        "F_session.*",
        url="/clients_v2",
        reason="the cursor API is not built: it ignores `fields` and nothing here calls it",
    ),
)

NOT_REPLAYED: dict[str, str] = {
    "05x_data_backup_pernode_binds": "the same calls as 05 on clusters whose nodes bind addresses of their own in emqx.conf",
    "08_count_latency": "no request/response pairs: delays of counters, asserted in test_node_api.py by their kind (live or late)",
    "10_ce_5.8.9_nodes_300_clients": "no pairs: counts of 300 clients over time",
    "12_cli_5.8.11": "command line output; the lab has no command line of EMQX",
    "20_v4.4.19_api": "an earlier run of 4.4.19; V_4.4.19_* are replayed, see conformance-v4.md",
    "21_cli_4.4.19": "command line output; the lab has no command line of EMQX",
    "22_v4_export_to_5.8": "needs a 4.x archive as body, which the recording does not keep",
    "A0_start_and_seed_ce_5.8.8": "how the clusters were made",
    "A0_start_and_seed_ee_5.8.10": "how the clusters were made",
    "A0b_start_ee_5.8.10": "how the clusters were made",
    "A1_static_join_ce_5.8.8_5.8.9": "polls of a join: its phases, in order, in test_joining.py",
    "A3_static_join_ee_5.8.10_5.8.11": "polls of a join: its phases, in order, in test_joining.py",
    "B1_close_kinds_ce": "no pairs: replayed kind by kind by test_takeover.py",
    "B1_close_kinds_ce_clients": "what each device of B1_close_kinds_ce saw",
    "B1_close_kinds_ee": "the same result as B1_close_kinds_ce",
    "B1_close_kinds_ee_clients": "what each device of B1_close_kinds_ee saw",
    "B1_loss_search_ce": "losses of a saturated machine: a fault of the lab, in test_takeover.py",
    "B1_loss_search_2_ce": "losses of a saturated machine: a fault of the lab, in test_takeover.py",
    "B1_mass_1000_at_400": "speeds of a machine",
    "B1_mass_300_at_100": "speeds of a machine",
    "B1_takeover_open_ce": "no pairs: replayed kind by kind by test_takeover.py",
    "B2_kick_same_cluster_ce": "no pairs: what a kick does is in test_node_mqtt_operator.py",
    "B2_kick_same_cluster_ce_clients": "what each device of B2_kick_same_cluster_ce saw",
    "B3_evacuate_all_old_ee": "a run: its phases by test_evacuation_runs.py, the sessions' way by test_takeover.py",
    "D0_start_ee_5.8.10": "how the clusters were made",
    "D1_roll_plain_ce_5.8.8_5.8.9": "polls of a roll: test_leaving_a_cluster.py",
    "D3b_last_node_back_ee_5.8.11": "the end of D3_roll_evac_ee_5.8.10_5.8.11 once more",
    "D5_restore_backup_ce_5.8.8": "copies of data directories that do not fit together are not played; retained messages: test_leaving_a_cluster.py",
    "E1_roll_back_drain_ce_5.8.9_5.8.8": "polls of a roll: test_leaving_a_cluster.py",
    "E2_roll_back_evac_ee_5.8.11_5.8.10": "the calls of D3_roll_evac_ee_5.8.10_5.8.11",
    "G1_offline_sessions_by_takeover_and_seeds_trap": "no pairs: test_leaving_a_cluster.py, test_takeover.py",
    "G2_seeds_blue_stopped_first": "no pairs: test_leaving_a_cluster.py",
    "Z_whole_same_cluster_ce": "a whole move: the acceptance tests of the program do it",
    "B_load_50000": "how the records were made",
    "B_load_50000_retained": "how the records were made",
    "D_evacuate_all_nodes": "no pairs: a run, see the table of runs",
    "F_paging_speed_10000_sessions_30000_subscriptions": "speeds of a machine",
    "G_health_fields_while_sessions_are_made": "a time series of one machine's load",
    "G_metrics_by_kind_of_connect": "no pairs: counters per kind of CONNECT, replayed by test_node_mqtt_recordings.py",
    "H_keepalive": "no pairs: replayed by test_node_api_connection.py with a shorter wall",
    "H_kick_bulk_and_limits": "speeds; the codes of its calls are in test_node_api.py",
    "H_node_killed_and_back_ce_5.8.9": "no pairs: replayed by test_faults.py (which answers are 500, and for how long)",
    "H_paging_while_kicking_and_more": "no pairs: replayed by test_node_api.py",
    "I_boot_fresh_cluster": "no pairs: replayed by test_node_api_boot.py (order of events, scaled)",
    "I_boot_of_a_node_with_authentication": "no pairs: replayed by test_node_api_boot.py",
    "I_write_before_join": "no pairs: replayed by test_node_api_boot.py",
    "J_connect_variants": "HAProxy's, not a node's",
    "J_connect_variants_fixed_config": "HAProxy's, not a node's",
    "J_evacuation_and_health_check": "HAProxy's, not a node's",
    "J_share_by_hash": "HAProxy's, not a node's",
    "Z_whole_move_and_way_back_ee_5.8.11": "a whole cutover: the acceptance tests of the program do it",
}
