"""Target `aws`: the colour's nodes are instances of EC2, declared by Pulumi's own provider and waited for by ours.

The rule: what is declared restarts nothing, and what would take clients away is refused before AWS hears of it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pulumi
from pydantic import Field

from components.aws import names
from components.cutover.steps import Problem
from components.emqx.models import ClusterHandle, Credentials, credentials_by_colour
from components.instances.nodes import Running, observed
from components.machines.words import Declared, Machines, S3Package
from components.problems import Whole
from components.resources.aws_cluster import AwsCluster as Ready
from components.resources.aws_declared import AwsDeclared
from components.settings import ClusterSettings
from components.targets.base import Site, born, too_old
from components.targets.local import unfit

MADE_WITH = ("subnets", "instance_type", "image", "key_pair", "root_gib", "kms_key", "boundary")


class AwsCluster(ClusterSettings, Machines):
    """A colour on instances of ours."""

    target: Literal["aws"]
    nodes: Whole = Field(ge=1, le=200)
    proxy_protocol: bool = True

    @property
    def size(self) -> int:
        """The number of nodes."""
        return self.nodes


class Aws:
    """Its nodes are found by the tags of their instances."""

    model: ClassVar[type[ClusterSettings]] = AwsCluster
    ours: ClassVar[bool] = True

    def problems(self, site: Site) -> list[Problem]:
        """What no instance could begin with."""
        wanted: AwsCluster = site.settings
        found = too_old(site)
        if not (wanted.management.ranges or wanted.management.groups):
            allowed = "ranges or groups: the machine that runs Pulumi reaches the management API from one of them"
            found.append(Problem(f"{site.path}.management", "nothing", allowed))
        if "{{" in wanted.config:
            found.append(Problem(f"{site.path}.config", "{{", "a text without {{, which Parameter Store does not take"))
        package = wanted.package
        if isinstance(package, S3Package) and wanted.version not in package.uri:
            allowed = f"the file of {wanted.version}, with the version in its name"
            found.append(Problem(f"{site.path}.package.uri", package.uri, allowed))
        return found

    def credentials_problem(self, credentials: Credentials) -> str | None:
        """The bootstrap file of its cluster is ``key:secret`` lines."""
        return unfit(credentials)

    def declare(self, site: Site, opts: pulumi.ResourceOptions) -> pulumi.Output[dict[str, Any]]:
        """Declare what it is made of, and wait for it; the output is its handle."""
        from components.targets.aws_objects import declare

        settings: AwsCluster = site.settings
        credentials = credentials_by_colour(pulumi.runtime.config.get_config("emqx:credentials"))
        what = declared_of(site)
        running = running_of(site).model_dump(mode="json")
        made_with = settings.model_dump(mode="json", include=set(MADE_WITH)) | {
            "device": settings.volume.device,
            "volume_key": settings.volume.kms_key,
        }
        rest = {"idle": site.idle, "in_place": site.in_place, "made_with": made_with}
        before = AwsDeclared(f"{site.colour}-declared", {**running, **rest}, opts)
        made = declare(settings, what, credentials, site.beside, before, opts, born=born(site))
        waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[*made.all]))
        ready = {**running, "instances": made.instances, "ready_seconds": settings.ready_seconds}
        return Ready(f"{site.colour}-nodes", ready, waits).handle

    def observed(self, site: Site) -> ClusterHandle | None:
        """The handle of the instances that there are."""
        return observed(running_of(site)) if isinstance(site.settings, AwsCluster) else None

    def standing(self, site: Site) -> bool:
        """Whether there are instances of it."""
        return self.observed(site) is not None


def declared_of(site: Site) -> Declared:
    """The colour, as its machines are made from it."""
    settings: AwsCluster = site.settings
    return Declared(
        colour=site.colour,
        version=settings.version,
        edition=settings.edition,
        nodes=settings.nodes,
        proxy_protocol=settings.proxy_protocol,
        joins=site.joins or site.colour,
        prefix=names.prefix(settings.name, site.environment),
        environment=site.environment,
    )


def running_of(site: Site) -> Running:
    """The colour, as its instances are looked for."""
    settings: AwsCluster = site.settings
    return Running(
        region=settings.region,
        prefix=names.prefix(settings.name, site.environment),
        colour=site.colour,
        version=settings.version,
        edition=settings.edition,
        nodes=settings.nodes,
        proxy_protocol=settings.proxy_protocol,
    )
