"""Strategy `two-cluster`: green is a cluster of its own; data go by export and import, clients by cohorts, and the old colour is drained last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.cutover.movers import Choice
from components.cutover.routes import Strategy as Word
from components.cutover.words import Mover
from components.emqx.base import Scope
from components.links.shift import Manner
from components.settings import Cutover
from components.strategies.base import LinkSpec


class TwoCluster:
    """No client is moved before what it needs is verified on the other side."""

    route: Word = "two-cluster"
    movers: tuple[Mover, ...] = ("close", "kick", "evacuation")
    scope: Scope = "cluster"
    in_place: bool = False
    stays: tuple[str, ...] = ()

    def links(self, cutover: Cutover, mover: Choice) -> tuple[LinkSpec, ...]:
        """Export, import, verification, a link for each step, and the drain."""
        manner = manner_of(cutover, mover).model_dump(mode="json")
        exported = {"exported": "export"}
        return (
            LinkSpec("export", "DataExport", "exports the data", {"carry_api_keys": cutover.carry_api_keys}),
            LinkSpec("import", "DataImport", "imports them", takes=exported),
            LinkSpec(
                "verification",
                "Verification",
                "compares both colours and asks with MQTT clients",
                {"acknowledge": list(cutover.acknowledge)},
                exported,
            ),
            *steps_of(cutover, mover),
            LinkSpec("drain", "Drain", "empties the old colour and writes the report", {"manner": manner}, exported),
        )


def with_conversion(links: Sequence[LinkSpec], inputs: Mapping[str, Any]) -> Iterator[LinkSpec]:
    """The same links where the data has another form on the new colour: converted before the import, which sends more than an archive."""
    converted = {"converted": "conversion"}
    yield LinkSpec("backup", "Backup", "copies the files of the old nodes", {"configuration": inputs["configuration"]})
    for link in links:
        if link.kind == "DataImport":
            does = "converts the data, with an account of each item and a proof of who may do what"
            yield LinkSpec("conversion", "Conversion", does, inputs, {"exported": "export"})
            yield link._replace(
                does="imports the archive, sends the requests, copies retained messages",
                takes={**link.takes, **converted},
            )
        elif link.kind == "Verification":
            yield link._replace(takes={**link.takes, **converted, "imported": "import"})
        else:
            yield link


def steps_of(cutover: Cutover, mover: Choice) -> list[LinkSpec]:
    """A link for each step, whatever the strategy."""
    manner = manner_of(cutover, mover).model_dump(mode="json")
    return [
        LinkSpec(
            step.name,
            "TrafficShift",
            "moves its cohort" if step.kind == "share" else "judges the gates",
            {"step": step.name, "share": step.share, "manner": manner},
            step=step,
        )
        for step in cutover.steps
    ]


def manner_of(cutover: Cutover, mover: Choice) -> Manner:
    """How clients are moved, as the links that move them want it."""
    return Manner(
        steps=cutover.steps,
        budget_per_second=cutover.budget_per_second,
        mover=mover,
        evacuation=cutover.evacuation,
        gates=cutover.gates,
        sessions_may_end="sessions" in cutover.acknowledge,
        keep_stale_sessions=cutover.keep_stale_sessions,
    )
