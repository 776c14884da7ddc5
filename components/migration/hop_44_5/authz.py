"""The authorization chain of 5.x: its sources in 4.4's order, ``no_match`` and the action on a denial.

The rule kept here: behind a source that decided everything in 4.4, or whose data 5.x cannot read yet, nothing may allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from components.migration.hop_44_5.acl import DEFAULT_MAX_RULES, Acl
from components.migration.hop_44_5.aclfile import ALL, FileConversion
from components.migration.hop_44_5.aclsource import AclFile, account_file, account_unused, convert_acl_file, read_file
from components.migration.hop_44_5.authn import Chain, in_order
from components.migration.hop_44_5.backends import ACL_DATA, TOKENS
from components.migration.hop_44_5.plugins import MODULES, Plugin, is_known
from components.migration.hop_44_5.settings import Settings, is_on, of_zones
from components.migration.hop_44_5.source import Source
from components.migration.manifest import NOTHING, Ledger
from components.migration.permissions.after import Dialect
from components.migration.permissions.client import Access
from components.migration.permissions.erlang import Atom, Text
from components.migration.requests import Request

Json = dict[str, Any]
FILE = "file"
MAX_RULES_SINCE = (5, 8)  # emqx#13196; before it there is no limit, and no such key
TEMPLATE_ALLOW_SINCE = (6, 3)
TEMPLATE_ALLOW = {"plus": True, "hash": True, "slash": True}
"""Since 6.3.0 (emqx#17596) a rule with a placeholder does not match a name with these letters: a deny would be lost. Allows have a
condition of their own that keeps such names out."""
OFF_FILE: Json = {"type": FILE, "enable": False, "rules": "{deny, all}.\n"}


@dataclass
class Authorization:
    """The root ``authorization``.

    ``mutes_tokens``: the rules in tokens must not be read, they would be asked too early; ``forbids_delay``: delayed publish must be off.
    """

    sources: list[Json] = field(default_factory=list)
    no_match: Access = Access.DENY
    deny_action: str = "ignore"
    cache: Json = field(default_factory=dict)
    mutes_tokens: bool = False
    forbids_delay: bool = False
    template_allow: Json = field(default_factory=dict)

    def config(self) -> Json:
        """As it is in ``cluster.hocon``."""
        templates = {"topic_template_allow": self.template_allow} if self.template_allow else {}
        return {
            "no_match": str(self.no_match),
            "deny_action": self.deny_action,
            "cache": self.cache,
            **templates,
            "sources": self.sources,
        }

    def requests(self) -> Iterator[Request]:
        """The import keeps green's own ``acl.conf`` in front: put every source into its place, the last first."""
        for source in reversed(self.sources):
            yield Request("POST", f"/authorization/sources/{source['type']}/move", {"position": "front"})
        settings = {"no_match": str(self.no_match), "deny_action": self.deny_action, "cache": self.cache}
        yield Request("PUT", "/authorization/settings", settings)


def convert_authz(
    source: Source,
    settings: Settings,
    ledger: Ledger,
    plugins: list[Plugin],
    chain: Chain,
    acl: Acl,
    *,
    speaks: tuple[Dialect, ...],
    target: tuple[int, int],
) -> Authorization:
    """Write the sources, and forbid what must not follow."""
    acl_file = read_file(source, settings)
    file = convert_acl_file(acl_file, acl, loose=any(dialect.loose for dialect in speaks))
    allowed = TEMPLATE_ALLOW if target >= TEMPLATE_ALLOW_SINCE else {}
    authorization = Authorization(no_match=no_match(settings), template_allow=allowed)
    chain_of_sources = _sources(plugins, settings, acl_file, known=is_known(source))
    is_last = bool(chain_of_sources) and chain_of_sources[-1].name == FILE
    if file.root_denied and is_last and authorization.no_match is Access.ALLOW and file.ends_with is None:
        file.rules.append((Atom("allow"), ALL, ALL, [Text("#")]))
    stopped = _fill(authorization, chain_of_sources, settings, ledger, chain, acl, file, target)
    if file.ends_with is Access.DENY or file.root_denied or (acl_file.enabled and not acl_file.given):
        authorization.no_match = Access.DENY
    if (
        file.ends_with is Access.ALLOW
        and authorization.no_match is Access.DENY
        and not all(d.loose or d.all_is_any for d in speaks)
    ):
        file.note(acl_file.last_all(), "before 5.8.9 it is not for topics that begin with $: no_match decides these")
    if not any(one["type"] == FILE for one in authorization.sources):
        authorization.sources.append(OFF_FILE)
    account_file(ledger, acl_file, file, stopped)
    account_unused(source, ledger, acl_file)
    authorization.forbids_delay = file.forbids_delay or acl.forbids_delay
    _note_order(settings, ledger, chain_of_sources, chain)
    _finish(authorization, settings)
    return authorization


def _fill(
    authorization: Authorization,
    plugins: list[Plugin],
    settings: Settings,
    ledger: Ledger,
    chain: Chain,
    acl: Acl,
    file: FileConversion,
    target: tuple[int, int],
) -> str:
    """Write the sources in their order; why those behind one of them are off, or nothing."""
    stopped = ""
    for plugin in plugins:
        written = _source(plugin, chain, acl, file, target)
        if plugin.name == "jwt" and plugin.enabled is True and not stopped and _has_enabled(authorization):
            stopped, authorization.no_match, authorization.mutes_tokens = TOKENS, Access.DENY, True
            _account_tokens(settings, ledger, plugin)
        if written is None:
            if plugin.enabled is True and not stopped and _is_lost(plugin, chain):
                stopped, authorization.no_match = ACL_DATA, Access.DENY
                _account_data(settings, ledger, plugin)
            continue
        enabled = plugin.enabled is True or (plugin.enabled is None and plugin.name in ("mnesia", FILE))
        authorization.sources.append({**written, "enable": enabled and not stopped})
        if enabled and not stopped and plugin.name in SOURCE_DATA:
            stopped, authorization.no_match = ACL_DATA, Access.DENY
            _account_data(settings, ledger, plugin)
        if enabled and plugin.name == FILE and file.ends_with is not None:
            stopped = stopped or "everything was decided before it in 4.4"
    return stopped


ASK_ORDER = "look whether this is the order, on a node of blue: emqx eval \"emqx_hooks:lookup('client.check_acl').\""


def _note_order(settings: Settings, ledger: Ledger, plugins: list[Plugin], chain: Chain) -> None:
    """Modules that were started by hand: which is asked first is not sure where nobody has set it."""
    asked = [one for one in plugins if one.enabled and one.module is not None and _answers(one, chain)]
    if len(asked) > 1 and settings.peek("acl_order", "none") == "none":
        names = ", ".join(one.name for one in asked)
        for one in asked:
            how = f"acl_order is not set, so 4.4 asked in the order that modules were started in; taken from the export: {names}"
            ledger.changed(MODULES, one.module or 0, one.name, how, ASK_ORDER)


def _answers(plugin: Plugin, chain: Chain) -> bool:
    backend = chain.backends.get(plugin.name)
    return plugin.name in ("mnesia", "jwt") or (backend is not None and backend.source is not None)


def _has_enabled(authorization: Authorization) -> bool:
    return any(one["enable"] for one in authorization.sources)


NO_CLAIM = "no_rules_of_tokens"


def _account_tokens(settings: Settings, ledger: Ledger, plugin: Plugin) -> None:
    todo = (
        "if no source before them denies what they allow, set acl_claim_name back and switch on the sources behind them"
    )
    if plugin.module is not None:
        ledger.changed(MODULES, plugin.module, "jwt_authentication", TOKENS, todo)
    for key in plugin.keys:
        settings.changed(key, TOKENS, todo)


def mute_tokens(authenticator: Json) -> Json:
    """The authenticator of tokens with a claim for rules that no token has."""
    return {**authenticator, "acl_claim_name": NO_CLAIM} if authenticator["mechanism"] == "jwt" else authenticator


def _is_lost(plugin: Plugin, chain: Chain) -> bool:
    """Whether 4.4 asked it for permissions and 5.x cannot: what it denied must not fall to the sources behind it."""
    backend = chain.backends.get(plugin.name)
    acl = {key: value for key, value in plugin.config.items() if key.startswith("acl") and value}
    # Enterprise's MongoDB has this collection by default; without selectors 4.4 asks nothing of it
    asked = plugin.name == "ldap" or (bool(acl) and acl != {"acl_query_collection": "mqtt_acl"})
    return backend is not None and bool(backend.refused) and asked and plugin.name in (*SOURCE_DATA, "ldap")


SOURCE_DATA = ("redis", "mysql", "pgsql", "mongo", "http")


def no_match(settings: Settings) -> Access:
    """``acl_nomatch``, the strictest of all zones that listeners are in; where no file says so: deny, as 4.4's schema does."""
    is_open = all(value == "allow" for value in of_zones(settings, "acl_nomatch").values())
    return Access.ALLOW if is_open else Access.DENY


def _sources(plugins: list[Plugin], settings: Settings, acl_file: AclFile, *, known: bool) -> list[Plugin]:
    """The plugins that answer for permissions in their order; ``acl.conf`` is the last where no order is set."""
    last = [Plugin(FILE, acl_file.enabled)] if acl_file.terms else []
    has_mnesia = any(plugin.name == "mnesia" for plugin in plugins)
    mnesia = [] if has_mnesia else [Plugin("mnesia", False if known else None)]
    return in_order([*plugins, *mnesia, *last], settings.peek("acl_order"))


def _source(plugin: Plugin, chain: Chain, acl: Acl, file: FileConversion, target: tuple[int, int]) -> Json | None:
    if plugin.name == FILE:
        return {"type": FILE, "rules": file.text()}
    if plugin.name == "mnesia":
        many = acl.max_rules() > DEFAULT_MAX_RULES and target >= MAX_RULES_SINCE
        return {"type": "built_in_database"} | ({"max_rules": acl.max_rules()} if many else {})
    backend = chain.backends.get(plugin.name)
    if backend is None or backend.source is None or (not plugin.enabled and plugin.module is None):
        return None
    return backend.source


def _account_data(settings: Settings, ledger: Ledger, plugin: Plugin) -> None:
    todo = "rewrite its rows or answers, test a denied topic, then switch on the sources behind it"
    if plugin.module is not None:
        ledger.changed(MODULES, plugin.module, plugin.name, ACL_DATA, todo)
    for key in plugin.keys:
        if "acl" in key:
            settings.changed(key, ACL_DATA, todo)


def _finish(authorization: Authorization, settings: Settings) -> None:
    """The settings beside the sources."""
    for found, _ in list(settings.matching(r"(zone\.[\w-]+\.)?acl_nomatch")):
        if found.value != "allow" or authorization.no_match is Access.ALLOW:
            settings.carried(found.key, f"authorization.no_match = {authorization.no_match}")
        else:
            how = (
                "authorization.no_match = deny, because the sources could miss a denial of 4.4, or another zone denies"
            )
            settings.changed(found.key, how, "see the sources")
    _account_deny_action(authorization, settings)
    settings.carried("acl_order", "as the order of the sources")
    settings.carried("acl_file", "read")
    authorization.cache = {"enable": is_on(settings.peek("enable_acl_cache", "on"))}
    settings.carried("enable_acl_cache")
    if "acl_cache_max_size" in settings:
        authorization.cache["max_size"] = settings.whole("acl_cache_max_size")
    if "acl_cache_ttl" in settings:
        authorization.cache["ttl"] = settings.carried("acl_cache_ttl")
    _account_switches(settings)


NOT_ASKED = "4.4 did not ask for permissions in this zone, 5.x does"
NO_LISTENER = "no listener is in this zone"


def _account_switches(settings: Settings) -> None:
    """``enable_acl`` of every zone, in one wording."""
    listeners = [found.key for found, _ in settings.matching(r"listener\.(?:tcp|ssl|wss?)\.[\w-]+")]
    used = {settings.peek(f"{key}.zone") for key in listeners}
    for found, match in list(settings.matching(r"zone\.([\w-]+)\.enable_acl")):
        if is_on(found.value):
            settings.carried(found.key, "5.x always asks")
        elif listeners and match[1] not in used:
            settings.dropped(found.key, NO_LISTENER, NOTHING)
        else:
            settings.changed(found.key, NOT_ASKED, "look whether the rules let your devices through")


def _account_deny_action(authorization: Authorization, settings: Settings) -> None:
    """5.x has one for all zones: that of ``external``, or the general one."""
    for key in ("acl_deny_action", "zone.external.acl_deny_action"):
        if key in settings:
            action = settings.carried(key, "authorization.deny_action")
            authorization.deny_action = action if action in ("ignore", "disconnect") else "disconnect"
    for found, match in list(settings.matching(r"zone\.([\w-]+)\.acl_deny_action")):
        if match[1] != "external" and found.value == authorization.deny_action:
            settings.carried(found.key, "authorization.deny_action")
        elif match[1] != "external":
            how = f"5.x has one for all zones, authorization.deny_action = {authorization.deny_action}"
            settings.changed(found.key, how, "look whether this will do in this zone")
