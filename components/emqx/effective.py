"""The effective configuration as path -> hash: finds what lives only in one colour's ``emqx.conf``, and shows no value.

``GET /configs`` as text carries secrets in clear (docs/emqx/config.md#the-effective-configuration): the text is parsed and forgotten, only
sha256 of values are compared, only paths are named.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.emqx.base import Cluster
from components.emqx.errors import NotNow
from components.hocon.document import loads
from components.hocon.errors import HoconError

OWN_ROOTS = frozenset(
    {"node", "cluster", "rpc", "dashboard", "api_key", "license", "log", "prometheus", "opentelemetry"}
)
"""Each cluster's own, and never carried (docs/emqx/config.md#the-effective-configuration)."""

_OWN_LEAVES = frozenset({"bind", "created_at", "last_modified_at"})


class Setting(NamedTuple):
    """A path whose value differs; ``where`` says on which colour it stands."""

    path: str
    where: str


async def compare_effective(source: Cluster, target: Cluster) -> list[Setting]:
    """The settings that differ, by path, without the roots and leaves that are each cluster's own; none where one of the two shows nothing."""
    ours, theirs = await _hashes(source), await _hashes(target)
    if ours is None or theirs is None:
        return []
    found: list[Setting] = []
    for path in sorted(ours.keys() | theirs.keys()):
        if path not in theirs:
            found.append(Setting(path, f"only on {source.handle.colour}"))
        elif path not in ours:
            found.append(Setting(path, f"only on {target.handle.colour}"))
        elif ours[path] != theirs[path]:
            found.append(Setting(path, "different on both"))
    return found


async def _hashes(api: Cluster) -> dict[str, str] | None:
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


def hashes_of(text: str) -> dict[str, str] | None:
    """Path -> sha256 of each value; None when the text cannot be read or would include a file: nothing that a cluster names is opened."""
    try:
        plain = loads(text)
    except HoconError:
        return None
    if not plain:
        return None
    return {
        ".".join(path): hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
        for path, value in _leaves((), plain)
        if path[0] not in OWN_ROOTS and path[-1] not in _OWN_LEAVES
    }


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves((*path, key), inner)
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _leaves((*path, str(number)), item)
    elif path:
        yield path, value
