"""What the stack gives of an old colour of 4.x: its files, read as facts, and what new nodes have to be born with by them.

Rule: a file that is not understood is refused by its name and place, with what to give instead; no value of it is in the message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.cutover.versions import parse
from components.emqx.base import Cluster
from components.emqx.effective import tree_of
from components.emqx.errors import Refused
from components.links.birth import Birth, Wanted
from components.migration.bootstrap import Bootstrap, apart, apart_of_old, bootstrap
from components.migration.facts import Facts, Plan
from components.migration.loading import load, require_all_read
from components.migration.manifest import BadSource


def born(birth: Birth) -> Bootstrap:
    """What the new nodes are born with.

    Raises:
        Refused: a file is not there, or is not understood.

    """
    with refusing(birth.source, "reading the configuration"):
        return bootstrap(facts_of(birth.versions, birth.wanted, ()), jwt_key=birth.wanted.jwt_key or "")


async def apart_from(green: Cluster, birth: Birth) -> list[str]:
    """Each setting of nodes that are there already which is not as the old configuration wants it; nothing where they show none.

    Raises:
        Refused: a file of the old colour is not understood.

    """
    found = await asyncio.to_thread(born, birth)
    if found.files:
        shown = await green.shown()
        new = plan_of((birth.versions[1],) * 2, birth.wanted)
        return [] if shown is None else apart_of_old(found, new, shown)
    text = await green.configs_text(green.node_names[0])
    tree = None if text is None else tree_of(text)
    return [] if tree is None else apart(found, tree, ours=birth.wanted.ours)


def plan_of(versions: tuple[str, str], wanted: Wanted) -> Plan:
    """The hop."""
    old, new = map(parse, versions)
    return Plan(old, new, *wanted.editions, strategy="two-cluster", credential=wanted.credential_type)


def facts_of(versions: tuple[str, str], wanted: Wanted, exports: Iterable[Path]) -> Facts:
    """The old colour's files, read.

    Raises:
        BadSource: one that is not there, or is not understood.

    """
    paths = (*(Path(one).expanduser() for one in wanted.configuration), *exports)
    return require_all_read(load(plan_of(versions, wanted), paths))


@contextmanager
def refusing(source: str, tried: str) -> Iterator[None]:
    """Files that are not understood refuse what was ``tried``."""
    try:
        yield
    except BadSource as bad:
        seen = ", ".join(filter(None, (bad.file, bad.place, bad.seen)))
        todo = (
            f"{bad.remedy} (emqx:clusters.{source}.configuration, credentialType, jwtKey); then run `pulumi up` again"
        )
        refused = Refused(tried, node=source, seen=seen, todo=todo)
    else:
        return
    raise refused
