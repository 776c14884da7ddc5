"""Rules on the declared colours: no downgrade, nobody left behind, room for everybody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rules.closed import items, policy, whole
from rules.tokens import CUTOVER, MQTT_BALANCER

_VERSION = re.compile(r"[ve]?(\d{1,3})\.(\d{1,3})\.(\d{1,3})")


def _downgrade(_: str, props: Mapping[str, Any]) -> Iterator[str]:
    """`live: blue` beside a newer green is an upgrade that has not begun, or the way back; the other three cases are a downgrade."""
    declared = _declared(props)
    to = props["to"]
    for colour, entry in declared.items():
        older = _version(declared[to]["version"]) < _version(entry["version"])
        if colour != to and older and to != "blue" and "way_back" not in items(props.get("acknowledge", ())):
            yield (
                f"{to} has {declared[to]['version']} and {colour} has {entry['version']}; the colour that becomes live must not be"
                f" older (emqx:clusters.{to}.version; for the way back, emqx:cutover.acknowledge: [way_back])"
            )


def _declared_while_serving(token: str, props: Mapping[str, Any]) -> Iterator[str]:
    """A cutover needs both colours; the balancer needs the live one, and the one that served before it as long as that is known."""
    cutover = token == CUTOVER
    declared = set(_declared(props)) if cutover else set(items(props["colours"]))
    needed = {"blue", "green"} if cutover else {props["live"]}
    before = props.get("serving_before")
    for colour in sorted(needed | ({before} if before else set())):
        if colour not in declared:
            yield f"{colour} is not declared, but clients may be on it ({', '.join(sorted(declared)) or 'nothing'} is; emqx:clusters)"
    if cutover and props["to"] != props["live"]:
        yield f"the cutover goes to {props['to']}, but live is {props['live']} (emqx:live)"


def _capacity(_: str, props: Mapping[str, Any]) -> Iterator[str]:
    """The newer colour must have the nodes; of two equal versions green is the newer."""
    declared = _declared(props)
    blue, green = declared["blue"], declared["green"]
    newer, older = ("blue", "green") if _version(blue["version"]) > _version(green["version"]) else ("green", "blue")
    has, needs = whole(declared[newer]["nodes"]), whole(declared[older]["nodes"])
    if has < needs:
        yield f"{newer} has {has} nodes, at least the {needs} of {older} are needed (emqx:clusters.{newer}.nodes)"


def _declared(props: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {entry["colour"]: entry for entry in items(props["declared"])}


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
    {CUTOVER, MQTT_BALANCER},
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
