"""The kinds of a fleet as people read them: the option that names them, and the table of what became of each.

The rule: the table is made of the fleet's summary alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from lab.fleet.mixture import UnknownKindError, mixture


def _checked(words: str) -> str:
    """The words as they are, or a usage error that says which are allowed."""
    try:
        mixture(words)
    except UnknownKindError as wrong:
        raise typer.BadParameter(str(wrong)) from None
    return words


KindsOption = Annotated[
    str,
    typer.Option(
        help="kinds of client (docs/lab-fleet.md): mixture, plain, or NAME[=WEIGHT] with commas", callback=_checked
    ),
]


def table(fleet: Mapping[str, Any]) -> Table:
    """One line for each kind, the largest first."""
    shown = Table("kind", "devices", "disconnected", "back", "stayed away", "silent", "refused", "gap p50 / max s")
    for name, kind in sorted(fleet["kinds"].items(), key=lambda pair: -pair[1]["devices"]):
        shown.add_row(
            name,
            str(kind["devices"]),
            str(kind["disconnected"]),
            str(kind["disconnected"] - kind["away"]),
            _stayed_away(kind["stayed_away_by_reason"]),
            str(kind["silent"]),
            str(kind["refused_connections"]),
            f"{_number(kind['gap_seconds']['p50'])} / {_number(kind['gap_seconds']['max'])}",
        )
    return shown


def account(fleet: Mapping[str, Any]) -> str:
    """Who is connected at the end, in a line."""
    connected = fleet["clients"] - fleet["away"]
    told = f"{connected} of {fleet['clients']} devices are connected"
    waiting = fleet["away"] - fleet["stayed_away"]
    if fleet["stayed_away"]:
        told += f"; {fleet['stayed_away']} stay away for good"
    if waiting:
        told += f"; {waiting} have not come back yet"
    if fleet["silent"]:
        told += f"; {fleet['silent']} have no subscription any more and do not ask for one"
    return told


def _stayed_away(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} ({reason})" for reason, count in reasons.items()) or "0"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
