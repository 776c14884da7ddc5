"""Rules with their resources and actions as rules, connectors, actions and sources of 5.x.

The rule kept here: an action that cannot go is left out of its rule and said to be; the rule itself stays, changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from components.migration.hop_44_5.bridges import convert_bridges
from components.migration.hop_44_5.consumers import convert_consumers
from components.migration.hop_44_5.engine import ANEW, Engine, unavailable
from components.migration.hop_44_5.names import component_name
from components.migration.hop_44_5.plugins import MODULES, is_loaded
from components.migration.hop_44_5.readers import read_target_qos, read_target_retain
from components.migration.hop_44_5.recipe_table import RECIPES
from components.migration.hop_44_5.recipes import MissingError, Recipe, Watched, attempt, build
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.shape import component_faults, document, refused
from components.migration.hop_44_5.source import Options, Source
from components.migration.hop_44_5.values import filled, mappings, template
from components.migration.manifest import Ledger, shorten

Json = dict[str, Any]
RULE_ENGINE = "emqx_rule_engine"
RULES, RESOURCES, ACTIONS, FALLBACKS = "rules", "resources", "rules.actions", "rules.fallbacks"


def convert_rules(
    source: Source, settings: Settings, options: Options, ledger: Ledger, target: tuple[int, int]
) -> Json:
    """Convert resources, then rules; each action on the way."""
    engine = Engine()
    export = source.export or {}
    resources, rules = export.get(RESOURCES, []), export.get(RULES, [])
    ledger.expect(RESOURCES, len(resources))
    ledger.expect(RULES, len(rules))
    for at, resource in enumerate(resources):
        _resource(engine, at, resource, options, ledger, target)
    runs = MODULES in export or is_loaded(source, "loaded_plugins", RULE_ENGINE) is not False
    for at, rule in enumerate(rules):
        _rule(engine, at, rule, ledger, runs=runs)
    convert_consumers(engine, source, options, ledger, target)
    convert_bridges(engine, source, settings, options, target)
    return engine.config()


def _resource(
    engine: Engine, at: int, resource: Json, options: Options, ledger: Ledger, target: tuple[int, int]
) -> None:
    name, kind = str(resource.get("id", "")), str(resource.get("type", ""))
    recipe = RECIPES.get(kind)
    given = resource.get("config")
    config = Watched(given if isinstance(given, Mapping) else {})
    why = _why_not(recipe, kind, options, target)
    built: Json | str = {}
    if recipe is not None and not why:
        built = attempt(lambda: build(recipe.connector, config))
        why = built if isinstance(built, str) else refused(component_faults("connectors", recipe.kind, built))
    if recipe is None or isinstance(built, str) or why:
        engine.missing[name] = why
        ledger.dropped(RESOURCES, at, f"{kind} {name}", why, ANEW)
        return
    taken = engine.connectors.setdefault(recipe.kind, {})
    connector = component_name(name, "resource:", taken)
    taken[connector] = {**built, "enable": True} | filled({"description": _text(resource.get("description"))})
    engine.names[name] = (recipe, connector, dict(config))
    notes = _notes(recipe, _unread(recipe, config))
    if notes:
        ledger.changed(RESOURCES, at, f"{kind} {name}", notes, "look at the connector and its actions")
    else:
        ledger.carried(RESOURCES, at, f"{kind} {name}", f"connector {recipe.kind}:{connector}")


def _unread(recipe: Recipe, config: Watched) -> list[str]:
    """The keys that neither the connector nor its actions read."""
    for one in (*recipe.options, *recipe.action):
        with suppress(MissingError, TypeError, ValueError, AttributeError):
            config.get(one.key) if one.key else one.read(config)
    return config.unread(config)


def _notes(recipe: Recipe, unread: list[str]) -> str:
    """What is not the same, in words."""
    return "; ".join((*recipe.notes, *((f"not carried: {', '.join(unread)}",) if unread else ())))


def _why_not(recipe: Recipe | None, kind: str, options: Options, target: tuple[int, int]) -> str:
    if recipe is None:
        return f"5.x has no counterpart of {shorten(kind)} that this conversion knows"
    if target >= recipe.until:
        return f"{recipe.kind} is gone since {recipe.until[0]}.{recipe.until[1]}"
    return unavailable(recipe.kind, options, target, community=recipe.community)


def _text(value: Any) -> str:
    """A description: text, or one for each language."""
    if isinstance(value, Mapping):
        return str(value.get("en") or next(iter(value.values()), ""))
    return str(value or "")


def _rule(engine: Engine, at: int, rule: Json, ledger: Ledger, *, runs: bool) -> None:
    name, sql = str(rule.get("id", "")), rule.get("rawsql")
    listed = rule.get("actions")
    actions = listed if isinstance(listed, list) else []
    first = ledger.grow(ACTIONS, len(actions))
    written = [_action(engine, first + number_, action, ledger) for number_, action in enumerate(actions)]
    kept = [one for one in written if one is not None]
    if not isinstance(sql, str) or not sql:
        ledger.dropped(RULES, at, name, "it has no SQL", ANEW)
        return
    rule_id = component_name(name, "", engine.rules)
    described = filled({"description": _text(rule.get("description"))})
    engine.rules[rule_id] = {
        "sql": sql,
        "enable": rule.get("enabled") is True and runs,
        "actions": kept,
        "name": shorten(name),
        **described,
    }
    if len(kept) < len(actions):
        ledger.changed(
            RULES, at, name, f"without {len(actions) - len(kept)} of its {len(actions)} actions", "see its actions"
        )
    else:
        how = f"rule {rule_id}, its SQL as it was"
        ledger.carried(RULES, at, name, how if runs else f"{how}; off, as {RULE_ENGINE} is not loaded")


def _action(engine: Engine, at: int, action: Any, ledger: Ledger) -> Any:
    """The action as an entry of the rule's list, or None where it is left out."""
    if not isinstance(action, Mapping):
        ledger.dropped(ACTIONS, at, "", "it is no object", ANEW)
        return None
    name, raw = str(action.get("name", "")), action.get("args")
    args: Json = dict(raw) if isinstance(raw, Mapping) else {}
    label = str(action.get("id") or name)
    fallbacks = action.get("fallbacks")
    if isinstance(fallbacks, list) and fallbacks:
        start = ledger.grow(FALLBACKS, len(fallbacks))
        for number_, one in enumerate(fallbacks):
            inner = str(one.get("name", "")) if isinstance(one, Mapping) else ""
            ledger.dropped(
                FALLBACKS,
                start + number_,
                f"{inner} of {label}",
                "5.x has another kind of fallback, since 5.9",
                "set fallback_actions",
            )
    if name == "do_nothing":
        ledger.dropped(ACTIONS, at, label, "it did nothing", "nothing")
        return None
    if name == "inspect":
        ledger.carried(ACTIONS, at, label, "console")
        return {"function": "console"}
    if name == "republish":
        return _republish(at, label, args, ledger)
    return _to_resource(engine, at, name, label, args, ledger)


PROPERTIES = frozenset(document()["components"]["schemas"]["rule_engine.republish_mqtt_properties"]["properties"])


def _republish(at: int, label: str, args: Json, ledger: Ledger) -> Json | None:
    topic = args.get("target_topic")
    if not topic:
        ledger.dropped(ACTIONS, at, label, "it has no target topic", ANEW)
        return None
    out: Json = {
        "topic": str(topic),
        "qos": read_target_qos(args.get("target_qos", 0)),
        "retain": read_target_retain(args.get("target_retain", False)),
        "payload": template(args.get("payload_tmpl", "${payload}")),
    }
    pairs = {str(one.get("key")): str(one.get("value")) for one in mappings(args.get("mqtt_properties_template"))}
    out |= filled({"mqtt_properties": {key: value for key, value in pairs.items() if key in PROPERTIES}})
    notes = [f"5.x cannot set its {shorten(key)}" for key in pairs if key not in PROPERTIES]
    if args.get("user_properties_template"):
        out["user_properties"] = "${pub_props.'User-Property'}"
        notes.append("its user properties become those of the message: select pub_props in the SQL")
    if notes:
        ledger.changed(ACTIONS, at, label, "; ".join(notes), "look at the action")
    else:
        ledger.carried(ACTIONS, at, label, "republish")
    return {"function": "republish", "args": out}


def _to_resource(engine: Engine, at: int, action: str, label: str, args: Json, ledger: Ledger) -> str | None:
    resource = args.get("$resource")
    if not isinstance(resource, str) or not action.startswith("data_to_"):
        ledger.dropped(ACTIONS, at, label, "5.x has no such action", ANEW)
        return None
    if resource not in engine.names:
        why = engine.missing.get(resource, "the resource that it names is not in the export")
        ledger.dropped(ACTIONS, at, label, why, ANEW)
        return None
    recipe, connector, config = engine.names[resource]
    both = Watched({**{k: v for k, v in config.items() if k not in ("headers", "body")}, **args})
    made = attempt(
        lambda: (build(recipe.action, both), build(recipe.options, both)),
        "its arguments are not of the shape that 4.4 writes",
    )
    if isinstance(made, str):
        ledger.dropped(ACTIONS, at, label, made, ANEW)
        return None
    parameters, opts = made
    written: Json = {"enable": True, "connector": connector, "parameters": parameters} | filled({"resource_opts": opts})
    why = refused(component_faults("actions", recipe.kind, written))
    if why:
        ledger.dropped(ACTIONS, at, label, why, ANEW)
        return None
    taken = engine.actions.setdefault(recipe.kind, {})
    name = component_name(label, "", taken)
    taken[name] = written
    notes = _notes(recipe, both.unread(args))
    if notes:
        ledger.changed(ACTIONS, at, label, notes, "look at the action")
    elif args.get("strategy") == "roundrobin" and recipe.kind == "kafka_producer":
        ledger.changed(ACTIONS, at, label, "partitions are chosen at random, 5.x has no round robin")
    else:
        ledger.carried(ACTIONS, at, label, f"action {recipe.kind}:{name}")
    return f"{recipe.kind}:{name}"
