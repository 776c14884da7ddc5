"""In what two colours differ that are both up after an import: what a plan shows of it, and all of it for the plan's JSON.

The rule: the old colour's configuration is the one that the rules have read already, the new one's is asked for once, and both are forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from components.cutover.words import Colour, other
from components.emqx.base import Cluster
from components.emqx.effective import compare_texts
from components.emqx.known import known
from components.ledger.base import IMPORTED
from components.migration.unlike import lines
from components.settings import Settings


class Differing(NamedTuple):
    """What the plan says, and the things that differ, each with ``grave``; None: not asked or not known."""

    told: tuple[str, ...] = ()
    things: tuple[Mapping[str, Any], ...] | None = None


async def differing(
    settings: Settings, memory: Mapping[str, str], apis: Mapping[Colour, Cluster], effective: str | None
) -> Differing:
    """What the colour that is to serve has otherwise than the one with ``effective``; nothing before the first import, which carries most of it."""
    to, old = settings.live, other(settings.live)
    if not memory.get(IMPORTED) or effective is None or to not in apis:
        return Differing()
    theirs = await known(apis[to].configs_text(apis[to].node_names[0]))
    found = await asyncio.to_thread(compare_texts, effective, theirs)
    told = lines(found, old, to, str(Path(settings.work_directory) / "plan.json"))
    things = None if found is None else tuple({**one.model_dump(mode="json"), "grave": one.grave} for one in found)
    return Differing(tuple(f"  {line}" for line in told), things)
