"""The base of all rules: what cannot be seen is a violation.

The rule: pulumi_policy turns a policy that meets an unknown value into advice, so that a mandatory one would stop nothing; here
an unknown, missing or malformed input is reported as what it is, and refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
)
from pulumi_policy.proxy import UnknownValueError

Rule = Callable[[str, Mapping[str, Any]], Iterator[str]]
"""From type token and inputs to violations, each a sentence that says value, what is allowed, and the config key to change."""


def policy(name: str, description: str, types: Collection[str], rule: Rule, remedy: str) -> ResourceValidationPolicy:
    """A mandatory policy on the inputs of resources of these types."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type in types:
            for violation in closed(rule, args.resource_type, args.props):
                report(f"{args.name}: {violation}", args.urn)

    return ResourceValidationPolicy(
        name=name,
        description=description,
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        severity=Severity.HIGH,
        remediation_steps=remedy,
    )


def closed(rule: Rule, token: str, props: Mapping[str, Any]) -> Iterator[str]:
    """The rule's violations; what it cannot see is one more."""
    try:
        yield from rule(token, props)
    except UnknownValueError as unknown:
        yield f"{unknown.message}, and this rule refuses what it cannot see: make it a plain value of the stack's config"
    except (KeyError, TypeError, ValueError, AttributeError) as missing:
        yield f"this rule cannot read its input ({type(missing).__name__}: {str(missing)[:80]}) and refuses what it cannot see"


def whole(value: Any) -> int:
    """A whole number; numbers arrive as floats.

    Raises:
        TypeError: anything else.

    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
        message = f"{str(value)[:20]!r} is no whole number"
        raise TypeError(message)
    return int(value)


def items(value: Any) -> list[Any]:
    """The elements of a list.

    Raises:
        TypeError: it is none.

    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        message = f"a list is expected, not {type(value).__name__}"
        raise TypeError(message)
    return list(value)
