"""Target `external`: a cluster that exists already; nothing of it is created or deleted.

The rule: its nodes are stopped and started by nobody, unless the stack gives the commands that do it (``keeper``).
"""

from __future__ import annotations

import re
import shutil
from typing import Annotated, Any, ClassVar, Literal

import pulumi
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from components.cutover.steps import Problem
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle, Node
from components.kubernetes import loop
from components.problems import shown
from components.settings import ClusterSettings
from components.system.address import HOST, PORT
from components.targets.adopted import Adopted, find
from components.targets.base import Site
from components.value import Value

LOOK_SECONDS = 30.0
SHAPES = {
    "name": (re.compile(r"[^\s@/]+@[^\s@/]+"), "a node's name like emqx@10.0.0.1"),
    "api": (re.compile(rf"https?://{HOST}:{PORT}/?"), "http://host:port, without credentials and path"),
    "mqtt": (re.compile(f"{HOST}:{PORT}"), "host:port"),
    "ws": (re.compile(f"{HOST}:{PORT}"), "host:port of its listener for WebSocket, or left out"),
}


WORDS = ("node", "host", "version", "edition")
_WORD = re.compile(r"(?<!\{)\{([A-Za-z_]+)\}(?!\})")


def _filled_by_us(value: tuple[str, ...]) -> tuple[str, ...]:
    unknown = {word for one in value for word in _WORD.findall(one)} - set(WORDS)
    if unknown or not value[0].strip():
        allowed = f"a list of arguments, the program first, with no other words in braces than {', '.join(f'{{{word}}}' for word in WORDS)}"
        raise PydanticCustomError("command", "{allowed}", {"allowed": allowed})
    return value


def _names_the_version(value: tuple[str, ...]) -> tuple[str, ...]:
    if not any("{version}" in one for one in value):
        allowed = "arguments with {version} among them: it is the version that the node is to run from then on"
        raise PydanticCustomError("command", "{allowed}", {"allowed": allowed})
    return value


Command = Annotated[tuple[str, ...], Field(min_length=1, max_length=64), AfterValidator(_filled_by_us)]


class Keeper(Value):
    """What stops, starts and copies a node of somebody's: argument lists that run on the machine of the update, each for ``seconds`` at most.

    ``{node}`` is the node's name, ``{host}`` what stands behind its @; ``start`` also gets ``{version}`` and ``{edition}``, and the licence in its environment as
    ``EMQX_LICENSE__KEY``. ``back_up`` prints a tar archive of configuration and data, ``restore`` takes it as its standard input.
    """

    stop: Command
    start: Annotated[Command, AfterValidator(_names_the_version)]
    back_up: Command
    restore: Command
    set_aside: Command
    seconds: float = Field(default=300, ge=5, le=3_600)

    @property
    def commands(self) -> dict[str, tuple[str, ...]]:
        """By the word that they have in the stack file."""
        return {
            "stop": self.stop,
            "start": self.start,
            "backUp": self.back_up,
            "restore": self.restore,
            "setAside": self.set_aside,
        }

    def problems(self, path: str) -> list[Problem]:
        """Programs that this machine does not have."""
        return [
            Problem(f"{path}.{word}", shown(command[0]), "a program of this machine")
            for word, command in self.commands.items()
            if shutil.which(command[0]) is None
        ]

    def handle(self) -> KeeperHandle:
        """As the links want it."""
        return KeeperHandle(kind="commands", place="", commands=self.commands, seconds=self.seconds)


class ExternalCluster(ClusterSettings):
    """A colour that exists already and is not ours to create or delete: its ``nodes``, or where its pods are found; it can be rolled, and leave in order, where it has a ``keeper``."""

    target: Literal["external"]
    nodes: tuple[Node, ...] = Field(default=(), max_length=200)
    kubernetes: Adopted | None = None
    keeper: Keeper | None = None

    @property
    def size(self) -> int:
        """The number of nodes."""
        return len(self.nodes)


def located(cluster: ExternalCluster, path: str) -> tuple[ExternalCluster, list[Problem]]:
    """The same with the nodes that its pods are, where they are to be found; they are looked for once, since everything else takes them as declared."""
    if cluster.kubernetes is None:
        missing = "a value is required: a list of nodes, or kubernetes: {namespace: ..., selector: {...}}"
        return cluster, [] if cluster.nodes else [Problem(f"{path}.nodes", "missing", missing)]
    if cluster.nodes:
        return cluster, [Problem(f"{path}.nodes", "given", "no value beside kubernetes: its pods are the nodes")]
    nodes, problems = loop.wait(find(cluster.kubernetes, path), LOOK_SECONDS)
    return cluster.model_copy(update={"nodes": nodes}), problems


class External:
    """Its nodes are as the stack's config has them."""

    model: ClassVar[type[ClusterSettings]] = ExternalCluster
    ours: ClassVar[bool] = False

    def problems(self, site: Site) -> list[Problem]:
        """An address or a name that has not the shape of one, a command whose program is not here, files of nodes that are not ours to reach."""
        keeper, said = site.settings.keeper, site.settings.exports
        missing = [] if keeper is None else keeper.problems(f"{site.path}.keeper")
        if said is not None and said.target:
            allowed = "api, {path: ...} or {command: [...]}: a cluster that exists already has no target that reaches its nodes"
            missing.append(Problem(f"{site.path}.exports", "target", allowed))
        return missing + [
            Problem(f"{site.path}.nodes[{index}].{field}", shown(value), allowed)
            for index, node in enumerate(site.settings.nodes)
            for field, (shape, allowed) in SHAPES.items()
            if (value := getattr(node, field)) is not None and not shape.fullmatch(value)
        ]

    def credentials_problem(self, credentials: Credentials) -> str | None:  # noqa: ARG002  -- whatever its cluster takes
        """Nothing is made with them."""
        return None

    def declare(self, site: Site, opts: pulumi.ResourceOptions) -> pulumi.Output[dict[str, Any]]:  # noqa: ARG002  -- nothing is declared
        """The handle itself."""
        return pulumi.Output.from_input(self.observed(site).model_dump(mode="json"))

    def observed(self, site: Site) -> ClusterHandle:
        """The handle, as the stack's config has it."""
        return ClusterHandle(
            colour=site.colour,
            nodes=site.settings.nodes,
            version=site.settings.version,
            edition=site.settings.edition,
            proxy_protocol=site.settings.proxy_protocol,
            keeper=site.settings.keeper.handle() if site.settings.keeper else None,
            exports=None if site.settings.exports is None else site.settings.exports.access(),
            pods=None if site.settings.kubernetes is None else site.settings.kubernetes.place,
        )

    def standing(self, site: Site) -> bool:  # noqa: ARG002  -- what exists already is there
        """Always."""
        return True
