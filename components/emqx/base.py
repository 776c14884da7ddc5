"""What links, movers, guards, run and preview ask of a cluster, whatever its version: the seam behind which the dialects are.

The rule: nobody outside a dialect knows a path, a status or a shape of its API. What a dialect, a version or an edition cannot do is said
by a None (``exports``, ``license``, ``configs_text``) or a capability (``has_evacuation``) that may be asked before anything is touched.
All methods raise the errors of ``components.emqx.errors`` and nothing else; ``patience_seconds`` is how long a call is repeated, where
it is None for as long as the cluster was opened with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self

from components.cutover.words import Edition
from components.emqx.account import Account
from components.emqx.answers import (
    ExportFacts,
    LicenseFacts,
    NodeFacts,
)
from components.emqx.clients import Clients, Door
from components.emqx.errors import Refused
from components.emqx.models import ClusterHandle
from components.emqx.moving import Moves
from components.emqx.storage import DurableStorage
from components.migration.inventory import Inventory
from components.migration.requests import Request
from components.migration.words import Shown

PATIENCE_SECONDS = 15.0
"""How long calls are repeated: 500 is normal for 2 s around a join, and 10 s must not end a move (docs/emqx/cluster.md#a-node-dies)."""

Scope = Literal["cluster", "colour"]
"""Whose clients are listed and counted: those of all nodes, or of the handle's nodes only, which share their cluster with another colour."""


class Portion(NamedTuple):
    """One archive of an export: its label, what the dialect puts into it, and whether only a dashboard login may handle it."""

    label: str
    roots: tuple[str, ...]
    tables: tuple[str, ...]
    login: bool = False


class Export(NamedTuple):
    """An archive on a node, and which of the portion's names this edition did not know."""

    facts: ExportFacts
    unknown: tuple[str, ...]


class Delayed(NamedTuple):
    """A delayed message that waits: its topic, when it is due in unix seconds, and how its dialect finds it again."""

    topic: str
    due: float
    node: str
    id: str


class DelayedMessage(NamedTuple):
    """The same with its content: ``payload`` in base64, ``remaining`` in whole seconds."""

    topic: str
    payload: str
    qos: int
    remaining: int


class Exports(Protocol):
    """Data export and import; ``login`` marks an archive that only a dashboard login may handle (docs/emqx/backup.md#api-key-or-token)."""

    async def portions(self, *, accounts: bool) -> tuple[Portion, ...]:
        """What is exported, in the order of its import; ``accounts`` are API keys and dashboard users."""
        ...

    async def export(self, portion: Portion, *, node: str) -> Export:
        """Write an archive on this node; a second one is only another file."""
        ...

    async def download(self, facts: ExportFacts, path: Path, *, login: bool = False) -> str:
        """Stream an archive into a new file of mode 0600; its sha256."""
        ...

    async def sha256(self, facts: ExportFacts, *, login: bool = False) -> str:
        """The sha256 of an archive that lies on a node."""
        ...

    async def archives(self) -> list[ExportFacts]:
        """The archives on all nodes, newest first."""
        ...

    async def upload(self, path: Path, sha256: str, *, size: int, node: str, login: bool = False) -> bool:
        """Upload an archive to this node; False when it lay there already, with this sha256; Refused for another content."""
        ...

    async def import_archive(
        self,
        name: str,
        *,
        node: str,
        waiting: Callable[[float], Awaitable[None]],
        limit_seconds: float,
        login: bool = False,
    ) -> None:
        """Import an archive on the node that has it; ``waiting(seconds)`` is awaited meanwhile, and what it raises ends the import."""
        ...

    async def delete(self, facts: ExportFacts, *, login: bool = False) -> None:
        """Remove an archive from its node; gone already is fine."""
        ...

    async def send(self, request: Request, *, patience_seconds: float) -> bool:
        """Carry out a request of a conversion; False when nothing was to be done any more. It may be sent again at any time."""
        ...

    async def restore_orders(self, source: Exports, wanted: Inventory, found: Inventory) -> list[str]:
        """Bring the lists whose order decides into the order of ``wanted``; the names of those that had to be changed."""
        ...

    async def ordered_rows(self, section: str) -> list[Any]:
        """The entries of an ordered section of the inventory, as ``restore_orders`` writes them."""
        ...

    async def remove_foreign_sys(self, source_nodes: Iterable[str]) -> int:
        """Remove the retained ``$SYS`` messages of the source's nodes; how many there were."""
        ...

    async def carry_delayed(self, source: Exports) -> int:
        """Publish the source's delayed messages here with the time that remains; how many were carried now."""
        ...

    async def delayed(self) -> list[Delayed]:
        """The delayed messages that wait."""
        ...

    async def delayed_message(self, one: Delayed) -> DelayedMessage | None:
        """One of them with its content; None when it has been delivered meanwhile."""
        ...


class Cluster(Clients, Moves, Protocol):
    """One cluster as one colour: an async context manager that closes its connections."""

    @property
    def handle(self) -> ClusterHandle:
        """Where it is."""
        ...

    @property
    def node_names(self) -> tuple[str, ...]:
        """The declared nodes, in the handle's order."""
        ...

    @property
    def has_login(self) -> bool:
        """Whether a dashboard login is configured."""
        ...

    @property
    def exports(self) -> Exports | None:
        """Data export and import; None where the version has none."""
        ...

    async def __aenter__(self) -> Self:
        """Open."""
        ...

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        ...

    @property
    def storage(self) -> DurableStorage | None:
        """Durable storage; None where the version has none."""
        ...

    # -- what the cluster is -------------------------------------------------------------------------------------

    async def nodes(self, *, node: str = "", patience_seconds: float | None = None) -> tuple[NodeFacts, ...]:
        """All nodes of the cluster, also those that are not the colour's, as ``node`` (or any) sees them."""
        ...

    async def live_connections(self, *, patience_seconds: float | None = None) -> dict[str, int]:
        """Sockets by declared node; a node that is missing or stopped is missing here, never zero."""
        ...

    async def cluster_members(self, node: str, *, patience_seconds: float | None = None) -> tuple[str, ...]:
        """The members that this node sees, sorted."""
        ...

    async def availability(self, node: str, *, patience_seconds: float | None = None) -> bool:
        """Whether the node takes clients."""
        ...

    async def edition(self) -> Edition:
        """``ee`` or ``ce``, as the running nodes say."""
        ...

    async def license(self, *, patience_seconds: float | None = None) -> LicenseFacts | None:
        """The licence; None where there is none."""
        ...

    async def metrics(self, *, patience_seconds: float | None = None) -> dict[str, int]:
        """Counters summed over the nodes of the scope."""
        ...

    async def configs_text(self, node: str) -> str | None:
        """The effective configuration as HOCON, **secrets in clear text**; None where the API does not give it."""
        ...

    async def listeners(self) -> dict[int, str]:
        """The MQTT listeners that are on, by port: ``tcp:default``."""
        ...

    async def doors(self) -> Mapping[str, Door]:
        """What each declared node lets in, by name; a node of which nothing is known may be missing."""
        ...

    async def shown(self) -> Shown | None:
        """What an API that does not give the configuration shows of it all the same; None where it gives all of it."""
        ...

    async def inventory(self, *, node: str = "") -> Inventory:
        """Everything that can be listed, as ``node`` (or any) has it; what cannot is said."""
        ...

    async def force_leave(self, node: str) -> None:
        """Make the cluster forget a node that has ended; forgotten already is fine."""
        ...

    async def invite(self, node: str) -> str:
        """Let a node that is alone join this cluster, which takes seconds; why it did not, empty when it is a member."""
        ...

    # -- accounts ------------------------------------------------------------------------------------------------

    def temporary_account(self, rules: Sequence[dict[str, str]]) -> AbstractAsyncContextManager[Account | None]:
        """An MQTT account with these ACL rules while the context lasts; None where it cannot be made."""
        ...

    async def sweep(self) -> int:
        """Remove the temporary accounts that killed runs left behind; how many there were."""
        ...

    async def ask_authenticators(self, node: str) -> None:
        """Ask each built-in authenticator of the node for a user: one that is not ready yet raises NotNow or Rejected."""
        ...

    async def lets_everybody_in(self, node: str) -> bool:
        """Whether the node has no authenticator at all."""
        ...

    async def takes_any_client_id(self) -> bool:
        """Whether a temporary account, or nobody, may connect with whatever client id: what taking over a session needs."""
        ...

    async def account_names(self) -> tuple[frozenset[str], frozenset[str]]:
        """The API keys and the dashboard users that exist, by name; needs a dashboard login."""
        ...

    async def login(self) -> None:
        """Log in at the dashboard afresh."""
        ...


def exports_of(cluster: Cluster) -> Exports:
    """The data export and import of a cluster.

    Raises:
        Refused: its version has none; routes and preview refuse such a colour before.

    """
    if cluster.exports is None:
        raise Refused(
            f"carrying the data of {cluster.handle.colour}",
            node=cluster.handle.colour,
            seen=f"EMQX {cluster.handle.version} has no data export",
            todo="upgrade it node by node (strategy rolling) to a version that has one first",
        )
    return cluster.exports


def of_colour(cluster: Cluster, nodes: Iterable[NodeFacts]) -> dict[str, NodeFacts]:
    """Of all the nodes of a cluster those that the colour has, by name."""
    return {facts.name: facts for facts in nodes if facts.name in cluster.node_names}
