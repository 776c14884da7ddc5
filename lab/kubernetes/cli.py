"""``python -m lab kubernetes up``: a cluster in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from lab.kubernetes.outside import READY, Outside

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
POLL_SECONDS = 0.1


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
        outside = Outside(place)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: outside.end())
        if as_long_as:
            threading.Thread(target=_end_with, args=[outside, as_long_as], daemon=True).start()
        while outside.process.poll() is None and not (place / READY).exists():
            time.sleep(POLL_SECONDS)
        with contextlib.suppress(FileNotFoundError):
            ready = json.loads((place / READY).read_text(encoding="utf-8"))
            print(f"export KUBECONFIG={ready['kubeconfig']}\n# kubectl: {ready['kubectl']}", flush=True)
        raise SystemExit(outside.wait())


def _end_with(outside: Outside, pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(pid)], [], [])
    outside.end()
