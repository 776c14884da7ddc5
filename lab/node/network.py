"""A loopback network that nobody else uses, found by binding so that runs in parallel never meet, and the sockets on it.

The rule: a network is ours until `release` or the end of the process.  IPv6's loopback has one address only and is no network: nothing of it
is held, and whoever listens there takes ports that are free.  The lock is a TCP port on the network's last address, bound but never
listened on, which the kernel frees whatever happens to the process; nodes use the addresses from 1.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random

from components.system.address import Address

FIRST, LAST = 16, 250
LOOPBACK_6 = "::1"
_LOCK_PORT = 1883
_LOCK_HOST = 254
_TRIES = 4096
_PREFIX = re.compile(r"127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){2}", re.ASCII)
_held: dict[str, socket.socket] = {}
SPACES = "LAB_NETWORK_SPACES"
"""The variable that names a directory with a network namespace for each address that has one (`ip netns`)."""
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def allocate(random: Random | None = None) -> str:
    """A network, as ``127.a.b``, that no other run holds and whose first node's MQTT and API ports are free.

    Args:
        random: where to begin; the search then goes on at random places.

    Raises:
        OSError: none found in four thousand tries.

    """
    source = random or Random()
    for _ in range(_TRIES):
        prefix = f"127.{source.randint(FIRST, LAST)}.{source.randint(0, 255)}"
        with contextlib.suppress(OSError):
            hold(prefix)
            if all(_free(f"{prefix}.1", port) for port in (1883, 8083, 18083)):
                return prefix
            release(prefix)
    raise OSError(errno.EADDRNOTAVAIL, f"no free network in 127.{FIRST}.0 to 127.{LAST}.255 after {_TRIES} tries")


def hold(prefix: str) -> None:
    """Take one certain network.

    Raises:
        OSError: it is held already, or it is none of loopback.

    """
    if not _PREFIX.fullmatch(prefix):
        raise OSError(errno.EADDRNOTAVAIL, "no network of loopback; give 127.a.b, or auto", prefix)
    _held[prefix] = bound(f"{prefix}.{_LOCK_HOST}", _LOCK_PORT)


def release(prefix: str) -> None:
    """Let others have a network; nothing happens when it is not ours."""
    lock = _held.pop(prefix, None)
    if lock is not None:
        lock.close()


def bound(host: str, port: int, *, reuse: bool = False) -> socket.socket:
    """A TCP socket with this address; port 0 is a free one, ``reuse`` takes a port whose old connections are not forgotten yet.

    Raises:
        OSError: the address, which it names, is taken or not ours.

    """
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms for an ACK.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _space_of(host) as own:
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        sock.bind(("0.0.0.0" if own else host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, error.strerror, str(Address(host, port))) from error
    return sock


@contextlib.contextmanager
def _space_of(host: str) -> Iterator[bool]:
    """Be in the network namespace of an address, where it has one of its own, which is told: a socket stays where it was made."""
    spaces = os.environ.get(SPACES)
    if not spaces or not (Path(spaces) / host).exists():
        yield False
        return
    with Path("/proc/thread-self/ns/net").open() as here, (Path(spaces) / host).open() as there:
        _enter(there.fileno())
        try:
            yield True
        finally:
            _enter(here.fileno())


def _enter(space: int) -> None:
    if _libc.setns(space, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def single(network: str) -> bool:
    """Whether it is the address of one node: IPv6's loopback, or that of a pod."""
    return network == LOOPBACK_6 or network.count(".") == 3


def free_port(host: str) -> int:
    """A port that nobody has on this address now."""
    with bound(host, 0) as sock:
        port: int = sock.getsockname()[1]
    return port


def _free(host: str, port: int) -> bool:
    try:
        bound(host, port).close()
    except OSError:
        return False
    return True
