"""What the program asks of a target: how its clusters are declared, and what can be known of them before an update.

The rule: everything after the handle is the same code for all the targets; what a target cannot do is said by a capability, before
anything is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import pulumi

from components.cutover.steps import Problem
from components.cutover.versions import BadVersion, parse
from components.cutover.words import Colour
from components.emqx.models import ClusterHandle, Credentials
from components.links.birth import Birth
from components.settings import ClusterSettings


class Site(NamedTuple):
    """One declared colour: what its target needs to find it or to make it.

    ``in_place`` is whether it may be declared with another version than it runs; ``beside`` is the handle of the other one, whose cluster its nodes join, and
    ``joins`` its colour. ``idle`` is whether the other one has everybody; ``environment`` is what labels call the stack.
    ``birth`` tells which configuration its nodes are born with, where the data of another colour are converted for it (``links.birth.Birth``). ``in_work`` is the node
    that a roll has taken out and not yet put back, ``direct`` whether devices connect to the nodes themselves,
    ``emptied`` whether a cutover has brought everybody to the other one, so that its nodes may be evacuated, ``front`` by which balancer, and how,
    clients are moved off nodes that go (None where none stands).
    """

    colour: Colour
    settings: Any
    work_directory: str
    in_place: bool = False
    beside: pulumi.Input[dict[str, Any]] | None = None
    joins: Colour | None = None
    idle: bool = False
    environment: str = ""
    birth: Mapping[str, Any] | None = None
    in_work: str | None = None
    direct: bool = False
    emptied: bool = False
    front: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        """Where it stands in the stack's config."""
        return f"emqx:clusters.{self.colour}"


class Target(Protocol):
    """One way in which clusters live somewhere; the word in the stack file is that of ``model.target``.

    ``ours`` is whether we make its clusters and end them; a colour that is not ours is never created, scaled or deleted.
    """

    model: ClassVar[type[ClusterSettings]]
    ours: ClassVar[bool]

    def problems(self, site: Site) -> list[Problem]:
        """What cannot be right in its settings, as far as they and this machine tell; nothing is touched."""
        ...

    def credentials_problem(self, credentials: Credentials) -> str | None:
        """Why a cluster cannot be made with these, without a value; None when it can."""
        ...

    def declare(self, site: Site, opts: pulumi.ResourceOptions) -> pulumi.Output[dict[str, Any]]:
        """Declare the target's own resources; the output is a ClusterHandle as JSON."""
        ...

    def observed(self, site: Site) -> ClusterHandle | None:
        """The handle as far as it is known before an update, for the plan; None when the cluster is not there."""
        ...

    def standing(self, site: Site) -> bool:
        """Whether the cluster is there already."""
        ...


def born(site: Site) -> Mapping[str, Any] | None:
    """Roots that its nodes take over from the configuration of the colour whose data they get; None where there is no such colour.

    Raises:
        Refused: a file of that colour is not there, or is not understood.

    """
    if site.birth is None:
        return None
    # reads and converts files of 4.x, which most stacks have none of
    from components.links import given

    return given.born(Birth.model_validate(site.birth)).ours


def too_old(site: Site, maker: str = "") -> list[Problem]:
    """A version of 4.x, where a target (or what else is the ``maker``) makes nodes of 5.x only, with where such a colour can be."""
    try:
        if parse(site.settings.version).major > 4:
            return []
    except BadVersion:
        return []  # refused for itself
    allowed = (
        f"5.0 and newer: {maker or f'target {site.settings.target}'} makes no nodes of 4.x. Those are yours, and target external, also where they are only"
        " on the way (4.2 by 4.3 and 4.4 to 5.x); the last hop, to 5.x, brings the fleet here"
    )
    return [Problem(f"{site.path}.version", site.settings.version, allowed)]
