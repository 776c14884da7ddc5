"""What the rules on a stack's own declaration are tried with."""

from __future__ import annotations

from typing import Any

from pulumi_policy.proxy import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
)

from tests.policy.asking import tokens, without


def cutover(**changes: Any) -> dict[str, Any]:
    """Inputs of a Cutover; ``blue`` and ``green`` change the declared colours."""
    common = {"edition": "ee", "nodes": 3.0, "target": "local", "size": {"sessions": 100.0}}
    blue = {"colour": "blue", "version": "5.8.6", **common, **changes.pop("blue", {})}
    green = {"colour": "green", "version": "5.8.8", **common, **changes.pop("green", {})}
    steps = [
        {"kind": "share", "name": "shift-10", "share": 10.0, "seconds": 0.0},
        {"kind": "hold", "name": "hold-1", "share": 0.0, "seconds": 5.0},
        {"kind": "gate", "name": "gate-1", "share": 0.0, "seconds": 0.0},
        {"kind": "share", "name": "shift-100", "share": 100.0, "seconds": 0.0},
    ]
    inputs = {"to": "green", "live": "green", "declared": [blue, green], "steps": steps, "budget_per_second": 200.0}
    known = {"holding": ["blue"], "origin": None}
    return {**inputs, **known, "strategy": "two-cluster", "after": UNKNOWN_STRING_VALUE, **changes}


def balancer(*colours: str, **changes: Any) -> dict[str, Any]:
    """Inputs of a MqttBalancer in front of these colours."""
    return {"colours": list(colours), "live": "green", "holding": [], **changes}


def fleet(**changes: Any) -> dict[str, Any]:
    """Inputs of the component that owns everything, of a production stack; ``blue`` and ``green`` change the declared colours."""
    common = {"edition": "ee", "nodes": 3.0, "target": "external", "features": [], "needs_licence": False}
    blue = {"colour": "blue", "version": "5.8.6", **common, **changes.pop("blue", {})}
    green = {"colour": "green", "version": "5.8.8", **common, **changes.pop("green", {})}
    steps = [{"share": 10.0}, {"hold": 60.0}, {"gate": True}, {"share": 50.0}, {"gate": True}, {"share": 100.0}]
    declared = {
        "environment": "prod",
        "live": "green",
        "clusters": [blue, green],
        "listeners": [{"protocol": "mqtt", "address": "*:1883"}, {"protocol": "mqtts", "address": "*:8883"}],
        "strategy": "two-cluster",
        "in_place": False,
        "mover": "close",
        "budget_per_second": 200.0,
        "steps": steps,
        "soak_seconds": 7200.0,
        "links": ["Cutover", "DataExport", "DataImport", "Verification", "TrafficShift", "Drain"],
        **changes,
    }
    return {"declared": declared}


def guard(**changes: Any) -> dict[str, Any]:
    """Inputs of the guard of a colour that serves."""
    seen = {"serves": True, "version": "5.8.6", "edition": "ee", "in_place": False, "runs": ["5.8.6"]}
    return {"colour": "blue", "cluster": UNKNOWN_STRING_VALUE, "ours": True, **seen, **changes}


GOOD = [
    (tokens.CUTOVER, cutover()),
    (tokens.CUTOVER, cutover(steps=[{"share": 10.0}, {"hold": 5.0}, {"gate": True}, {"share": 100.0}])),
    (tokens.CUTOVER, cutover(green={"version": "5.8.6"})),
    (tokens.CUTOVER, cutover(declared=[cutover()["declared"][0]], to="blue", live="blue", in_place=True)),
    (tokens.CUTOVER, cutover(to="blue", live="blue")),
    (tokens.CUTOVER, cutover(to="blue", live="blue", green={"nodes": 5.0})),
    (tokens.CUTOVER, cutover(blue={"version": "5.8.10", "nodes": 4.0}, to="blue", live="blue", holding=["green"])),
    (tokens.CUTOVER, cutover(blue={"version": "5.8.10"}, acknowledge=["way_back"])),
    (tokens.CUTOVER, cutover(blue={"version": "5.8.10"}, holding=["green"])),
    (tokens.CUTOVER, cutover(to="blue", holding=["blue", "green"], origin="blue")),
    (tokens.CUTOVER, cutover(to="blue", holding=[])),
    (tokens.CUTOVER, cutover(to="blue", blue={"version": "5.8.8"}, green={"edition": "ce"}, holding=["green"])),
    (tokens.CUTOVER, cutover(blue={"version": "5.8.8", "nodes": 4.0}, to="blue", holding=["green"])),
    (tokens.MQTT_BALANCER, balancer("blue", "green", holding=["blue"], clusters={"blue": UNKNOWN_STRING_VALUE})),
    (tokens.MQTT_BALANCER, balancer("green", holding=["green"])),
    (tokens.MQTT_BALANCER, balancer("green")),
    (tokens.TRAFFIC_SHIFT, {"to": "green", "share": 10.0, "step": "shift-10", "run": UNKNOWN_STRING_VALUE}),
    (tokens.TRAFFIC_SHIFT, {"to": "green", "share": 0.0, "step": "hold-1"}),
    (tokens.BLUE_GREEN, fleet()),
    (
        tokens.BLUE_GREEN,
        fleet(environment="dev", steps=[{"share": 100.0}], soak_seconds=0.0, listeners=[{"protocol": "mqtt"}]),
    ),
    (tokens.BLUE_GREEN, fleet(in_place=True, steps=[{"share": 100.0}], links=["Cutover", "Backup", "NodeUpgrade"])),
    (tokens.BLUE_GREEN, fleet(green={"version": "6.3.1"})),
    (tokens.BLUE_GREEN, fleet(blue={"edition": "ce"}, mover="kick")),
    (tokens.CLUSTER_GUARD, guard()),
    (tokens.CLUSTER_GUARD, guard(version="5.8.8", in_place=True)),
    (tokens.CLUSTER_GUARD, guard(version="5.8.8", in_place=True, runs=["5.8.6", "5.8.8"])),
    (tokens.CLUSTER_GUARD, guard(serves=False, version="5.9.1", runs=None)),
    (tokens.LOCAL_CLUSTER, {"colour": "blue", "version": "5.8.6", "nodes": 3.0}),
    ("random:index/randomPassword:RandomPassword", {"password": "x"}),
]


HITS = [
    ("no-downgrade", tokens.CUTOVER, cutover(green={"version": "5.8.5"}), "green has 5.8.5 (ee) and blue has 5.8.6 (ee)"),
    ("no-downgrade", tokens.CUTOVER, cutover(to="blue", holding=["green"]), "blue has 5.8.6 (ee) and green has 5.8.8 (ee)"),
    ("no-downgrade", tokens.CUTOVER, cutover(to="blue", holding=["blue", "green"], origin="green"), "must not be older"),
    ("no-downgrade", tokens.CUTOVER, cutover(green={"version": "5.8.6", "edition": "ce"}), "green has 5.8.6 (ce) and blue"),
    ("old-colour-declared", tokens.KUBERNETES_SHARE, balancer("green", holding=["blue"]), "blue is not declared, but clients may"),
    ("old-colour-declared", tokens.INSTANCES_SHARE, balancer("green", holding=["blue"]), "blue is not declared, but clients may"),
    ("old-colour-declared", tokens.MQTT_BALANCER, balancer("blue"), "green is not declared, but it is live (blue is"),
    ("old-colour-declared", tokens.MQTT_BALANCER, balancer("green", holding=["blue", "green"]), "blue is not declared, but clients may"),
    ("steps-rise", tokens.CUTOVER, cutover(steps=[{"share": 50.0}, {"share": 50.0}, {"share": 100.0}]), "50 comes after 50"),
    ("steps-rise", tokens.CUTOVER, cutover(steps=[{"share": 10.0}, {"hold": 1.0}]), "the last share is 10"),
    ("steps-rise", tokens.CUTOVER, cutover(steps=[{"share": 0.0}, {"share": 100.0}]), "0 comes after 0"),
    ("steps-rise", tokens.CUTOVER, cutover(steps=[{"hold": 1.0}]), "no share"),
    ("steps-rise", tokens.TRAFFIC_SHIFT, {"share": 101.0}, "share 101"),
    ("capacity", tokens.CUTOVER, cutover(green={"nodes": 2.0}), "green has 2 nodes, at least the 3 of blue"),
    ("capacity", tokens.CUTOVER, cutover(blue={"version": "5.8.10", "nodes": 2.0}, to="blue"), "blue has 2 nodes"),
    ("capacity", tokens.CUTOVER, cutover(blue={"version": "5.8.8", "nodes": 2.0}, holding=["green"]), "blue has 2 nodes"),
    ("no-plain-secret", tokens.CUTOVER, cutover(api_secret="hunter2"), "the input api_secret holds a credential"),
    ("no-plain-secret", tokens.LOCAL_CLUSTER, {"nodes": [{"adminPassword": "hunter2"}]}, "nodes[0].adminPassword"),
    ("no-plain-secret", tokens.DRAIN, {"manner": {"cookie": 7.0}}, "manner.cookie"),
    ("no-plain-secret", tokens.DRAIN, {"cookie": {"value": ["hunter2"]}}, "cookie.value[0]"),
    ("known-release", tokens.BLUE_GREEN, fleet(blue={"edition": "pro"}), "edition 'pro' is none of ce, ee"),
    ("known-release", tokens.BLUE_GREEN, fleet(green={"version": "5.8"}), "version '5.8' is not exact"),
    ("known-release", tokens.BLUE_GREEN, fleet(green={"version": "5.8.99"}), "5.8.99 (ee) is not known: 5.8.11 is the newest"),
    ("known-release", tokens.BLUE_GREEN, fleet(green={"version": "5.9.1", "edition": "ce"}), "no release of that line"),
    ("route-served", tokens.CUTOVER, cutover(blue={"version": "4.4.19"}, strategy="same-cluster"), "only by two-cluster, and same-cluster"),
    ("route-served", tokens.CUTOVER, cutover(blue={"version": "5.3.2"}, green={"version": "5.10.1"}), "by no strategy"),
    ("version-kept", tokens.CLUSTER_GUARD, guard(version="5.8.8"), "serves with 5.8.6 and is declared with 5.8.8"),
    ("version-kept", tokens.CLUSTER_GUARD, guard(version="5.10.1", runs=["5.3.2"], in_place=True), "is allowed by no strategy"),
    ("version-kept", tokens.CLUSTER_GUARD, guard(runs=None), "could not be asked what it runs"),
    ("open-source-features", tokens.BLUE_GREEN, fleet(blue={"edition": "ce"}, mover="evacuation"), "open source, which has no evacuation"),
    ("open-source-features", tokens.BLUE_GREEN, fleet(green={"edition": "ce", "features": ["replicants"]}), "replicants is Enterprise's"),
    ("live-declared", tokens.BLUE_GREEN, fleet(clusters=[]), "green is live and not declared"),
    ("old-colour-declared", tokens.MQTT_BALANCER, balancer(holding=["blue"]), "blue is not declared, but clients may"),
    ("as-large", tokens.CUTOVER, cutover(green={"size": {"sessions": 50.0}}), "a node of green has 50 sessions, at least the 100 of blue"),
    ("live-protected", tokens.CLUSTER_GUARD, guard(), "blue serves and Pulumi does not protect it (emqx:protect)"),
    ("first-step-small", tokens.BLUE_GREEN, fleet(steps=[{"share": 25.0}, {"gate": True}, {"share": 100.0}]), "the first share is 25, at most 10"),
    ("gate-before-step", tokens.BLUE_GREEN, fleet(steps=[{"share": 10.0}, {"gate": True}, {"share": 50.0}, {"share": 100.0}]), "before the share of 100"),
    ("budget-fits", tokens.BLUE_GREEN, fleet(budget_per_second=3001.0), "3001 clients per second are moved, and green may be sent 3000"),
    ("soak-before-finalize", tokens.BLUE_GREEN, fleet(soak_seconds=60.0), "60 s after its drain, at least 3600 in production"),
    ("backup-before-import", tokens.BLUE_GREEN, fleet(links=["Cutover", "DataImport"]), "DataImport comes with neither of DataExport and Backup"),
    ("losses-by-name", tokens.CUTOVER, cutover(acknowledge=["sessions", "*"]), "'*' names no single loss"),
    ("tls-in-production", tokens.BLUE_GREEN, fleet(listeners=[{"protocol": "mqtt"}]), "no listener has TLS (mqtt)"),
]  # fmt: skip


UNKNOWN = [
    ("no-downgrade", tokens.CUTOVER, cutover(to=UNKNOWN_STRING_VALUE)),
    ("no-downgrade", tokens.CUTOVER, cutover(declared=UNKNOWN_ARRAY_VALUE)),
    ("no-downgrade", tokens.CUTOVER, cutover(green={"version": UNKNOWN_STRING_VALUE})),
    ("no-downgrade", tokens.CUTOVER, cutover(blue={"version": "5.8.10"}, acknowledge=UNKNOWN_ARRAY_VALUE)),
    ("no-downgrade", tokens.CUTOVER, cutover(green={"version": "next"})),
    ("no-downgrade", tokens.CUTOVER, without(cutover(), "declared")),
    ("no-downgrade", tokens.CUTOVER, cutover(to="blue", holding=UNKNOWN_ARRAY_VALUE)),
    ("no-downgrade", tokens.CUTOVER, cutover(to="blue", holding=["green"], origin=UNKNOWN_STRING_VALUE)),
    ("no-downgrade", tokens.CUTOVER, cutover(green={"edition": UNKNOWN_STRING_VALUE})),
    ("no-downgrade", tokens.CUTOVER, without(cutover(), "holding")),
    ("old-colour-declared", tokens.MQTT_BALANCER, balancer("blue", live=UNKNOWN_STRING_VALUE)),
    ("old-colour-declared", tokens.MQTT_BALANCER, balancer("blue", holding=UNKNOWN_ARRAY_VALUE)),
    ("old-colour-declared", tokens.MQTT_BALANCER, balancer(colours=UNKNOWN_ARRAY_VALUE)),
    ("old-colour-declared", tokens.MQTT_BALANCER, balancer("blue", UNKNOWN_STRING_VALUE)),
    ("old-colour-declared", tokens.MQTT_BALANCER, without(balancer("green"), "holding")),
    ("old-colour-declared", tokens.MQTT_BALANCER, without(balancer("green"), "colours")),
    ("steps-rise", tokens.CUTOVER, cutover(steps=UNKNOWN_ARRAY_VALUE)),
    ("steps-rise", tokens.CUTOVER, cutover(steps=[{"share": UNKNOWN_NUMBER_VALUE}, {"share": 100.0}])),
    ("steps-rise", tokens.CUTOVER, cutover(steps="all")),
    ("steps-rise", tokens.CUTOVER, cutover(steps=[3.0])),
    ("steps-rise", tokens.CUTOVER, cutover(steps=["hold", {"share": 100.0}])),
    ("steps-rise", tokens.CUTOVER, cutover(steps=[{"kind": "jump", "share": 5.0}, {"share": 100.0}])),
    ("steps-rise", tokens.CUTOVER, cutover(steps=[{"share": float("nan")}, {"share": 100.0}])),
    ("steps-rise", tokens.CUTOVER, cutover(steps=[{"kind": UNKNOWN_STRING_VALUE, "share": 5.0}, {"share": 100.0}])),
    ("steps-rise", tokens.TRAFFIC_SHIFT, {"share": UNKNOWN_NUMBER_VALUE}),
    ("steps-rise", tokens.TRAFFIC_SHIFT, {"step": "shift-10"}),
    ("capacity", tokens.CUTOVER, cutover(green={"nodes": UNKNOWN_NUMBER_VALUE})),
    ("capacity", tokens.CUTOVER, cutover(green={"nodes": 2.5})),
    ("capacity", tokens.CUTOVER, cutover(green={"nodes": float("inf")})),
    ("capacity", tokens.CUTOVER, cutover(green={"nodes": float("nan")})),
    ("capacity", tokens.CUTOVER, cutover(declared=[])),
    ("no-plain-secret", tokens.CUTOVER, cutover(api_secret=UNKNOWN_STRING_VALUE)),
    ("known-release", tokens.BLUE_GREEN, fleet(green={"version": UNKNOWN_STRING_VALUE})),
    ("known-release", tokens.BLUE_GREEN, fleet(clusters=UNKNOWN_ARRAY_VALUE)),
    ("route-served", tokens.CUTOVER, cutover(strategy=UNKNOWN_STRING_VALUE)),
    ("version-kept", tokens.CLUSTER_GUARD, guard(runs=UNKNOWN_ARRAY_VALUE)),
    ("version-kept", tokens.CLUSTER_GUARD, guard(serves=UNKNOWN_BOOLEAN_VALUE)),
    ("licence-present", tokens.BLUE_GREEN, fleet(green={"needs_licence": UNKNOWN_BOOLEAN_VALUE, "version": "5.9.1"})),
    ("licence-present", tokens.BLUE_GREEN, fleet(green={"needs_licence": True, "version": "5.9.1"})),
    ("open-source-features", tokens.BLUE_GREEN, fleet(blue={"edition": "ce"}, mover=UNKNOWN_STRING_VALUE)),
    ("live-declared", tokens.BLUE_GREEN, {"declared": UNKNOWN_OBJECT_VALUE}),
    ("live-declared", tokens.BLUE_GREEN, fleet(live=UNKNOWN_STRING_VALUE)),
    ("as-large", tokens.CUTOVER, cutover(green={"size": {"sessions": UNKNOWN_NUMBER_VALUE}})),
    ("live-protected", tokens.CLUSTER_GUARD, guard(serves=UNKNOWN_BOOLEAN_VALUE)),
    ("first-step-small", tokens.BLUE_GREEN, fleet(environment=UNKNOWN_STRING_VALUE)),
    ("first-step-small", tokens.BLUE_GREEN, fleet(steps=UNKNOWN_ARRAY_VALUE)),
    ("gate-before-step", tokens.BLUE_GREEN, fleet(steps=[{"share": UNKNOWN_NUMBER_VALUE}])),
    ("gate-before-step", tokens.BLUE_GREEN, without(fleet(), "declared.environment")),
    ("budget-fits", tokens.BLUE_GREEN, fleet(budget_per_second=UNKNOWN_NUMBER_VALUE)),
    ("budget-fits", tokens.BLUE_GREEN, fleet(budget_per_second=float("nan"))),
    ("soak-before-finalize", tokens.BLUE_GREEN, fleet(soak_seconds=UNKNOWN_NUMBER_VALUE)),
    ("backup-before-import", tokens.BLUE_GREEN, fleet(links=UNKNOWN_ARRAY_VALUE)),
    ("losses-by-name", tokens.CUTOVER, cutover(acknowledge=UNKNOWN_ARRAY_VALUE)),
    ("tls-in-production", tokens.BLUE_GREEN, fleet(listeners=UNKNOWN_ARRAY_VALUE)),
    ("tls-in-production", tokens.BLUE_GREEN, fleet(listeners=[{"protocol": UNKNOWN_STRING_VALUE}])),
]
