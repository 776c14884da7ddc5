"""Writes the drawings and tables of docs/two-cluster.md and docs/same-cluster.md from the code's own tables (`python -m tools.draw_sequence [--check]`).

The order of the links comes from the program itself, run under Pulumi's mocks; what a step does comes from the plan; states, gates and
the report's fields come from their types. Only the words on the arrows stand here, and a link or an act without words stops it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pulumi

from components.cutover import gates
from components.cutover.evacuation import DONE_STATES
from components.cutover.facts import Thresholds
from components.cutover.plan import DRAIN, Desired, Transition, World, plan
from components.cutover.steps import Step
from components.cutover.words import PARTS, Colour, Mover, other
from components.emqx.answers import EvacuationState
from components.intent import load
from components.report.model import Report
from components.settings import Settings
from components.upgrade import CHAIN, BlueGreen
from tools.sequence_words import CLOSING, WAITING, Arrow, Words
from tools.sequence_words import ONE_CLUSTER as ONE_CLUSTER_WORDS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "two-cluster.md"
ONE_CLUSTER = DOCUMENT.with_name("same-cluster.md")
PREFIX = "pulumi-python:dynamic/emqx:"
TO: Colour = "green"
CONFIG = {
    "live": TO,
    "clusters": json.dumps(
        {
            "blue": {"target": "local", "version": "5.8.6", "nodes": 3},
            TO: {"target": "local", "version": "5.8.9", "nodes": 3},
        }
    ),
    "cutover": json.dumps({"steps": [{"share": 10}, {"hold": 30}, {"gate": True}, {"share": 100}]}),
}

BUILT: tuple[Mover, ...] = ("close", "kick", "evacuation")

LINKS: dict[str, tuple[Arrow, ...]] = {
    "Cutover": (
        ("up", "balancer", "ask share and memory: forward, back or nothing"),
        ("up", "balancer", "take the lease: run, origin, began_at. Forget drained_at"),
        ("up", "{to}", "stop every evacuation"),
        ("up", "balancer", "wait until each node of {to} is fully up"),
    ),
    "DataExport": (
        ("up", "{old}", "inventory, then one archive for each table set"),
        ("{old}", "up", "archives, kept in workDirectory/archives with their sha256"),
    ),
    "DataImport": (
        ("up", "{to}", "refuse unless it is empty, then upload and import, all on one node"),
        ("up", "{to}", "restore orders, remove foreign $SYS, carry delayed messages"),
        ("up", "balancer", "remember imported"),
    ),
    "Verification": (
        ("up", "{to}", "ready on every node, twice, then licence, files, inventory"),
        ("up", "{old}", "the probes' questions, for reference"),
        ("up", "{to}", "the same questions, on every node"),
    ),
    "Drain": (
        ("up", "balancer", "remember drained_at"),
        ("up", "up", "close the journal, write report.json and report.html"),
    ),
}
"""What the links do beside the plan's acts (for ``Drain`` after them)."""

LAST: tuple[Arrow, ...] = (
    ("up", "balancer", "close whoever is on {old} again, then nobody is"),
    ("up", "{old}", "Enterprise: evacuate all nodes, so that the door stays shut"),
    ("up", "{old}", "wait: nobody connected, every node past evicting_conns"),
)
"""The plan's last act."""

ACTS: dict[str, tuple[Arrow, ...]] = {
    **WAITING,
    "move": (*CLOSING, ("up", "{old}", "end the sessions that they left behind")),
}


class Link(NamedTuple):
    """A registered link: its name, its type token, and the link whose token it waits for."""

    name: str
    type: str
    after: str


WORDS: Mapping[str, Words] = {
    "two-cluster": Words(LINKS, ACTS, LAST),
    "same-cluster": ONE_CLUSTER_WORDS,
}


class _Recorder(pulumi.runtime.Mocks):
    """Keeps the links that the program registers."""

    def __init__(self) -> None:
        self.links: list[Link] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Answer with the token that the next link waits for."""
        inputs = {key: value for key, value in dict(args.inputs).items() if key != "__provider"}
        if args.typ.startswith(PREFIX) and args.name.startswith(CHAIN):
            self.links.append(Link(args.name, args.typ.removeprefix(PREFIX), inputs.get("after", "")))
        handle = {"colour": args.name[:5].rstrip("-"), "version": "5.8.9", "nodes": []}
        told = {"handle": handle, "mqtt": "", "admin": [], "maps": "", "router": "haproxy"}
        return args.name, {**inputs, **told, "token": args.name, "facts": {}, "direction": "forward"}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        """Refuse: the program calls nothing."""
        raise AssertionError(args.token)


def chain(settings: Settings) -> list[Link]:
    """The links in the order in which one waits for the other, from the program itself."""
    recorder = _Recorder()
    pulumi.runtime.set_mocks(recorder, project="emqx", stack="drawing", preview=False)
    declare = pulumi.runtime.test(lambda: BlueGreen("fleet", settings) and None)  # type: ignore[no-untyped-call]  # the SDK's own
    declare()
    following = {link.after: link for link in recorder.links}
    ordered = [following[""]]
    while ordered[-1].name in following:
        ordered.append(following[ordered[-1].name])
    if len(ordered) != len(recorder.links):
        raise SystemExit(f"the links are no chain: {recorder.links}")
    return ordered


def acts(steps: Sequence[Step], mover: Mover) -> list[Transition]:
    """What the plan has for a move to ``TO`` that finds it healthy and empty."""
    return list(plan(World(share=0, healthy=frozenset({"blue", "green"})), Desired(TO, tuple(steps), mover)))


def sequence(links: Sequence[Link], steps: Sequence[Step], words: Words) -> Iterator[str]:
    """The drawing: a forward run on Enterprise, whose mover is close."""
    old = other(TO)
    yield "```mermaid"
    yield "sequenceDiagram"
    yield "  autonumber"
    for participant in ("up", "balancer", old, TO, "devices"):
        yield f"  participant {participant}{' as pulumi up' if participant == 'up' else ''}"
    for link in links:
        yield f"  Note over up: {link.name}"
        todo = [one for one in acts(steps, "close") if one.step == _step(link)]
        arrows = [(arrow, one) for one in todo for arrow in (words.last if one.step == DRAIN else words.acts[one.act])]
        if link.type != "TrafficShift":
            nothing = Transition("judge", "", TO, PARTS)
            arrows += [(arrow, nothing) for arrow in words.links[link.type]]
        for (start, end, told), one in arrows:
            text = told.format(old=old, to=TO, parts=f"{one.parts:,}", seconds=one.seconds)
            yield f"  {start.format(old=old, to=TO)}->>{end.format(old=old, to=TO)}: {text}"
    yield "```"


def links_table(links: Sequence[Link], steps: Sequence[Step], _words: Words) -> Iterator[str]:
    """What is declared, and the plan's acts in each link, by mover."""
    yield "| | resource | type token | waits for | acts, one by one | acts, with evacuation |"
    yield "|---|---|---|---|---|---|"
    for number, link in enumerate(links, 1):
        done = {mover: ", ".join(one.act for one in acts(steps, mover) if one.step == _step(link)) for mover in BUILT}
        if done["close"] != done["kick"]:
            raise SystemExit(f"{link.name} has other acts with close than with kicks: give each a column")
        yield f"| {number} | `{link.name}` | `{PREFIX}{link.type}` | {_code(link.after)} | {done['close']} | {done['evacuation']} |"


def states(_links: Sequence[Link], _steps: Sequence[Step], _words: Words) -> Iterator[str]:
    """EMQX's evacuation states in their order; the drain is done in those that are marked."""
    names = get_args(EvacuationState)
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "  direction LR"
    yield f"  [*] --> {names[0]}: start"
    for before, name in pairwise(names):
        yield f"  {before} --> {name}"
    yield f"  {names[-1]} --> [*]: stop"
    for name in names:
        if name in DONE_STATES:
            yield f"  {name}: {name} (drained)"
    yield "```"


def gates_table(_links: Sequence[Link], _steps: Sequence[Step], _words: Words) -> Iterator[str]:
    """The gates, then the other thresholds, with their defaults."""
    yield "| key below `emqx:cutover.gates` | default | |"
    yield "|---|---|---|"
    judged, defaults = gates.names(Thresholds()), Thresholds()
    for name, field in Thresholds.model_fields.items():
        value = getattr(defaults, name)
        kind = "gate" if name in judged else "gate, off" if value is None else "bound of the gates"
        yield f"| `{field.alias}` | {'off' if value is None else f'{value:g}'} | {kind} |"


def fields(_links: Sequence[Link], _steps: Sequence[Step], _words: Words) -> Iterator[str]:
    """The report's fields and what they are made of."""
    yield "| field | made of |"
    yield "|---|---|"
    for name, field in Report.model_fields.items():
        parts = [part for part in (field.annotation, *get_args(field.annotation)) if hasattr(part, "model_fields")]
        inner = ", ".join(f"`{one}`" for one in parts[0].model_fields) if parts else _type(field.annotation)
        yield f"| `{name}` | {inner} |"


def _type(annotation: Any) -> str:
    told = getattr(annotation, "__name__", str(annotation)) if not get_args(annotation) else str(annotation)
    return told.replace(" | None", ", or null").replace("tuple[str, ...]", "list of str")


def _step(link: Link) -> str:
    return link.name.removeprefix(f"{CHAIN}-")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


PARTS_OF_THE_DOCUMENT: dict[str, Callable[[Sequence[Link], Sequence[Step], Words], Iterator[str]]] = {
    "sequence": sequence,
    "links": links_table,
    "states": states,
    "gates": gates_table,
    "report": fields,
}


def drawn(document: str, strategy: str = "two-cluster") -> str:
    """The document of a strategy with every part between its markers made anew."""
    cutover = {**json.loads(CONFIG["cutover"]), "strategy": strategy}
    settings = load({**CONFIG, "cutover": json.dumps(cutover)}.get, stack="drawing")
    links, steps, parts = chain(settings), settings.cutover.steps, PARTS_OF_THE_DOCUMENT
    for name in parts if strategy == "two-cluster" else ("sequence", "links"):
        begin, end = f"<!-- drawn: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"the document of {strategy} has no markers of {name}")
        document = before + begin + "\n".join(parts[name](links, steps, WORDS[strategy])) + "\n" + end + after
    return document


def main(arguments: Sequence[str]) -> int:
    """Write the parts into the documents; with ``--check`` only say whether they are current."""
    parser = argparse.ArgumentParser(prog="python -m tools.draw_sequence", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when a document is not current")
    check = parser.parse_args(arguments).check
    for strategy, document in {"two-cluster": DOCUMENT, "same-cluster": ONE_CLUSTER}.items():
        was = document.read_text(encoding="utf-8")
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as apart:
            # Pulumi's mocks stay for the rest of a process: a second program in it would be half a one
            now = apart.submit(drawn, was, strategy).result()
        if check and was != now:
            sys.stderr.write(f"{document.name} is not what the code says: run `python -m tools.draw_sequence`\n")
            return 1
        if was != now:
            document.write_text(now, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
