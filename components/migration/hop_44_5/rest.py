"""What is not carried by design, each kind with its reason, so that a person sees a reason and not a gap."""

from __future__ import annotations

import re
from pathlib import PurePath

from components.migration.configs import flat
from components.migration.hop_44_5.features import EXHOOK, GONE_MODULES, WAS_OFF
from components.migration.hop_44_5.plugins import MODULES, is_loaded
from components.migration.hop_44_5.psk import PSK_NAMES, SECTION
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import LIST_SECTIONS, Source
from components.migration.kinds import kind_of
from components.migration.manifest import NOTHING, Ledger

OWN = "green's nodes have their own"
OWN_MODULE = (
    "no module of 4.4 that this conversion knows, so perhaps one of your own: nothing of it is on green",
    "look what depends on it, and put something in its place; what it denied is not denied",
)
REASONS: tuple[tuple[str, str, str], ...] = (
    (
        r"node\.|vm\.",
        f"names, memory and directories of a node: {OWN}",
        "set node.* in green's emqx.conf where you need other values",
    ),
    (r"cluster\.", f"how nodes find each other: {OWN}", "declare it for green (cluster.discovery_strategy)"),
    (r"rpc\.", f"the links between nodes: {OWN}", "set rpc.* on green where you need other values"),
    (r"log\.", f"logs: {OWN}", "set log.* on green"),
    (r"sysmon\.|os_mon\.|vm_mon\.", "thresholds of the monitor have other names and units", "set sysmon.* on green"),
    (
        r"management\.|dashboard\.",
        "the API and the dashboard of 5.x share one listener, 18083",
        "set dashboard.listeners on green",
    ),
    (r"prometheus\.", "5.x has it built in", "set prometheus on green"),
    (
        r"web\.hook\.",
        "5.x has no web hook plugin: rules with an HTTP action do this",
        "write a rule FROM $events/... with an http action",
    ),
    (
        r"bridge\.",
        "5.x has no bridge plugins and nothing was made of it: its plugin is not known to be on, or it is to an Erlang node, or 5.x has no such setting",
        "make an mqtt connector with actions and sources",
    ),
    (r"exhook\.", GONE_MODULES["exhook"][0], EXHOOK),
    (r"rule_engine\.", "5.x publishes no event messages for rules", "use FROM $events/... in the SQL"),
    (
        r"plugins\.|modules\.|module\.",
        "5.x has no modules; its plugins are other files",
        "nothing, or install the plugin for 5.x",
    ),
    (
        r"broker\.|allow_|crl_|quota\.|zone\.|mqtt\.|acl_|enable_",
        "5.x has no such setting",
        "look for it in GET /configs of green",
    ),
    (
        r"license\.",
        "the licence of 4.4 is no licence for 5.x",
        "put license.key into emqx.conf of each node before it starts",
    ),
    (r"stomp\.|coap\.|lwm2m\.|mqtt\.sn\.|exproto\.", "a gateway of 5.x has other settings", "PUT /gateways/{name}"),
    (r"auth\.", "no back end of this conversion reads it", "set it on the authenticator"),
    (r"", "5.x has no setting of this name", "look for it in GET /configs of green"),
)


NOT_LOADED = "its plugin is not loaded"
_PLUGINS: tuple[tuple[str, str], ...] = (
    (r"web\.hook\.", "emqx_web_hook"),
    (r"bridge\.mqtt\.", "emqx_bridge_mqtt"),
    (r"mqtt\.sn\.", "emqx_sn"),
    (r"psk\.file\.", "emqx_psk_file"),
    (r"(stomp|coap|lwm2m|exproto|exhook|prometheus|sasl)\.", ""),
)


def _is_of_unloaded(source: Source, key: str) -> bool:
    """Whether it is of a plugin that is known to be off."""
    for pattern, name in _PLUGINS:
        found = re.match(pattern, key)
        if found:
            return is_loaded(source, "loaded_plugins", name or f"emqx_{found[1]}") is False
    return False


def account_settings(source: Source, settings: Settings) -> None:
    """Every key that no step has read."""
    for key in list(settings.open_keys()):
        if _is_of_unloaded(source, key):
            settings.dropped(key, NOT_LOADED, NOTHING)
            continue
        why, todo = next((why, todo) for pattern, why, todo in REASONS if re.match(pattern, key))
        settings.dropped(key, why, todo)


def account_sections(source: Source, ledger: Ledger) -> None:
    """Modules that no step has read, and sections that nobody knows."""
    export = source.export or {}
    modules = export.get(MODULES, [])
    for at, row in enumerate(modules):
        if ledger.is_open(MODULES, at):
            lost = OWN_MODULE if row.get("enabled") is True else (WAS_OFF, NOTHING)
            ledger.dropped(MODULES, at, str(row.get("type", "")), *lost)
    for section, rows in export.items():
        if section in ("version", "date") or section in LIST_SECTIONS:
            continue
        ledger.expect(section, len(rows) if isinstance(rows, list) else 1)


def account_files(source: Source, settings: Settings, ledger: Ledger) -> None:
    """Files that are given and that nothing was made of."""
    uses_tls = "tls" in settings.peek("cluster.proto_dist")
    for path in source.files:
        name = PurePath(path).name
        if name == "ssl_dist.conf":
            todo = "set it up on green where you need it" if uses_tls else NOTHING
            ledger.dropped(path, ledger.grow(path, 1), name, f"TLS between nodes: {OWN}", todo)
        elif (name in PSK_NAMES or source.kinds.get(path) == PSK_NAMES[0]) and not ledger.has(SECTION):
            ledger.dropped(path, ledger.grow(path, 1), name, "no plugin or module that is on reads it", NOTHING)
        elif source.kinds.get(path) == "certificate":
            todo = "put it on green's nodes, at the path that base.hocon or the archive names"
            ledger.dropped(path, ledger.grow(path, 1), name, "certificates and keys are not copied", todo)
        elif source.environment is not None and path in source.environment.read_with:
            ledger.carried(path, ledger.grow(path, 1), name, "read: variables of other files are filled in from it")
        else:
            ledger.expect(path, 0)  # a file without settings is in the table of the account too
            _account_lines(source, path, ledger)


def _account_lines(source: Source, path: str, ledger: Ledger) -> None:
    """Lines of a configuration file that set nothing: an ``include`` of Enterprise, and what 4.4 itself could not have read."""
    kind = source.kinds.get(path) or kind_of(path, source.files[path], 4)
    given = {PurePath(one).name for one in source.files}
    for row in flat.parse(path, source.files[path]).rows if kind == "flat" else ():
        if not row.is_foreign:
            continue
        at, label = ledger.grow(path, 1), f"line {row.number}"
        if row.included is None:
            ledger.dropped(path, at, label, "neither a setting nor a comment", "write it as key = value, or remove it")
        elif PurePath(row.included.strip('"')).name in given:
            ledger.carried(path, at, label, "the included file is converted too")
        else:
            why = f"it includes {row.included}, which is not given: nothing of it is on green"
            ledger.dropped(path, at, label, why, "give that file too")
