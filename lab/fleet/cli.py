"""`python -m lab fleet`: devices until SIGTERM or SIGINT; prints `ready N`, writes the summary at the end and at each SIGUSR1."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from components.system.address import parsed
from components.system.files import replace
from lab.fleet.mixture import MIXED, mixture
from lab.fleet.processes import Parts
from lab.fleet.settings import LAST_PORT, PORTS_PER_SOURCE, FleetError, FleetSettings
from lab.fleet.shown import KindsOption

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def fleet(
    address: Annotated[str, typer.Option(help="HOST:PORT of the balancer, several with commas")],
    clients: Annotated[int, typer.Option(help="number of devices")],
    log: Annotated[Path, typer.Option(help="event log, JSON lines")],
    summary: Annotated[Path | None, typer.Option(help="summary file; summary.json beside the log")] = None,
    processes: Annotated[int, typer.Option(min=1, help="5,000 devices fit in one")] = 1,
    kinds: KindsOption = MIXED,
    prefix: Annotated[str, typer.Option(help="client ids are PREFIX-000000 and so on")] = "dev",
    username: Annotated[str | None, typer.Option(help="with --password-file")] = None,
    password_file: Annotated[Path | None, typer.Option(help="file with the password in its first line")] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="connect without user name")] = False,
    persistent_fraction: Annotated[float, typer.Option(help="devices with a persistent session, 0 to 1")] = 0.5,
    publish_interval_seconds: Annotated[float, typer.Option(help="of each device; 0 publishes nothing")] = 10.0,
    connects_per_second: Annotated[float, typer.Option(help="at the start")] = 500.0,
    keep_alive_seconds: Annotated[int, typer.Option()] = 60,
    expiry_seconds: Annotated[int, typer.Option(help="session expiry of persistent MQTT 5 devices")] = 7200,
    ready_within_seconds: Annotated[float, typer.Option(help="give up when not all are connected by then")] = 300.0,
    source: Annotated[str, typer.Option(help="local addresses to connect from, with commas")] = "",
    resolver: Annotated[str, typer.Option(help="HOST:PORT of the name server that knows the address's host")] = "",
    log_messages: Annotated[bool, typer.Option("--log-messages", help="a line for every message")] = False,
    seed: Annotated[int, typer.Option(help="of the jitter")] = 0,
) -> None:
    """Devices that reconnect as MQTT libraries do and record every disconnect, gap and message."""
    with _in_one_line():
        settings = FleetSettings(
            addresses=_addresses(address),
            clients=clients,
            kinds=mixture(kinds),
            prefix=prefix,
            username=_username(username, password_file, anonymous=anonymous),
            password=password_file.read_text().partition("\n")[0] if password_file else None,
            persistent_fraction=persistent_fraction,
            keep_alive_seconds=keep_alive_seconds,
            expiry_seconds=expiry_seconds,
            publish_interval_seconds=publish_interval_seconds,
            connects_per_second=connects_per_second,
            sources=_sources(source, clients, _addresses(address)),
            log_messages=log_messages,
            resolver=_addresses(resolver)[0] if resolver else None,
        )
        asyncio.run(_run(Parts(settings, processes, log.absolute(), seed), clients, ready_within_seconds, summary, log))


@contextmanager
def _in_one_line() -> Iterator[None]:
    """What cannot work ends the command with status 1."""
    try:
        yield
    except FleetError as error:
        said = str(error)
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    else:
        return
    typer.echo(f"fleet: {said}", err=True)
    raise typer.Exit(1)


def _addresses(text: str) -> tuple[tuple[str, int], ...]:
    try:
        found = tuple(parsed(one.strip()) for one in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(host for host, _ in found):
        raise FleetError(f"address {text!r}: give HOST:PORT, a port of 1 to {LAST_PORT}, an IPv6 host in brackets")
    return found


def _username(username: str | None, password_file: Path | None, *, anonymous: bool) -> str | None:
    if anonymous == (username is not None) or (username is None) != (password_file is None):
        raise FleetError("give either --username and --password-file, or --anonymous")
    return username


def _sources(text: str, clients: int, addresses: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    """The given ones; on loopback as many as the ports of one address do not suffice for."""
    if text:
        return tuple(text.split(","))
    needed = -(-clients // (PORTS_PER_SOURCE * len(addresses)))
    if needed > 1 and all(host.startswith("127.") for host, _ in addresses):
        return tuple(f"127.0.200.{number}" for number in range(1, needed + 1))
    return ()


async def _run(parts: Parts, clients: int, ready_within_seconds: float, summary_file: Path | None, log: Path) -> None:
    summary = summary_file or log.with_name("summary.json")
    loop = asyncio.get_running_loop()
    wanted: asyncio.Queue[str] = asyncio.Queue()
    for number, word in ((signal.SIGTERM, "stop"), (signal.SIGINT, "stop"), (signal.SIGUSR1, "summary")):
        loop.add_signal_handler(number, wanted.put_nowait, word)
    starting = asyncio.create_task(parts.start(ready_within_seconds))
    try:
        starting.add_done_callback(lambda _: wanted.put_nowait("started"))
        while (word := await wanted.get()) != "stop":
            if word == "started":
                starting.result()
                print(f"ready {clients}", flush=True)
            elif starting.done():
                _write(summary, await parts.summary())
        if starting.done():
            _write(summary, await parts.stop())
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await parts.end()


def _write(path: Path, figures: dict[str, Any]) -> None:
    """Replace the file at once: whoever waits for it must not see half of it."""
    replace(path, json.dumps(figures, indent=2) + "\n")
