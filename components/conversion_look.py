"""What a plan says of a conversion before anything is touched: from where an export comes, what is lost, who may do what afterwards.

The rule: it makes no export and sends nothing; what lies there already is read into a directory that is gone afterwards, and what is not there
is said to be unknown, since the update makes one and refuses the same. The whole account is a file beside the plan, also when the plan is refused.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from components.conversion import APPENDIX, Look, birth, inputs_of, is_converted
from components.cutover.versions import leading, parse
from components.cutover.words import Colour, other
from components.emqx.base import Cluster
from components.emqx.errors import UpgradeError
from components.emqx.known import known
from components.emqx.models import Credentials, ExportsAccess
from components.intent import observed, target_of
from components.links.birth import Birth, Wanted
from components.links.conversion import (
    BOOTSTRAP,
    account_of,
    keys_to_enter,
    refuse_differing,
    summary,
    told,
    unacknowledged,
)
from components.links.given import apart_from, born, facts_of, refusing
from components.links.retained import unread
from components.migration.facts import Facts, read_export
from components.migration.hop_44_5.people import KEY_FILE
from components.migration.manifest import BadSource
from components.migration.moving import Keys, Moving, moving
from components.settings import Settings
from components.system.files import replace

LOOK_SECONDS = 40.0
_MOST_EXPORTS = 3
BEHAVIOUR = (
    "behaviour that changes for whoever owns the clients (docs/migrate-4.4-to-5.md, docs/migrate-4.2-to-4.3.md): TLS 1.3 and its ciphers, the order inside"
    " shared subscriptions, time stamps of the log and of the API, WebSocket sub-protocols, retired plugins, extension hooks by gRPC"
)


class _Made(NamedTuple):
    """What the update would convert, with the name of the export (empty: none is there) and the account as text."""

    facts: Facts
    moving: Moving
    name: str
    account: str


async def look(
    settings: Settings, apis: Mapping[Colour, Cluster], credentials: Mapping[str, Credentials]
) -> Look | None:
    """The look at the colour that is left; None where nothing is converted.

    Raises:
        Refused: its files are not understood, or not those of its nodes.

    """
    source = other(settings.live)
    inputs = inputs_of(settings)
    if inputs is None or not is_converted(settings):
        return None
    old, blue = settings.clusters[source], apis.get(source)
    way = "the API" if old.exports is None else old.exports.way
    lines = [
        f"  data of {source} are converted; its export comes from {way}, its configuration from {', '.join(old.configuration)}"
    ]
    wanted = Wanted.model_validate(inputs)
    made = await _converted(settings, source, blue, wanted, _keys(credentials.get(settings.live), wanted))
    more, missing = _told(settings, made, wanted)
    lines += more
    lines += await _born(settings, apis.get(settings.live))
    kept, unreached = await _copies(settings, source)
    lines.append(f"  {kept}")
    if unreached and "backup" not in wanted.acknowledge:
        missing["backup"] = unreached
    if blue is not None:
        account = credentials[source].retained if source in credentials else None
        count = await known(blue.retained_messages())
        fate = "read by an account and published again" if account else "lost: no account may read them"
        lines.append(f"  retained messages: {'unknown' if count is None else count}, {fate}")
        missing |= unread(count, account, acknowledged="retained" in wanted.acknowledge)
    lines.append(f"  {BEHAVIOUR}")
    if isinstance(made, str):
        return Look(tuple(lines), None, missing)
    await asyncio.to_thread(_keep, Path(settings.work_directory), made.account)
    return Look(tuple(lines), made.facts, missing, made.account)


def _keep(place: Path, account: str) -> None:
    with suppress(OSError):  # as the plan itself: whoever has to work there says so
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace(place / APPENDIX, account)


async def _copies(settings: Settings, source: Colour) -> tuple[str, str]:
    """What of the old nodes is copied before anything is touched, and what is not reached, in words; empty where all of it is."""
    handle = await asyncio.to_thread(observed, settings, source)
    if target_of(settings, source).ours or (handle is not None and handle.keeper is not None):
        return f"backup: data directory and configuration of each node of {source}, with sizes and sha256", ""
    kept = f"backup: the export of {source} and the configuration that the stack names, with sizes and sha256"
    return kept, f"data directories of {source} are not reached: nobody keeps its nodes; copy them yourself"


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
    found = await asyncio.to_thread(born, begins)
    names = ", ".join(found.told()) or "nothing"
    return [
        f"  nodes of {settings.live} begin with, from the configuration of {begins.source}: {names}",
        *(f"  not taken over: {one}" for one in found.left_out()),
    ]


def _told(settings: Settings, made: _Made | str, wanted: Wanted) -> tuple[list[str], dict[str, str]]:
    """What the conversion of what is there would lose, and what of it is not acknowledged."""
    if isinstance(made, str):
        return [f"  {made}; the update converts and refuses what it must"], {}
    short = summary(made.moving)
    by = (
        f"by the export {made.name}"
        if made.name
        else "without an export: the update makes one, with which users, rules and bans are told"
    )
    lines = [f"  {line}" for line in told(short, f"{by}; all of them in {APPENDIX} of the work directory")]
    if KEY_FILE in made.moving.bootstrap:
        lines.append(f"  {settings.live}: {keys_to_enter(f'{BOOTSTRAP}/{KEY_FILE} of the archive directory')}")
    return lines, unacknowledged(short, wanted.acknowledge) if made.name else {}


async def _converted(
    settings: Settings, source: Colour, blue: Cluster | None, wanted: Wanted, keys: Keys
) -> _Made | str:
    """What the update would convert; in words why nobody knows."""
    versions = (settings.clusters[source].version, settings.clusters[settings.live].version)
    with tempfile.TemporaryDirectory(prefix="emqx-plan-") as place:
        export = None if blue is None else await known(_export(blue, Path(place)))
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                made = await asyncio.to_thread(_made, versions, wanted, export, source, keys)
        except TimeoutError:
            return f"converting takes longer than the {LOOK_SECONDS:g} s of a preview"
    if blue is not None:
        await refuse_differing(blue, made.facts)
    return made


def _keys(live: Credentials | None, wanted: Wanted) -> Keys:
    return Keys() if live is None else Keys(imported=wanted.carry_api_keys and live.has_login, own=live.api_key)


def _made(versions: tuple[str, str], wanted: Wanted, export: Path | None, source: Colour, keys: Keys) -> _Made:
    with refusing(source, "reading the configuration"):
        facts = facts_of(versions, wanted, [] if export is None else [export])
        made = moving(facts, now=0.0, jwt_key=wanted.jwt_key or "", keys=keys)
        return _Made(facts, made, "" if export is None else export.name, account_of(made))


async def _export(blue: Cluster, place: Path) -> Path | None:
    """The newest export of its own that lies there already, on our disk; None where there is none that can be got.

    A colour that was converted itself has what was imported among them, which is of the version before.
    """
    if blue.exports is None:
        return None
    for facts in (await blue.exports.archives())[:_MOST_EXPORTS]:
        path = place / facts.filename
        try:
            await blue.exports.download(facts, path)
        except UpgradeError:
            continue  # the update makes one and says why it cannot be got
        if _named(blue.handle.exports, facts.filename) or await asyncio.to_thread(_is_of, path, blue.handle.version):
            return path
    return None


def _named(access: ExportsAccess | None, filename: str) -> bool:
    """Whether the stack names this very file; what it holds is then refused, not passed over."""
    return access is not None and access.kind == "path" and Path(access.path).name == filename


def _is_of(path: Path, version: str) -> bool:
    try:
        said = leading(str(read_export(path.name, path.read_text(encoding="utf-8")).data["version"]))
    except (BadSource, ValueError):
        return True  # refused for itself
    return said is None or said.line == parse(version).line
