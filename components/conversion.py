"""Whether a cutover converts data, and what a stack has to say for it; the rule: what is not said is asked before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from components.cutover.steps import Problem
from components.cutover.versions import BadVersion, parse
from components.cutover.words import COLOURS, Colour, other
from components.emqx.errors import Refused
from components.emqx.registry import export_problem
from components.links.birth import Birth, Wanted
from components.migration.facts import Facts
from components.settings import ClusterSettings, Settings
from components.strategies import STRATEGIES
from components.targets import TARGETS

APPENDIX = "plan-conversion.md"
"""The whole account, in the work directory."""
_WAYS = "api (4.2 and 4.3), target, {path: ...} or {command: [...]}: how an export comes from its node"
_NOT_SHARED = (
    "rolling (4.3 to 4.4, node by node in place) or two-cluster: old nodes leave a cluster of 4.x by emqx_ctl cluster force-leave only, for which its API"
    " has no call"
)


def converts(old: ClusterSettings, new: ClusterSettings) -> bool:
    """Whether the data of ``old`` has another form on ``new``: from 4.x to 5.x, and inside 4.x to a newer line, where an import loses the order of rules."""
    try:
        source, target = parse(old.version), parse(new.version)
    except BadVersion:
        return False  # refused for itself
    return source.major == 4 and source.line < target.line


class Look(NamedTuple):
    """Lines for the plan, the files as facts (None where they were not read), what nobody has acknowledged, by its word, and the whole account."""

    lines: tuple[str, ...]
    facts: Facts | None
    missing: Mapping[str, str]
    account: str = ""


def is_converted(settings: Settings) -> bool:
    """Whether a move to the live colour converts the data of the other one."""
    source = other(settings.live)
    if inputs_of(settings) is None or source not in settings.clusters:
        return False
    return converts(settings.clusters[source], settings.clusters[settings.live])


def refuse_missing(found: Look | None, live: Colour) -> None:
    """Refuse what nobody has acknowledged.

    Raises:
        Refused: with the words that accept it.

    """
    if found is not None and found.missing:
        raise Refused(
            f"moving the data to {live}",
            node=other(live),
            seen="\n".join([*found.missing.values(), *found.lines]),
            todo=f"what may be so is accepted by emqx:cutover: acknowledge: [{', '.join(found.missing)}]",
        )


def inputs_of(settings: Settings) -> dict[str, Any] | None:
    """What the link that converts is told, also while the way is back; None where nothing is converted in either direction."""
    if len(settings.clusters) < len(COLOURS) or STRATEGIES[settings.cutover.strategy].route != "two-cluster":
        return None
    for old in COLOURS:
        here, there = settings.clusters[old], settings.clusters[other(old)]
        if converts(here, there):
            return {
                "configuration": list(here.configuration),
                "credential_type": here.credential_type,
                "jwt_key": here.jwt_key,
                "editions": [here.edition, there.edition],
                "acknowledge": list(settings.cutover.acknowledge),
                "ours": TARGETS[there.target].ours,
                "carry_api_keys": settings.cutover.carry_api_keys,
            }
    return None


def birth(settings: Settings, colour: Colour) -> dict[str, Any] | None:
    """What tells which configuration the nodes of this colour are born with; None where no other colour is converted to it."""
    old = other(colour)
    inputs = inputs_of(settings)
    if inputs is None or not converts(settings.clusters[old], settings.clusters[colour]):
        return None
    versions = (settings.clusters[old].version, settings.clusters[colour].version)
    return Birth(versions=versions, source=old, wanted=Wanted.model_validate(inputs)).model_dump(mode="json")


def problems(clusters: Mapping[Colour, ClusterSettings], live: Colour, strategy: str) -> list[Problem]:
    """What is not said, or cannot be right, of the colours of 4.x."""
    moves = STRATEGIES[strategy].route == "two-cluster"
    found: list[Problem] = []
    if len(clusters) > 1 and STRATEGIES[strategy].scope == "colour" and any(map(_is_4, clusters.values())):
        found.append(Problem("emqx:cutover.strategy", strategy, _NOT_SHARED))
    for colour, cluster in sorted(clusters.items()):
        if not _is_4(cluster):
            found += _needless(colour, cluster)
            continue
        path = f"emqx:clusters.{colour}"
        found += [
            Problem(f"{path}.configuration[{index}]", one[:200], "a file or a directory that is there")
            for index, one in enumerate(cluster.configuration)
            if not Path(one).expanduser().exists()
        ]
        leaves = colour != live and live in clusters and moves and converts(cluster, clusters[live])
        if (cluster.exports is not None or leaves) and (wrong := _exports_problem(cluster)):
            found.append(Problem(f"{path}.exports", wrong, _WAYS))
        if leaves and not cluster.configuration:
            allowed = "the paths of its emqx.conf, acl.conf, plugins, loaded_plugins, and of what starts its nodes: no API of 4.x shows them"
            found.append(Problem(f"{path}.configuration", "not said", allowed))
    return found


def _is_4(cluster: ClusterSettings) -> bool:
    try:
        return parse(cluster.version).major == 4
    except BadVersion:
        return False


def _needless(colour: Colour, cluster: ClusterSettings) -> list[Problem]:
    said = {
        "configuration": cluster.configuration,
        "exports": cluster.exports,
        "credentialType": cluster.credential_type,
        "jwtKey": cluster.jwt_key,
    }
    return [
        Problem(f"emqx:clusters.{colour}.{name}", "declared", f"nothing: {cluster.version} is no 4.x")
        for name, value in said.items()
        if value
    ]


def _exports_problem(cluster: ClusterSettings) -> str | None:
    if cluster.exports is not None and cluster.exports.target:
        return None  # its target says whether it can
    return export_problem(cluster.version, None if cluster.exports is None else cluster.exports.access())
