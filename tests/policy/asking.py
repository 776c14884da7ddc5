"""Asks rules about inputs as an analyzer gets them: numbers are floats, what is unknown in a preview raises."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pulumi_policy import PolicyResource, PolicyResourceOptions, ResourceValidationArgs, StackValidationArgs
from pulumi_policy.proxy import unknown_checking_proxy

PACK = Path(__file__).parents[2] / "policies"
if str(PACK) not in sys.path:
    sys.path.insert(0, str(PACK))
rules: Any = importlib.import_module("rules")
tokens: Any = importlib.import_module("rules.tokens")
stack_config: Any = importlib.import_module("rules.stack_config")
NAMED: Mapping[str, Any] = {rule.name: rule for rule in rules.RULES}
"""All rules by name."""
BLIND = "refuses what it cannot see"


def ask(
    name: str,
    token: str,
    inputs: Mapping[str, Any],
    *,
    protect: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> list[str]:
    """What the rule says of one resource, or of a stack that has only this one."""
    rule = NAMED[name]
    if isinstance(rule, rules.StackRule):
        return ask_stack(name, [(token, inputs)], settings=settings)
    said: list[str] = []
    args = ResourceValidationArgs(
        resource_type=token,
        props=unknown_checking_proxy(dict(inputs)),
        urn="urn:pulumi:dev::emqx::x",
        name="cutover",
        opts=options(protect=protect),
        provider=None,
        config=dict(settings or {}),
    )

    def report(message: str, _urn: str | None = None) -> None:
        said.append(message)

    rule.policy().validate(args, report)
    return said


def ask_stack(
    name: str, resources: Sequence[tuple[str, Mapping[str, Any]]], *, settings: Mapping[str, Any] | None = None
) -> list[str]:
    """What a rule of the whole stack says of these resources."""
    said: list[str] = []
    found = [
        PolicyResource(
            resource_type=token,
            props=unknown_checking_proxy(dict(inputs)),
            urn="urn",
            name=f"resource-{index}",
            opts=options(),
            provider=None,
            parent=None,
            dependencies=[],
            property_dependencies={},
        )
        for index, (token, inputs) in enumerate(resources)
    ]

    def report(message: str, _urn: str | None = None) -> None:
        said.append(message)

    NAMED[name].policy().validate(StackValidationArgs(found, dict(settings or {})), report)
    return said


def ask_all(token: str, inputs: Mapping[str, Any], *, protect: bool = True) -> list[str]:
    """What all rules on single resources say."""
    return [
        said
        for name, rule in NAMED.items()
        if not isinstance(rule, rules.StackRule)
        for said in ask(name, token, inputs, protect=protect)
    ]


def options(*, protect: bool = False) -> PolicyResourceOptions:
    """A resource's options, of which the rules read `protect`."""
    return PolicyResourceOptions(
        protect=protect,
        ignore_changes=[],
        delete_before_replace=None,
        aliases=[],
        custom_timeouts=None,  # type: ignore[arg-type]  # no rule reads them
        additional_secret_outputs=[],
    )


def changed(inputs: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The inputs with another value at a dotted path (numbers are places in lists); the original stays."""
    head, _, rest = path.partition(".")
    whole = dict(inputs)
    if not rest:
        whole[head] = value
        return whole
    inner = whole[head]
    if isinstance(inner, list):
        index, _, below = rest.partition(".")
        listed = list(inner)
        listed[int(index)] = changed(listed[int(index)], below, value) if below else value
        whole[head] = listed
    else:
        whole[head] = changed(inner, rest, value)
    return whole


def without(inputs: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The inputs without what stands at a dotted path."""
    head, _, rest = path.partition(".")
    if not rest:
        return {name: value for name, value in inputs.items() if name != head}
    whole = dict(inputs)
    inner = whole[head]
    if isinstance(inner, list):
        index, _, below = rest.partition(".")
        whole[head] = [without(one, below) if place == int(index) else one for place, one in enumerate(inner)]
    else:
        whole[head] = without(inner, rest)
    return whole
