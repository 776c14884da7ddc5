"""The authentication chain of 5.x; who was refused stays refused.

The rule kept here: 5.x lets everybody in who comes to an empty chain. An empty chain is written only where 4.4 is known to have let
everybody in; otherwise the built-in database stands in it, even without users.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.migration.hop_44_5.backends import BACKENDS, Backend, jwt
from components.migration.hop_44_5.loaded import may_refuse
from components.migration.hop_44_5.plugins import AUTH, GIVE_LOADED, MODULES, Plugin, is_known
from components.migration.hop_44_5.recipes import Watched
from components.migration.hop_44_5.settings import Settings, is_on, of_zones
from components.migration.hop_44_5.shape import backend_faults, refused
from components.migration.hop_44_5.source import Options, Source
from components.migration.hop_44_5.users import Users
from components.migration.manifest import NOTHING, Ledger, shorten
from components.migration.requests import Request

Json = dict[str, Any]
ORDER_NAMES = {"mongodb": "mongo", "postgres": "pgsql", "internal": "file"}
UNKNOWN = "it is not known whether this plugin is on, so it is left out and nobody gets in by it"
UNKNOWN_ACL = "it is not known whether this plugin is on, so it is left out: if it is, what it denies is left to the other sources"
QUICK = "false_quick_deny"
UNREADABLE = "its configuration is not of the shape that 4.4 writes, or 5.x knows no such password_hash"
BY_HAND = "set it up on green by hand; until then nobody gets in by it"
EMPTY = (0, "0", "", None)
LOOK = "look whether 5.x's own value will do"


@dataclass(frozen=True)
class Chain:
    """``authentication``, and what the authorization needs of it."""

    authenticators: list[Json]
    backends: dict[str, Backend]

    def requests(self) -> Iterator[Request]:
        """The import appends to what is there: put the chain into its order."""
        names = [identifier(one) for one in self.authenticators]
        if len(names) > 1:
            for name in reversed(names):
                yield Request("PUT", f"/authentication/{name.replace(':', '%3A')}/position/front", None)


def identifier(authenticator: Json) -> str:
    """The id that 5.x gives it: ``password_based:built_in_database``, ``jwt``."""
    return ":".join(filter(None, (authenticator["mechanism"], authenticator.get("backend"))))


def anonymous_is_let_in(settings: Settings) -> bool:
    """``allow_anonymous`` in the zone of every listener; where no file says so, no: the default of 4.4's schema."""
    return all(map(is_on, of_zones(settings, "allow_anonymous").values()))


def in_order(plugins: list[Plugin], order: str) -> list[Plugin]:
    """Plugins by ``auth_order`` or ``acl_order``: those it names first."""
    wanted = [ORDER_NAMES.get(name, name) for name in order.replace(",", " ").split() if name != "none"]
    return sorted(plugins, key=lambda plugin: wanted.index(plugin.name) if plugin.name in wanted else len(wanted))


def built_in(users: Users, *, enabled: bool = True) -> Json:
    """The authenticator of the built-in users."""
    algorithm = {"name": users.hash_name, "salt_position": "prefix"}
    who = {"user_id_type": users.kind, "password_hash_algorithm": algorithm}
    return {"mechanism": "password_based", "backend": "built_in_database", "enable": enabled, **who}


def convert_authn(
    source: Source,
    options: Options,
    settings: Settings,
    ledger: Ledger,
    plugins: list[Plugin],
    users: Users,
    target: tuple[int, int],
) -> Chain:
    """Write the chain, in ``auth_order`` where there is one, else as the plugins were loaded."""
    backends: dict[str, Backend] = {}
    authenticators: list[Json] = []
    for plugin in in_order(plugins, settings.peek("auth_order")):
        if plugin.name == "mnesia":
            authenticators.append(built_in(users, enabled=plugin.enabled is not False))
            unread = tuple(key for key, value in plugin.config.items() if key != "password_hash" and value not in EMPTY)
            _account(settings, ledger, plugin, Backend(None, None, (), unread=unread))
            continue
        backend = _backend(plugin, options, target)
        backends[plugin.name] = backend
        if backend.authenticator and plugin.enabled is not None and (plugin.enabled or plugin.module is not None):
            authenticators.append({**backend.authenticator, "enable": plugin.enabled})
        _account(settings, ledger, plugin, backend)
    if not any(one["enable"] for one in authenticators) and not _everybody_was_let_in(source, settings, plugins):
        authenticators = [one for one in authenticators if one.get("backend") != "built_in_database"]
        authenticators.append(built_in(users))
    if users.stored and not any(one.get("backend") == "built_in_database" for one in authenticators):
        authenticators.append(built_in(users, enabled=False))  # off as in 4.4, but it must be there to hold its users
    _account_anonymous(settings, authenticators)
    return Chain(authenticators, backends)


LDAP_SINCE = (5, 3)  # rule 51-21
NO_LDAP = "5.1 and 5.2 have no LDAP; it is back in 5.3"
OTHER_LDAP = "LDAP of 5.x asks in another way (base_dn, filter, method)"


def _backend(plugin: Plugin, options: Options, target: tuple[int, int]) -> Backend:
    convert = BACKENDS.get(plugin.name)
    if convert is None and plugin.name != "jwt":
        return Backend(None, None, (), NO_LDAP if target < LDAP_SINCE else OTHER_LDAP)
    config = Watched(plugin.config)
    try:
        backend = convert(config) if convert else jwt(config, options.jwt_key, target)
    except (TypeError, ValueError, AttributeError):
        return Backend(None, None, (), UNREADABLE)
    return _taken(backend)._replace(unread=tuple(config.unread(plugin.config)))


def _taken(backend: Backend) -> Backend:
    """The back end, or why 5.x would refuse it: it would refuse everything that comes with it too."""
    halves = (("authentication", backend.authenticator), ("authorization", backend.source))
    why = next(filter(None, (refused(backend_faults(root, half)) for root, half in halves if half)), "")
    return Backend(None, None, (), why) if why else backend


def _everybody_was_let_in(source: Source, settings: Settings, plugins: list[Plugin]) -> bool:
    known = is_known(source) and not may_refuse(source) and not any(plugin.enabled is not False for plugin in plugins)
    return known and anonymous_is_let_in(settings)


def _account(settings: Settings, ledger: Ledger, plugin: Plugin, backend: Backend) -> None:
    """The module, or the settings of the plugin's file."""
    if plugin.module is not None:
        _account_module(ledger, plugin.module, plugin, backend)
    for key, name in plugin.keys.items():
        _account_key(settings, key, name, plugin, backend)


def _account_module(ledger: Ledger, at: int, plugin: Plugin, backend: Backend) -> None:
    label, unread = AUTH[plugin.name], ", ".join(map(shorten, backend.unread))
    notes = dict.fromkeys((*backend.notes, *((f"not carried: {unread}",) if unread else ())))
    if backend.refused:
        ledger.dropped(MODULES, at, label, backend.refused, BY_HAND if plugin.enabled else NOTHING)
    elif notes and plugin.enabled:
        ledger.changed(MODULES, at, label, "; ".join(notes), "do this before devices move")
    else:
        ledger.carried(MODULES, at, label, "on" if plugin.enabled else "off as it was")


def _account_key(settings: Settings, key: str, name: str, plugin: Plugin, backend: Backend) -> None:
    is_unread = name in backend.unread and not backend.refused
    if plugin.enabled is False:
        settings.dropped(key, "its plugin is not loaded", NOTHING)
    elif plugin.enabled is None and plugin.name != "mnesia":
        settings.dropped(key, UNKNOWN_ACL if "acl" in key else UNKNOWN, GIVE_LOADED)
    elif is_unread:
        settings.dropped(key, "the back end of 5.x has no such setting that this conversion writes", LOOK)
    elif plugin.name == "mnesia":
        settings.carried(key, "in the built-in authenticator")
    elif backend.refused:
        settings.dropped(key, backend.refused, BY_HAND)
    elif backend.notes:
        settings.changed(key, "; ".join(dict.fromkeys(backend.notes)), "do this before devices move")
    else:
        settings.carried(key, f"in the {plugin.name} back end")


def _account_anonymous(settings: Settings, authenticators: list[Json]) -> None:
    is_open = not any(one["enable"] for one in authenticators)
    for found, _ in list(settings.matching(r"(zone\.[\w-]+\.)?allow_anonymous")):
        if is_on(found.value) and not is_open:
            how = "who is not known to the chain was let in and is refused on 5.x"
            todo = "give these devices credentials, or set enable_authn = false on a listener of theirs"
            settings.changed(found.key, how, todo)
        elif found.value == QUICK and not is_open:
            how = "a client without a user name was refused at once; 5.x asks the chain, which may know it"
            settings.changed(found.key, how, "give no credentials to devices that must not come in")
        else:
            how = "an empty chain lets everybody in" if is_open else "who is not known is refused"
            settings.carried(found.key, how)
    settings.carried("auth_order", "as the order of the chain")
