"""Target `local`: the colour's nodes are processes on this machine, in a directory below the work directory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import pulumi
from pydantic import Field

from components.cutover.steps import Problem
from components.cutover.versions import BadVersion, parse
from components.emqx.errors import BadInput
from components.emqx.models import ClusterHandle, Credentials, ExportsAccess
from components.local import cluster as processes
from components.local.release import Release
from components.problems import Whole
from components.resources.local_cluster import LocalCluster as Processes
from components.settings import ClusterSettings, ExportsSettings
from components.targets.base import Site, too_old

OLDEST_LAB = (5, 8)
OLDER_LAB = frozenset({(4, 2), (4, 3), (4, 4)})
"""The lab node behaves as recorded from the one on, and in these lines; of the others it has no recording to behave like."""
_UNFIT = re.compile(r"[:\s\x00-\x1f\x7f]")


class LocalCluster(ClusterSettings):
    """A colour that runs on this machine: lab nodes, or a real release where ``emqx_home`` names one.

    ``max_sessions`` is the lab node's licence (0: no limit; None: as the evaluation licence).
    """

    target: Literal["local"]
    nodes: Whole = Field(ge=1, le=200)
    proxy_protocol: bool = True
    emqx_home: str | None = Field(default=None, min_length=1)
    max_sessions: Whole | None = Field(default=None, ge=0)

    @property
    def size(self) -> int:
        """The number of nodes."""
        return self.nodes

    @property
    def node_size(self) -> Mapping[str, float]:
        """The sessions of a lab node's licence, where it has a limit."""
        return {"sessions": self.max_sessions} if self.max_sessions else {}

    @property
    def needs_licence(self) -> bool:
        """A release does; a lab node's licence is ``max_sessions``."""
        return self.emqx_home is not None


class Local:
    """Its nodes are found by the files of the work directory."""

    model: ClassVar[type[ClusterSettings]] = LocalCluster
    ours: ClassVar[bool] = True

    def problems(self, site: Site) -> list[Problem]:
        """A licence that is not ours to choose, a release that is not what the stack says, a version that no lab node plays."""
        wanted: LocalCluster = site.settings
        problems = []
        if wanted.max_sessions is not None and (wanted.edition == "ce" or wanted.emqx_home):
            allowed = "no value: only an Enterprise lab node's licence is ours to choose"
            problems.append(Problem(f"{site.path}.maxSessions", str(wanted.max_sessions), allowed))
        if wanted.emqx_home is not None:
            return problems + (too_old(site, "emqxHome") or _release(site.path, wanted, wanted.emqx_home))
        try:
            line = parse(wanted.version).line
        except BadVersion:
            return problems  # refused for itself
        if line < OLDEST_LAB and line not in OLDER_LAB:
            allowed = "4.2, 4.3, 4.4, or 5.8 and newer for lab nodes; for another one give emqxHome, or target external"
            problems.append(Problem(f"{site.path}.version", wanted.version, allowed))
        return problems

    def credentials_problem(self, credentials: Credentials) -> str | None:
        """The bootstrap file of its cluster is ``key:secret`` lines."""
        return unfit(credentials)

    def declare(self, site: Site, opts: pulumi.ResourceOptions) -> pulumi.Output[dict[str, Any]]:
        """Declare the processes; the output is their handle."""
        wanted: LocalCluster = site.settings
        cluster = Processes(
            f"{site.colour}-nodes",
            {
                "name": site.colour,
                "colour": site.colour,
                "version": wanted.version,
                "edition": wanted.edition,
                "nodes": wanted.nodes,
                "proxy_protocol": wanted.proxy_protocol,
                "max_sessions": wanted.max_sessions,
                "emqx_home": wanted.emqx_home,
                "idle": site.idle,
                "in_place": site.in_place,
                "in_work": site.in_work,
                "directory": f"{processes.place(site.work_directory, site.colour)}",
                "beside": site.beside,
                "birth": site.birth,
            },
            opts,
        )
        access = _exports(site)
        if access is None:
            return cluster.handle
        return cluster.handle.apply(lambda handle: {**handle, "exports": access.model_dump(mode="json")})

    def observed(self, site: Site) -> ClusterHandle | None:
        """The handle of the processes that run now, if any do."""
        directory = processes.place(site.work_directory, site.colour)
        ready = processes.running(directory)
        if ready is None:
            return None
        # what runs here may be declared as somebody's by now, whose settings name no release
        home = site.settings.emqx_home if isinstance(site.settings, LocalCluster) else None
        return ClusterHandle(
            colour=site.colour,
            nodes=ready["nodes"],
            version=site.settings.version,
            edition=site.settings.edition,
            proxy_protocol=site.settings.proxy_protocol,
            keeper=processes.keeper_handle(directory, home),
            exports=_exports(site),
        )

    def standing(self, site: Site) -> bool:
        """Whether processes of it run."""
        return self.observed(site) is not None


def unfit(credentials: Credentials) -> str | None:
    """Why a bootstrap file cannot have these, without a value; None when it can."""
    if _UNFIT.search(credentials.api_key + credentials.api_secret):
        return "apiKey or apiSecret has a colon, a blank or a control character"
    return None


def _exports(site: Site) -> ExportsAccess | None:
    """How an export of a colour of 4.x comes from its nodes, whose files are on this machine."""
    said: ExportsSettings | None = site.settings.exports
    if said is None:
        return None
    backups = "/backup" if parse(site.settings.version).line >= (4, 4) else ""
    return said.access(f"{processes.place(site.work_directory, site.colour)}/data/{{node}}{backups}")


def _release(path: str, cluster: LocalCluster, home: str) -> list[Problem]:
    """A release is there, and it is what the stack says."""
    try:
        found = Release.read(home)
    except BadInput as wrong:
        return [Problem(f"{path}.emqxHome", repr(home[:200]), f"{wrong.todo} ({wrong.seen})")]
    different = found.differs(cluster.version, cluster.edition)
    return [Problem(f"{path}.{name}", value[:20], allowed) for name, value, allowed in different]
