"""An address before HAProxy listens on it: nobody else may listen there, and nobody else may be starting there at this moment.

The rule: replicas share a port on purpose, so HAProxy itself would share it with a stranger too, and each would get half of the
clients; whoever is the first of its kind on an address claims it here.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from components.emqx.errors import BadInput, Refused
from components.system.address import parsed

_POLL_SECONDS = 0.05


@contextmanager
def claimed(addresses: Sequence[str], patience_seconds: float) -> Iterator[None]:
    """Hold the addresses while HAProxy starts on them.

    Args:
        addresses: ``host:port``, ``*:port`` or ``:port``.
        patience_seconds: how long somebody may still be there (the workers of a killed HAProxy need a moment).

    Raises:
        Refused: somebody listens there, or is about to.
        BadInput: nobody knows the host.

    """
    deadline = time.monotonic() + patience_seconds
    with ExitStack() as held:
        for place in sorted(set(addresses)):
            # an abstract socket is nobody's file, and gone with its process
            starting = held.enter_context(socket.socket(socket.AF_UNIX))
            _bind(starting, f"\0emqx balancer {place}", place, "another balancer starts there", deadline)
            _refuse_taken(place, deadline)
        yield


def _refuse_taken(place: str, deadline: float) -> None:
    host, port = parsed(place)
    try:
        family, kind, _, _, bound = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as unknown:
        todo = "give the balancer (emqx:balancer) a host of this machine"
        raise BadInput("starting the balancer", node=place, seen=str(unknown.strerror), todo=todo) from None
    with socket.socket(family, kind) as probe:
        # connections that are left of an earlier process are no obstacle, a listening socket is
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(probe, bound, place, "somebody listens there already", deadline)


def _bind(taken: socket.socket, bound: str | tuple[object, ...], place: str, seen: str, deadline: float) -> None:
    while True:
        try:
            taken.bind(bound)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return  # HAProxy says better what is wrong with the address itself
            if time.monotonic() > deadline:
                todo = "end it, or give the balancer (emqx:balancer) another port"
                raise Refused("starting the balancer", node=place, seen=seen, todo=todo) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
