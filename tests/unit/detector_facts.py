"""Facts for the tests of the detectors: a plan of a rule's hop, and one builder per kind of thing that a user can give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings

from components.cutover.versions import parse
from components.migration.archive import Archive
from components.migration.configs import flat, hocon
from components.migration.configs.terms import parse_loaded
from components.migration.facts import Export, Facts, Live, Plan, Text

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault of the code."""

HOPS = {"43": ("4.2.14", "4.3.22"), "50": ("5.0.26", "5.8.9"), "51": ("4.4.19", "5.8.11"), "54": ("5.3.2", "5.4.1"), "55": ("5.4.1", "5.5.1"), "56": ("5.5.1", "5.6.1"),
        "57": ("5.6.1", "5.7.2"), "58": ("5.7.2", "5.8.11"), "59": ("5.8.11", "5.9.3"), "510": ("5.9.3", "5.10.4"), "60": ("5.10.4", "6.0.4"),
        "61": ("6.0.4", "6.1.5"), "62": ("6.1.5", "6.2.4"), "63": ("6.2.4", "6.3.1"), "BK": ("5.8.11", "5.9.3")}  # fmt: skip


def plan(rule: str = "51-01", *, source: str = "", target: str = "", **more: Any) -> Facts:
    hop = HOPS[rule.split("-", maxsplit=1)[0]]
    return Facts(Plan(parse(source or hop[0]), parse(target or hop[1]), **more))


def conf(*lines: str) -> dict[str, Any]:
    return {"confs": (flat.parse("emqx.conf", "\n".join(lines)),)}


def tree(text: str, file: str = "cluster.hocon") -> dict[str, Any]:
    return {"hocons": (hocon.parse(file, text),)}


def live(**counts: Any) -> dict[str, Any]:
    return {"live": Live(**counts)}


def export(**sections: Any) -> dict[str, Any]:
    return {"export": Export("export.json", {"version": "4.4", "modules": [], **sections})}


def says(text: str) -> dict[str, Any]:
    return {"texts": (Text("alerts.yaml", text),)}


def acl(text: str) -> dict[str, Any]:
    return {"acl": (Text("acl.conf", text),)}


def plugins(*names: str) -> dict[str, Any]:
    return {"plugins": parse_loaded("loaded_plugins", "\n".join(f"{{{name}, true}}." for name in names))}


def archive(
    text: str = "", *, file: str = "x.tar.gz", version: str = "5.8.11", edition: Any = "ee", **rest: Any
) -> dict[str, Any]:
    tree_of = hocon.parse("cluster.hocon", text)
    return {"archive": Archive(file, "x", edition, parse(version), tree_of, **rest), "hocons": (tree_of,)}


def rule(*actions: str) -> dict[str, Any]:
    return export(rules=[{"id": "r", "actions": [{"name": name} for name in actions]}])


def resource(kind: str, **config: Any) -> dict[str, Any]:
    return export(resources=[{"id": "resource:1", "type": kind, "config": config}])


def grants(*rows: tuple[str, str, str, str]) -> list[dict[str, Any]]:
    return [
        {"type": "username", "type_value": who, "topic": topic, "action": action, "access": access}
        for who, topic, action, access in rows
    ]


def old_grants(*rows: tuple[str, str, str, bool]) -> list[dict[str, Any]]:
    return [{"login": who, "topic": topic, "action": action, "allow": allow} for who, topic, action, allow in rows]


def said_of(**words: Any) -> dict[str, Any]:
    """A plan that says more; merged into the plan of the rule's hop."""
    return {"plan": words}


USER42 = {"login": "u", "password": "p"}


def given_facts(rule_id: str, what: dict[str, Any]) -> Facts:
    words = dict(what.get("plan", {}))
    base = plan(rule_id, **words)
    return replace(base, **{name: value for name, value in what.items() if name != "plan"})
