"""The base of all rules: what cannot be seen is a violation.

The rule: pulumi_policy turns a policy that meets an unknown value into advice, so that a mandatory one would stop nothing; here
an unknown, missing or malformed input is reported as what it is, and refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from rules.tokens import BLUE_GREEN

HIGH, CRITICAL, MEDIUM = Severity.HIGH, Severity.CRITICAL, Severity.MEDIUM
PRODUCTION = "production"
"""The setting of every rule that is stricter there: the environments that count as production."""


class Seen(NamedTuple):
    """One resource as a rule sees it: its type token, its inputs, whether Pulumi protects it, and what the team has set for the rule."""

    token: str
    props: Mapping[str, Any]
    protect: bool
    settings: Mapping[str, Any]


class Placed(NamedTuple):
    """A resource of the whole stack, for rules that hold two against each other."""

    token: str
    name: str
    props: Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """What a team may tune, in the words of JSON schema: ``schema`` is its type and bounds, ``default`` holds where nothing is set."""

    about: str
    schema: Mapping[str, Any]
    default: Any


@dataclass(frozen=True)
class Rule:
    """A mandatory rule on the inputs of resources of these types.

    ``judge`` yields violations, each a sentence that says the value, what is allowed, and the config key to change; ``settings`` are read
    from ``--policy-pack-config``.
    """

    name: str
    about: str
    types: Collection[str]
    judge: Callable[[Seen], Iterator[str]]
    remedy: str
    severity: Severity = HIGH
    settings: Mapping[str, Setting] = field(default_factory=dict)

    def policy(self) -> ResourceValidationPolicy:
        """As the engine knows it."""

        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            if args.resource_type not in self.types:
                return
            for violation in closed(lambda: self.judge(self._seen(args))):
                report(f"{args.name}: {violation}. {self.remedy}", args.urn)

        return ResourceValidationPolicy(self.name, self.about, validate, **_common(self))

    def _seen(self, args: ResourceValidationArgs) -> Seen:
        """What the component that owns everything declares is in one of its inputs."""
        props = fields(args.props["declared"]) if args.resource_type == BLUE_GREEN else args.props
        protect = bool(args.opts and args.opts.protect)
        return Seen(args.resource_type, props, protect, settings_of(self.settings, args.get_config()))


@dataclass(frozen=True)
class StackRule:
    """A mandatory rule on all resources together; the engine asks it at the end of a preview, before an update may begin."""

    name: str
    about: str
    types: Collection[str]
    judge: Callable[[Sequence[Placed], Mapping[str, Any]], Iterator[str]]
    remedy: str
    severity: Severity = HIGH
    settings: Mapping[str, Setting] = field(default_factory=dict)

    def policy(self) -> StackValidationPolicy:
        """As the engine knows it."""

        def validate(args: StackValidationArgs, report: ReportViolation) -> None:
            known = [Placed(one.resource_type, one.name, one.props) for one in args.resources]
            mine = [one for one in known if one.token in self.types]
            for violation in closed(lambda: self.judge(mine, settings_of(self.settings, args.get_config()))):
                report(f"{violation}. {self.remedy}", None)

        return StackValidationPolicy(self.name, self.about, validate, **_common(self))


def _common(rule: Rule | StackRule) -> dict[str, Any]:
    schema = {
        name: {"description": one.about, "default": one.default, **one.schema} for name, one in rule.settings.items()
    }
    return {
        "enforcement_level": EnforcementLevel.MANDATORY,
        "severity": rule.severity,
        "remediation_steps": rule.remedy,
        "config_schema": PolicyConfigSchema(schema) if schema else None,
    }


def settings_of(settings: Mapping[str, Setting], told: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for a rule: the team's values over the defaults."""
    return {name: told.get(name, one.default) for name, one in settings.items()}


def closed(judge: Callable[[], Iterator[str]]) -> Iterator[str]:
    """The rule's violations; what it cannot see is one more."""
    try:
        yield from judge()
    except UnknownValueError as unknown:
        yield f"{unknown.message}, and this rule refuses what it cannot see: make it a plain value of the stack's config"
    except (KeyError, TypeError, ValueError, AttributeError) as missing:
        yield f"this rule cannot read its input ({type(missing).__name__}: {str(missing)[:80]}) and refuses what it cannot see"


def production() -> dict[str, Setting]:
    """The setting that says which environments are production."""
    about = "The environments (emqx:environment, the stack's name where it is not set) that count as production."
    return {PRODUCTION: Setting(about, {"type": "array", "items": {"type": "string"}}, ["prod", "production"])}


def in_production(seen: Seen) -> bool:
    """Whether the stack of this resource's ``environment`` is production."""
    return seen.props["environment"] in seen.settings[PRODUCTION]


def whole(value: Any) -> int:
    """A whole number; numbers arrive as floats.

    Raises:
        TypeError: anything else.

    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
        message = f"{str(value)[:20]!r} is no whole number"
        raise TypeError(message)
    return int(value)


def number(value: Any) -> float:
    """A number.

    Raises:
        TypeError: anything else.

    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124  -- NaN alone differs from itself
        message = f"{str(value)[:20]!r} is no number"
        raise TypeError(message)
    return float(value)


def items(value: Any) -> list[Any]:
    """The elements of a list.

    Raises:
        TypeError: it is none.

    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        message = f"a list is expected, not {type(value).__name__}"
        raise TypeError(message)
    return list(value)


def fields(value: Any) -> Mapping[str, Any]:
    """The fields of an object.

    Raises:
        TypeError: it is none.

    """
    if not isinstance(value, Mapping):
        message = f"an object is expected, not {type(value).__name__}"
        raise TypeError(message)
    return value
