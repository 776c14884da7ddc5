"""``python -m components.watch --stack dev``: a running update as it goes, in a terminal, as lines, or for Prometheus.

The rule: it only reads, so any number of people may look, from any machine that reaches ledger and brokers.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence

from prometheus_client import start_http_server
from rich.console import Console
from rich.live import Live

from components.emqx.errors import UpgradeError
from components.stack_file import settings_of
from components.watch.asking import credentials_of, look
from components.watch.metrics import registry_of
from components.watch.screen import headline, screen
from components.watch.view import View

EVERY_SECONDS = 1.0


def main(arguments: Sequence[str]) -> int:
    """Look until somebody ends it, or the update has ended; 1 with one line where there is nothing to look at."""
    parser = argparse.ArgumentParser(prog="python -m components.watch", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--once", action="store_true", help="show it once")
    parser.add_argument(
        "--metrics", type=int, metavar="PORT", help="serve OpenMetrics there (0: any), for as long as it runs"
    )
    parser.add_argument("--host", default="127.0.0.1", help="at which address of this machine")
    given = parser.parse_args(arguments)
    try:
        settings = settings_of(given.stack)
    except UpgradeError as refused:
        sys.stderr.write(f"watch: {refused}\n")
        return 1
    keys = credentials_of(given.stack)
    newest: list[View] = []
    if given.metrics is not None:
        server, _ = start_http_server(given.metrics, given.host, registry_of(lambda: newest[-1] if newest else None))
        sys.stdout.write(f"metrics at http://{given.host}:{server.server_port}/metrics\n")
        sys.stdout.flush()

    def now() -> View:
        newest[:] = [asyncio.run(look(given.stack, settings, keys))]
        return newest[0]

    try:
        _show(now, once=given.once, stays=given.metrics is not None)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    return 0


def _show(now: Callable[[], View], *, once: bool, stays: bool) -> None:
    console = Console()
    if once:
        if console.is_terminal:
            console.print(screen(now()))
        else:
            sys.stdout.write(f"{headline(now())}\n")  # a line of a log is never broken
        return
    if not console.is_terminal:
        _lines(now, stays=stays)
        return
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            live.update(screen(now()), refresh=True)
            time.sleep(EVERY_SECONDS)


def _lines(now: Callable[[], View], *, stays: bool) -> None:
    """A line whenever something has changed, until the update has ended; one that serves metrics stays."""
    before = ""
    while True:
        seen = now()
        line = headline(seen)
        if line != before:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            before = line
        if seen.outcome is not None and not stays:
            return
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
