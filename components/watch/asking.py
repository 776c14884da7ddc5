"""Where the view has its facts from: the journal, the ledger, and the brokers where their keys can be had.

The rule: it only reads, each question is bounded, and what does not answer is unknown.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.balancer import BALANCERS
from components.cutover.words import COLOURS
from components.emqx.errors import UpgradeError
from components.emqx.models import Credentials, credentials_by_colour
from components.emqx.registry import cluster_of
from components.intent import observed
from components.ledger.registry import ledger_of
from components.ledger.remembered import remembered
from components.report.files import events
from components.run.keeping import Places, journal_lines
from components.settings import Settings
from components.strategies import STRATEGIES
from components.watch.view import View, view

PATIENCE_SECONDS = 1.0
JOURNAL_SECONDS = 5.0
"""A store in a cloud is far away."""
PULUMI_SECONDS = 60


def credentials_of(stack: str) -> dict[str, Credentials]:
    """The keys of the brokers, as Pulumi decrypts them; none where it cannot (then clients of nodes are unknown)."""
    command = [str(Path(sys.prefix) / "bin" / "pulumi"), "config", "get", "emqx:credentials", "--stack", stack]
    try:
        answer = subprocess.run(
            [*command, "--non-interactive"], text=True, capture_output=True, check=False, timeout=PULUMI_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    with suppress(UpgradeError):
        return credentials_by_colour(answer.stdout) if answer.returncode == 0 else {}
    return {}


async def look(stack: str, settings: Settings, credentials: Mapping[str, Credentials]) -> View:
    """The view at this moment."""
    held = remembered(settings.work_directory)
    share, memory = held.share, held.memory
    handle = BALANCERS[settings.balancer.target].observed(settings)
    if handle is not None:
        with suppress(UpgradeError):
            record = await ledger_of(handle).read()
            share, memory = record.share, record.memory
    nodes: dict[str, int | None] = {}
    for colour, counts in zip(
        COLOURS, await asyncio.gather(*(_counts(settings, colour, credentials) for colour in COLOURS)), strict=True
    ):
        nodes |= {f"{colour}/{name}": count for name, count in counts.items()}
    lines = await asyncio.to_thread(
        journal_lines, Places(journal=settings.journal), Path(settings.work_directory), JOURNAL_SECONDS
    )
    return view(stack, time.time(), list(events(lines)), share=share, memory=memory, nodes=nodes)


async def _counts(settings: Settings, colour: Any, credentials: Mapping[str, Credentials]) -> dict[str, int | None]:
    handle = observed(settings, colour)
    if handle is None:
        return {}
    unknown: dict[str, int | None] = dict.fromkeys(node.name for node in handle.nodes)
    if colour not in credentials:
        return unknown
    scope = STRATEGIES[settings.cutover.strategy].scope
    try:
        async with cluster_of(handle, credentials[colour], scope=scope, patience_seconds=PATIENCE_SECONDS) as api:
            return unknown | await api.live_connections(patience_seconds=PATIENCE_SECONDS)
    except UpgradeError:
        return unknown
