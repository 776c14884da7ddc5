"""The declared colours: the live one is there and protected, nobody is left behind, and there is room for everybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rules.base import CRITICAL, Rule, Seen, fields, items, number, whole
from rules.tokens import (
    BLUE_GREEN,
    CLUSTER_GUARD,
    CUTOVER,
    INSTANCES_SHARE,
    KUBERNETES_SHARE,
    MQTT_BALANCER,
    WEIGHED_BALANCER,
)
from rules.versions import declared, rank


def _live_declared(seen: Seen) -> Iterator[str]:
    colours = [entry["colour"] for entry in items(seen.props["clusters"])]
    if seen.props["live"] not in colours:
        yield f"{seen.props['live']} is live and not declared ({', '.join(colours) or 'nothing'} is; emqx:live, emqx:clusters)"


def _declared_while_serving(seen: Seen) -> Iterator[str]:
    """The balancer needs the live colour, and every colour that has a share of its clients."""
    colours, holding = items(seen.props["colours"]), items(seen.props["holding"])
    for colour in sorted({seen.props["live"], *holding}):
        if colour not in colours:
            why = "clients may be on it" if colour in holding else "it is live"
            yield f"{colour} is not declared, but {why} ({', '.join(colours) or 'nothing'} is declared; emqx:clusters)"


def _pair(props: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The newer colour and the older one; of two equal ones the one that is gone to is newer, green where nothing tells it."""
    colours, holding = declared(props), items(props["holding"])
    if props.get("in_place") is True and list(colours) == [props["to"]]:
        return None  # nodes of the one colour are upgraded in place, so it has as many as it had
    blue, green = rank(colours["blue"]), rank(colours["green"])
    source = props.get("origin") or (holding[0] if len(holding) == 1 else "blue")
    newer = ("blue" if source == "green" else "green") if blue == green else "blue" if blue > green else "green"
    return colours[newer], colours["green" if newer == "blue" else "blue"]


def _capacity(seen: Seen) -> Iterator[str]:
    pair = _pair(seen.props)
    if pair is None:
        return
    newer, older = pair
    has, needs = whole(newer["nodes"]), whole(older["nodes"])
    if has < needs:
        yield (
            f"{newer['colour']} has {has} nodes, at least the {needs} of {older['colour']} are needed"
            f" (emqx:clusters.{newer['colour']}.nodes)"
        )


def _as_large(seen: Seen) -> Iterator[str]:
    """Of what both colours say of a node's size; a target that says nothing of it has none that a stack could give."""
    pair = _pair(seen.props)
    if pair is None:
        return
    newer, older = (one["colour"] for one in pair)
    has, needs = (fields(one["size"]) for one in pair)
    for kind in sorted(has.keys() & needs.keys()):
        if number(has[kind]) < number(needs[kind]):
            yield (
                f"a node of {newer} has {number(has[kind]):g} {kind}, at least the {number(needs[kind]):g} of {older} are needed"
                f" (emqx:clusters.{newer})"
            )


def _protected(seen: Seen) -> Iterator[str]:
    if seen.props["serves"] and not seen.protect:
        yield f"{seen.props['colour']} serves and Pulumi does not protect it (emqx:protect)"


RULES = (
    Rule(
        "live-declared",
        "The colour that is live is declared.",
        {BLUE_GREEN},
        _live_declared,
        "Declare the live colour in emqx:clusters, or set emqx:live to one that is.",
        CRITICAL,
    ),
    Rule(
        "old-colour-declared",
        "The old colour stays declared while it may serve, and both are never taken away.",
        {MQTT_BALANCER, INSTANCES_SHARE, KUBERNETES_SHARE, WEIGHED_BALANCER},
        _declared_while_serving,
        "Keep both colours in emqx:clusters until the old one is drained and soaked; remove it in a change of its own.",
        CRITICAL,
    ),
    Rule(
        "capacity",
        "The new colour has at least the nodes of the old one.",
        {CUTOVER},
        _capacity,
        "Give the new colour at least as many nodes as the old one.",
    ),
    Rule(
        "as-large",
        "A node of the new colour is at least as large as one of the old one.",
        {CUTOVER},
        _as_large,
        "Give the nodes of the new colour at least what those of the old one have.",
    ),
    Rule(
        "live-protected",
        "Pulumi itself refuses to delete the colour that serves.",
        {CLUSTER_GUARD},
        _protected,
        "Leave emqx:protect at true; only a destroy that is meant takes it away, without this pack.",
    ),
)
