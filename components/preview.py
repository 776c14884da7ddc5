"""The plan with its numbers, before anything is touched: what can be asked is counted, what cannot is said to be unknown.

The rule: it only reads, it is bounded by a few seconds, and a loss that nobody acknowledged ends the program here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from typing import Any, NamedTuple

from components import counting
from components.balancer import BALANCERS
from components.balancer.able import can_of
from components.conversion import Look, is_converted, refuse_missing
from components.cutover.decide import Decision, decide
from components.cutover.forecast import Carries, Fleet, Forecast, forecast, spreading
from components.cutover.gates import names
from components.cutover.outline import Outline
from components.cutover.outline_of import of_cutover
from components.cutover.plan_text import render
from components.cutover.words import COLOURS, Colour, Direction, other
from components.differing import Differing, differing
from components.emqx.base import Cluster
from components.emqx.errors import BadInput, Refused, Retryable, UpgradeError
from components.emqx.known import known
from components.emqx.models import Credentials, credentials_by_colour
from components.emqx.registry import cluster_of
from components.guards.busy import emptied, refuse_busy
from components.guards.declared import refuse_route, refuse_without_exports
from components.guards.outlasting import refuse_outlasting
from components.intent import links_of, mover_of, observed, remembered, standing, target_of
from components.keys import refuse_credentials
from components.lasting import limits
from components.ledger.base import drained, origin
from components.ledger.registry import ledger_of
from components.links.accounts import carried, refuse_same_accounts
from components.links.opening import unacknowledged_sessions
from components.links.reach import accepts
from components.links.roll_look import versions_of
from components.links.storage import refuse_without_sites
from components.migration.advice import advise, lines
from components.migration.check import Report
from components.migration.facts import Facts, Live
from components.migration.manifest import BadSource
from components.migration.rules import UnknownRuleError
from components.outlining import around, document, licence_limit
from components.roll_preview import roll_plan_of
from components.routers.fronting import first_share
from components.routers.registry import router_of
from components.settings import Settings, is_rule
from components.sharing import carries, data, in_one_cluster, refuse_false
from components.strategies import STRATEGIES

PATIENCE_SECONDS = 2.0

SILENT = "  {0} could not be asked: {1}; what is to be known of {0} is unknown here, the update asks again and refuses what it must"


class Plan(NamedTuple):
    """What preview prints, what ``plan.json`` holds, the outline of it, the versions that nodes were seen to run, by colour, and the account of a conversion."""

    text: str
    numbers: dict[str, Any]
    outline: Outline
    runs: Mapping[Colour, Sequence[str]] = {}
    account: str = ""


class Outlook(NamedTuple):
    """The forecast, and what the rules say of the move (nothing when nobody is moved forward).

    ``asked`` is whether the old colour could be asked: without its configuration the rules only ask, and an update must not
    be refused for what it will see by itself. ``silent`` are the colours that could not be asked, and why: the machine that
    previews may not reach what the one that updates does.
    """

    forecast: Forecast
    advice: Report | None
    asked: bool
    silent: Mapping[Colour, str]
    differing: Differing
    licence_limit: int | None
    runs: Mapping[Colour, Sequence[str]]
    conversion: Look | None = None


def plan_of(settings: Settings, credentials: str | None) -> Plan:
    """The plan of the cutover that these settings ask for; ``credentials`` is the config's JSON, secret.

    Raises:
        Refused: sessions would be lost, or a rule blocks, and nobody acknowledged it; the move goes down; or a colour is not
            what it is declared to be.
        BadInput: the credentials cannot be right.

    """
    known_credentials = credentials_by_colour(credentials)
    refuse_credentials(settings, known_credentials)
    if STRATEGIES[settings.cutover.strategy].in_place:
        return Plan(*roll_plan_of(settings, known_credentials))
    # Pulumi runs the program inside its own event loop, so this one needs a thread.
    with ThreadPoolExecutor(max_workers=1) as beside:
        outlook = beside.submit(asyncio.run, _outlook(settings, known_credentials)).result()
    if outlook.forecast.direction == "forward":
        _refuse_move(settings, known_credentials)
    _refuse(settings, outlook)
    refuse_outlasting(outlook.forecast)
    refuse_missing(outlook.conversion, settings.live)
    converted = outlook.conversion.lines if outlook.conversion else ()
    advice = (data(settings), *lines(outlook.advice)) if outlook.advice else ()
    silent = [SILENT.format(colour, why) for colour, why in outlook.silent.items()]
    limit = outlook.licence_limit
    outline = of_cutover(
        outlook.forecast, around(settings, advice=outlook.advice, licence_limit=limit, not_asked=outlook.silent)
    )
    text = "\n".join(
        [outline.headline, render(outlook.forecast), *silent, *outlook.differing.told, *converted, *advice]
    )
    rules = json.loads(outlook.advice.to_json()) if outlook.advice else None
    numbers = {**outlook.forecast.model_dump(mode="json", by_alias=True), "outline": document(outline)}
    things = outlook.differing.things
    numbers |= {"advice": rules, "notAsked": list(outlook.silent), "configuration": things}
    return Plan(text, numbers, outline, outlook.runs, outlook.conversion.account if outlook.conversion else "")


def _refuse_move(settings: Settings, credentials: Mapping[str, Credentials]) -> None:
    """What an update would refuse before it moves anybody, and which the declarations alone tell."""
    old, new = settings.clusters[other(settings.live)], settings.clusters[settings.live]
    refuse_route(settings.live, (old.version, old.edition), (new.version, new.edition))
    if in_one_cluster(settings):
        return
    refuse_without_exports({other(settings.live): old.version, settings.live: new.version})
    if carried(credentials.values(), wanted=settings.cutover.carry_api_keys):
        refuse_same_accounts(credentials[other(settings.live)], credentials[settings.live])


def _refuse(settings: Settings, outlook: Outlook) -> None:
    old, losses = other(settings.live), outlook.forecast.losses
    sessions = (losses.sessions_ended or 0) + (losses.sessions_left or 0) + (losses.sessions_offline or 0)
    if outlook.forecast.direction == "forward" and sessions and "sessions" not in settings.cutover.acknowledge:
        queued = losses.queued_messages
        raise unacknowledged_sessions(settings.live, sessions, queued, in_one_cluster=in_one_cluster(settings))
    blocking = outlook.advice.blocking if outlook.advice and outlook.asked else ()
    if blocking:
        raise Refused(
            f"moving the clients to {settings.live}",
            node=old,
            seen="\n".join(["rules block:", *lines(outlook.advice)]) if outlook.advice else "",
            todo=f"remedy {', '.join(blocking)}, or answer in emqx:cutover: acknowledge: [{', '.join(blocking)}]",
        )


async def _outlook(settings: Settings, credentials: Mapping[str, Credentials]) -> Outlook:
    old = other(settings.live)
    async with AsyncExitStack() as stack:
        apis = await _opened(stack, settings, credentials)
        answers = dict(zip(apis, await asyncio.gather(*(counting.live(api) for api in apis.values())), strict=True))
        silent = {colour: answer for colour, answer in answers.items() if isinstance(answer, str)}
        live = {colour: None if isinstance(answer, str) else answer for colour, answer in answers.items()}
        # One that does not answer is asked nothing more: each question would wait for it again.
        apis = {colour: api for colour, api in apis.items() if live[colour] is not None}
        await _refuse_false(settings, apis)
        held = await _decision(settings, live)
        await _refuse_busy(apis, old, held)
        runs = {colour: found for colour, api in apis.items() if (found := await known(versions_of(api)))}
        fleet = await counting.counted(settings, apis, old, live, back=held.decision.direction == "back")
        most = await known(accepts(apis[settings.live])) if settings.live in apis else None
        limit = await licence_limit(settings, apis, credentials)
        along = await carries(settings, apis.get(old))
        if (
            along is not None
            and held.decision.direction == "forward"
            and old in apis
            and "sessions" not in settings.cutover.acknowledge
        ):
            await known(refuse_without_sites(apis[old]))
        effective = await known(apis[old].configs_text(apis[old].node_names[0])) if old in apis else None
        apart = await differing(settings, held.memory, apis, effective)
        converted: Look | None = None
        if held.decision.direction == "forward" and is_converted(settings):
            from components.conversion_look import look  # what converts is a tenth of all that would be loaded

            converted = await look(settings, apis, credentials)
    plan = _forecast(settings, held, fleet, along, most)
    files = converted and converted.facts
    advice = _advice(settings, fleet, effective, files) if held.decision.direction == "forward" else None
    return Outlook(plan, advice, effective is not None, silent, apart, limit, runs, converted)


def _forecast(
    settings: Settings, held: _Held, fleet: Fleet, carried_along: Carries | None, accepts_per_second: int | None
) -> Forecast:
    plan = forecast(
        to=settings.live,
        direction=held.decision.direction,
        reason=held.decision.reason,
        share_parts=held.share,
        steps=[link.step for link in links_of(settings) if link.step is not None],
        mover=mover_of(settings),
        budget_per_second=settings.cutover.budget_per_second,
        fleet=fleet,
        gates=names(settings.cutover.gates),
        wait_health_check_seconds=settings.cutover.evacuation.wait_health_check_seconds,
        carries=carried_along,
        keeps_sessions=settings.cutover.keep_stale_sessions,
        accepts=accepts_per_second,
    )
    plan = spreading(plan, can_of(settings).spread_seconds)
    return plan.model_copy(update={"limits": limits(settings, fleet.clients)})


async def _refuse_false(settings: Settings, apis: Mapping[Colour, Cluster]) -> None:
    """Where the nodes are not ours, the declaration may say of them what is not so."""
    for colour, api in apis.items():
        if not target_of(settings, colour).ours:
            await refuse_false(settings, api)


async def _opened(
    stack: AsyncExitStack, settings: Settings, credentials: Mapping[str, Credentials]
) -> dict[Colour, Cluster]:
    """The colours whose addresses are known before an update, as long as the stack is open."""
    scope = STRATEGIES[settings.cutover.strategy].scope
    return {
        colour: await stack.enter_async_context(
            cluster_of(handle, credentials[colour], scope=scope, patience_seconds=PATIENCE_SECONDS)
        )
        for colour in COLOURS
        if colour in credentials and (handle := observed(settings, colour)) is not None
    }


def _advice(settings: Settings, fleet: Fleet, effective: str | None, files: Facts | None = None) -> Report:
    old, new = settings.clusters[other(settings.live)], settings.clusters[settings.live]
    sessions = None
    if fleet.persistent_connected is not None and fleet.persistent_offline is not None:
        sessions = fleet.persistent_connected + fleet.persistent_offline
    try:
        return advise(
            (old.version, new.version),
            (old.edition, new.edition),
            new.size,
            [one for one in settings.cutover.acknowledge if is_rule(one)],
            effective=effective,
            live=Live(connections=fleet.clients, persistent_sessions=sessions),
            strategy=STRATEGIES[settings.cutover.strategy].route,
            given=files,
        )
    except BadSource as unread:
        seen = ", ".join(filter(None, (unread.place, unread.seen)))
        todo = (
            "run `pulumi preview` again; when it stays so, the node's answer to GET /configs is not what EMQX documents"
        )
        raise Refused("reading the effective configuration", node=other(settings.live), seen=seen, todo=todo) from None
    except UnknownRuleError as unknown:
        raise BadInput("emqx:cutover.acknowledge", seen=str(unknown), todo="correct this list") from None


class _Held(NamedTuple):
    """Green's share, what the ledger remembers, and where that leads."""

    share: int
    memory: Mapping[str, str]
    decision: Decision


async def _decision(settings: Settings, live: dict[Colour, int | None]) -> _Held:
    """Share, memory and direction, from the balancer, or from its files where it does not run.

    One that never ran will start with the colour that has the clients.
    """
    held = remembered(settings)
    share, memory = held.share, held.memory
    if share is None:
        counts = {colour: live.get(colour) or 0 for colour in settings.clusters}
        share = first_share(settings.live, counts, standing(settings))
    handle = BALANCERS[settings.balancer.target].observed(settings)
    if handle is not None:
        try:
            share, memory = await router_of(handle).share(), (await ledger_of(handle).read()).memory
        except UpgradeError as unreachable:
            way: Direction = "back" if origin(memory) == settings.live else "forward"
            return _Held(share, memory, Decision(way, f"the balancer cannot be asked: {unreachable.seen}"))
    decision = decide(settings.live, share, origin(memory), live, settings.clusters, drained(memory))
    return _Held(share, memory, decision)


async def _refuse_busy(apis: Mapping[Colour, Cluster], old: Colour, held: _Held) -> None:
    """What the first link would refuse (``links.opening``)."""
    colours = {"forward": COLOURS, "back": (other(old),), "nothing": ()}[held.decision.direction]
    for colour in colours:
        if colour in apis:
            with suppress(Retryable):  # the update asks again
                await refuse_busy(apis[colour], ours=emptied(colour, held.share, held.memory))
