"""Rules on the declared colours: no downgrade, nobody left behind, room for everybody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rules.closed import items, policy, whole
from rules.tokens import CUTOVER, MQTT_BALANCER

_VERSION = re.compile(r"[ve]?(\d{1,3})\.(\d{1,3})\.(\d{1,3})")


def _downgrade(_: str, props: Mapping[str, Any]) -> Iterator[str]:
    """An older colour may be live where it serves, or was live before (the origin); blue also where no balancer was ever there."""
    declared, to, holding = _declared(props), props["to"], items(props["holding"])
    stays = to == props.get("origin") or holding == [to] or (to == "blue" and not holding)
    if stays or "way_back" in items(props.get("acknowledge", ())):
        return
    for colour, entry in declared.items():
        if colour != to and _rank(declared[to]) < _rank(entry):
            yield (
                f"{to} has {_shown(declared[to])} and {colour} has {_shown(entry)}; the colour that becomes live must not be older"
                f" (emqx:clusters.{to}.version; for the way back, emqx:cutover.acknowledge: [way_back])"
            )


def _declared_while_serving(_: str, props: Mapping[str, Any]) -> Iterator[str]:
    """The balancer needs the live colour, and every colour that has a share of its clients."""
    declared, holding = items(props["colours"]), items(props["holding"])
    for colour in sorted({props["live"], *holding}):
        if colour not in declared:
            why = "clients may be on it" if colour in holding else "it is live"
            yield f"{colour} is not declared, but {why} ({', '.join(declared) or 'nothing'} is declared; emqx:clusters)"


def _capacity(_: str, props: Mapping[str, Any]) -> Iterator[str]:
    """The newer colour must have the nodes; of two equal ones the one that is gone to, green where nothing tells it."""
    declared, holding = _declared(props), items(props["holding"])
    if props.get("in_place") is True and list(declared) == [props["to"]]:
        return  # nodes of the one colour are upgraded in place, so it has as many as it had
    blue, green = _rank(declared["blue"]), _rank(declared["green"])
    source = props.get("origin") or (holding[0] if len(holding) == 1 else "blue")
    newer = ("blue" if source == "green" else "green") if blue == green else "blue" if blue > green else "green"
    older = "green" if newer == "blue" else "blue"
    has, needs = whole(declared[newer]["nodes"]), whole(declared[older]["nodes"])
    if has < needs:
        yield f"{newer} has {has} nodes, at least the {needs} of {older} are needed (emqx:clusters.{newer}.nodes)"


def _declared(props: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {entry["colour"]: entry for entry in items(props["declared"])}


def _rank(entry: Mapping[str, Any]) -> tuple[tuple[int, ...], bool]:
    """A higher version is newer, and of equal ones Enterprise."""
    return _version(entry["version"]), entry["edition"] == "ee"


def _shown(entry: Mapping[str, Any]) -> str:
    return f"{entry['version']} ({entry['edition']})"


def _version(text: str) -> tuple[int, ...]:
    found = _VERSION.fullmatch(text)
    if found is None:
        message = f"{text[:20]!r} is no version"
        raise ValueError(message)
    return tuple(int(part) for part in found.groups())


no_downgrade = policy(
    "no-downgrade",
    "The colour that becomes live is not older than the one that served.",
    {CUTOVER},
    _downgrade,
    "Declare the newer version on the colour that becomes live; there is no downgrade, only the way back.",
)
old_colour_declared = policy(
    "old-colour-declared",
    "The old colour stays declared while it may serve.",
    {MQTT_BALANCER},
    _declared_while_serving,
    "Keep both colours in emqx:clusters until the old one is drained and soaked; remove it in a change of its own.",
)
capacity = policy(
    "capacity",
    "The new colour has at least the nodes of the old one.",
    {CUTOVER},
    _capacity,
    "Give the new colour at least as many nodes as the old one.",
)
