"""``python -m lab aws up``: an account in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from lab.aws.account import Place
from lab.aws.cloud import READY, inside
from lab.lasting import held

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def main() -> None:
    """An AWS account on this machine: moto's API, instances and balancers that are processes."""


@app.command()
def up(
    directory: Annotated[Path | None, typer.Option(help="where its files are; a temporary one by default")] = None,
    as_long_as: Annotated[int, typer.Option(help="end when this process ends; 0 for none")] = 0,
) -> None:
    """Start it, print the environment that leads there, and hold it until SIGTERM or Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="lab-aws-") as temporary:
        place = (directory or Path(temporary)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        (place / READY).unlink(missing_ok=True)
        raise SystemExit(held(inside(place), place / READY, as_long_as, _shown))


def _shown(said: str) -> str:
    place = Place.of(said)
    exported = "\n".join(f"export {name}={value}" for name, value in place.environment.items())
    return f"{exported}\n# vpc {place.vpc}, subnets {' '.join(place.subnets)}, image {place.image}, zone {place.zone} ({place.domain})"
