"""``host:port`` as it stands in a stack file, and its parts; an IPv6 host is in brackets there, and without them for a socket."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
PORT = r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
"""Addresses end in HAProxy's configuration as they are, so nothing but a host and a port may stand in them."""


class Address(NamedTuple):
    """A host as sockets take it (no brackets; empty for every address), and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """``10.0.0.1:1883``, ``[::1]:1883``, ``:1883``."""
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def is_name(self) -> bool:
        """Whether the host is a name, whose address may change under it."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return bool(self.host)
        return False


def bracketed(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def port_of(bind: object) -> int:
    """The port of a listener's ``bind`` as EMQX has it: ``0.0.0.0:1883``, ``[::]:1883``, ``:1883``, ``1883``.

    Raises:
        ValueError: there is none.

    """
    return int(str(bind).rpartition(":")[2])


def parsed(text: str) -> Address:
    """The parts of ``host:port``; ``*:port`` and ``:port`` are every address.

    Raises:
        ValueError: without a port from 0 to 65535, or with an IPv6 host that is not in brackets.

    """
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not (port.isascii() and port.isdigit() and int(port) < 65_536) or (":" in bare) != (bare is not host):
        message = f"{text!r} is not host:port"
        raise ValueError(message)
    return Address("" if bare == "*" else bare, int(port))


def peer(host: str, port: int | str) -> str:
    """One end of a connection in one spelling, whoever reports it: ``10.0.0.7:40152``, ``fd00::7:40152``; an IPv4 host in IPv6's clothes is an IPv4 host."""
    if ":" not in host:  # most are, and a balancer tells of thousands
        return f"{host}:{port}"
    try:
        known = ipaddress.ip_address(host)
    except ValueError:
        return f"{host}:{port}"
    return f"{getattr(known, 'ipv4_mapped', None) or known}:{port}"
