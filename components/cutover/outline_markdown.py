"""The outline as Markdown for a pull request: short parts open, long ones folded, and never longer than a comment may be.

The rule: what comes from a cluster is escaped; what is cut says how much of it is missing and where all of it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from components.cutover.outline import Outline, minutes

MOST_CHARACTERS = 60_000
"""GitHub cuts a comment at 65,536 characters; the rest is for what a workflow writes around it."""
FOLDED_LINES = 15
LINE_CHARACTERS = 400


class Part(NamedTuple):
    """One part: its lines (``table`` is how many of them head a table), and whether it is text as it stands."""

    title: str
    lines: Sequence[str]
    table: int = 0
    raw: bool = False


def markdown(outline: Outline, full: str, *, most: int = MOST_CHARACTERS, whole: str = "plan.json") -> str:
    """The document; ``full`` is the text of the terminal, ``whole`` names what holds all of it when something is cut."""
    parts = [part._replace(lines=[_clipped(line) for line in part.lines]) for part in _parts(outline, full)]
    cut: dict[str, int] = {}
    while len(text := _document(outline, parts, cut, whole)) > most:
        longest = max(parts, key=lambda part: sum(map(len, part.lines)) if len(part.lines) > part.table + 1 else 0)
        index, kept = parts.index(longest), longest.table + (len(longest.lines) - longest.table) // 2
        cut[longest.title] = cut.get(longest.title, 0) + len(longest.lines) - kept
        parts[index] = longest._replace(lines=longest.lines[:kept])
    return text


def refused(why: str, *, most: int = MOST_CHARACTERS) -> str:
    """The document of an update that may not begin."""
    shown = why.replace("```", "'''")
    return f"# The update is refused; no device reconnects.\n\n```text\n{shown[: most - 200]}\n```\n"


def _document(outline: Outline, parts: Sequence[Part], cut: dict[str, int], whole: str) -> str:
    body = "\n".join(_shown(part, cut.get(part.title, 0), whole) for part in parts if part.lines)
    return f"# {_escaped(outline.headline)}\n\n{body}"


def _shown(part: Part, missing: int, whole: str) -> str:
    lines = list(part.lines)
    if missing and not part.raw:
        lines += ["", f"... and {missing} more lines, all of them in `{whole}` (artifact)"]
    elif missing:
        lines += [f"... and {missing} more lines, all of them in {whole} (artifact)"]
    block = "```text\n" + "\n".join(lines) + "\n```" if part.raw else "\n".join(lines)
    if part.raw or len(part.lines) > FOLDED_LINES:
        count = len(part.lines) - part.table + missing
        return f"<details><summary>{part.title} ({count} lines)</summary>\n\n{block}\n\n</details>\n"
    return f"## {part.title}\n\n{block}\n"


def _parts(outline: Outline, full: str) -> list[Part]:
    return [
        Part("Devices", _devices(outline)),
        Part("Steps", *_steps(outline)),
        Part("Route", _route(outline)),
        Part("Rules that hit", _rules(outline)),
        Part("Backup", _listed(outline.backup)),
        Part("Not carried over", _losses(outline)),
        Part("Room", _room(outline)),
        Part("Cost of the doubled period", _cost(outline)),
        Part("Way back", [f"- {_escaped(outline.back.way)}", f"- no return from: {_escaped(outline.back.no_return)}"]),
        Part("Not asked, and assumed", _assumed(outline)),
        Part("As in the terminal", full.replace("```", "'''").splitlines(), raw=True),
    ]


def _devices(outline: Outline) -> list[str]:
    devices = outline.devices
    if devices.count == 0:
        return ["- nobody is disconnected"]
    told = "not known how many" if devices.told_to_go is None else str(devices.told_to_go)
    return [
        f"- who: {_number(devices.count)} devices",
        f"- how often: {'once' if devices.times == 1 else f'at most {devices.times} times'} each",
        f"- when: {devices.begins or 'not known'}, {'for as long as nobody knows' if outline.seconds is None else f'for about {minutes(outline.seconds)}'}",
        f"- MQTT 5 clients that get a DISCONNECT: {told}",
    ]


def _steps(outline: Outline) -> tuple[list[str], int]:
    if not outline.steps:
        return [], 0
    head = ["| step | what | clients | mover | rate | minutes |", "|---|---|--:|---|--:|--:|"]
    rows = [
        f"| {_escaped(step.name)} | {_escaped(step.what)} | {_number(step.clients) if step.mover else ''} | {step.mover or ''}"
        f" | {f'{step.rate_per_second}/s' if step.rate_per_second else ''} | {_minutes(step.seconds)} |"
        for step in outline.steps
    ]
    return [*head, *rows], len(head)


def _route(outline: Outline) -> list[str]:
    way = outline.route
    if way is None:
        return []
    refused = [f"- **refused**: {_escaped(way.refused)}"] if way.refused else []
    return [f"- {way.source} to {way.target} by `{way.strategy}`", *refused, *_listed(way.conditions)]


def _rules(outline: Outline) -> list[str]:
    return [
        f"- **{rule.id}** ({rule.severity}{', acknowledged' if rule.acknowledged else ''}{'' if rule.hits else ', asks'}):"
        f" {_escaped(rule.change)} Remedy: {_escaped(rule.remedy)}"
        for rule in outline.rules
    ]


def _losses(outline: Outline) -> list[str]:
    found = []
    for loss in outline.losses:
        answer = ""
        if loss.answered_by is not None:
            said = loss.answered_by in outline.acknowledged
            answer = f" ({'acknowledged' if said else 'not acknowledged'}: `{loss.answered_by}`)"
        count = "" if loss.count is None and loss.answered_by is None else f"{_number(loss.count)} "
        found.append(f"- {count}{_escaped(loss.what)}{answer}")
    others = [word for word in outline.acknowledged if word not in {loss.answered_by for loss in outline.losses}]
    return found + (
        [f"- acknowledged besides: {', '.join(f'`{_escaped(word)}`' for word in others)}"] if others else []
    )


def _room(outline: Outline) -> list[str]:
    room = outline.room
    if room.limit is None:
        licence = "the licence of the live colour is not known"
    elif room.limit == 0:
        licence = "no licence limits sessions"
    else:
        free = "" if room.free is None else f", {room.free} stay free"
        licence = f"the licence allows {room.limit} sessions, {_number(room.sessions)} will be there{free}"
    accepts = (
        []
        if room.accepts_per_second is None
        else [f"- listeners accept {room.accepts_per_second} connections a second"]
    )
    return [f"- nodes: {room.nodes_before} before, {room.nodes_after} after", f"- {licence}", *accepts]


def _cost(outline: Outline) -> list[str]:
    cost = outline.cost
    if cost.nodes == 0:
        return ["- no node is doubled"]
    hours = "an unknown time" if cost.hours is None else f"{cost.hours:g} h"
    return [
        f"- {cost.nodes} more nodes for at least {hours}: {_number(cost.node_hours)} node hours, until the old colour is removed"
    ]


def _assumed(outline: Outline) -> list[str]:
    silent = [f"- {colour} could not be asked: {_escaped(why)}" for colour, why in sorted(outline.not_asked.items())]
    return [*silent, *_listed(outline.assumptions)]


def _listed(words: Iterable[str]) -> list[str]:
    return [f"- {_escaped(word)}" for word in words]


def _minutes(seconds: float | None) -> str:
    return "until clear" if seconds is None else f"{seconds / 60:.1f}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    """Text that ends no cell, tag or line."""
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").split())


def _clipped(line: str) -> str:
    return line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]} ..."
