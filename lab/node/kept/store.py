"""What all nodes of a cluster share and what survives a restart; plain tables that only know how to be read and written.

The rule: the store holds data and the precedence of configuration, nothing decides here.  Configuration has the layers of
docs/emqx/config.md#precedence: defaults < base (``base.hocon``) < overrides (``cluster.hocon``, made through the API) < config_file (``emqx.conf``) at boot; a
change at run time is effective at once, and a value that is also in ``emqx.conf`` reverts at the next boot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from lab.node.kept.defaults import DEFAULTS
from lab.node.kept.old import OldTables
from lab.node.kept.records import AclRule, ApiKey, AuthnUser, Ban, DashboardUser, DelayedMessage, ScramUser
from lab.node.kept.retained import RetainedTable

PASSWORD_ID = "password_based:built_in_database"  # noqa: S105  the id of EMQX's authenticator, not a password
SCRAM_ID = "scram:built_in_database"


def merged(base: Any, over: Any) -> Any:
    """`over` laid on `base`: objects key by key, everything else replaced (HOCON's rule); neither argument is changed."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        out = {key: deepcopy(value) for key, value in base.items() if key not in over}
        return out | {key: merged(base[key], value) if key in base else deepcopy(value) for key, value in over.items()}
    return deepcopy(over)


@dataclass(slots=True)
class Store:
    """The replicated tables of one cluster.

    Attributes:
        config_file: the roots of ``emqx.conf`` and the environment.
        overrides: the roots that were written through the API (``cluster.hocon``; the only configuration in an archive).
        authn_users: authenticator id (`PASSWORD_ID`) -> user id -> user.
        scram_users: user id -> user.
        acl_users: user name -> rules, in order; `acl_clients` the same by client id; `acl_all` for everybody.
        banned: (kind, who) -> ban.
        retained: topic -> message.
        delayed: message id -> message.
        api_keys: name -> key.  dashboard_users: user name -> user.  psk: identity -> shared secret, hexadecimal.
        old: what only a 4.x cluster keeps.
        base: the roots of ``base.hocon``, which every node has beside its ``emqx.conf``.
        reindexing: the mark that a broken import of retained messages leaves (docs/emqx/backup.md#an-index-that-stays-broken).

    """

    config_file: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    authn_users: dict[str, dict[str, AuthnUser]] = field(default_factory=dict)
    scram_users: dict[str, ScramUser] = field(default_factory=dict)
    acl_users: dict[str, list[AclRule]] = field(default_factory=dict)
    acl_clients: dict[str, list[AclRule]] = field(default_factory=dict)
    acl_all: list[AclRule] = field(default_factory=list)
    banned: dict[tuple[str, str], Ban] = field(default_factory=dict)
    retained: RetainedTable = field(default_factory=RetainedTable)
    delayed: dict[str, DelayedMessage] = field(default_factory=dict)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    dashboard_users: dict[str, DashboardUser] = field(default_factory=dict)
    psk: dict[str, str] = field(default_factory=dict)
    reindexing: bool = False
    old: OldTables = field(default_factory=OldTables)
    base: dict[str, Any] = field(default_factory=dict)
    _running: dict[str, Any] = field(default_factory=dict, repr=False)
    _watchers: list[Callable[[str], None]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """A new store is a booted one."""
        self.boot()

    def boot(self) -> None:
        """Compute the running configuration anew, as a node does when it starts."""
        self._running = merged(merged(self._shipped(), self.overrides), self.config_file)
        self._changed(*self._running)

    def _shipped(self) -> dict[str, Any]:
        found: dict[str, Any] = merged(DEFAULTS, self.base) if self.base else DEFAULTS
        return found

    def effective(self, root: str | None = None) -> Any:
        """The running value of one root, or of all roots as one object; None when the root is unknown.

        The value is the store's own: read it, write through `put`.
        """
        return self._running if root is None else self._running.get(root)

    def put(self, root: str, value: Any) -> None:
        """Replace one root through the API: effective at once, kept in the overrides."""
        self.overrides[root] = deepcopy(value)
        base = self._shipped().get(root)
        self._running[root] = merged(base, value) if base is not None else deepcopy(value)
        self._changed(root)

    def merge(self, root: str, value: Any) -> None:
        """Lay an object on one root through the API (``PUT /configs?mode=merge``)."""
        self.put(root, merged(self._running.get(root, {}), value))

    def lose_ram(self) -> None:
        """All nodes were down at the same time: what they kept in memory only is gone (D5_restore_backup_ce_5.8.8: the retained messages)."""
        if self.effective("retainer")["backend"].get("storage_type") == "ram":
            self.retained.clear()

    def set_as(self, other: Store) -> Store:
        """These tables under the settings of another one: what a node has whose copy is of another moment (D5_restore_backup_ce_5.8.8)."""
        return replace(self, overrides=other.overrides, _running={}, _watchers=[])

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Call `watcher(root)` after each change of a root, in the order of registration."""
        self._watchers.append(watcher)

    def _changed(self, *roots: str) -> None:
        for watcher in self._watchers:
            for root in roots:
                watcher(root)
