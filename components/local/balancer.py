"""The HAProxy processes of target `local`: brought to a configuration and a number, without a client that loses its connection by it."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from components.cutover.words import COLOURS, Colour, Edition
from components.emqx.errors import Unreachable, UpgradeError
from components.emqx.known import known
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials, Endpoint
from components.emqx.registry import cluster_of, dialect_of
from components.ledger import files as maps
from components.ledger.registry import ledger_of
from components.ledger.remembered import EXTERNAL, STACK
from components.local.listening import FILES, Listening, binds, first_address, tidy
from components.local.newcomers import keep_out
from components.routers.fronting import first_share, live_counts, settled
from components.routers.haproxy import process
from components.routers.haproxy.claim import claimed
from components.routers.haproxy.configuration import BACK_SECONDS, HaproxySettings, Side, render
from components.routers.haproxy.frontends import Bind
from components.routers.haproxy.names import server_name
from components.routers.share import out_of_service
from components.system import generation
from components.system.address import parsed
from components.system.files import own_directory, replace

ADDRESS, ENDPOINTS = "address", "endpoints.json"
"""The files that remember what was taken: the first address, so that a balancer that died comes back at the same one, and the declared listeners."""
LOOK_SECONDS = 3.0
_SEVERAL = TypeAdapter(tuple[Endpoint, ...])


@dataclass(frozen=True)
class Wanted:
    """The balancer as it should be: at ``listeners``, or at ``address``; without either a free port on loopback is taken and kept.

    ``standing`` are the colours that were there before this balancer, ``external`` those whose clusters are not ours, ``ended`` is whether the last cutover's memory speaks of a
    cluster that is not declared any more, ``in_place`` whether nodes may be of another edition than declared, ``newcomers`` are colours that join the other one's cluster.
    """

    live: Colour
    clusters: Mapping[Colour, ClusterHandle]
    editions: Mapping[Colour, Edition]
    directory: Path
    address: str | None
    max_connections: int
    replicas: int
    listeners: Sequence[Listening] = ()
    back_seconds: float = BACK_SECONDS
    standing: Collection[Colour] = ()
    external: Collection[Colour] = ()
    ended: bool = False
    in_place: bool = False
    newcomers: Collection[Colour] = ()

    @property
    def capacity(self) -> int:
        """How many clients fit."""
        return self.replicas * self.max_connections


def reserve(directory: Path, stack: str) -> None:
    """Write down whose directory this is; where nothing can be written, whoever has to work there says so."""
    with suppress(OSError):
        own_directory(directory)
        replace(directory / STACK, stack)


def handle_of(directory: Path) -> BalancerHandle:
    """Where the balancer of this directory is reached; Unreachable when none ever ran there."""
    try:
        address = (directory / ADDRESS).read_text().strip()
    except FileNotFoundError:
        raise Unreachable(
            "asking the balancer", node=str(directory), seen="none ever ran here", todo="run pulumi up where it runs"
        ) from None
    admin = tuple(str(replica / process.ADMIN) for replica in _replicas(directory))
    return BalancerHandle(mqtt=address, endpoints=_endpoints(directory), admin=admin, maps=str(directory))


def _endpoints(directory: Path) -> tuple[Endpoint, ...]:
    kept = directory / ENDPOINTS
    return _SEVERAL.validate_json(kept.read_bytes()) if kept.exists() else ()


def serve(wanted: Wanted, credentials: Mapping[str, Credentials]) -> BalancerHandle:
    """Start HAProxy with this configuration, or let the running one take it over without losing a connection.

    Raises:
        BadInput: HAProxy does not accept the configuration.
        Refused: somebody else listens on its address.
        GaveUp: it does not start.

    """
    directory = wanted.directory
    own_directory(directory)
    address = first_address(wanted.listeners) if wanted.listeners else _address(wanted)
    _refuse_taken(directory, [one.listener.address for one in wanted.listeners] or [address])
    if maps.record_of(directory).share is None:
        counts = asyncio.run(live_counts(wanted.clusters, credentials))
        maps.write_share(directory, first_share(wanted.live, counts, wanted.standing))
    if wanted.newcomers:
        unheard = BalancerHandle(mqtt=address, admin=(), maps=str(directory))
        asyncio.run(keep_out(ledger_of(unheard), wanted.clusters, wanted.newcomers))
    editions = asyncio.run(checkable(wanted, credentials)) if wanted.in_place else wanted.editions
    sides = tuple(Side(cluster=wanted.clusters[c], edition=editions[c]) for c in COLOURS if c in wanted.clusters)
    listened = binds(directory, wanted.listeners) or (Bind(address=address),)
    settings = HaproxySettings(
        binds=listened,
        sides=sides,
        maps="..",
        max_connections=wanted.max_connections,
        back_seconds=wanted.back_seconds,
    )
    endpoints = _SEVERAL.dump_json(tuple(one.endpoint for one in wanted.listeners)).decode()
    with _kept({directory / ADDRESS: address, directory / ENDPOINTS: endpoints if wanted.listeners else None}):
        _bring(directory, render(settings), wanted.replicas)
    tidy(directory, wanted.listeners)
    handle = handle_of(directory)
    asyncio.run(settled(handle, wanted.clusters, ended=wanted.ended))
    replace(directory / EXTERNAL, "".join(f"{colour}\n" for colour in sorted(wanted.external)))
    return handle


@contextmanager
def _kept(contents: Mapping[Path, str | None]) -> Iterator[None]:
    """Remember where it listens, before anybody can connect there; where nothing could be started, what was remembered before is again."""
    before = {path: path.read_text() if path.exists() else None for path in contents}
    _write(contents)
    try:
        yield
    except UpgradeError:
        _write(before)
        raise


def _write(contents: Mapping[Path, str | None]) -> None:
    for path, text in contents.items():
        if text is None:
            path.unlink(missing_ok=True)
        else:
            replace(path, text)


def _refuse_taken(directory: Path, addresses: Sequence[str]) -> None:
    """Before an address is remembered: only our own replicas may listen there."""
    ours: set[int] = set()
    if any(process.running(replica) is not None for replica in _replicas(directory)) and (directory / ADDRESS).exists():
        handle = handle_of(directory)
        ours = {parsed(one).port for one in (handle.mqtt, *(endpoint.address for endpoint in handle.endpoints))}
    with claimed([one for one in addresses if parsed(one).port not in ours], process.TAKEN_SECONDS):
        return


def _bring(directory: Path, text: str, count: int) -> None:
    """So many replicas with this configuration; a surplus one takes nobody any more and ends with its last client.

    A replica that is ending keeps its directory; a new one takes another number.
    """
    kept = _replicas(directory)[:count]
    remembered = out_of_service(maps.record_of(directory).memory)
    out = {f"{colour}/{server_name(node)}": state for (colour, node), state in remembered.items()}
    numbers = (directory / str(number) for number in itertools.count(1))
    free = (place for place in numbers if place not in kept and process.running(place) is None)
    places = [*kept, *itertools.islice(free, count - len(kept))]
    for place in places:
        beside = any(process.running(one) is not None for one in _replicas(directory))
        process.bring(place, text, map_directory=directory, beside=beside, out=out)
    for surplus in _places(directory):
        if surplus not in places:
            process.retire(surplus)
            if process.running(surplus) is None:
                shutil.rmtree(surplus)


def running(directory: Path, count: int | None = None) -> bool:
    """Whether every replica of the balancer in this directory runs, and there are ``count`` of them (None: any number)."""
    replicas = _replicas(directory)
    enough = bool(replicas) if count is None else len(replicas) == count
    return enough and all(process.running(replica) is not None for replica in replicas)


def stop(directory: Path) -> None:
    """End the balancer, with the replicas that only keep their last clients; nothing to do when none runs."""
    for place in _places(directory):
        process.stop(place)


def remove(directory: Path) -> None:
    """End the balancer, and forget its address, its share and what it remembers: the next one in this place is a new one."""
    stop(directory)
    for place in _places(directory):
        shutil.rmtree(place)
    shutil.rmtree(directory / FILES, ignore_errors=True)
    for name in (maps.SHARE, maps.MEMORY, ADDRESS, ENDPOINTS, STACK, EXTERNAL, generation.FILE):
        (directory / name).unlink(missing_ok=True)


def _places(directory: Path) -> list[Path]:
    """Where HAProxy works or worked, with the replicas that are ending."""
    found = {one.parent for name in (process.CONFIG, process.PID) for one in directory.glob(f"*/{name}")}
    return sorted(found, key=lambda one: int(one.name))


def _replicas(directory: Path) -> list[Path]:
    """The directories of the HAProxy processes that listen, which share the maps in the one above them."""
    return [place for place in _places(directory) if (place / process.CONFIG).exists()]


def _address(wanted: Wanted) -> str:
    kept = wanted.directory / ADDRESS
    if wanted.address is not None:
        return wanted.address
    if kept.exists():
        return kept.read_text().strip()
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


async def checkable(wanted: Wanted, credentials: Mapping[str, Credentials]) -> dict[Colour, Edition]:
    """As what the nodes of each colour may be checked: one that is Enterprise only by declaration has not its check, and would be down."""

    async def edition(colour: Colour) -> Edition:
        async with cluster_of(wanted.clusters[colour], credentials[colour], patience_seconds=LOOK_SECONDS) as api:
            nodes = await known(api.nodes()) or ()
        return "ce" if any(one.running and one.edition == "ce" for one in nodes) else wanted.editions[colour]

    return dict(zip(wanted.clusters, await asyncio.gather(*map(edition, wanted.clusters)), strict=True))


def checked_otherwise(wanted: Wanted, credentials: Mapping[str, Credentials]) -> bool:
    """Whether a replica checks the nodes as another edition than they have by now: a roll from open source to Enterprise is done."""
    if not wanted.in_place:
        return False
    editions = asyncio.run(checkable(wanted, credentials))
    checks = [dialect_of(wanted.clusters[colour].version).health_check(editions[colour]) for colour in wanted.clusters]
    texts = [(replica / process.CONFIG).read_text() for replica in _replicas(wanted.directory)]
    return any(f"httpchk GET {check}\n" not in text for text in texts for check in checks)
