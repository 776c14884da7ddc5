"""The temporary MQTT account of a probe, as every dialect makes it; what a killed run left behind is known by the prefix of its name."""

from __future__ import annotations

from dataclasses import dataclass, field

PREFIX = "upgrade-probe-"


@dataclass(frozen=True)
class Account:
    """Name and password of a probe; ``by_client_id`` where EMQX looks users up by client id.

    ``ruled`` says whether its ACL rules could be written (the built-in authorization source exists).
    """

    name: str
    password: str = field(repr=False)
    by_client_id: bool
    ruled: bool
