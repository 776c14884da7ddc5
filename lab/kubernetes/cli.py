"""``python -m lab kubernetes up``: a cluster in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from lab.kubernetes.outside import READY, Outside
from lab.lasting import held

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def main() -> None:
    """A Kubernetes cluster on this machine: real control plane, pods that are processes."""


@app.command()
def up(
    directory: Annotated[Path | None, typer.Option(help="where its files are; a temporary one by default")] = None,
    as_long_as: Annotated[int, typer.Option(help="end when this process ends; 0 for none")] = 0,
) -> None:
    """Start it, print KUBECONFIG, and hold it until SIGTERM or Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="lab-kubernetes-") as temporary:
        place = (directory or Path(temporary)).resolve()
        (place / READY).unlink(missing_ok=True)
        raise SystemExit(held(Outside(place).process, place / READY, as_long_as, _shown))


def _shown(said: str) -> str:
    ready = json.loads(said)
    return f"export KUBECONFIG={ready['kubeconfig']}\n# kubectl: {ready['kubectl']}"
