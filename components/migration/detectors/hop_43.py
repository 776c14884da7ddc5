"""Detectors of 4.2 -> 4.3: rules 43-01 to 43-12 and what the seed says beyond them (43-20 to 43-45)."""

from __future__ import annotations

from components.migration.detectors.base import (
    CLEAR,
    PLAN,
    Verdicts,
    exported,
    first,
    flat,
    found,
    loaded,
    missing,
    planned,
    resources,
    unset,
)
from components.migration.detectors.set_by import overrides, place, settings
from components.migration.facts import Export, Facts, Plan
from components.migration.permissions.overlap import OLD_EVERYBODY, contradictions, fills_in
from components.migration.rules import Detector, Finding, Place, Question

FILES = "give emqx.conf and etc/plugins of a 4.2 node"
EXPORT = "give the export of the 4.2 cluster"
LOADED = "give data/loaded_plugins of a 4.2 node"
BUILT_IN = ("auth_mnesia", "acl_mnesia")
USERS = ("auth_clientid", "auth_username", "auth_mnesia")
OLD_HTTP = r"auth\.http\.((auth|super|acl)_req(\.content_type)?|header\..+|request\.(timeout|connect_timeout))"
NEW_HTTP = r"auth\.http\.(pool_size|enable_pipelining|ssl\.verify|ssl\.server_name_indication)"
NEW_HOOK = r"web\.hook\.(enable_pipelining|ssl\.verify|ssl\.server_name_indication)"


def _mixed(plan: Plan) -> bool | None:
    return None if plan.strategy is None else plan.strategy != "two-cluster"


def _not_in_steps(step: str) -> Detector:
    return planned(
        lambda plan: None if plan.steps is None else step not in plan.steps,
        f"does the plan have a step {step!r}?",
        f"no step {step!r}",
    )


def _no_credential_type(facts: Facts) -> Finding:
    """The export says it (``auth.mnesia.as``), or the plan, or the plugin's own file."""
    if facts.export is None:
        return Question(EXPORT)
    rows = [section for section in BUILT_IN if any("type" not in row for row in facts.export.rows(section))]
    configured = (setting.value for setting in settings(facts) if setting.key == "auth.mnesia.as")
    said = {facts.plan.credential, str(facts.export.data.get("auth.mnesia.as")), *configured}
    return (
        CLEAR if said & {"username", "clientid"} else found(Place(facts.export.file, item=section) for section in rows)
    )


def _patch_too_old(facts: Facts) -> Finding:
    """The version in the file counts, not the declared one: until 4.2.11 it says ``4.2`` without a patch. Enterprise does not ask."""
    if facts.plan.edition_to == "ee":
        return CLEAR
    if facts.export is None:
        return Question(EXPORT)
    said = str(facts.export.data.get("version"))
    patch = said.rsplit(".", 1)[-1] if said.count(".") == 2 else ""
    needed = {(4, 0): 13, (4, 1): 0, (4, 2): 11}.get(facts.plan.source.line, 0)
    fits = facts.plan.source.line == (4, 1) or (patch.isdecimal() and int(patch[:9]) >= needed)
    users = [section for section in USERS if facts.export.rows(section)]
    return CLEAR if fits else found(Place(facts.export.file, item=section) for section in users)


def _lost_everybody(export: Export) -> list[str]:
    return [
        f"acl_mnesia[{index}]"
        for index, row in enumerate(export.rows("acl_mnesia"))
        if row.get("login") == OLD_EVERYBODY and row.get("type") != "all"
    ]


def _literal_placeholders(export: Export) -> list[str]:
    return [
        f"acl_mnesia[{index}]"
        for index, row in enumerate(export.rows("acl_mnesia"))
        if "login" in row and fills_in(str(row.get("topic")))
    ]


def _superusers(export: Export) -> list[str]:
    return [
        f"auth_mnesia[{index}]"
        for index, row in enumerate(export.rows("auth_mnesia"))
        if str(row.get("is_superuser")).lower() == "true"
    ]


def _tls_default(facts: Facts) -> Finding:
    """TLS listeners, by name, that leave the protocol versions to the default."""
    if facts.confs is None:
        return Question(FILES)
    names = {
        setting.key.removesuffix(".tls_versions")
        for setting in settings(facts)
        if setting.key.endswith(".tls_versions")
    }
    ports = [
        one
        for one in settings(facts)
        if one.key.startswith(("listener.ssl.", "listener.wss.")) and one.key.count(".") == 2
    ]
    return found(place(one) for one in ports if one.key not in names)


def _heartbeat(facts: Facts) -> Finding:
    """The plan names the new nodes' variables; a file of the old ones' goes there too."""
    written = [place(setting) for setting in overrides(facts) if setting.key == "node.heartbeat"]
    names = facts.plan.environment
    if names is not None and "EMQX_NODE__HEARTBEAT" in names:
        written.append(Place(PLAN, item="EMQX_NODE__HEARTBEAT"))
    if not written and names is None:
        return Question("do the new nodes have the variable EMQX_NODE__HEARTBEAT?")
    return found(written)


def _old_mac(plan: Plan) -> bool | None:
    if plan.system is None:
        return None
    name, _, version = plan.system.partition(" ")
    numbers = [int(part[:9]) for part in version.split(".")[:2] if part.isdecimal()]
    return name == "macos" and numbers < [10, 14]


def _more_than_one(value: str) -> bool:
    return value.isdecimal() and value.lstrip("0") not in {"", "1"}


DETECTORS: Verdicts = {
    "43-01": planned(_mixed, "is this a move to a cluster of its own (two-cluster)?"),
    "43-02": _no_credential_type,
    "43-03": _patch_too_old,
    "43-04": _not_in_steps("restart"),
    "43-05": loaded("emqx_auth_clientid|emqx_auth_username", LOADED),
    "43-06": flat(r"listener\.wss?\..+\.verify_protocol_header", FILES),
    "43-07": flat(OLD_HTTP, FILES),
    "43-08": flat(r"auth\.mongo\.login", FILES),
    "43-09": flat(r"auth\.[a-z]+\.ssl_opts\..+", FILES),
    "43-10": flat(r"web\.hook\.api\.url", FILES),
    "43-11": missing(r"rpc\.tcp_client_num", FILES),
    "43-12": first(
        loaded("emqx_extension_hook|emqx_exhook", LOADED),
        flat(r"exhook\.(?!server\.).+|exproto\.listener\.[^.]+\.driver(_\w+)?", FILES),
    ),
    "43-20": planned(
        lambda plan: None if plan.data_directory is None else plan.data_directory == "used",
        "do the 4.3 nodes start without 4.2's mnesia directory?",
    ),
    "43-21": _not_in_steps("backup"),
    "43-22": _tls_default,
    "43-23": unset(r"listener\.wss?\.[^.]+", FILES, r"listener\.wss?\..+\.check_origin_enable"),
    "43-24": _heartbeat,
    "43-25": missing(r"log\.formatter", FILES),
    "43-26": missing(r"log\.single_line", FILES),
    "43-27": missing(r"log\.formatter\.text\.date\.format", FILES),
    "43-28": flat(r"rpc\.tcp_client_num", FILES, _more_than_one),
    "43-29": flat(r"auth\.http\.request\.retry_(times|interval|backoff)", FILES),
    "43-30": unset(r"auth\.http\.(auth|super|acl)_req(\.url)?", FILES, NEW_HTTP),
    "43-31": flat(r"auth\.redis\.(cafile|cacertfile|certfile|keyfile)", FILES),
    "43-32": flat(r"web\.hook\.encode_payload", FILES),
    "43-33": flat(r"web\.hook\.ssl\.cafile", FILES),
    "43-34": unset(r"web\.hook\.(api\.)?url", FILES, NEW_HOOK),
    "43-35": flat(r"auth\.mysql\.ssl\.cafile", FILES),
    "43-36": flat(r"broker\.shared_subscription_strategy", FILES, lambda value: value == "round_robin"),
    "43-37": planned(_old_mac, "do the new nodes run on macOS before 10.14?"),
    "43-38": flat(r"rpc\.tcp_client_port", FILES),
    "43-39": flat(r"auth\.mnesia\.(as|\d+\..+)", FILES),
    "43-40": exported(_superusers, EXPORT),
    "43-41": exported(lambda export: contradictions(export.rows("acl_mnesia")), EXPORT),
    "43-42": flat(r"listener\.(ssl|wss)\..+\.psk_ciphers", FILES, lambda value: value.startswith("PSK-")),
    "43-44": exported(_lost_everybody, EXPORT),
    "43-45": exported(_literal_placeholders, EXPORT),
    "43-43": resources("^web_hook$", EXPORT),
}
