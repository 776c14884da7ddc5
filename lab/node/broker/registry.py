"""Who is where: every session of the cluster by client id, and the same ones by node.

The rule: a session's place and its end are written here and nowhere else, in both tables at once; how many there are, and how many are live,
is counted from them whenever somebody asks, never kept beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lab.node.broker.session import Place, Session

_NONE: Mapping[str, Session] = MappingProxyType({})


class Registry:
    """The sessions of a cluster."""

    def __init__(self) -> None:
        """Nobody is there."""
        self._all: dict[str, Session] = {}
        self._on: dict[str, dict[str, Session]] = {}

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Client id -> session, of all nodes."""
        return self._all

    def on(self, node: Place) -> Mapping[str, Session]:
        """Client id -> session that lives on a node, disconnected ones included."""
        return self._on.get(node.name, _NONE)

    def live(self, node: Place) -> list[Session]:
        """The sessions of a node that have a connection now, oldest place first."""
        return [session for session in self.on(node).values() if session.channel is not None]

    def place(self, session: Session, node: Place) -> None:
        """A session lives on this node from now on: it is new, or comes from another one."""
        self.forget(session)
        session.node = node
        self._all[session.client_id] = session
        self._on.setdefault(node.name, {})[session.client_id] = session

    def forget(self, session: Session) -> bool:
        """A session is nowhere any more; False when it was not there, or another one has its client id by now."""
        if self._all.get(session.client_id) is not session:
            return False
        del self._all[session.client_id], self._on[session.node.name][session.client_id]
        return True
