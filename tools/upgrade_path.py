"""``make upgrade-path FROM=4.2.14 TO=5.8.x``: the hops from one version to another, and what each changes in the stack file.

The rule: a hop is two reviewed changes, the second of which takes the old colour away; what a person has to fill in stands in capitals.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence

from components.cutover.routes import CONDITIONS, Hop, RefusedRoute, route
from components.cutover.versions import KNOWN, BadVersion, newest, parse
from components.cutover.words import COLOURS, Colour, Edition, other

_ANY_PATCH = re.compile(r"[ve]?(\d{1,3})\.(\d{1,3})\.x", re.ASCII)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the path; status 2 where there is none."""
    parser = argparse.ArgumentParser(prog="make upgrade-path", description=__doc__)
    parser.add_argument("--from", dest="origin", required=True, metavar="VERSION")
    parser.add_argument("--to", dest="target", required=True, metavar="VERSION", help="5.8.x is the newest of 5.8")
    parser.add_argument("--edition", choices=("ee", "ce"), default="ee", help="of the old cluster")
    parser.add_argument("--edition-to", choices=("ee", "ce"), help="of the last one; left out: the same")
    parser.add_argument("--colour", choices=COLOURS, default="blue", help="the one that is live now")
    options = parser.parse_args(arguments)
    try:
        text = path(
            options.origin, options.target, options.edition, options.edition_to or options.edition, options.colour
        )
    except BadVersion as wrong:
        sys.stderr.write(f"refused: {wrong}\n")
        return 2
    sys.stdout.write(text)
    return 0


def path(origin: str, target: str, edition: Edition, edition_to: Edition, live: Colour) -> str:
    """All hops with their changes.

    Raises:
        BadVersion: no version, or no way leads there.

    """
    wanted = _patched(target, edition_to)
    answer = route(_patched(origin, edition), wanted, edition, edition_to)
    hops = answer.path if isinstance(answer, RefusedRoute) else answer.hops
    if isinstance(answer, RefusedRoute) and not hops:
        raise BadVersion(answer.reason)
    if not hops:
        return f"{origin} is {target}: nothing to do\n"
    lines = [
        f"# {len(hops)} hops from {origin} to {wanted}; each is reviewed and carried out before the next one begins"
    ]
    here = edition
    for number, hop in enumerate(hops, 1):
        there = edition_to if number == len(hops) or hop.target.major > 5 else here
        lines += ["", *_hop(number, hop, (here, there), live)]
        live, here = (live if "rolling" in hop.strategies and _inside(hop) else other(live)), there
    return "\n".join(lines) + "\n"


def _patched(version: str, edition: Edition) -> str:
    """``5.8.x`` as the newest 5.8 that is known."""
    found = _ANY_PATCH.fullmatch(version.strip())
    return version if found is None else str(newest((int(found[1]), int(found[2])), edition, KNOWN))


def _inside(hop: Hop) -> bool:
    """Whether the live colour itself gets the version: inside 4.x, where data need no conversion."""
    return hop.source.major == hop.target.major == 4 and hop.source.line >= (4, 3)


def _hop(number: int, hop: Hop, editions: tuple[Edition, Edition], live: Colour) -> Iterator[str]:
    yield f"# hop {number}: {hop}"
    yield from (f"#   {CONDITIONS[condition]}" for condition in hop.conditions)
    if _inside(hop):
        yield from (
            f"# change {number}.1: the nodes of {live} are rolled",
            "config:",
            "  emqx:clusters:",
            f"    {live}:",
        )
        yield from (f"      version: {hop.target}", "  emqx:cutover:", "    strategy: rolling")
        return
    new = other(live)
    yield f"# change {number}.1: {new} beside {live}, live: {new}"
    yield from ("config:", f"  emqx:live: {new}", "  emqx:clusters:", f"    {live}:")
    if hop.source.major == 4:
        yield from _old(hop)
    yield from (
        f"    {new}:",
        "      target: TARGET",
        f"      version: {hop.target}",
        f"      edition: {editions[1]}",
        "      nodes: NODES",
    )
    yield from ("  emqx:cutover:", "    strategy: two-cluster")
    if hop.source.major == 4:
        yield "    acknowledge: [sessions, WHAT-THE-PLAN-NAMES]"
    yield f"# change {number}.2, when {new} may keep the clients: {live} is taken out of emqx:clusters"


def _old(hop: Hop) -> Iterator[str]:
    """What only a person knows of a colour of 4.x."""
    yield "      configuration: [ETC-DIRECTORY, LOADED_PLUGINS, WHAT-STARTS-THE-NODES]"
    ways = '[ssh, "USER@{host}", cat, "{path}"]'
    yield "      exports: api" if parse(str(hop.source)).line < (4, 4) else f"      exports: {{ command: {ways} }}"
    yield "      # emqx:credentials.COLOUR.retained: an MQTT client that may subscribe to everything"


if __name__ == "__main__":
    sys.exit(main())
