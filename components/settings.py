"""The stack's config as frozen values; whatever cannot be right is refused before the first resource is registered, all of it at once.

The rule: a refusal has one line for each problem, with path, value and what is allowed; a value in a place that is not ours to know is
never shown, since it may be a secret that was written there by mistake.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from components.cutover.evacuation import Evacuation
from components.cutover.facts import Thresholds
from components.cutover.steps import DEFAULT_STEPS, Problem, Step, StepsError, parse_steps
from components.cutover.versions import BadVersion, parse, require_known
from components.cutover.words import Colour, Edition
from components.emqx.errors import BadInput
from components.emqx.models import Node
from components.guards.direction import downgrade, pair
from components.guards.ownership import exchanged
from components.ledger.remembered import Remembered, remembered, stack_of
from components.migration.rules import catalogue
from components.problems import Whole, problems_of, shown
from components.targets.local.release import Release
from components.value import Value

KEYS = ("live", "clusters", "balancer", "cutover", "workDirectory")
CREDENTIALS = "credentials"
"""The key that only the providers read (and the plan, which counts), never this module."""
_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
_PORT = r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_SHAPES = {
    "name": (re.compile(r"[^\s@/]+@[^\s@/]+"), "a node's name like emqx@10.0.0.1"),
    "api": (re.compile(rf"https?://{_HOST}:{_PORT}/?"), "http://host:port, without credentials and path"),
    "mqtt": (re.compile(f"{_HOST}:{_PORT}"), "host:port"),
}
"""Addresses end in HAProxy's configuration as they are, so nothing but a host and a port may stand in them."""
NOT_YET_BUILT = {"target": ("kubernetes", "aws"), "strategy": ("rolling", "same-cluster")}

LOSSES = ("sessions", "way_back")
"""What may be acknowledged beside the rules: that persistent sessions end with their queues, and that live is the older colour."""


def _known_loss(value: str) -> str:
    if value not in LOSSES and value not in {rule.id for rule in catalogue()}:
        allowed = f"{', '.join(LOSSES)}, or the id of a rule that preview shows (such as 59-01)"
        raise PydanticCustomError("acknowledgement", "{allowed}", {"allowed": allowed})
    return value


Acknowledgement = Annotated[str, AfterValidator(_known_loss)]


def _listening(value: str) -> str:
    if not re.fullmatch(rf"(?:\*|{_HOST}):{_PORT}", value):
        raise PydanticCustomError(
            "address", "{allowed}", {"allowed": "host:port of this machine, *:port for all of its addresses"}
        )
    return value


def _plain_version(value: str) -> str:
    """``v5.8.8`` is 5.8.8; what is no version stays, for its own refusal."""
    try:
        return str(parse(value))
    except BadVersion:
        return value


Address = Annotated[str, AfterValidator(_listening)]
VersionText = Annotated[str, AfterValidator(_plain_version)]


class LocalCluster(Value):
    """A colour that runs on this machine: lab nodes, or a real release where ``emqx_home`` names one.

    ``max_sessions`` is the lab node's licence (0: no limit; None: as the evaluation licence).
    """

    target: Literal["local"]
    version: VersionText
    nodes: Whole = Field(ge=1, le=200)
    edition: Edition = "ee"
    proxy_protocol: bool = True
    emqx_home: str | None = Field(default=None, min_length=1)
    max_sessions: Whole | None = Field(default=None, ge=0)

    @property
    def size(self) -> int:
        """The number of nodes."""
        return self.nodes


class ExternalCluster(Value):
    """A colour that exists already and is not ours to create or delete."""

    target: Literal["external"]
    version: VersionText
    nodes: tuple[Node, ...] = Field(min_length=1, max_length=200)
    edition: Edition = "ee"
    proxy_protocol: bool = False

    @property
    def size(self) -> int:
        """The number of nodes."""
        return len(self.nodes)


Cluster = Annotated[LocalCluster | ExternalCluster, Field(discriminator="target")]


class Balancer(Value):
    """Where the devices connect; ``address`` is ``host:port``, None takes a free port.

    ``replicas`` are HAProxy processes on that address, for more clients than the files of one allow (two for each client).
    """

    target: Literal["local"] = "local"
    address: Address | None = None
    max_connections: Whole = Field(default=9_000, ge=10, le=1_000_000)
    replicas: Whole = Field(default=1, ge=1, le=32)


class Cutover(Value):
    """How the clients are moved; ``keep_stale_sessions`` leaves evicted sessions for the way back, with what they queued meanwhile."""

    strategy: Literal["two-cluster"] = "two-cluster"
    initial_delay_seconds: float = Field(default=0, ge=0, le=86_400)
    budget_per_second: Whole = Field(default=100, ge=1, le=100_000)
    evacuation: Evacuation = Evacuation()
    steps: tuple[Step, ...] = DEFAULT_STEPS
    gates: Thresholds = Thresholds()
    soak_seconds: float = Field(default=0, ge=0)
    acknowledge: tuple[Acknowledgement, ...] = ()
    keep_stale_sessions: bool = False
    carry_api_keys: bool = True


class Settings(Value):
    """Everything that the stack's config says, checked; secrets are not in it."""

    live: Colour
    clusters: Mapping[Colour, Cluster] = Field(min_length=1)
    balancer: Balancer = Balancer()
    cutover: Cutover = Cutover()
    work_directory: str = Field(min_length=1)

    @field_validator("live", mode="before")
    @classmethod
    def _trimmed(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value


def load(
    read: Callable[[str], Any], *, stack: str, names: Iterable[str] = (), now: Callable[[], float] = time.time
) -> Settings:
    """Read and check the whole config; what the balancer in ``workDirectory`` remembers says which way back is none down.

    Args:
        read: the value of a key without its namespace, None where there is none; ``pulumi.Config("emqx").get`` will do
            (objects may arrive as JSON text).
        stack: the stack's name, for the default of ``workDirectory``.
        names: the keys that are set, without their namespace, so that an unknown one can be refused.
        now: unix seconds, for the soak.

    Raises:
        BadInput: with one line for each problem.

    """
    unknown = sorted(set(names) - {*KEYS, CREDENTIALS})
    problems = [Problem(f"emqx:{name}", "unknown key", ", ".join((*KEYS, CREDENTIALS))) for name in unknown]
    raw = {key: value for key in KEYS if (value := _decoded(key, read(key))) is not None}
    raw["workDirectory"] = raw.get("workDirectory") or f".emqx/{stack}"
    settings = None
    problems += _replace_steps(raw)
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as invalid:
        problems += problems_of(invalid, Settings, "emqx:", NOT_YET_BUILT)
    if settings is not None:
        problems += contradictions(settings, remembered(settings.work_directory), now())
        if (owner := stack_of(settings.work_directory)) not in {None, stack}:
            allowed = f"a directory of its own for each stack; stack {owner} works here (file balancer/stack)"
            problems.append(Problem("emqx:workDirectory", settings.work_directory, allowed))
    if problems or settings is None:
        lines = "".join(f"\n  {one.path}: {one.value}; allowed: {one.allowed}" for one in problems)
        raise BadInput("the stack's config", seen=f"{len(problems)} to correct{lines}", todo="correct these lines")
    return settings


def contradictions(settings: Settings, known: Remembered, now: float) -> list[Problem]:
    """What is right in each line and wrong together; ``now`` is unix seconds."""
    clusters = settings.clusters
    problems = [problem for colour in sorted(clusters) for problem in _cluster(colour, clusters[colour])]
    problems += exchanged(clusters, settings.work_directory, known, settings.cutover.soak_seconds, now)
    if settings.live not in clusters:
        problems.append(Problem("emqx:live", settings.live, f"a declared colour ({', '.join(sorted(clusters))})"))
    if len(clusters) == 2 and not problems:
        problems += pair(clusters, known)
        problems += [] if "way_back" in settings.cutover.acknowledge else downgrade(settings.live, clusters, known)
    return problems + _addresses(clusters)


def _decoded(key: str, value: Any) -> Any:
    """Objects arrive as JSON text from ``pulumi.Config.get``; a text that is no object stays one, for its own refusal."""
    if key in {"live", "workDirectory"} or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _replace_steps(raw: dict[str, Any]) -> list[Problem]:
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


def _cluster(colour: Colour, cluster: LocalCluster | ExternalCluster) -> list[Problem]:
    path = f"emqx:clusters.{colour}"
    problems = []
    licence = cluster.max_sessions if isinstance(cluster, LocalCluster) else None
    if licence is not None and (cluster.edition == "ce" or getattr(cluster, "emqx_home", None)):
        allowed = "no value: only an Enterprise lab node's licence is ours to choose"
        problems.append(Problem(f"{path}.maxSessions", str(licence), allowed))
    if isinstance(cluster, LocalCluster) and cluster.emqx_home is not None:
        problems += _release(path, cluster, cluster.emqx_home)
    try:
        version = require_known(parse(cluster.version), cluster.edition)
    except BadVersion as wrong:
        return [*problems, Problem(f"{path}.version", cluster.version[:20], str(wrong))]
    if version.major != 5:
        problems.append(Problem(f"{path}.version", cluster.version[:20], "5.x (others are not yet built)"))
    return problems


def _release(path: str, cluster: LocalCluster, home: str) -> list[Problem]:
    """A release is there, and it is what the stack says."""
    try:
        found = Release.read(home)
    except BadInput as wrong:
        return [Problem(f"{path}.emqxHome", repr(home[:200]), f"{wrong.todo} ({wrong.seen})")]
    different = found.differs(cluster.version, cluster.edition)
    return [Problem(f"{path}.{name}", value[:20], allowed) for name, value, allowed in different]


def _addresses(clusters: Mapping[Colour, LocalCluster | ExternalCluster]) -> list[Problem]:
    """Each name and address is well-formed and stands for one node, within a colour and between the two."""
    seen: dict[tuple[str, str], str] = {}
    problems: list[Problem] = []
    for colour in sorted(clusters):
        nodes = clusters[colour].nodes
        for index, node in enumerate(nodes if isinstance(nodes, tuple) else ()):
            for field, (shape, allowed) in _SHAPES.items():
                value, path = getattr(node, field), f"emqx:clusters.{colour}.nodes[{index}].{field}"
                first = seen.setdefault((field, value.rstrip("/").lower()), path)
                if first != path:
                    problems.append(Problem(path, "given twice", f"another one than {first}"))
                elif not shape.fullmatch(value):
                    problems.append(Problem(path, shown(value), allowed))
    return problems
