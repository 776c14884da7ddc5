"""What a plan says of a conversion before anything is touched: from where an export comes, what is lost, who may do what afterwards.

The rule: it makes no export and sends nothing; what lies there already is read into a directory that is gone afterwards, and what is not there
is said to be unknown, since the update makes one and refuses the same.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from components.conversion import birth, converts, inputs_of
from components.cutover.words import Colour, other
from components.emqx.base import Cluster
from components.emqx.errors import Refused, UpgradeError
from components.emqx.known import known
from components.emqx.models import Credentials
from components.intent import target_of
from components.links.conversion import refuse_differing, summary, told, unacknowledged
from components.links.given import Birth, Wanted, apart_from, facts_of, refusing
from components.links.retained import unread
from components.migration.facts import Facts
from components.migration.moving import Moving, moving
from components.settings import Settings

LOOK_SECONDS = 40.0
BEHAVIOUR = (
    "behaviour that changes for whoever owns the clients (docs/migrate-4.4-to-5.md, docs/migrate-4.2-to-4.3.md): TLS 1.3 and its ciphers, the order inside"
    " shared subscriptions, time stamps of the log and of the API, WebSocket sub-protocols, retired plugins, extension hooks by gRPC"
)


class Look(NamedTuple):
    """Lines for the plan, the files as facts (None where they were not read), and what nobody has acknowledged, by its word."""

    lines: tuple[str, ...]
    facts: Facts | None
    missing: Mapping[str, str]


async def look(
    settings: Settings, apis: Mapping[Colour, Cluster], credentials: Mapping[str, Credentials]
) -> Look | None:
    """The look at the colour that is left; None where nothing is converted.

    Raises:
        Refused: its files are not understood, or not those of its nodes.

    """
    source = other(settings.live)
    inputs = inputs_of(settings)
    if (
        inputs is None
        or source not in settings.clusters
        or not converts(settings.clusters[source], settings.clusters[settings.live])
    ):
        return None
    old, blue = settings.clusters[source], apis.get(source)
    way = "the API" if old.exports is None else old.exports.way
    lines = [
        f"  data of {source} are converted; its export comes from {way}, its configuration from {', '.join(old.configuration)}"
    ]
    wanted = Wanted.model_validate(inputs)
    facts, more, missing = await _account(settings, source, blue, wanted)
    lines += more
    lines += await _born(settings, apis.get(settings.live))
    if not target_of(settings, source).ours and "backup" not in wanted.acknowledge:
        missing["backup"] = (
            f"data directories and files of {source} are not reached: of it the update keeps an export and nothing else"
        )
    if blue is not None:
        account = credentials[source].retained if source in credentials else None
        count = await known(blue.retained_messages())
        fate = "read by an account and published again" if account else "lost: no account may read them"
        lines.append(f"  retained messages: {'unknown' if count is None else count}, {fate}")
        missing |= unread(count, account, acknowledged="retained" in wanted.acknowledge)
    return Look((*lines, f"  {BEHAVIOUR}"), facts, missing)


async def _born(settings: Settings, green: Cluster | None) -> list[str]:
    """What the new nodes begin with, or in what those that are there differ from it."""
    told_of = birth(settings, settings.live)
    if told_of is None:
        return []
    begins = Birth.model_validate(told_of)
    if green is not None:
        apart = await known(apart_from(green, begins)) or []
        return [f"  {settings.live}: {one}" for one in apart]
    if not begins.wanted.ours:
        return []
    found = await asyncio.to_thread(begins.bootstrap)
    names = ", ".join(found.told()) or "nothing"
    return [
        f"  nodes of {settings.live} begin with, from the configuration of {begins.source}: {names}",
        *(f"  not taken over: {one}" for one in found.left_out()),
    ]


async def _account(
    settings: Settings, source: Colour, blue: Cluster | None, wanted: Wanted
) -> tuple[Facts | None, list[str], dict[str, str]]:
    """The files as facts, what the conversion of what is there would lose, and what of it is not acknowledged."""
    found = await _converted(settings, source, blue, wanted)
    if isinstance(found, str):
        return None, [f"  {found}; the update converts and refuses what it must"], {}
    facts, made, name = found
    short = summary(made)
    where = (
        f"by the export {name}"
        if name
        else "without an export: the update makes one, with which users, rules and bans are told"
    )
    lines = [f"  {line}" for line in told(short, where)]
    return facts, lines, unacknowledged(short, wanted.acknowledge) if name else {}


def refuse_missing(found: Look | None, live: Colour) -> None:
    """Refuse what nobody has acknowledged.

    Raises:
        Refused: with the words that accept it.

    """
    if found is not None and found.missing:
        raise Refused(
            f"moving the data to {live}",
            node=other(live),
            seen="\n".join([*found.missing.values(), *found.lines]),
            todo=f"what may be so is accepted by emqx:cutover: acknowledge: [{', '.join(found.missing)}]",
        )


async def _converted(
    settings: Settings, source: Colour, blue: Cluster | None, wanted: Wanted
) -> tuple[Facts, Moving, str] | str:
    """What the update would convert; in words why nobody knows."""
    versions = (settings.clusters[source].version, settings.clusters[settings.live].version)
    with tempfile.TemporaryDirectory(prefix="emqx-plan-") as place:
        export = None if blue is None else await known(_export(blue, Path(place)))
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                facts, made = await asyncio.to_thread(_made, versions, wanted, export, source)
        except TimeoutError:
            return f"converting takes longer than the {LOOK_SECONDS:g} s of a preview"
    if blue is not None:
        await refuse_differing(blue, facts)
    return facts, made, "" if export is None else export.name


def _made(versions: tuple[str, str], wanted: Wanted, export: Path | None, source: Colour) -> tuple[Facts, Moving]:
    with refusing(source, "reading the configuration"):
        facts = facts_of(versions, wanted, [] if export is None else [export])
        return facts, moving(facts, now=0.0, jwt_key=wanted.jwt_key or "")


async def _export(blue: Cluster, place: Path) -> Path | None:
    """The newest export that lies there already, on our disk; None where there is none that can be got."""
    if blue.exports is None:
        return None
    there = await blue.exports.archives()
    if not there:
        return None
    path = place / there[0].filename
    try:
        await blue.exports.download(there[0], path)
    except UpgradeError:
        return None  # the update asks again, and says why
    return path
