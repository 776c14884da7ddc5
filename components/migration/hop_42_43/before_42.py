"""What 4.0 and 4.1 said otherwise than 4.2: switches of modules in emqx.conf, one kind of rewrite rule, plugins of other names.

The rule kept here: a module is on in 4.3 if a switch of 4.0 had it on, and the rules of acl.conf are asked as 4.0, which had no switch for them, did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from components.migration.configs.flat import Setting
from components.migration.configs.terms import parse_loaded

SWITCH = re.compile(r"module\.(presence|subscription|rewrite|topic_metrics|delayed)")
REWRITE = re.compile(r"module\.rewrite\.rule\.(\d+)")
AS_MODULE = {"emqx_delayed_publish": "emqx_mod_delayed"}
"""Plugins of 4.0 that are modules now."""
RENAMED = {"emqx_statsd": "emqx_prometheus"}
"""Plugins that only changed their name (4.1 called it so; both push to a gateway of Prometheus)."""
ASKS_RULES = "emqx_mod_acl_internal"
SHIPPED = re.compile(
    r"emqx_(auth_(http|jwt|ldap|mnesia|mongo|mysql|pgsql|redis)|bridge_\w+|backend_\w+|coap|dashboard|exhook|exproto|lua_hook|lwm2m|management"
    r"|modules|prometheus|psk_file|recon|retainer|rule_engine|sasl|sn|stomp|telemetry|web_hook|conf|license|schema_registry|jt808|gbt32960"
    r"|tcp|ocpp|schema_registry|mod_\w+)",
    re.ASCII,
)
"""Names of 4.3's plugins, with the families of Enterprise (github.com/emqx/emqx, its apps and lib-ce of 4.3)."""
ON = frozenset({"on", "true"})


def module_of(setting: Setting) -> str | None:
    """The module that a setting switches; None where it is no switch."""
    found = SWITCH.fullmatch(setting.key)
    return f"emqx_mod_{found[1]}" if found else None


def loaded_modules(settings: Iterable[Setting], plugins: Iterable[tuple[str, str]], given: str | None) -> str | None:
    """The text of 4.3's ``loaded_modules``, or None where nothing was said otherwise than by the file itself.

    Args:
        settings: all of 4.0's, the last of a key counts.
        plugins: path and text of ``loaded_plugins``.
        given: the text of a ``loaded_modules`` of 4.1, which is kept.

    """
    switched = {module: one.value in ON for one in settings if (module := module_of(one)) is not None}
    for file, text in plugins:
        switched |= {AS_MODULE[one.name]: one.enabled for one in parse_loaded(file, text) if one.name in AS_MODULE}
    if not switched:
        return None
    there = {one.name for one in parse_loaded("loaded_modules", given)} if given else set()
    wanted = {**({} if given else {ASKS_RULES: True}), **switched}
    new = "".join(f"{{{name}, {str(on).lower()}}}.\n" for name, on in wanted.items() if name not in there)
    return f"{given.rstrip()}\n{new}" if given else new
