"""What the stack gives of an old colour of 4.x: its files, read as facts, and what new nodes have to be born with by them.

Rule: a file that is not understood is refused by its name and place, with what to give instead; no value of it is in the message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.cutover.versions import parse
from components.cutover.words import Edition
from components.emqx.base import Cluster
from components.emqx.effective import tree_of
from components.emqx.errors import Refused
from components.migration.bootstrap import Bootstrap, apart, apart_of_old, bootstrap
from components.migration.facts import Credential, Facts, Plan
from components.migration.loading import load, require_all_read
from components.migration.manifest import BadSource
from components.value import Value


class Wanted(Value):
    """What the stack says of a conversion: where the configuration of the old colour lies, its decisions, and the editions, old one first.

    ``ours`` is whether the new nodes are made by a target of ours, whose doors are its own; ``carry_api_keys`` whether keys of applications are imported where
    somebody may log in.
    """

    configuration: tuple[str, ...]
    credential_type: Credential | None = None
    jwt_key: str | None = None
    editions: tuple[Edition, Edition]
    acknowledge: tuple[str, ...] = ()
    ours: bool = True
    carry_api_keys: bool = True


class Birth(Value):
    """What tells which configuration new nodes are born with: versions, old one first, the old colour, and what the stack gives of it."""

    versions: tuple[str, str]
    source: str
    wanted: Wanted

    def bootstrap(self) -> Bootstrap:
        """What they are born with.

        Raises:
            Refused: a file is not there, or is not understood.

        """
        with refusing(self.source, "reading the configuration"):
            return bootstrap(facts_of(self.versions, self.wanted, ()), jwt_key=self.wanted.jwt_key or "")


async def apart_from(green: Cluster, birth: Birth) -> list[str]:
    """Each setting of nodes that are there already which is not as the old configuration wants it; nothing where they show none.

    Raises:
        Refused: a file of the old colour is not understood.

    """
    found = await asyncio.to_thread(birth.bootstrap)
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
