"""The tables of a 4.x cluster that 5.x does not have: users and rules of its plugins, applications, dashboard users, resources, rules of the engine.

The rule: rows are kept as 4.x exports them (docs/emqx/v4-data.md#export), so that an export is a listing; what they mean is `v4`'s business.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["clientid", "username", "login", "all"]
"""Whom a user or a rule is about; ``login`` is 4.2's one kind, whatever ``auth.mnesia.as`` makes of it."""


@dataclass(slots=True, frozen=True)
class OldUser:
    """A user of emqx_auth_mnesia, or of one of 4.2's two other plugins.

    ``secret`` is the hash in hexadecimal, four bytes of salt before it where there is one (V_4.3.22_data, V_4.2.14_data).
    """

    login: str
    secret: bytes
    created_ms: int = 0
    is_superuser: bool = False


@dataclass(slots=True, frozen=True)
class OldRule:
    """A rule of emqx_auth_mnesia; ``action`` is pub or sub, in 4.2 pubsub too."""

    topic: str
    action: str
    allow: bool
    created_ms: int = 0


@dataclass(slots=True, frozen=True)
class App:
    """An application; ``status`` True lets in, anything else does not; ``expired`` is unix seconds, None for never."""

    app_id: str
    secret: str
    name: str = ""
    desc: str = ""
    status: Any = True
    expired: int | None = None


@dataclass(slots=True, frozen=True)
class Admin:
    """A dashboard user; ``secret`` is four bytes of salt and the MD5 of salt and password (V_4.3.22_data)."""

    username: str
    secret: bytes
    tags: str = "administrator"


@dataclass(slots=True)
class OldTables:
    """All of them.

    Attributes:
        users: (kind, login) -> user; kind ``login`` in 4.2.
        clientids, usernames: users of emqx_auth_clientid and emqx_auth_username (4.2).
        rules: (kind, login) -> rules in the order in which they came; ``("all", "")`` for everybody, in 4.2 ``("login", "$all")``.
        apps, admins: by name.  resources, engine: by id, as the export has them.
        plugins: what is loaded, in order; None until the cluster has started for the first time.
        modules: those of Enterprise, as its export has them.

    """

    users: dict[tuple[str, str], OldUser] = field(default_factory=dict)
    clientids: dict[str, OldUser] = field(default_factory=dict)
    usernames: dict[str, OldUser] = field(default_factory=dict)
    rules: dict[tuple[str, str], list[OldRule]] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    admins: dict[str, Admin] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    engine: dict[str, dict[str, Any]] = field(default_factory=dict)
    plugins: list[str] | None = None
    modules: list[dict[str, Any]] = field(default_factory=list)

    def head(self) -> dict[str, Any]:
        """The short tables, as the store's file keeps them."""
        return {
            "apps": [asdict(app) for app in self.apps.values()],
            "admins": [asdict(one) | {"secret": b64encode(one.secret).decode()} for one in self.admins.values()],
            "resources": self.resources,
            "engine": self.engine,
            "plugins": self.plugins,
            "modules": self.modules,
        }

    def tables(self) -> dict[str, tuple[list[Any], Callable[[Any], Any]]]:
        """The long ones: their rows as they are now, and how the store's file keeps a row."""

        def ruled(row: tuple[tuple[str, str], list[OldRule]]) -> Any:
            return *row[0], [asdict(rule) for rule in row[1]]

        return {
            "old_users": (list(self.users.items()), lambda row: (row[0][0], _user_row(row[1]))),
            "old_clientids": (list(self.clientids.values()), _user_row),
            "old_usernames": (list(self.usernames.values()), _user_row),
            "old_rules": (list(self.rules.items()), ruled),
        }

    @classmethod
    def of(cls, head: Mapping[str, Any], rows: Mapping[str, list[Any]]) -> OldTables:
        """What `head` and `tables` made."""
        users = [(kind, _user(row)) for kind, row in rows["old_users"]]
        admins = [Admin(**row | {"secret": b64decode(row["secret"])}) for row in head["admins"]]
        return cls(
            users={(kind, user.login): user for kind, user in users},
            clientids={row["login"]: _user(row) for row in rows["old_clientids"]},
            usernames={row["login"]: _user(row) for row in rows["old_usernames"]},
            rules={(kind, login): [OldRule(**row) for row in of_one] for kind, login, of_one in rows["old_rules"]},
            apps={row["app_id"]: App(**row) for row in head["apps"]},
            admins={one.username: one for one in admins},
            **{name: head[name] for name in ("resources", "engine", "plugins")},
            modules=head.get("modules", []),
        )


def _user_row(user: OldUser) -> dict[str, Any]:
    return asdict(user) | {"secret": b64encode(user.secret).decode()}


def _user(row: dict[str, Any]) -> OldUser:
    return OldUser(**row | {"secret": b64decode(row["secret"])})
