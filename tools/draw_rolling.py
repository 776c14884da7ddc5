"""Writes the drawing and the table of docs/rolling.md from the code's own tables (`python -m tools.draw_rolling [--check]`).

The links and their order come from the program itself, run under Pulumi's mocks; what is done with a node comes from the plan of a roll. Only the
words on the arrows stand here, and a link or an act without words stops it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.cutover.roll import Act, Release, RollNode, acts
from components.intent import load
from tools.draw_sequence import PREFIX, Link, chain
from tools.sequence_words import Arrow

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "rolling.md"
CONFIG = {
    "live": "blue",
    "clusters": json.dumps({"blue": {"target": "local", "version": "5.8.9", "edition": "ce", "nodes": 3}}),
    "cutover": json.dumps({"strategy": "rolling"}),
}
FIRST: tuple[Arrow, ...] = (
    ("up", "others", "what does each node run, who is connected, room for all on all nodes but one"),
    ("up", "balancer", "take the lease"),
)
BACKUP: tuple[Arrow, ...] = (("up", "others", "export the data, kept in workDirectory/archives"),)
BEFORE: tuple[Arrow, ...] = (("up", "others", "the configuration of every node, compared with what was seen last"),)
ACTS: dict[Act, tuple[Arrow, ...]] = {
    "shut": (("up", "balancer", "remember the node, and drain it: new clients go to the others"),),
    "move": (
        ("up", "balancer", "close the connections of its clients, at the budget"),
        ("balancer", "devices", "FIN"),
        ("devices", "others", "connect again through the balancer, with their sessions"),
        ("up", "node", "Enterprise: evacuate to the others, until prohibiting"),
        ("up", "others", "open source: take over the sessions of clients that are offline"),
    ),
    "stop": (
        ("up", "balancer", "take it out (maint)"),
        ("up", "node", "SIGTERM, and wait until the others do not see it running"),
    ),
    "copy": (("up", "up", "copy its configuration and data, with sizes and sha256"),),
    "start": (("up", "node", "start the declared version on its data"),),
    "ready": (
        ("up", "others", "every node sees all members running, tables in step, twice in a row"),
        ("up", "node", "Enterprise: stop the evacuation, which has outlived the restart"),
        ("up", "node", "right, wrong and anonymous MQTT clients, twice in a row"),
    ),
    "open": (("up", "balancer", "ready, wait until it is up, forget the node"),),
}
AFTER: tuple[Arrow, ...] = (
    ("up", "others", "judge the gates"),
    ("up", "others", "the configuration again: a change from outside stops here"),
)
LAST: tuple[Arrow, ...] = (
    ("up", "balancer", "close connections of the fullest nodes, at the budget, until all are even"),
    ("up", "up", "close the journal, write report.json and report.html"),
)


def whole_node() -> list[Act]:
    """What the plan has for a node on which nothing is done yet."""
    return list(acts(RollNode("node", Release("5.8.8", "ce"), clients=1), Release("5.8.9", "ce")))


def sequence(links: Sequence[Link]) -> Iterator[str]:
    """The drawing: one node in full, the others as it."""
    yield "```mermaid"
    yield "sequenceDiagram"
    yield "  autonumber"
    for participant in ("up as pulumi up", "balancer", "node as the node", "others as the other nodes", "devices"):
        yield f"  participant {participant}"
    rolled = [link.name for link in links if link.type == "NodeUpgrade"]
    words = {"Cutover": FIRST, "Backup": BACKUP, "Rebalance": LAST}
    words["NodeUpgrade"] = (*BEFORE, *(arrow for act in whole_node() for arrow in ACTS[act]), *AFTER)
    for link in links:
        yield f"  Note over up: {link.name}"
        if link.name in rolled[1:]:
            yield f"  up->>up: the next node, as in {rolled[0]}"
            continue
        for start, end, said in words[link.type]:
            yield f"  {start}->>{end}: {said}"
    yield "```"


def links_table(links: Sequence[Link]) -> Iterator[str]:
    """What is declared, and the plan's acts in each link."""
    yield "| | resource | type token | waits for | acts |"
    yield "|---|---|---|---|---|"
    for number, link in enumerate(links, 1):
        done = ", ".join(whole_node()) if link.type == "NodeUpgrade" else ""
        after = f"`{link.after}`" if link.after else ""
        yield f"| {number} | `{link.name}` | `{PREFIX}{link.type}` | {after} | {done} |"


def drawn(document: str) -> str:
    """The document with every part between its markers made anew."""
    links = chain(load(CONFIG.get, stack="drawing"))
    for name, make in (("sequence", sequence), ("links", links_table)):
        begin, end = f"<!-- drawn: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"{DOCUMENT.name} has no markers of {name}")
        document = before + begin + "\n".join(make(links)) + "\n" + end + after
    return document


def main(arguments: Sequence[str]) -> int:
    """Write the parts into the document; with ``--check`` only say whether it is current."""
    parser = argparse.ArgumentParser(prog="python -m tools.draw_rolling", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when the document is not current")
    check = parser.parse_args(arguments).check
    was = DOCUMENT.read_text(encoding="utf-8")
    now = drawn(was)
    if was == now:
        return 0
    if check:
        sys.stderr.write(f"{DOCUMENT.name} is not what the code says: run `python -m tools.draw_rolling`\n")
        return 1
    DOCUMENT.write_text(now, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
