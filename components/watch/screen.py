"""The view for reading: a small table where there is a terminal, one line for each change where there is none.

The rule: it fits a window of 80 columns and 24 lines, and a log line is complete in itself.
"""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from components.watch.view import View

MOST_NODES = 12


def headline(view: View) -> str:
    """One line with the numbers that matter."""
    if view.to is None:
        waits = f"; {view.held_by}" if view.held_by else ""
        return f"{view.stack}: no update was made here{waits}"
    state = view.outcome or view.held_by or "running"
    return (
        f"{view.stack}: {view.direction} to {view.to}: {state}; share {_shown(view.share_wanted_percent)} % wanted,"
        f" {_shown(view.share_measured_percent)} % measured; moved {view.moved}, {_shown(view.rate_per_second)}/s"
        f" of {_shown(view.budget_per_second)}/s; {_shown(view.seconds_left)} s left"
    )


def screen(view: View) -> RenderableType:
    """The whole view."""
    steps = _table("step", "state", "clients", "planned", "mover")
    for step in view.steps:
        steps.add_row(step.name, step.state, str(step.clients), _shown(step.planned), step.mover or "")
    nodes = _table("node", "clients")
    for name, count in list(view.nodes.items())[:MOST_NODES]:
        nodes.add_row(name, _shown(count))
    gates = _table("gate", "last", "value", "threshold", "node")
    for gate in view.gates:
        gates.add_row(gate.name, gate.verdict, _shown(gate.value), _shown(gate.threshold), gate.node)
    side = Table.grid(padding=(0, 2))
    side.add_row(steps, nodes)
    parts: list[RenderableType] = [Text(headline(view), style="bold"), side]
    parts += [gates] if view.gates else []
    parts += [Text(event, overflow="ellipsis", no_wrap=True) for event in view.events]
    return Group(*parts)


def _table(*columns: str) -> Table:
    return Table(*(Column(name, no_wrap=True) for name in columns), box=None, pad_edge=False, padding=(0, 1))


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
