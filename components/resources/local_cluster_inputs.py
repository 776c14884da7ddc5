"""What a local cluster's resource is declared with, and the processes that it stands for.

The rule: a running cluster keeps what it is for life; in place only, a version is declared here and brought to the nodes by a roll.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.cutover.words import Colour
from components.emqx.models import ClusterHandle
from components.links.birth import Birth, written
from components.local.wanted import Wanted
from components.resources.props import State
from components.value import Value

FIXED = frozenset({"version", "edition", "emqx_home", "max_sessions", "proxy_protocol"})
"""What a running cluster keeps for life."""
ROLLED = frozenset({"version", "edition", "emqx_home"})
"""What a roll changes, node by node; a changed declaration alone restarts nothing."""


class LocalClusterInputs(Value):
    """What to run, and where; the credentials come from the provider's configuration.

    ``idle`` is whether the other colour has everybody, as the ledger says. ``in_place`` is whether another version is only declared here and brought
    to the nodes by a roll; ``in_work`` is the node that a roll has taken out. ``beside`` is the colour whose cluster the nodes join when
    they are started; ``birth`` is by whose configuration they begin.
    """

    name: str
    colour: Colour
    version: str
    edition: str
    nodes: int
    proxy_protocol: bool
    max_sessions: int | None = None
    emqx_home: str | None = None
    idle: bool = False
    in_place: bool = False
    in_work: str | None = None
    directory: str
    beside: ClusterHandle | None = None
    birth: Birth | None = None

    def fixed(self, olds: State) -> frozenset[str]:
        """What may not change; lab nodes stay lab nodes and a release's a release's, also in place."""
        same_kind = (self.emqx_home is None) == (olds.get("emqx_home") is None)
        return FIXED - ROLLED if self.in_place and same_kind else FIXED

    def wanted(self, olds: State) -> Wanted:
        """The cluster as it should be; ``olds`` are the last outputs, or empty."""
        return Wanted(
            name=self.colour,
            version=self.version,
            edition=self.edition,
            nodes=self.nodes,
            proxy_protocol=self.proxy_protocol,
            max_sessions=self.max_sessions,
            directory=Path(self.directory),
            network=olds.get("network"),
            emqx_home=self.emqx_home,
            in_place=self.in_place and bool(olds),
            in_work=self.in_work,
            beside=self.beside,
            files=self.files() if self.birth and not olds else {},
        )

    def files(self) -> Mapping[str, str]:
        """What the nodes find in ``etc`` when they start for the first time.

        Raises:
            Refused: a file of the old colour is not there, or is not understood.

        """
        if self.birth is None:
            return {}
        # reads and converts files of 4.x, which most stacks have none of
        from components.links.given import born
        from components.migration import bootstrap

        found = born(self.birth)
        if found.files:
            return bootstrap.at_home(found, str((Path(self.directory) / "etc").absolute()), proxied=self.proxy_protocol)
        return {bootstrap.BASE: written(found.ours)} if found.ours else {}
