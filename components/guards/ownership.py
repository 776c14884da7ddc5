"""Whose cluster a colour is: one that serves is neither left out nor exchanged for another one under its name.

The rule: it is judged from the files of the work directory, before anything is built or ended. The balancer's own refusal comes too late for a
local cluster: it has no address before its processes run, and then they run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from components.cutover.cohort import share_percent
from components.cutover.steps import Problem
from components.cutover.words import Colour, other
from components.emqx.errors import Refused
from components.ledger.base import drained, drained_at
from components.ledger.remembered import Remembered


class Declared(Protocol):
    """What is asked of a declared cluster; the nodes of an external one are a tuple with addresses, of a local one a number."""

    @property
    def target(self) -> str:
        """The word in the stack file."""

    @property
    def nodes(self) -> Any:
        """Its nodes, or how many."""


def exchanged(
    clusters: Mapping[Colour, Declared],
    ours: Mapping[Colour, Collection[str]],
    work_directory: str,
    known: Remembered,
    soak_seconds: float,
    now: float,
) -> list[Problem]:
    """The colours that serve, or may yet be gone back to, and are not declared as what they are.

    Args:
        clusters: what is declared.
        ours: for each colour that is declared as somebody's, the MQTT addresses of a cluster of ours that runs in its place.
        work_directory: where ours run, for the words.
        known: what the balancer holds and remembers.
        soak_seconds: how long a colour stays empty before it may leave.
        now: unix seconds.

    """
    problems = _left_out(clusters, known)
    for colour in sorted(clusters):
        if colour in ours:
            problems += _ours(colour, clusters[colour], ours[colour], work_directory)
        else:
            problems += _theirs(colour, clusters[colour].target, known, soak_seconds, now)
    return problems


def refuse_moved(what: str, before: Path, directory: Path, work: Path, runs: Callable[[], bool]) -> None:
    """Refuse another directory for what runs: it would be ended with all its connections; ``work`` is the work directory that it is in.

    Raises:
        Refused: ``runs`` says so of ``what`` in the directory ``before``.

    """
    if before.resolve() != directory.resolve() and runs():
        raise Refused(
            f"moving {what} to {directory}",
            node=what,
            seen=f"it runs in {before}",
            todo=f"keep it there: `pulumi config set emqx:workDirectory {work}` (a renamed stack has another default);"
            " or destroy the stack first",
        )


def instead_of_in_place(colour: Colour, *, idle: bool) -> str:
    """How to get to another version or edition: it goes to the other colour; where this one serves nobody it is the other one, and leaves first."""
    if not idle:
        return "declare the other colour with it and set emqx:live to that colour"
    finalize = f"pulumi config rm --path emqx:clusters.{colour}"
    return f"{colour} serves nobody: finalize it first ({finalize}, then pulumi up), then declare it again with what you want"


def _left_out(clusters: Mapping[Colour, Declared], known: Remembered) -> list[Problem]:
    """A colour that has a share stays declared; the balancer's own refusal comes after a colour that is new was built."""
    return [
        Problem(
            f"emqx:clusters.{colour}",
            "not declared",
            f"no removing {colour} while it has {share_percent(colour, known.share or 0):g} % of the share:"
            f" keep it and set emqx:live to {other(colour)} first",
        )
        for colour in known.holding
        if colour not in clusters
    ]


def _ours(colour: Colour, cluster: Declared, running: Collection[str], work_directory: str) -> list[Problem]:
    """A cluster that we run is not made external: what is not ours any more would be ended as a local one."""
    if set(running).isdisjoint(node.mqtt for node in cluster.nodes):
        return []
    allowed = f"local, as this cluster runs in {work_directory}"
    return [Problem(f"emqx:clusters.{colour}.target", cluster.target, allowed)]


def _theirs(colour: Colour, target: str, known: Remembered, soak_seconds: float, now: float) -> list[Problem]:
    """A cluster that is not ours is not exchanged for an empty one of ours before it may leave."""
    why = _stays(colour, known, soak_seconds, now) if colour in known.external else None
    if why is None:
        return []
    allowed = (
        f"external, as the cluster behind the balancer is not one of ours and {why}:"
        f" declare it as it was, set emqx:live to {other(colour)} and run pulumi up; then another cluster may take its place"
    )
    return [Problem(f"emqx:clusters.{colour}.target", target, allowed)]


def _stays(colour: Colour, known: Remembered, soak_seconds: float, now: float) -> str | None:
    """Why the colour's cluster may not leave yet, as far as the files tell; who is connected is asked by the balancer's check."""
    if colour in known.holding:
        return f"has {share_percent(colour, known.share or 0):g} % of the share"
    if known.origin is not None and drained(known.memory) != colour:
        return "its clients were not all moved away"
    soaked = now - (drained_at(known.memory, colour) or 0.0)
    return f"has been empty for {soaked:.0f} s of {soak_seconds:g} s of soak" if soaked < soak_seconds else None
