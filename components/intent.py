"""Reading what a stack declares: whatever cannot be right is refused before the first resource is registered, all of it at once.

The rule: a refusal has one line for each problem, with path, value and what is allowed; a value in a place that is not ours to know is
never shown, since it may be a secret that was written there by mistake.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from components import conversion
from components.balancer import BALANCERS, listeners, placed, weighed
from components.balancer.able import can_of
from components.cutover.movers import Choice, Circumstances, choose
from components.cutover.steps import Problem, StepsError, parse_steps
from components.cutover.versions import BadVersion, parse, require_known
from components.cutover.words import COLOURS, Colour, other
from components.emqx.errors import BadInput
from components.emqx.models import ClusterHandle
from components.guards.direction import downgrade, pair
from components.guards.ownership import exchanged
from components.ledger.base import in_one_cluster
from components.ledger.remembered import Remembered
from components.movers import MOVERS
from components.problems import problems_of
from components.routers.certificates import by_name
from components.run.keeping import problem
from components.settings import CERTIFICATES, CREDENTIALS, KEYS, RENAMED, Settings, given_twice, settings_of
from components.strategies import STRATEGIES
from components.strategies.base import LinkSpec
from components.strategies.two_cluster import with_conversion
from components.targets import TARGETS, located
from components.targets.base import Site, Target

TEXTS = frozenset({"environment", "live", "workDirectory", "journal", "archives"})


def load(
    read: Callable[[str], Any],
    *,
    stack: str,
    names: Iterable[str] = (),
    certificates: str | None = None,
    now: Callable[[], float] = time.time,
) -> Settings:
    """Read and check the whole config; what the balancer in ``workDirectory`` remembers says which way back is none down.

    Args:
        read: the value of a key without its namespace, None where there is none; ``pulumi.Config("emqx").get`` will do
            (objects may arrive as JSON text).
        stack: the stack's name, for the default of ``workDirectory``.
        names: the keys that are set, without their namespace, so that an unknown one can be refused.
        certificates: ``emqx:certificates`` as JSON, secret: it is judged here, and kept nowhere.
        now: unix seconds, for the soak and for certificates.

    Raises:
        BadInput: with one line for each problem.

    """
    known = (*KEYS, CREDENTIALS, CERTIFICATES)
    unknown = sorted(set(names) - set(known))
    problems = [Problem(f"emqx:{name}", "unknown key", ", ".join(known)) for name in unknown]
    raw = {key: value for key in KEYS if (value := _decoded(key, read(key))) is not None}
    raw["workDirectory"] = raw.get("workDirectory") or f".emqx/{stack}"
    raw["environment"] = raw.get("environment") or stack
    settings = None
    problems += replace_steps(raw)
    try:
        settings = declared(raw)
    except ValidationError as invalid:
        problems += problems_of(invalid, model(), "emqx:")
    settings, lost = (None, []) if settings is None else located(settings)
    problems += lost
    if settings is not None and not lost:
        problems += contradictions(settings, remembered(settings), now())
        problems += listeners.problems(settings, by_name(certificates), now())
        problems += _another_stacks(settings, stack)
    if problems or settings is None:
        lines = "".join(f"\n  {one.path}: {one.value}; allowed: {one.allowed}" for one in problems)
        raise BadInput("the stack's config", seen=f"{len(problems)} to correct{lines}", todo="correct these lines")
    return settings


def model() -> type[Settings]:
    """The model of a stack's config, with the words of all registered targets, strategies and balancers."""
    return settings_of(
        tuple(target.model for target in TARGETS.values()), strategies=tuple(STRATEGIES), balancers=tuple(BALANCERS)
    )


def declared(raw: Mapping[str, Any]) -> Settings:
    """The config as values; each alone, not yet held against each other and the world.

    Raises:
        ValidationError: pydantic's own.

    """
    return model().model_validate(raw)


def remembered(settings: Settings) -> Remembered:
    """What the ledger of the declared balancer holds."""
    return BALANCERS[settings.balancer.target].remembered(settings)


def target_of(settings: Settings, colour: Colour) -> Target:
    """The target of a declared colour."""
    return TARGETS[settings.clusters[colour].target]


def site(settings: Settings, colour: Colour) -> Site:
    """A declared colour, as its target wants it."""
    in_place = STRATEGIES[settings.cutover.strategy].in_place and colour == settings.live
    cluster, environment = settings.clusters[colour], settings.environment
    return Site(colour, cluster, settings.work_directory, in_place, environment=environment)


def observed(settings: Settings, colour: Colour) -> ClusterHandle | None:
    """The colour's addresses as far as they are known before an update; None where it is not declared or not there."""
    return target_of(settings, colour).observed(site(settings, colour)) if colour in settings.clusters else None


def in_order(settings: Settings, known: Remembered) -> list[Colour]:
    """The declared colours, the one that was there first at the front: the other one's nodes join it where they share a cluster."""
    there = standing(settings)
    first = known.origin or known.serving or (there[0] if len(there) == 1 else None)
    return sorted(settings.clusters, key=lambda colour: (colour != first, colour))


def standing(settings: Settings) -> list[Colour]:
    """The colours that are there already, in their order: clusters of somebody's, and what runs of ours."""
    return [
        colour for colour in sorted(settings.clusters) if target_of(settings, colour).standing(site(settings, colour))
    ]


def theirs(settings: Settings) -> list[Colour]:
    """The colours whose clusters are not ours, in their order."""
    return [colour for colour in sorted(settings.clusters) if not target_of(settings, colour).ours]


def mover_of(settings: Settings) -> Choice:
    """The mover of the cutover that these settings ask for; plan and links have it from here."""
    old = settings.clusters.get(other(settings.live), settings.clusters[settings.live])
    can = can_of(settings)
    shared = STRATEGIES[settings.cutover.strategy].scope == "colour"
    open_source = shared and settings.clusters[settings.live].edition == "ce"  # an evacuation needs nodes that receive
    here = Circumstances(
        movers=[mover for mover in STRATEGIES[settings.cutover.strategy].movers if mover in MOVERS],
        knows_clients=can.cohorts,
        closes_clients=can.closes(proxied=old.proxy_protocol),
        edition="ce" if open_source else old.edition,
        nodes=old.size,
        budget_per_second=settings.cutover.budget_per_second,
        portions=settings.cutover.portions,
    )
    return choose(settings.cutover.mover, here)


def links_of(settings: Settings) -> tuple[LinkSpec, ...]:
    """The links of the cutover in their order: one list, which the program declares and the plan forecasts."""
    strategy = STRATEGIES[settings.cutover.strategy]
    mover = Choice(mover="close") if strategy.in_place else mover_of(settings)
    nodes = settings.clusters[settings.live].size
    specs = strategy.links(settings.cutover, mover)
    if strategy.route == "two-cluster" and (inputs := conversion.inputs_of(settings)) is not None:
        specs = tuple(with_conversion(specs, inputs))
    return tuple(link for spec in specs for link in spec.of(nodes))


def contradictions(settings: Settings, known: Remembered, now: float) -> list[Problem]:
    """What is right in each line and wrong together; ``now`` is unix seconds."""
    clusters = settings.clusters
    problems = [problem for colour in sorted(clusters) for problem in _cluster(settings, colour)]
    ours = {colour: _addresses_of_ours(settings, colour) for colour in theirs(settings)}
    problems += exchanged(clusters, ours, settings.work_directory, known, settings.cutover.soak_seconds, now)
    if settings.live not in clusters:
        problems.append(Problem("emqx:live", settings.live, f"a declared colour ({', '.join(sorted(clusters))})"))
    if len(clusters) == 2 and not problems:
        word = settings.cutover.strategy
        problems += pair(clusters, known, word, STRATEGIES[word].route)
        problems += [] if "way_back" in settings.cutover.acknowledge else downgrade(settings.live, clusters, known)
    problems += conversion.problems(clusters, settings.live, settings.cutover.strategy)
    return (
        problems
        + placed.problems(settings)
        + weighed.problems(settings)
        + _places(settings)
        + _beside(settings)
        + _shared(settings, known)
        + _strangers(settings)
        + given_twice(clusters)
    )


def _places(settings: Settings) -> list[Problem]:
    """Where journal and archives are kept beyond this machine."""
    named = {"emqx:journal": settings.journal, "emqx:archives": settings.archives}
    return [Problem(key, url[:200], why) for key, url in named.items() if (why := problem(url)) is not None]


def _beside(settings: Settings) -> list[Problem]:
    """In place only the live colour is upgraded: with another one beside it nobody could say which of the two a version is meant for."""
    if not STRATEGIES[settings.cutover.strategy].in_place:
        return []
    allowed = f"nothing beside {settings.live}: strategy {settings.cutover.strategy} upgrades it in place; finalize the other colour first"
    return [Problem(f"emqx:clusters.{one}", "declared", allowed) for one in settings.clusters if one != settings.live]


def _shared(settings: Settings, known: Remembered) -> list[Problem]:
    """Colours that are nodes of one cluster stay so until one of them has left it: another strategy would take it for two."""
    word = settings.cutover.strategy
    if not in_one_cluster(known.memory) or STRATEGIES[word].scope == "colour":
        return []
    words = ", ".join(name for name, strategy in STRATEGIES.items() if strategy.scope == "colour")
    allowed = f"{words}, until one of the two colours, which are nodes of one cluster, has left it"
    return [Problem("emqx:cutover.strategy", word, allowed)]


def _strangers(settings: Settings) -> list[Problem]:
    """Nodes of one cluster are of one kind: those of somebody's with those of somebody's, ours with ours, releases with releases."""
    clusters, word = settings.clusters, settings.cutover.strategy
    if STRATEGIES[word].scope == "cluster" or len(clusters) < len(COLOURS):
        return []
    problems = []
    for field, path in (("target", "target"), ("emqx_home", "emqxHome")):
        blue, green = (getattr(clusters[colour], field, None) for colour in COLOURS)
        alike = blue == green if field == "target" else (blue is None) == (green is None)
        if not alike:
            allowed = f"as blue has it ({blue or 'none'}): with strategy {word} both colours are nodes of one cluster"
            problems.append(Problem(f"emqx:clusters.green.{path}", str(green)[:200], allowed))
    return problems[:1]


def _another_stacks(settings: Settings, stack: str) -> list[Problem]:
    """A work directory belongs to one stack; the one that was renamed says so, and the next update gives it the new name (docs/adr/0010)."""
    owner = BALANCERS[settings.balancer.target].owner(settings)
    if owner in {None, stack} or f"{RENAMED}{owner}" in settings.cutover.acknowledge:
        return []
    allowed = (
        f"a directory of its own for each stack; stack {owner} works here. Where {owner} was renamed to {stack}:"
        f" cutover.acknowledge [{RENAMED}{owner}]"
    )
    return [Problem("emqx:workDirectory", settings.work_directory, allowed)]


def _addresses_of_ours(settings: Settings, colour: Colour) -> frozenset[str]:
    """Where a cluster of ours takes clients that runs in the place of a colour which is declared as somebody's."""
    place = Site(colour, settings.clusters[colour], settings.work_directory)
    found = [target.observed(place) for target in TARGETS.values() if target.ours]
    return frozenset(node.mqtt for handle in found if handle is not None for node in handle.nodes)


def _decoded(key: str, value: Any) -> Any:
    """Objects arrive as JSON text from ``pulumi.Config.get``; a text that is no object stays one, for its own refusal."""
    if key in TEXTS or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def replace_steps(raw: dict[str, Any]) -> list[Problem]:
    """Read the steps as the config writes them into the place where they stand; what is wrong with them."""
    cutover = raw.get("cutover")
    if not isinstance(cutover, Mapping) or cutover.get("steps") is None:
        return []
    rest = {key: value for key, value in cutover.items() if key != "steps"}
    try:
        raw["cutover"] = {**rest, "steps": parse_steps(cutover["steps"])}
    except StepsError as wrong:
        raw["cutover"] = rest
        return [Problem(f"emqx:cutover.steps{one.path}", one.value, one.allowed) for one in wrong.problems]
    return []


def _cluster(settings: Settings, colour: Colour) -> list[Problem]:
    cluster, place = settings.clusters[colour], site(settings, colour)
    problems = target_of(settings, colour).problems(place)
    try:
        version = require_known(parse(cluster.version), cluster.edition)
    except BadVersion as wrong:
        return [*problems, Problem(f"{place.path}.version", cluster.version[:20], str(wrong))]
    if version.major not in {4, 5}:
        problems.append(Problem(f"{place.path}.version", cluster.version[:20], "4.2 to 5.x (others are not yet built)"))
    return problems
