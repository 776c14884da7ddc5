"""What the balancer of this machine listens with: addresses, and the files of certificates and authorities beside it.

The rule: a file is called by what is public in it, so another certificate is another configuration, which HAProxy takes over like any other;
and a file of a key is for its owner only, from its first byte until nothing names it any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.emqx.errors import BadInput
from components.emqx.models import Endpoint
from components.routers import certificates
from components.routers.certificates import Pem, UnfitError
from components.routers.haproxy.frontends import Bind
from components.routers.listeners import Listener
from components.system.files import own_directory, replace

FILES = "tls"
"""The directory of the files, beside those of the replicas."""


@dataclass(frozen=True)
class Listening:
    """A listener with what its certificates are now."""

    listener: Listener
    certificate: Pem | None = None
    client_ca: Pem | None = None

    @property
    def endpoint(self) -> Endpoint:
        """As it is told."""
        return Endpoint(
            protocol=self.listener.protocol,
            address=self.listener.address,
            behind=self.listener.accept_proxy,
            certificate=self.certificate.sha256 if self.certificate else None,
            client_ca=self.client_ca.sha256 if self.client_ca else None,
            until=self.certificate.until.isoformat() if self.certificate else None,
        )


def listening(listeners: Iterable[Listener], secrets: Mapping[str, str], now: float) -> tuple[Listening, ...]:
    """The listeners with their certificates as they are now (``now`` in unix seconds).

    Raises:
        BadInput: one cannot be used any more; preview has said so of what it saw.

    """
    found = []
    for one in listeners:
        try:
            certificate = certificates.read(one.certificate, secrets, now) if one.certificate else None
            client_ca = certificates.authorities(one.client_ca, now) if one.client_ca else None
        except UnfitError as unfit:
            tried = f"the certificates of the listener {one.protocol} at {one.address}"
            raise BadInput(tried, seen=unfit.seen, todo=f"give {unfit.allowed}") from None
        found.append(Listening(one, certificate, client_ca))
    return tuple(found)


def first_address(some: Sequence[Listening]) -> str:
    """Where devices connect in the first place: the first listener without anything around MQTT, or else the first one."""
    plain = [one for one in some if one.listener.protocol == "mqtt"]
    return (plain or some)[0].listener.address


def binds(directory: Path, some: Sequence[Listening]) -> tuple[Bind, ...]:
    """The binds of a replica below this directory; the files that they name are there then."""
    return tuple(
        Bind(
            address=one.listener.address,
            protocol=one.listener.protocol,
            certificate=_written(directory, one.certificate),
            client_ca=_written(directory, one.client_ca, "ca-"),
            accept_proxy=one.listener.accept_proxy,
        )
        for one in some
    )


def tidy(directory: Path, some: Sequence[Listening]) -> None:
    """Remove the files that nothing listens with any more."""
    needed = {name for one in some for name in (_name(one.certificate), _name(one.client_ca, "ca-"))}
    for file in (directory / FILES).glob("*.pem"):
        if file.name not in needed:
            file.unlink()


def _written(directory: Path, pem: Pem | None, prefix: str = "") -> str | None:
    if pem is None:
        return None
    own_directory(directory / FILES)
    replace(directory / FILES / f"{_name(pem, prefix)}", pem.text)
    return f"../{FILES}/{_name(pem, prefix)}"


def _name(pem: Pem | None, prefix: str = "") -> str | None:
    """What is its own authority may stand in both kinds of files, once with its key and once without."""
    return None if pem is None else f"{prefix}{pem.sha256}.pem"
