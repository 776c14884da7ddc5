"""The kinds of links that a strategy may name, and the resource that each is; a kind is one module and one line here."""

from __future__ import annotations

from components.resources.backup import Backup
from components.resources.conversion import Conversion
from components.resources.data_export import DataExport
from components.resources.data_import import DataImport
from components.resources.drain import Drain
from components.resources.leave import Leave
from components.resources.link import Link
from components.resources.node_upgrade import NodeUpgrade
from components.resources.rebalance import Rebalance
from components.resources.traffic_shift import TrafficShift
from components.resources.verification import Verification

KINDS: dict[str, type[Link]] = {
    kind.__name__: kind
    for kind in (
        DataExport,
        Conversion,
        DataImport,
        Verification,
        TrafficShift,
        Drain,
        Backup,
        NodeUpgrade,
        Rebalance,
        Leave,
    )
}
