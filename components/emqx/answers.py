"""What the management API answers, as values; a field that EMQX may leave out is None, never zero."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from components.cutover.evacuation import DONE_STATES, LAST_STATE
from components.cutover.words import Edition
from components.system.sizes import in_bytes

EvacuationState = Literal[
    "waiting_health_check", "evicting_conns", "waiting_takeover", "evicting_sessions", "prohibiting"
]
"""In this order, never another one; ``prohibiting`` does not end by itself (docs/emqx/evacuation.md#phases)."""


def _bytes(value: Any) -> Any:
    """Read ``3.75G`` as bytes; a number is already bytes, and what is no amount stays for its own refusal (docs/emqx/counters.md#health-during-a-move)."""
    found = in_bytes(value) if isinstance(value, str) else None
    return value if found is None else found


Bytes = Annotated[int, BeforeValidator(_bytes)]

_EDITIONS: dict[Any, Edition] = {"Enterprise": "ee", "Opensource": "ce", "ee": "ee", "ce": "ce"}
"""How ``GET /nodes`` spells the editions (recordings 02 and 10), and how we do."""


def _edition(word: Any) -> Edition | None:
    return _EDITIONS.get(word)


KnownEdition = Annotated[Edition | None, BeforeValidator(_edition)]
"""A word that is no edition's is None: unknown, not an error."""


class Answer(BaseModel):
    """A part of an answer: frozen, and what a newer EMQX adds is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class NodeFacts(Answer):
    """One row of ``GET /nodes``; a stopped node has no numbers (docs/emqx/cluster.md#a-node-dies).

    ``connections`` counts sockets and disconnected persistent sessions, ``live_connections`` sockets only. Memory and
    ``load1`` are the whole machine's.
    """

    name: str = Field(alias="node")
    status: str = Field(alias="node_status")
    version: str | None = None
    edition: KnownEdition = None
    connections: int | None = None
    live_connections: int | None = None
    max_fds: int | None = None
    load1: float | None = None
    memory_used: Bytes | None = None
    memory_total: Bytes | None = None

    @property
    def running(self) -> bool:
        """Whether the node serves."""
        return self.status == "running"


class StatusFacts(Answer):
    """``GET /status?format=json`` of one node: it does not tell about evacuation (docs/emqx/evacuation.md#status)."""

    node: str = Field(alias="node_name")
    broker: str = Field(alias="broker_status")
    app: str = Field(alias="app_status")

    @property
    def running(self) -> bool:
        """Whether the node says that it serves."""
        return self.broker == "started" and self.app == "running"


class EvacuationFacts(Answer):
    """One entry of ``global_status``; redirect and waits are not shown by EMQX, and its counters lag or stand still (docs/emqx/evacuation.md#status)."""

    node: str
    state: EvacuationState
    connection_eviction_rate: int
    session_recipients: tuple[str, ...] = ()

    @property
    def past_evicting(self) -> bool:
        """Whether no connection is evicted any more."""
        return self.state in DONE_STATES

    @property
    def without_sessions(self) -> bool:
        """Whether every session has gone to its recipient (recording B3_evacuate_all_old_ee)."""
        return self.state == LAST_STATE


class LicenseFacts(Answer):
    """``GET /license`` (recording 02); prepared sessions count against ``max_sessions`` (docs/emqx/README.md#the-licence)."""

    max_sessions: int = Field(validation_alias=AliasChoices("max_sessions", "max_connections"))
    expiry: bool = False
    expiry_at: str | None = None


class ListenerStatus(Answer):
    """A listener's limit, ``infinity`` where it has none; 5.0 does not tell it here."""

    max_connections: int | str | None = None


class ListenerOnNode(Answer):
    """The state of a listener on one node."""

    node: str
    status: ListenerStatus = ListenerStatus()


class ListenerFacts(Answer):
    """One of ``GET /listeners`` (recordings 02 and 06); its own limit is that of one node."""

    id: str
    type: str
    bind: str
    enable: bool = True
    node_status: tuple[ListenerOnNode, ...] = ()

    def most(self, node: str) -> int | None:
        """How many clients it lets in on a node; None without a limit."""
        found = next((one.status.max_connections for one in self.node_status if one.node == node), None)
        return found if isinstance(found, int) else None


class ListenerLimits(Answer):
    """``GET /listeners/ID`` (recording 02): ``max_conn_rate`` is ``infinity`` or like ``1000/s``."""

    max_conn_rate: int | float | str | None = None


class ExportFacts(Answer):
    """``POST /data/export``: the archive lies on ``node`` only (docs/emqx/backup.md#files); ``size`` in bytes."""

    filename: str
    node: str
    size: int


class SessionFacts(NamedTuple):
    """A session that outlives its connection (docs/emqx/sessions.md#expiry); ``expiry_seconds`` as it was asked for, however long ago it was left."""

    clientid: str
    connected: bool
    mqueue_len: int
    inflight_cnt: int
    disconnected_at: str | None
    expiry_seconds: int = 0


class SessionTotals(NamedTuple):
    """All sessions of a cluster that outlive their connection, and the messages that wait in them."""

    connected: int
    offline: int
    queued_messages: int


def unix_seconds(text: object) -> float | None:
    """An RFC 3339 time as unix seconds; None for ``infinity`` and for what is no time."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
