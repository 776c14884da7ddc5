"""The gates of a roll, judged when a node is back: what is measured is the whole cluster, since clients are on all of it.

The rule: what a roll cannot know (shares, clients of another colour) is judged by nobody here; a fact that is missing must come within the bound.
"""

from __future__ import annotations

from components.cutover.facts import Facts, NodeFacts, Thresholds
from components.cutover.gates import judge, remember
from components.cutover.words import Colour
from components.emqx.base import of_colour
from components.emqx.errors import GateFailed, Refused
from components.emqx.known import known
from components.links.roll_dropped import Dropped
from components.run.run import Run

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 0.5
OTHERS = ("share_deviation_percent", "clients_away_fraction", "stall_seconds")
"""Gates between two colours, and of a mover."""


async def facts_of(run: Run, colour: Colour, messages: Dropped | None = None) -> Facts:
    """One observation of the cluster, with the ``messages`` that found no subscriber since its node is rolled."""
    api = run.clusters[colour]
    nodes = await known(api.nodes(patience_seconds=PATIENCE_SECONDS))
    metrics = await known(api.metrics(patience_seconds=PATIENCE_SECONDS))
    licence = await known(api.license(patience_seconds=PATIENCE_SECONDS))
    mine = None if nodes is None else of_colour(api, nodes)
    live = None if mine is None else sum(one.live_connections or 0 for one in mine.values())
    counts: dict[str, int | None] = {"blue": None, "green": None, colour: live}
    run.record("sample", step="roll", share=await _share(run), **counts)
    return Facts(
        at=run.clock.now(),
        connack_sent=metrics and metrics.get("packets.connack.sent"),
        connack_error=metrics and metrics.get("packets.connack.error"),
        connect_latency_p99_milliseconds=await run.connect_milliseconds(api.handle),
        nodes_expected=api.node_names,
        nodes=mine
        and {
            name: NodeFacts(memory_used=one.memory_used, memory_total=one.memory_total, load1=one.load1)
            for name, one in mine.items()
            if one.running
        },
        license_sessions=None if nodes is None else sum(one.connections or 0 for one in nodes),
        license_limit=licence.max_sessions if licence else 0,
        clients=live,
        messages_dropped=None if messages is None else await messages.count(),
    )


async def _share(run: Run) -> int | None:
    try:
        return await known(run.router.share())
    except Refused:
        return None  # replicas differ for the moment of a change


async def require_gates(
    run: Run, colour: Colour, name: str, gates: Thresholds, before: Facts, messages: Dropped
) -> None:
    """Wait until no gate is unknown and all pass at the same moment.

    Raises:
        GateFailed: one fails, or is unknown for too long.

    """
    thresholds = gates.model_copy(update=dict.fromkeys(OTHERS))
    history: tuple[Facts, ...] = (before,)
    end = run.clock.now() + gates.gate_seconds
    while True:
        end += await run.checkpoint()
        facts = await facts_of(run, colour, messages)
        verdicts = judge(thresholds, None, facts, history)
        history = remember(thresholds, history, facts)
        bad = [one for one in verdicts if one.verdict == "fail"] or [one for one in verdicts if one.verdict != "pass"]
        for one in bad:
            said = one._asdict()
            run.record("gate", step=name, name=said.pop("gate"), **said)
        if not bad:
            return
        if bad[0].verdict == "fail" or run.clock.now() >= end:
            shown = "; ".join(f"{one.gate}: {one.reason}" for one in bad)
            todo = "find the cause, then run pulumi up again: it goes on at the next node"
            raise GateFailed(f"the gates after {name}", node=bad[0].node or colour, seen=shown, todo=todo)
        await run.clock.sleep(LOOK_SECONDS)
