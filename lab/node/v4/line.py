"""What differs between 4.2, 4.3 and 4.4, as data (docs/emqx/v4.md#the-three-versions-compared, docs/emqx/v4-data.md#the-three-versions-compared).

The rule: no handler compares version numbers; it asks for a field here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

MNESIA, ENGINE, CLIENTID, USERNAME = "emqx_auth_mnesia", "emqx_rule_engine", "emqx_auth_clientid", "emqx_auth_username"
_AUTH = {
    CLIENTID: ("auth", "Authentication with ClientId/Password"),
    "emqx_auth_http": ("auth", "Authentication/ACL with HTTP API"),
    MNESIA: ("auth", "Authentication with Mnesia"),
    USERNAME: ("auth", "Authentication with Username and Password"),
    "emqx_bridge_mqtt": ("bridge", "Bridge to MQTT Broker"),
    "emqx_dashboard": ("feature", "Web Dashboard"),
    "emqx_management": ("feature", "Management API and CLI"),
    "emqx_recon": ("feature", "Recon Plugin"),
    "emqx_retainer": ("feature", "Retainer"),
    ENGINE: ("feature", "Rule Engine"),
    "emqx_sasl": ("feature", "SASL"),
    "emqx_telemetry": ("feature", "Telemetry"),
    "emqx_web_hook": ("feature", "WebHook Plugin"),
}
_MODULES = {
    "emqx_mod_delayed": "Delayed Publish Module",
    "emqx_mod_topic_metrics": "Topic Metrics Module",
    "emqx_mod_subscription": "Subscription Module",
    "emqx_mod_acl_internal": "Internal ACL Module",
    "emqx_mod_rewrite": "Topic Rewrite Module",
    "emqx_mod_presence": "Presence Module",
    "emqx_mod_trace": "Trace Module",
    "emqx_mod_slow_subs": "Slow Subscribers Statistics Module",
}
ACTIVE_MODULES = frozenset({"emqx_mod_acl_internal", "emqx_mod_presence"})
BEHIND = {"mnesia_authentication": MNESIA}
"""The plugin that a type of Enterprise's modules works by, as far as the lab plays it."""
LOADED = ("emqx_management", "emqx_dashboard", "emqx_recon", "emqx_retainer", ENGINE, MNESIA, "emqx_web_hook")
"""The plugins of the recorded nodes, in the order in which they start (V_4.3.22_data: loaded_plugins)."""
_STATS = (
    "channels connections retained routes sessions suboptions subscribers subscriptions subscriptions.shared topics"
)
LATER_FIELDS = (
    "recv_msg.dropped", "recv_msg.qos0", "recv_msg.qos1", "recv_msg.qos2", "send_msg.dropped", "send_msg.dropped.expired",
    "send_msg.dropped.queue_full", "send_msg.dropped.too_large", "send_msg.qos0", "send_msg.qos1", "send_msg.qos2",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One line of 4.x.

    Attributes:
        number: ``4.2``.  brand: how it calls itself.  otp: what the recorded ones answered.
        listeners_first: MQTT opens before any plugin is there.  says_no: ``/status`` answers 503 while it starts.
        one_kind: users are of one kind, with superusers, and rules have an order of their own (4.2).
        kick_unknown: the answer to a kick of nobody.  kick_tells: an MQTT 5 client is sent 0x98.
        crashes_on_doubt: a broken header or status of an application is 500, not 401.
        live: the living connections are told apart.  identifiers: listeners have one.
        client_fields: what a client's entry has besides the 36 of all.  stats: gauges.
        lookup_says_here: the subscriptions of a client are said to be on the node that is asked (V_4.2.14_clients 55).
        hides_exports: they lie in ``backup`` and cannot be loaded down.
        plugins: name -> (type, description), in the order of ``/plugins``.  modules: name -> description.

    """

    number: str
    brand: str
    otp: str
    listeners_first: bool
    says_no: bool
    one_kind: bool
    kick_unknown: tuple[tuple[str, object], ...]
    kick_tells: bool
    crashes_on_doubt: bool
    live: bool
    identifiers: bool
    client_fields: tuple[str, ...]
    stats: tuple[str, ...]
    lookup_says_here: bool
    hides_exports: bool
    plugins: tuple[tuple[str, str, str], ...]
    modules: tuple[tuple[str, str], ...]


def _plugins(brand: str, left_out: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple((name, kind, f"{brand} {text}") for name, (kind, text) in _AUTH.items() if name not in left_out)


def _modules(brand: str, count: int) -> tuple[tuple[str, str], ...]:
    return tuple((name, f"{brand} {text}") for name, text in list(_MODULES.items())[:count])


_42 = Line(
    number="4.2",
    brand="EMQ X",
    otp="R25/13.1.5",
    listeners_first=False,
    says_no=False,
    one_kind=True,
    kick_unknown=(("message", "not_found"), ("code", 112)),
    kick_tells=False,
    crashes_on_doubt=True,
    live=False,
    identifiers=False,
    client_fields=(),
    stats=("actions", "resources", "rules", *_STATS.split()),
    lookup_says_here=True,
    hides_exports=False,
    plugins=_plugins("EMQ X", ()),
    modules=_modules("EMQ X", 6),
)
_43 = Line(
    number="4.3",
    brand="EMQ X",
    otp="25.2.3/13.1.5",
    listeners_first=True,
    says_no=True,
    one_kind=False,
    kick_unknown=(("code", 0),),
    kick_tells=True,
    crashes_on_doubt=False,
    live=False,
    identifiers=True,
    client_fields=(),
    stats=tuple(_STATS.split()),
    lookup_says_here=False,
    hides_exports=False,
    plugins=_plugins("EMQ X", (CLIENTID, USERNAME)),
    modules=_modules("EMQ X", 6),
)
_44 = replace(
    _43,
    number="4.4",
    brand="EMQX",
    live=True,
    client_fields=LATER_FIELDS,
    stats=("live_connections", *_STATS.split()),
    hides_exports=True,
    plugins=_plugins("EMQX", (CLIENTID, USERNAME)),
    modules=_modules("EMQX", 8),
)
LINES = {line.number: line for line in (_42, _43, _44)}


def line_of(version: str) -> Line | None:
    """The line of a version; None when it is none of 4.2, 4.3 and 4.4."""
    return LINES.get(".".join(version.split(".")[:2]))


def hangs(version: str, other: str) -> bool:
    """Whether a node is let into a cluster of the other version, and hangs over its tables: 4.2 in that of a later line."""
    lines = [line for line in map(line_of, (version, other)) if line is not None]
    return len({line.one_kind for line in lines}) > 1
