"""The stack's config as frozen values, with the unit in each name.

The rule: values only. What a cluster of some target looks like is its target's own model; reading the config, and what is right in each
line and wrong together, is in `intent.py`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, create_model, field_validator
from pydantic_core import PydanticCustomError

from components.cutover.evacuation import Evacuation
from components.cutover.facts import Thresholds
from components.cutover.portions import DEFAULT_PORTIONS
from components.cutover.steps import DEFAULT_STEPS, Problem, Step
from components.cutover.versions import BadVersion, parse
from components.cutover.words import WEBSOCKET, Colour, Edition, Mover
from components.emqx.models import ExportsAccess
from components.machines.front import Front
from components.manifests.haproxy import BalancerPods
from components.migration.rules import catalogue
from components.problems import Whole
from components.routers.haproxy.configuration import BACK_SECONDS
from components.routers.listeners import Listener
from components.system.address import HOST, PORT
from components.value import Value

KEYS = ("live", "clusters", "balancer", "cutover", "workDirectory", "protect", "environment", "journal", "archives")
CREDENTIALS, CERTIFICATES = "credentials", "certificates"
"""The keys that only the providers read (and the plan, which counts; and who judges certificates), never this module."""
LOSSES = ("sessions", "way_back", "leftovers", "conversion", "permissions", "retained", "backup")
"""What may be acknowledged beside the rules: that persistent sessions end with their queues, that live is the older colour, and that the new
colour has bans or messages which an earlier cutover left there. Of a conversion from 4.x: what it changes or drops, what it lets somebody do
or leaves unproven, that retained messages are lost, and that what the API does not reach is not backed up."""

URL = r"^([a-z0-9+]+://\S+)?$"
RENAMED = "stack:"
"""Before the name that a stack had when it took its work directory: ``stack:dev`` says that dev is now called otherwise."""


def is_rule(acknowledged: str) -> bool:
    """Whether this acknowledges an upgrade rule, by its id."""
    return acknowledged not in LOSSES and not acknowledged.startswith(RENAMED)


def _known_loss(value: str) -> str:
    if is_rule(value) and value not in {rule.id for rule in catalogue()}:
        allowed = f"{', '.join(LOSSES)}, the id of a rule that preview shows (such as 59-01), or {RENAMED}NAME for a stack that was renamed"
        raise PydanticCustomError("acknowledgement", "{allowed}", {"allowed": allowed})
    return value


Acknowledgement = Annotated[str, AfterValidator(_known_loss)]


def _listening(value: str) -> str:
    if not re.fullmatch(rf"(?:\*|{HOST}):{PORT}", value):
        raise PydanticCustomError(
            "address",
            "{allowed}",
            {
                "allowed": "host:port of this machine, *:port for all of its addresses of IPv4, [::]:port for all of both"
            },
        )
    return value


def _plain_version(value: str) -> str:
    """``v5.8.8`` is 5.8.8; what is no version stays, for its own refusal."""
    try:
        return str(parse(value))
    except BadVersion:
        return value


def _quoted(value: object) -> object:
    """YAML reads a bare 5.10 as the number 5.1, so a number never says which version was meant."""
    if isinstance(value, int | float):
        allowed = 'a text: quote it ("5.10"), since without quotes YAML reads 5.10 as the number 5.1'
        raise PydanticCustomError("version", "{allowed}", {"allowed": allowed})
    return value


Address = Annotated[str, AfterValidator(_listening)]
VersionText = Annotated[str, BeforeValidator(_quoted), AfterValidator(_plain_version)]


class ExportsSettings(Value):
    """Where an export of 4.x comes from: exactly one of them.

    ``api`` asks the node that made it, ``target`` is the target's own access to the node's files, ``path`` a directory or a file of this
    machine, ``command`` a list of arguments that prints ``{path}``, which lies below ``directory`` on the node.
    """

    api: bool = False
    target: bool = False
    path: str | None = Field(default=None, min_length=1)
    command: tuple[str, ...] = ()
    directory: str = Field(default="/var/lib/emqx", min_length=1)

    @property
    def way(self) -> str:
        """How it is got, in a few words: never an argument of a command."""
        if self.command:
            return f"a command ({self.command[0]})"
        return "the API" if self.api else "the target's own access" if self.target else f"{self.path}"

    def access(self, files: str = "") -> ExportsAccess:
        """The same as the dialect wants it; ``files`` is where the target itself finds exports."""
        if self.command:
            return ExportsAccess(kind="command", command=self.command, directory=self.directory)
        return ExportsAccess(kind="api") if self.api else ExportsAccess(kind="path", path=self.path or files)


_ONE_WAY = (
    "api, target, {path: a directory or a file of this machine}, or {command: [a program, its arguments with {path}]}"
)


def _one_way(value: object) -> object:
    """``api`` and ``target`` may be written as words; no way and two ways are refused."""
    said = {value: True} if isinstance(value, str) else value
    ways = [key for key in ("api", "target", "path", "command") if isinstance(said, Mapping) and said.get(key)]
    if len(ways) != 1 or (isinstance(value, str) and value not in {"api", "target"}):
        raise PydanticCustomError("exports", "{allowed}", {"allowed": _ONE_WAY})
    return said


ExportsWay = ExportsSettings | Literal["api", "target"]
"""As a stack file may write it."""


class ClusterSettings(Value):
    """One declared colour, whatever its target; a target's own model adds what only it needs.

    Of a colour of 4.x: ``configuration`` are the files and directories that tell what its API does not (all that ``convert`` reads),
    ``exports`` is where an export comes from, ``credential_type`` which type of built-in users is kept where there are two, ``jwt_key`` which
    source of keys.
    """

    target: str
    version: VersionText
    edition: Edition = "ee"
    proxy_protocol: bool = False
    configuration: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    exports: Annotated[ExportsSettings, BeforeValidator(_one_way, json_schema_input_type=ExportsWay)] | None = None
    credential_type: Literal["username", "clientid"] | None = None
    jwt_key: Literal["jwks", "public-key", "hmac-based"] | None = None

    @property
    def size(self) -> int:
        """The number of nodes."""
        raise NotImplementedError

    @property
    def node_size(self) -> Mapping[str, float]:
        """How large a node is, by what is counted (``sessions``, ``memory in MiB``); nothing where the stack does not say it."""
        return {}

    @property
    def enterprise_features(self) -> tuple[str, ...]:
        """What of the declared only Enterprise has, in the words of its settings."""
        return ()

    @property
    def needs_licence(self) -> bool:
        """Whether its nodes need a key where their version does."""
        return True


class Balancer(Value):
    """Where the devices connect: at ``listeners``, or, where there are none, at the one ``address`` (``host:port``, None takes a free port).

    ``replicas`` are HAProxy processes on that address, for more clients than the files of one allow (two for each client); on ``kubernetes`` they are pods. ``back_seconds``: a node that was down is well for so long before it gets clients.
    """

    target: str = "local"
    address: Address | None = None
    listeners: tuple[Listener, ...] = Field(default=(), max_length=20)
    max_connections: Whole = Field(default=9_000, ge=10, le=1_000_000)
    replicas: Whole = Field(default=1, ge=1, le=32)
    back_seconds: float = Field(default=BACK_SECONDS, ge=1, le=600)
    kubernetes: BalancerPods = BalancerPods()
    aws: Front = Front()

    @property
    def websocket(self) -> bool:
        """Whether clients come by WebSocket."""
        return any(one.protocol in WEBSOCKET for one in self.listeners)


class Cutover(Value):
    """How the clients are moved; ``mover`` is a wish (None: the best one, ``cutover.movers``), ``keep_stale_sessions`` leaves evicted sessions for the way back, with what they queued meanwhile, ``join_seconds`` is how long new nodes may take until they are members and right. ``portions`` are the parts of the clients, in percent, in which a balancer that does not know clients drains the old colour."""

    strategy: str = "two-cluster"
    initial_delay_seconds: float = Field(default=0, ge=0, le=86_400)
    budget_per_second: Whole = Field(default=100, ge=1, le=100_000)
    mover: Mover | None = None
    evacuation: Evacuation = Evacuation()
    steps: tuple[Step, ...] = DEFAULT_STEPS
    portions: tuple[float, ...] = Field(default=DEFAULT_PORTIONS, max_length=20)
    gates: Thresholds = Thresholds()
    soak_seconds: float = Field(default=0, ge=0)
    join_seconds: float = Field(default=180, ge=5, le=3_600)
    acknowledge: tuple[Acknowledgement, ...] = ()
    keep_stale_sessions: bool = False
    carry_api_keys: bool = True


class Settings(Value):
    """Everything that the stack's config says, checked; secrets are not in it.

    ``journal`` and ``archives`` are URLs of places that outlive the machine of a run (``run.keeping``), empty where nothing is copied.
    ``environment`` is what labels, tags and policies call this stack, its name where nothing is set; ``protect`` is whether Pulumi itself
    refuses to end what serves; false is for a ``destroy`` that runs the program.
    """

    journal: str = Field(default="", pattern=URL)
    archives: str = Field(default="", pattern=URL)
    environment: str = Field(default="", max_length=63, pattern=r"^[A-Za-z0-9._-]*$")
    live: Colour
    clusters: Mapping[Colour, Any] = Field(min_length=1)
    balancer: Balancer = Balancer()
    cutover: Cutover = Cutover()
    work_directory: str = Field(min_length=1)
    protect: bool = True

    @field_validator("live", mode="before")
    @classmethod
    def _trimmed(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value


@cache
def settings_of(
    kinds: tuple[type[ClusterSettings], ...], *, strategies: tuple[str, ...], balancers: tuple[str, ...]
) -> type[Settings]:
    """The model of a stack's config with these words: kinds of clusters (told apart by their ``target``), strategies, and the balancer's targets."""
    # the words are known when the program runs, so no type checker can follow
    any_kind: Any = Annotated[reduce(operator.or_, kinds), Field(discriminator="target")]
    balancer: Any = create_model("Balancer", __base__=Balancer, **_words("target", balancers))
    cutover: Any = create_model("Cutover", __base__=Cutover, **_words("strategy", strategies))
    fields: dict[str, Any] = {
        "clusters": (Mapping[Colour, any_kind], Field(min_length=1)),
        "balancer": (balancer, balancer()),
        "cutover": (cutover, cutover()),
    }
    return create_model("Settings", __base__=Settings, **fields)


def _words(field: str, words: Sequence[str]) -> dict[str, Any]:
    return {field: (Literal[*words], words[0])}


def given_twice(clusters: Mapping[Colour, ClusterSettings]) -> list[Problem]:
    """Each name and address stands for one node, within a colour and between the two."""
    seen: dict[tuple[str, str], str] = {}
    problems: list[Problem] = []
    for colour in sorted(clusters):
        nodes = getattr(clusters[colour], "nodes", ())
        for index, node in enumerate(nodes if isinstance(nodes, tuple) else ()):
            for field in type(node).model_fields:
                value = getattr(node, field)
                if value is None:
                    continue
                path = f"emqx:clusters.{colour}.nodes[{index}].{field}"
                first = seen.setdefault((field, value.rstrip("/").lower()), path)
                if first != path:
                    problems.append(Problem(path, "given twice", f"another one than {first}"))
    return problems
