"""What ``loaded_plugins`` and ``loaded_modules`` say is on, and what becomes of each of them.

The rule kept here: a plugin that this conversion does not read may have let devices in or kept them out, so one that was on is said to be gone.
"""

from __future__ import annotations

from components.migration.hop_44_5.plugins import AUTH, MODULES, named
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import Source
from components.migration.manifest import Ledger

READ = frozenset(
    {
        *(f"emqx_auth_{name}" for name in AUTH if name != "ldap"),
        *("emqx_retainer", "emqx_psk_file", "emqx_bridge_mqtt"),
        *(
            f"emqx_mod_{name}"
            for name in ("acl_internal", "presence", "delayed", "rewrite", "subscription", "slow_subs")
        ),
    }
)
BUILT_IN = frozenset(
    f"emqx_{name}" for name in ("management", "dashboard", "modules", "recon", "telemetry", "rule_engine", "prometheus")
)
UNKNOWN = (
    "5.x has no plugin of this name that this conversion sets up; whom it let in is not let in, and what it denied is not denied",
    "put something in its place before devices move",
)
GATEWAY = ("its gateway is set up in another way on 5.x", "PUT /gateways/{name}, with an authenticator")
GONE = {
    **dict.fromkeys(("emqx_coap", "emqx_lwm2m", "emqx_sn", "emqx_stomp", "emqx_exproto"), GATEWAY),
    "emqx_web_hook": ("5.x has no web hook plugin", "write rules FROM $events/... with an http action"),
    "emqx_mod_topic_metrics": ("its topics are in no file", "add the topics again: POST /mqtt/topic_metrics"),
    "emqx_mod_trace": ("traces are not carried", "start them again"),
}


def account_loaded(source: Source, settings: Settings, ledger: Ledger) -> None:
    """Each fact of the two files, if they are given, and of the variables that stand for them."""
    for file in ("loaded_plugins", "loaded_modules"):
        facts = named(source, file)
        ledger.expect(file, len(facts))
        settings.carried(file, "read: it says what is on")
        for at, fact in enumerate(facts):
            if file == "loaded_modules" and MODULES in (source.export or {}):
                ledger.carried(file, at, fact.name, "the modules of the export count")
            elif not fact.enabled:
                ledger.carried(file, at, fact.name, "off as it was")
            elif fact.name in READ:
                ledger.carried(file, at, fact.name, "read: it says what is on")
            elif fact.name in BUILT_IN:
                ledger.carried(file, at, fact.name, "5.x has it built in")
            else:
                ledger.dropped(file, at, fact.name, *GONE.get(fact.name, UNKNOWN))


DECIDING_MODULES = frozenset({"exhook", "lua_hook", "sasl", "auth_sasl"})


def may_refuse(source: Source) -> bool:
    """Whether something was on that is not converted and may have refused devices, whatever ``allow_anonymous`` said."""
    plugins = (fact.name for fact in named(source, "loaded_plugins") if fact.enabled)
    modules = (str(row.get("type")) for row in (source.export or {}).get(MODULES, []) if row.get("enabled") is True)
    return not {*plugins} <= READ | BUILT_IN | GONE.keys() or not DECIDING_MODULES.isdisjoint(modules)
