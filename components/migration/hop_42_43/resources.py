"""Resources of the rule engine, and the rules that use them, in the shape that 4.3 requires.

4.3 refuses a whole import for one value of another type (V_4.2.14_to_4.3.22_*, W), and mends only what says ``4.0``, ``4.1`` or ``4.2``; the
target shape is the one that it was seen to make of a web hook. Types of fields: emqx 4.3 emqx_web_hook_actions, emqx_bridge_mqtt_actions.
The rule kept here: the import gets only what is known to be taken; of other types each resource is a request of its own behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from components.migration.manifest import Ledger
from components.migration.requests import Request

Row = dict[str, Any]
WEB_HOOK, TO_WEB_SERVER = "web_hook", "data_to_webserver"
JSON = "application/json"
ACTIONS = frozenset({"republish", "inspect", "do_nothing", TO_WEB_SERVER, "data_to_mqtt_broker"})
"""What open source 4.3 knows; one action that it does not know makes the whole import fail."""
RESOURCE, RULES, RESOURCES = "$resource", "rules", "resources"
ANEW = "make it anew on the new cluster"


def _duration(value: Any) -> str:
    """Seconds as a number become text with their unit."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError("no time")
    return f"{value}s" if str(value).isdecimal() else str(value)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not str(value).isdecimal():
        raise ValueError("no number")
    return int(value)


def _switch(value: Any) -> bool:
    return {"true": True, "on": True, "false": False, "off": False}[str(value).lower()]


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError("no text")
    return str(value)


Kind = Callable[[Any], Any]
SHAPES: Mapping[str, Mapping[str, Kind]] = {
    WEB_HOOK: {"connect_timeout": _duration, "request_timeout": _duration, "pool_size": _number, "verify": _switch}
    | {"enable_pipelining": _switch},
    "bridge_mqtt": dict.fromkeys(("keepalive", "reconnect_interval", "retry_interval"), _duration)
    | dict.fromkeys(("append", "bridge_mode", "ssl", "verify"), _switch)
    | {"pool_size": _number},
    "bridge_rpc": {"reconnect_interval": _duration, "pool_size": _number, "batch_size": _number},
}
"""By type, the fields that are no text."""
DEFAULTS: Mapping[str, Row] = {
    WEB_HOOK: {"connect_timeout": 5, "request_timeout": 5, "pool_size": 8, "verify": False}
    | {"cacertfile": "", "certfile": "", "keyfile": ""},
    "bridge_mqtt": {"ssl": False, "pool_size": 8},
    "bridge_rpc": {"pool_size": 8},
}
OF_THE_ACTION = ("headers", "method", "content_type")
"""Of a web hook's resource in 4.2, of the action that uses it in 4.3."""


@dataclass
class Engine:
    """What becomes of resources and rules: for the import, and requests for what it might refuse.

    ``hooks`` has, by resource, what moves into the actions; ``by_request`` the ids of resources that are made by a request.
    """

    resources: list[Row] = field(default_factory=list)
    rules: list[Row] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    hooks: dict[str, Row] = field(default_factory=dict)
    by_request: set[str] = field(default_factory=set)


def convert_engine(resources: list[Row], rules: list[Row], ledger: Ledger) -> Engine:
    """Both sections; each row is an item of the ledger, which expects them already."""
    engine = Engine()
    used = {resource for rule in rules for action in _actions(rule.get("actions")) for resource in _resource(action)}
    for index, row in enumerate(resources):
        _resource_row(engine, ledger, index, row, is_used=str(row.get("id")) in used)
    for index, row in enumerate(rules):
        _rule_row(engine, ledger, index, row)
    return engine


def _resource_row(engine: Engine, ledger: Ledger, index: int, row: Row, *, is_used: bool) -> None:
    name, kind, given = str(row.get("id", "")), row.get("type"), row.get("config") or {}
    dropped = partial(ledger.dropped, RESOURCES, index, name)
    if not isinstance(row.get("id"), str) or not isinstance(kind, str) or not isinstance(given, dict):
        dropped("no resource: id, type and config are needed", ANEW)
        return
    config = {one: value for one, value in given.items() if value is not None}
    if kind not in SHAPES:
        body = {"id": name, "type": kind, "config": config, "description": _described(row)}
        engine.requests.append(Request("POST", "/resources", body))
        engine.by_request.add(name)
        how = f"made by a request after the import: what 4.3 wants of {kind} is not known here, and one refusal ends an import"
        ledger.changed(RESOURCES, index, name, how, "see that its request is answered with code 0, and its status")
        return
    wrong = next(iter(_wrong(kind, config)), "")
    if wrong:
        dropped(f"its {wrong} is not of the type that 4.3 wants, which refuses the whole import for it", ANEW)
        return
    new = _shaped(kind, {**DEFAULTS[kind], **config})
    if kind == WEB_HOOK:
        moved = {one: new.pop(one) for one in OF_THE_ACTION if one in new}
        headers = {**(moved.get("headers") or {}), "content-type": moved.get("content_type") or JSON}
        engine.hooks[name] = {"headers": headers, "method": moved.get("method") or "POST"}
    engine.resources.append({"created_at": None, **row, "config": new, "description": _described(row)})
    times = ", ".join(f"{one} = {new[one]}" for one, shape in SHAPES[kind].items() if shape is _duration and one in new)
    how = f"in 4.3's shape ({times})" if times else "in 4.3's shape"
    if kind == WEB_HOOK and not is_used and config.get("headers"):
        ledger.changed(RESOURCES, index, name, f"{how}; its headers belong to an action now, and no rule uses it", "")
    else:
        ledger.carried(RESOURCES, index, name, how)


def _wrong(kind: str, config: Row) -> Iterator[str]:
    """Fields whose value cannot be what 4.3 wants."""
    for one, value in config.items():
        try:
            _shape(kind, one)(value)
        except (ValueError, TypeError, KeyError):
            yield one


def _shaped(kind: str, config: Row) -> Row:
    return {one: _shape(kind, one)(value) for one, value in config.items()}


def _shape(kind: str, name: str) -> Kind:
    shape = SHAPES[kind].get(name, _text)
    return dict if name == "headers" and kind == WEB_HOOK else shape


def _rule_row(engine: Engine, ledger: Ledger, index: int, row: Row) -> None:
    name = str(row.get("id", ""))
    actions = row.get("actions")
    if not all(isinstance(row.get(one), str) for one in ("id", "rawsql")) or not _are_actions(actions):
        ledger.dropped(RULES, index, name, "no rule: id, SQL and actions with id, name and arguments are needed", ANEW)
        return
    known = {one["id"] for one in engine.resources} | engine.by_request
    wanted = {resource for action in _actions(actions) for resource in _resource(action)}
    if wanted - known:
        why = "it needs a resource that is not in the new cluster, and the import ends at such a rule"
        ledger.dropped(RULES, index, name, why, ANEW)
        return
    new = {**row, "enabled": row.get("enabled") is not False, "description": _described(row)}
    new["actions"] = [_action(engine, one) for one in actions or ()]
    unknown = sorted({str(action["name"]) for action in _actions(actions)} - ACTIONS)
    if unknown or wanted & engine.by_request:
        body = {one: new[one] for one in ("id", "rawsql", "enabled", "description")}
        body["actions"] = [_as_parameters(one) for one in new["actions"]]
        engine.requests.append(Request("POST", "/rules", body))
        how = "made by a request after the import, as its action or its resource might end one"
        ledger.changed(RULES, index, name, how, "see that its request is answered with code 0")
        return
    engine.rules.append(new)
    has_hook = not wanted.isdisjoint(engine.hooks)
    how = "headers, method and body are in its action now, where 4.3 has them" if has_hook else "as it was"
    ledger.carried(RULES, index, name, how)


def _described(row: Row) -> str:
    return row["description"] if isinstance(row.get("description"), str) else ""


def _are_actions(actions: Any) -> bool:
    return isinstance(actions, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("id"), str)
        and isinstance(one.get("name"), str)
        and (isinstance(one.get("args"), dict) or one.get("args") == [])
        and _are_actions(one.get("fallbacks", []))
        for one in actions
    )


def _actions(actions: Any) -> Iterator[Row]:
    """All of them, with what they fall back to."""
    for one in actions if isinstance(actions, list) else ():
        if isinstance(one, dict):
            yield one
            yield from _actions(one.get("fallbacks"))


def _resource(action: Row) -> Iterator[str]:
    args = action.get("args")
    if isinstance(args, dict) and RESOURCE in args:
        yield str(args[RESOURCE])


def _action(engine: Engine, action: Row) -> Row:
    """An action of 4.2 as 4.3 has it, with what it falls back to."""
    args = dict(action["args"] or {})
    hook = engine.hooks.get(str(args.get(RESOURCE)))
    if hook is not None and action["name"] == TO_WEB_SERVER:
        body = args.pop("payload_tmpl", args.get("body", ""))
        args = {"path": "", **hook, **args, "body": body}
    return {**action, "args": args, "fallbacks": [_action(engine, one) for one in action.get("fallbacks", ())]}


def _as_parameters(action: Row) -> Row:
    """An action as ``POST /rules`` takes it."""
    fallbacks = [_as_parameters(one) for one in action["fallbacks"]]
    return {"name": action["name"], "params": action["args"], "fallbacks": fallbacks}
