"""The view as OpenMetrics; a value that is not known is not there, so that a graph has a gap and no zero.

The rule: names are public, the dashboard in docs/grafana-dashboard.json is made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from components.watch.view import View

PREFIX = "emqx_upgrade"
GAUGES: dict[str, str] = {
    "running": "1 while an update works, 0 when it has ended",
    "held": "1 while somebody holds it or has called it off",
    "share_wanted_percent": "the share of the live colour as it should be",
    "share_measured_percent": "the part of the clients that is on the live colour, as the brokers count",
    "rate_clients_per_second": "clients moved in the last seconds",
    "budget_clients_per_second": "clients that may be moved each second",
    "moved_clients": "clients moved by this update",
    "seconds_left": "until the last planned client is moved at this pace",
}


class ViewCollector(Collector):
    """Asks for the newest view when it is scraped."""

    def __init__(self, newest: Callable[[], View | None]) -> None:
        """Scrape nothing yet."""
        self._newest = newest

    def collect(self) -> Iterable[Metric]:
        """The metrics of the newest view."""
        view = self._newest()
        return () if view is None else families(view)


def registry_of(newest: Callable[[], View | None]) -> CollectorRegistry:
    """A registry of nothing but the view."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ViewCollector(newest))
    return registry


def families(view: View) -> list[Metric]:
    """One family for each number."""
    values: dict[str, float | None] = {
        "running": float(view.to is not None and view.outcome is None),
        "held": float(view.held_by is not None),
        "share_wanted_percent": view.share_wanted_percent,
        "share_measured_percent": view.share_measured_percent,
        "rate_clients_per_second": view.rate_per_second,
        "budget_clients_per_second": view.budget_per_second,
        "moved_clients": float(view.moved),
        "seconds_left": view.seconds_left,
    }
    made: list[Metric] = []
    for name, about in GAUGES.items():
        family = GaugeMetricFamily(f"{PREFIX}_{name}", about, labels=["stack"])
        if (value := values[name]) is not None:
            family.add_metric([view.stack], value)
        made.append(family)
    clients = GaugeMetricFamily(f"{PREFIX}_node_clients", "clients of a node", labels=["stack", "colour", "node"])
    for name, count in view.nodes.items():
        colour, _, node = name.partition("/")
        if count is not None:
            clients.add_metric([view.stack, colour, node], count)
    steps = GaugeMetricFamily(
        f"{PREFIX}_step_clients", "clients that a step has moved", labels=["stack", "step", "state"]
    )
    for step in view.steps:
        steps.add_metric([view.stack, step.name, step.state], step.clients)
    gates = GaugeMetricFamily(
        f"{PREFIX}_gate_value", "the last value of a gate that did not pass", labels=["stack", "gate"]
    )
    limits = GaugeMetricFamily(f"{PREFIX}_gate_threshold", "its threshold", labels=["stack", "gate"])
    for gate in view.gates:
        for family, value in ((gates, gate.value), (limits, gate.threshold)):
            if value is not None:
                family.add_metric([view.stack, gate.name], value)
    return [*made, clients, steps, gates, limits]
