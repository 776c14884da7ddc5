"""The effective configurations of two clusters: what lives only in one colour's ``emqx.conf`` is found, and no value is shown.

``GET /configs`` as text carries secrets in clear (docs/emqx/config.md#the-effective-configuration): the text is parsed and forgotten, only
sha256 of values are compared, only paths are named.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

from components.emqx.base import Cluster
from components.emqx.errors import NotNow
from components.hocon.document import loads
from components.hocon.errors import HoconError
from components.migration.unlike import Path, Unlike, leaves, unlike


async def compare_effective(source: Cluster, target: Cluster) -> tuple[Unlike, ...] | None:
    """What differs, the grave ones first, without what is each cluster's own; None where one of the two does not show its configuration."""
    ours, theirs = await _hashes(source), await _hashes(target)
    return None if ours is None or theirs is None else unlike(ours, theirs)


def compare_texts(source: str | None, target: str | None) -> tuple[Unlike, ...] | None:
    """The same of two answers to ``GET /configs``; None also where one of them is no configuration."""
    ours, theirs = (None if text is None else hashes_of(text) for text in (source, target))
    return None if ours is None or theirs is None else unlike(ours, theirs)


async def _hashes(api: Cluster) -> dict[Path, str] | None:
    text = await api.configs_text(api.node_names[0])
    if text is None:
        return None
    # Thousands of rules are some megabytes, a second or two that would hold up everything else.
    hashes = await asyncio.to_thread(hashes_of, text)
    if hashes is None:
        raise NotNow(
            "GET /configs",
            node=api.node_names[0],
            seen=f"{len(text)} characters that are no configuration",
            todo="run again; when it stays so this EMQX version writes its configuration in another way",
        )
    return hashes


def durable_sessions(text: str) -> bool:
    """Whether this configuration has durable sessions on; not where it cannot be read."""
    try:
        found = (loads(text) or {}).get("durable_sessions")
    except HoconError:
        return False
    return isinstance(found, dict) and found.get("enable") is True


def seeds_of(text: str) -> frozenset[str]:
    """The names of the nodes that a node looks for when it starts (recording 02_nodes_cluster_stats); none where it finds the others in another way."""
    try:
        cluster = (loads(text) or {}).get("cluster")
    except HoconError:
        return frozenset()
    static = cluster.get("static") if isinstance(cluster, dict) else None
    seeds = static.get("seeds") if isinstance(static, dict) else None
    return frozenset(map(str, seeds)) if isinstance(seeds, list) else frozenset()


def tree_of(text: str) -> dict[str, Any] | None:
    """The roots of a configuration, to be forgotten at once; None when the text cannot be read or would include a file."""
    try:
        return dict(loads(text) or {})
    except HoconError:
        return None


def hashes_of(text: str) -> dict[Path, str] | None:
    """Path -> sha256 of each value; None when the text cannot be read or would include a file: nothing that a cluster names is opened."""
    plain = tree_of(text)
    if not plain:
        return None
    return {
        path: hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
        for path, value in leaves(plain)
    }
