"""Detectors of 5.0 as a source: what is in place before 5.1, when a cluster could not hand its data on (rules 50-01 to 50-05)."""

from __future__ import annotations

import re
from pathlib import PurePath

from components.migration.detectors.base import Verdicts, hocon, planned
from components.migration.facts import Facts, Plan
from components.migration.rules import Clear, Detector, Finding, Hit, Place, Question

FILES = "give data/configs of a 5.0 node (cluster-override.conf, local-override.conf, cluster.hocon) and its emqx.conf"
BRIDGES = "bridges.webhook.*.direction bridges.mqtt.*.direction bridges.http.*.direction"
CONNECTORS = "bridges.mqtt.*.reconnect_interval connectors.mqtt.*.reconnect_interval"
CERTIFICATES = "listeners.*.*.ssl_options.cacerts bridges.*.*.ssl.cacerts bridges.*.*.connector.ssl.cacerts"


def _other_cluster(plan: Plan) -> bool | None:
    return None if plan.strategy is None else plan.strategy == "two-cluster"


def named(pattern: str) -> Detector:
    """A file of this name, which counts by being there."""
    name = re.compile(pattern)

    def detect(facts: Facts) -> Finding:
        if facts.hocons is None:
            return Question(FILES)
        places = tuple(Place(file.file) for file in facts.hocons if name.fullmatch(PurePath(file.file).name))
        return Hit(places) if places else Clear()

    return detect


DETECTORS: Verdicts = {
    "50-01": planned(_other_cluster, "is this a move to a cluster of its own (two-cluster)?"),
    "50-02": named(r"cluster-override\.(conf|hocon)"),
    "50-03": named(r"local-override\.(conf|hocon)"),
    "50-04": hocon(f"{BRIDGES} {CONNECTORS}", FILES),
    "50-05": hocon(CERTIFICATES, FILES),
}
