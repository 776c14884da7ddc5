"""Versions and editions: exact, known, on a way that EMQX offers, never down, and with the licence that they need.

The rule: what may go where is `routes.json`, written from the components' own matrix; nothing here decides it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rules.base import CRITICAL, Rule, Seen, Setting, fields, items
from rules.stack_config import heard
from rules.tokens import BLUE_GREEN, CLUSTER_GUARD, CUTOVER

_VERSION = re.compile(r"[ve]?(\d{1,3})\.(\d{1,3})\.(\d{1,3})")


@cache
def routes() -> dict[str, Any]:
    """``releases``: the newest patch of each line by edition; ``routes``: by old and new line with edition, the strategies."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "routes.json").read_text(encoding="utf-8"))
    return found


def declared(props: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The declared colours by name."""
    return {entry["colour"]: entry for entry in items(props["declared"])}


def goes_forward(props: Mapping[str, Any]) -> bool:
    """Whether the cutover leads to a colour that has not served before: not the origin, not who serves alone, not blue where no balancer was."""
    to, holding = props["to"], items(props["holding"])
    return not (to == props.get("origin") or holding == [to] or (to == "blue" and not holding))


def rank(entry: Mapping[str, Any]) -> tuple[tuple[int, ...], bool]:
    """A higher version is newer, and of equal ones Enterprise."""
    return parsed(entry["version"]), entry["edition"] == "ee"


def parsed(text: str) -> tuple[int, ...]:
    """``5.8.6`` as numbers.

    Raises:
        ValueError: it is no exact version.

    """
    found = _VERSION.fullmatch(text)
    if found is None:
        message = f"{text[:20]!r} is no version"
        raise ValueError(message)
    return tuple(int(part) for part in found.groups())


def _shown(entry: Mapping[str, Any]) -> str:
    return f"{entry['version']} ({entry['edition']})"


def _downgrade(seen: Seen) -> Iterator[str]:
    """An older colour may be live where it serves, or was live before (the origin); blue also where no balancer was ever there."""
    props = seen.props
    colours, to = declared(props), props["to"]
    if not goes_forward(props) or "way_back" in items(props.get("acknowledge", ())):
        return
    for colour, entry in colours.items():
        if colour != to and rank(colours[to]) < rank(entry):
            yield (
                f"{to} has {_shown(colours[to])} and {colour} has {_shown(entry)}; the colour that becomes live must not be older"
                f" (emqx:clusters.{to}.version; for the way back, emqx:cutover.acknowledge: [way_back])"
            )


def _known(seen: Seen) -> Iterator[str]:
    for entry in items(seen.props["clusters"]):
        path, releases = f"emqx:clusters.{entry['colour']}", routes()["releases"].get(entry["edition"])
        if releases is None:
            yield f"edition {str(entry['edition'])[:20]!r} is none of {', '.join(routes()['releases'])} ({path}.edition)"
            continue
        try:
            major, minor, patch = parsed(entry["version"])
        except ValueError:
            yield f"version {str(entry['version'])[:20]!r} is not exact, write it like 5.8.11 ({path}.version)"
            continue
        newest = releases.get(f"{major}.{minor}")
        if newest is None or patch > newest:
            last = "no release of that line" if newest is None else f"{major}.{minor}.{newest} is the newest"
            yield f"{_shown(entry)} is not known: {last} ({path}.version)"


def _route(seen: Seen) -> Iterator[str]:
    """Where two colours are declared and clients go forward; in place, what the guard of the colour has seen decides (`version-kept`)."""
    props = seen.props
    colours, to = declared(props), props["to"]
    if len(colours) == 1 or not goes_forward(props) or "way_back" in items(props.get("acknowledge", ())):
        return
    (old,) = (entry for colour, entry in colours.items() if colour != to)
    yield from _not_allowed(old, colours[to], props["strategy"], f"emqx:clusters.{to}.version")


def _not_allowed(old: Mapping[str, Any], new: Mapping[str, Any], strategy: str, path: str) -> Iterator[str]:
    source, target = (f"{'.'.join(map(str, parsed(one['version'])[:2]))} {one['edition']}" for one in (old, new))
    allowed = routes()["routes"].get(source, {}).get(target, [])
    if strategy not in allowed:
        by = f"only by {' or '.join(allowed)}" if allowed else "by no strategy"
        yield f"{_shown(old)} -> {_shown(new)} is allowed {by}, and {strategy} is declared ({path}, emqx:cutover.strategy)"


def _kept(seen: Seen) -> Iterator[str]:
    """What a colour that stands runs is changed in place by `rolling` alone, and only over a route that it may take."""
    props = seen.props
    if not props["serves"]:
        return
    runs, path = props.get("runs"), f"emqx:clusters.{props['colour']}.version"
    new = {"version": props["version"], "edition": props["edition"]}
    if runs is None:
        if seen.settings["unreachable"] == "refuse":
            yield f"{props['colour']} serves and could not be asked what it runs, so {new['version']} may be a change ({path})"
        return
    for text in items(runs):
        old = {"version": text, "edition": new["edition"]}
        if parsed(text) == parsed(new["version"]):
            continue
        if not props["in_place"]:
            yield (
                f"{props['colour']} serves with {text} and is declared with {new['version']}: a version changes in place by"
                f" strategy rolling only ({path})"
            )
        elif parsed(text) < parsed(new["version"]):
            yield from _not_allowed(old, new, "rolling", path)


def _licence(seen: Seen) -> Iterator[str]:
    """From 5.9 on a cluster that we start needs a key; `evaluation` is one too, for 25 sessions and a single node."""
    first = tuple(routes()["licence_from"])
    for entry in items(seen.props["clusters"]):
        version, colour = parsed(entry["version"]), entry["colour"]
        if version >= first and entry["needs_licence"] and not _licensed(colour):
            yield (
                f"{colour} has {_shown(entry)}, which needs a licence key from {'.'.join(map(str, first))} on, and"
                f" emqx:credentials.{colour}.license is not set"
            )


def _licensed(colour: str) -> bool:
    config = heard()
    if config is None:
        message = "the engine did not tell the stack's configuration"
        raise ValueError(message)
    return bool(fields(fields(config.values.get("emqx:credentials") or {}).get(colour) or {}).get("license"))


def _open_source(seen: Seen) -> Iterator[str]:
    props = seen.props
    for entry in items(props["clusters"]):
        if entry["edition"] != "ce":
            continue
        path = f"emqx:clusters.{entry['colour']}"
        if props["mover"] == "evacuation":
            yield f"{entry['colour']} is open source, which has no evacuation (emqx:cutover.mover, {path}.edition)"
        for feature in items(entry["features"]):
            yield f"{entry['colour']} is open source, and {feature} is Enterprise's ({path}.edition)"


RULES = (
    Rule(
        "no-downgrade",
        "The colour that becomes live is not older than the one that served.",
        {CUTOVER},
        _downgrade,
        "Declare the newer version on the colour that becomes live; there is no downgrade, only the way back.",
        CRITICAL,
    ),
    Rule(
        "known-release",
        "Versions are exact, and version and edition are a release that is known.",
        {BLUE_GREEN},
        _known,
        "Write an exact released version (5.8.11) and edition (ce or ee); a newer release goes into components/cutover/versions.py first.",
    ),
    Rule(
        "route-served",
        "The move between two colours is one that EMQX's upgrade matrix allows with this strategy.",
        {CUTOVER},
        _route,
        "Take the way that `pulumi preview` names: another strategy, or one upgrade for each hop.",
        CRITICAL,
    ),
    Rule(
        "version-kept",
        "What a live colour runs is changed by strategy rolling only.",
        {CLUSTER_GUARD},
        _kept,
        "Declare the new version on the other colour, or set emqx:cutover.strategy: rolling.",
        CRITICAL,
        {
            "unreachable": Setting(
                "What is done when the live colour cannot be asked what it runs.",
                {"type": "string", "enum": ["refuse", "allow"]},
                "refuse",
            )
        },
    ),
    Rule(
        "licence-present",
        "A cluster of ours has a licence key where its version does not start without one.",
        {BLUE_GREEN},
        _licence,
        "Set it encrypted: pulumi config set --secret --path emqx:credentials.COLOUR.license < licence.key",
    ),
    Rule(
        "open-source-features",
        "Nothing is declared on open source that only Enterprise has.",
        {BLUE_GREEN},
        _open_source,
        "Declare edition ee, or leave out what only Enterprise has.",
    ),
)
