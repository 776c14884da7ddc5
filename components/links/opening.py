"""The first link: decides where this run goes, takes the lease, and opens the colour that the clients go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.cutover.cohort import everybody, share_percent
from components.cutover.decide import Decision, decide
from components.cutover.portions import Weighed
from components.cutover.words import Colour, Direction, other
from components.emqx.answers import unix_seconds
from components.emqx.errors import Refused
from components.emqx.known import known
from components.guards.busy import emptied, refuse_busy
from components.guards.declared import refuse_misdeclared, refuse_route, refuse_without_exports
from components.guards.outlasting import refuse_late, refuse_longer
from components.guards.proxied import refuse_wrong_proxy
from components.ledger.base import BEGAN_AT, DRAINED_AT, IMPORTED, OPENED_AT, ORIGIN, SCOPE, WEIGHED_AT, drained, origin
from components.links.carrying import left_behind, not_carried
from components.links.reach import within
from components.links.spreading import settled
from components.links.storage import refuse_without_sites
from components.links.target import missing, open_target, refuse_too_small
from components.movers.paced import batches
from components.run.hour import ends_at
from components.run.run import Run
from components.value import Value

SILENT_SECONDS = 8.0


class Opened(Value):
    """What the first link hands down: the run's token, its direction, and the colour the clients leave."""

    run: str
    direction: Direction
    reason: str
    source: Colour
    lost_sessions: int | None = 0
    lost_messages: int | None = 0


async def open_run(
    run: Run,
    to: Colour,
    declared: Sequence[Colour],
    acknowledged: Sequence[str],
    *,
    budget_per_second: int,
    keep_stale: bool,
    weighed: Weighed | None = None,
) -> Opened:
    """Decide, refuse an unacknowledged loss, take the lease, open the target, and leave it ready for the share.

    In one cluster the target is opened by the verification on the way forward: its nodes may not have joined yet, and nobody may reach them
    before they were asked (recording A1_static_join_ce_5.8.8_5.8.9). Nothing stale is removed there: a kick ends the one session that there is.

    Raises:
        Refused: sessions would be lost and nobody acknowledged it, a cluster has a node that is not declared, or too few nodes run to go back to.
        GaveUp: the balancer does not see every node of the target fully up.

    """
    await settled(run)
    memory = await run.memory()
    live = {colour: total(await known(run.clusters[colour].live_connections())) for colour in declared}
    decision = decide(to, await run.router.share(), origin(memory), live, declared, drained(memory))
    source = other(to)
    opened = Opened(run=run.token, direction=decision.direction, reason=decision.reason, source=source)
    if decision.direction == "nothing":
        await _settled(run, source, memory, live)
        return opened
    goes_on = decision.direction == "back" or await _goes_on(run, to)
    if decision.direction == "forward":
        await _refuse_move(run, source, to, must_answer=not goes_on)
        await _refuse_long(run, weighed, to, live.get(source))
        await _refuse_lone(run, source, acknowledged)
    await _refuse_busy(run, source, decision, memory)
    sessions, messages = await _losses(run, source, must_answer=not goes_on)
    if decision.direction == "forward" and sessions and "sessions" not in acknowledged:
        raise unacknowledged_sessions(to, sessions, messages, in_one_cluster=run.in_one_cluster)
    without = await missing(run, to, decision.direction)
    await refuse_too_small(run, to, without)
    await _begin(run, to, decision, memory)
    facts, budget_per_second = decision._asdict(), await within(run.clusters[to], budget_per_second, without)
    run.record("run", to=to, origin=source, clients=live.get(source), budget_per_second=budget_per_second, **facts)
    run.record("loss", section="sessions", count=sessions, messages=messages, acknowledged="sessions" in acknowledged)
    if decision.direction == "back" or not run.in_one_cluster:
        await open_target(run, to, without)
    if not keep_stale and not run.in_one_cluster:
        await _remove_stale(run, to, _left_since(memory, to))
    await remember_opened(run, to)
    return opened.model_copy(update={"lost_sessions": sessions, "lost_messages": messages})


async def _refuse_lone(run: Run, source: Colour, acknowledged: Sequence[str]) -> None:
    """In one cluster its durable sessions need sites, unless nobody minds."""
    if run.in_one_cluster and "sessions" not in acknowledged:
        await known(refuse_without_sites(run.clusters[source]))


async def _refuse_long(run: Run, weighed: Weighed | None, to: Colour, clients: int | None) -> None:
    """A drain that has begun is gone on with, however late: it can only become shorter."""
    if weighed is None or clients is None:
        return
    most, keeps, share = weighed.most_seconds(clients), run.router.can.keeps_seconds, await run.router.share()
    refuse_longer(most, keeps, clients, weighed.budget_per_second)
    if share not in {everybody(to), everybody(other(to))}:
        refuse_late(most, ends_at(await run.memory(), keeps, run.clock.now()), run.clock.now())


async def _begin(run: Run, to: Colour, decision: Decision, memory: Mapping[str, str]) -> None:
    """Take the lease; a cutover that goes on or goes back keeps its beginning, since what it left behind is known by it."""
    forward = decision.direction == "forward"
    fresh = forward and await run.router.share() == everybody(other(to))
    began_at = None if fresh else memory.get(BEGAN_AT)
    await run.begin(
        {
            ORIGIN: other(to) if forward else memory.get(ORIGIN),
            BEGAN_AT: began_at or f"{run.clock.now():.3f}",
            DRAINED_AT: None,
            **({WEIGHED_AT: None} if fresh else {}),
            **_scope(run),
        }
    )


def unacknowledged_sessions(
    to: Colour, sessions: int, messages: int | None, *, in_one_cluster: bool = False
) -> Refused:
    """What preview and update say of a loss that nobody acknowledged."""
    if in_one_cluster:
        return left_behind(other(to), sessions, messages)
    return Refused(
        f"moving the clients to {to}",
        node=other(to),
        seen=f"{sessions} persistent sessions with {messages} queued messages would be lost",
        todo="add `acknowledge: [sessions]` to emqx:cutover when that may happen",
    )


async def refuse_undeclared(run: Run, colour: Colour) -> None:
    """Refuse a cluster with a node that runs under a name which is not declared: it has clients that nobody counts or moves."""
    api = run.clusters[colour]
    members = {facts.name: facts.running for facts in await api.nodes()}
    known_here = {*api.node_names, *_partners(run, colour)}
    strange = sorted(name for name, runs in members.items() if runs and name not in known_here)
    if strange:
        missing = sorted(set(api.node_names) - members.keys())
        raise Refused(
            f"looking at {colour}",
            node=colour,
            seen=f"its cluster has {', '.join(strange)}, which is not declared; declared and not there: {', '.join(missing) or 'none'}",
            todo=f"give the nodes of emqx:clusters.{colour}.nodes the names that `emqx ctl cluster status` shows",
        )


def _partners(run: Run, colour: Colour) -> tuple[str, ...]:
    """The other colour's nodes, where they are of the same cluster."""
    return run.clusters[other(colour)].node_names if run.in_one_cluster and other(colour) in run.clusters else ()


async def _refuse_busy(run: Run, source: Colour, decision: Decision, memory: Mapping[str, str]) -> None:
    """Nobody else moves clients on either colour; on the way back what goes on at the colour that is left does not keep them there."""
    share = await run.router.share()
    for colour in (source, other(source)) if decision.direction == "forward" else (other(source),):
        # in one cluster the old nodes know of the new ones too, which may not have come yet
        asked = source if run.in_one_cluster and decision.direction == "forward" else colour
        if not await silent(run, asked):
            names = run.clusters[colour].node_names
            await refuse_busy(run.clusters[asked], ours=emptied(colour, share, memory), names=names)


async def _refuse_move(run: Run, source: Colour, to: Colour, *, must_answer: bool) -> None:
    """Refuse clusters that are not what is declared, and a way that no upgrade may go.

    A source that does not answer any more is passed over where the run only goes on with what was verified before. In one cluster the
    target's nodes may have to join first: what they are is looked at when they have.
    """
    if not run.in_one_cluster:
        refuse_without_exports({colour: run.clusters[colour].handle.version for colour in (source, to)})
    gone = not must_answer and await silent(run, source)
    for colour in (to, source):
        if not (gone and colour == source) and not (run.in_one_cluster and colour == to):
            await refuse_false(run, colour)
    if not gone and not run.in_one_cluster:
        await refuse_way(run, to)


async def refuse_false(run: Run, colour: Colour) -> None:
    """Refuse a colour that is not what is declared of it, by version, edition, PROXY header and nodes."""
    await refuse_misdeclared(run.clusters[colour], own_only=run.in_one_cluster)
    await refuse_wrong_proxy(run.clusters[colour], run.answers)
    await refuse_undeclared(run, colour)


async def refuse_way(run: Run, to: Colour) -> None:
    """Refuse a way that no upgrade may go, by what both colours say that they are."""
    old, new = run.clusters[other(to)], run.clusters[to]
    refuse_route(to, (old.handle.version, await old.edition()), (new.handle.version, await new.edition()))


async def _settled(run: Run, source: Colour, memory: Mapping[str, str], live: Mapping[Colour, int | None]) -> None:
    """Take the lease also when nobody has to move: an older run must not go on against what is declared now.

    A cutover that was given up leaves its beginning behind; with nobody on the other colour it is over.
    """
    over = {DRAINED_AT: f"{source} {run.clock.now():.3f}"} if live.get(source) == 0 and origin(memory) else {}
    await run.begin({**({} if drained(memory) else over), **_scope(run)})


def _scope(run: Run) -> dict[str, str | None]:
    """Colours that are nodes of one cluster are known as such until one of them has left."""
    return {SCOPE: run.scope} if run.in_one_cluster else {}


async def _goes_on(run: Run, to: Colour) -> bool:
    """Whether this run continues one that has brought clients to ``to``: what was needed of the source for that is done."""
    if run.in_one_cluster:
        return share_percent(to, await run.router.share()) > 0
    return await serves_imported(run, to)


async def serves_imported(run: Run, to: Colour) -> bool:
    """Whether clients are on data that this cutover has imported: an import over it would put old values over newer ones."""
    imported = (await run.memory()).get(IMPORTED, "").startswith(f"{to} ")
    return imported and share_percent(to, await run.router.share()) > 0


async def silent(run: Run, colour: Colour) -> bool:
    """Whether no node of the colour answers, for longer than the 500s around a join take (docs/emqx/cluster.md#a-node-dies)."""
    return await known(run.clusters[colour].nodes(patience_seconds=SILENT_SECONDS)) is None


def total(live: Mapping[str, int] | None) -> int | None:
    """All live connections of a colour; None where they are not known."""
    return None if live is None else sum(live.values())


async def _losses(run: Run, source: Colour, *, must_answer: bool) -> tuple[int | None, int | None]:
    """Persistent sessions and their queued messages, in one cluster those that nothing can carry; unknown on the way back from a colour that does not answer."""
    if run.in_one_cluster:
        here = not_carried(run.clusters[source], run.clusters[other(source)])
        return await here if must_answer else (await known(here) or (None, None))
    asked = run.clusters[source].session_totals()
    totals = await asked if must_answer else await known(asked)
    return (None, None) if totals is None else (totals.connected + totals.offline, totals.queued_messages)


def _left_since(memory: Mapping[str, str], to: Colour) -> float | None:
    """When clients began to be taken away from ``to``; None when they never were, or when they come to it already.

    A run that goes on in the direction of the one before finds sessions of devices that were moved to ``to`` and went
    offline there: these are in use, and what they queue is not old.
    """
    colour, _, since = memory.get(OPENED_AT, "").partition(" ")
    return float(since) if colour == other(to) else None


async def remember_opened(run: Run, to: Colour) -> None:
    """From now on clients come to ``to``; when they did already, since when is kept.

    By the clock of the brokers that they leave, which also tells when a session lost its connection; by ours where none of them answers.
    """
    if not (await run.memory()).get(OPENED_AT, "").startswith(f"{to} "):
        moment = await run.clusters[other(to)].brokers_now(patience_seconds=SILENT_SECONDS)
        since = run.clock.now() if moment is None else moment
        await run.remember({OPENED_AT: f"{to} {since:.3f}"})


async def _remove_stale(run: Run, to: Colour, since: float | None) -> None:
    """Remove sessions on the target that were left behind by an earlier move away from it.

    Evicted sessions stay and go on queueing (docs/emqx/evacuation.md#all-nodes-at-once), so a device that comes
    back would get old commands. Only those that lost their connection after that move began are removed; a device that was
    offline before keeps its session.
    """
    if since is None:
        return
    api = run.clusters[to]
    stale = [
        session.clientid
        async for page in api.session_pages()
        for session in page
        if not session.connected and (unix_seconds(session.disconnected_at) or 0.0) >= since
    ]
    for batch in batches(stale):
        await run.act("loss", section="stale sessions", count=len(batch), colour=to)
        await api.kick(batch)
