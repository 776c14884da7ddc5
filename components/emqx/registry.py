"""Which dialect a cluster is spoken to in, by the version that is declared for it; nothing else opens a cluster or imports a dialect.

To add one: a module whose class does what ``base.Cluster`` says, and one line in ``DIALECTS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from components.cutover.versions import BadVersion, Line, Version, parse
from components.cutover.words import Edition
from components.emqx.base import PATIENCE_SECONDS, Cluster, Scope
from components.emqx.errors import BadInput
from components.emqx.models import ClusterHandle, Credentials, ExportsAccess
from components.emqx.reach import reached
from components.emqx.v4 import cluster as v4
from components.emqx.v4 import traits as v4_traits
from components.emqx.v4.exports import access_problem
from components.emqx.v5 import cluster as v5
from components.emqx.v5 import traits as v5_traits
from components.kubernetes.patience import OUTAGE_SECONDS


class Dialect(NamedTuple):
    """One way in which EMQX is spoken to.

    ``opens`` makes the cluster from handle and credentials and what ``cluster_of`` takes; ``health_check`` is the path that tells a
    balancer whether a node of this edition takes clients; ``exports_since`` is the first line with data export, ``export_problem`` why
    none could be got from a node in a way that a stack says; None when it may.
    """

    name: str
    opens: Callable[..., Cluster]
    health_check: Callable[[Edition], str]
    exports_since: Line
    export_problem: Callable[[ExportsAccess | None, Version], str | None] = lambda _access, _version: None


DIALECTS: dict[Line, Dialect] = {
    v4_traits.FIRST_LINE: Dialect(
        "4.x",
        v4.ClusterApi,
        lambda _: v4_traits.HEALTH_CHECK,
        v4_traits.FIRST_LINE,
        lambda access, version: access_problem(access, v4_traits.traits_of(version)),
    ),
    (5, 0): Dialect(
        "5.x", v5.ClusterApi, lambda edition: v5_traits.EDITIONS[edition].health_check, v5_traits.EXPORTS_SINCE
    ),
}
"""By the first line that speaks it; each reaches up to the next one."""


def dialect_of(version: str) -> Dialect:
    """The dialect of this version.

    Raises:
        BadInput: it is no version, or none that we speak to.

    """
    line = _version(version).line
    first = max((known for known in DIALECTS if known <= line), default=None)
    if first is None:
        raise _unspoken(version, "we do not speak to its management API")
    return DIALECTS[first]


def can_export(version: str) -> bool:
    """Whether a cluster of this version has data export and import, as far as its version tells.

    Raises:
        BadInput: as ``dialect_of``.

    """
    return _version(version).line >= dialect_of(version).exports_since


def export_problem(version: str, access: ExportsAccess | None) -> str | None:
    """Why no export could be got from a node of this version in this way, as far as is known before anything is touched.

    Raises:
        BadInput: as ``dialect_of``.

    """
    return dialect_of(version).export_problem(access, _version(version))


def cluster_of(
    handle: ClusterHandle,
    credentials: Credentials,
    *,
    scope: Scope = "cluster",
    patience_seconds: float = PATIENCE_SECONDS,
    **options: Any,
) -> Cluster:
    """The cluster behind a handle, in the dialect of its version; nothing is asked yet, and it is to be used as a context.

    Args:
        handle: where it is.
        credentials: its API key, and a dashboard login for what API keys may not see.
        scope: whose clients are listed and counted: all of the cluster, or the handle's nodes only.
        patience_seconds: how long calls are repeated.
        options: what one dialect alone takes, for tests.

    Raises:
        BadInput: as ``dialect_of``.
        Unreachable: the ports of its pods cannot be forwarded.

    """
    opens = dialect_of(handle.version).opens
    return opens(reached(handle), credentials, scope=scope, patience_seconds=patience_seconds, **options)


def _version(text: str) -> Version:
    try:
        return parse(text)
    except BadVersion as wrong:
        why = str(wrong)
    raise _unspoken(text, why)


def _unspoken(version: str, why: str) -> BadInput:
    first = ".".join(map(str, min(DIALECTS)))
    return BadInput(
        f"a cluster of version {version!r}", seen=why, todo=f"declare a version from {first} on, such as 5.8.9"
    )


def patience_with(handle: ClusterHandle) -> float:
    """How long calls to it are repeated in an update: what is reached through an API server may be away for as long as that is."""
    return OUTAGE_SECONDS if handle.pods is not None and handle.pods.forwards else PATIENCE_SECONDS
