"""The type tokens that the policies know; a test holds them equal to those of the components."""

from __future__ import annotations

PREFIX = "pulumi-python:dynamic/emqx:"
CUTOVER = f"{PREFIX}Cutover"
DATA_EXPORT = f"{PREFIX}DataExport"
DATA_IMPORT = f"{PREFIX}DataImport"
VERIFICATION = f"{PREFIX}Verification"
TRAFFIC_SHIFT = f"{PREFIX}TrafficShift"
DRAIN = f"{PREFIX}Drain"
BACKUP = f"{PREFIX}Backup"
NODE_UPGRADE = f"{PREFIX}NodeUpgrade"
REBALANCE = f"{PREFIX}Rebalance"
LEAVE = f"{PREFIX}Leave"
CLUSTER_GUARD = f"{PREFIX}ClusterGuard"
MQTT_BALANCER = f"{PREFIX}MqttBalancer"
LOCAL_CLUSTER = f"{PREFIX}LocalCluster"
STACK = "pulumi:pulumi:Stack"

DYNAMIC = frozenset(
    {
        CUTOVER,
        DATA_EXPORT,
        DATA_IMPORT,
        VERIFICATION,
        TRAFFIC_SHIFT,
        DRAIN,
        BACKUP,
        NODE_UPGRADE,
        REBALANCE,
        LEAVE,
        CLUSTER_GUARD,
        MQTT_BALANCER,
        LOCAL_CLUSTER,
    }
)
"""Every dynamic resource of ours."""
COMPONENTS = frozenset({"emqx:upgrade:BlueGreen", "emqx:balancer:MqttBalancer", "emqx:cluster:EmqxCluster"})
"""Every component of ours."""
