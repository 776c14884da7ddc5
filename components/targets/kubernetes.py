"""Target `kubernetes`: the colour's nodes are the pods of a StatefulSet, declared by Pulumi's own provider and waited for by ours.

The rule: what is declared restarts nothing, and what would take clients away is refused before Kubernetes hears of it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import pulumi
from pydantic import Field

from components.cutover.steps import Problem
from components.cutover.words import Colour
from components.emqx.models import ClusterHandle, Credentials, credentials_by_colour
from components.kubernetes import loop, names
from components.kubernetes.place import Place
from components.links.birth import written
from components.manifests import nodes as manifests
from components.manifests.nodes import COOKIE, KEYS, LICENCE, PASSWORD, USERNAME, Declared, NodePods
from components.problems import Whole
from components.resources.kubernetes_cluster import KubernetesCluster as Ready
from components.resources.kubernetes_declared import KubernetesDeclared
from components.settings import ClusterSettings
from components.targets.base import Site, born, too_old
from components.targets.local import unfit
from components.workloads.nodes import Running, kept_cookie, observed

LOOK_SECONDS = 30.0
SKIP = {"pulumi.com/skipAwait": "true"}
"""Our own resource waits, which knows the reason; Pulumi's would wait for pods that only a roll may start anew."""


class KubernetesCluster(ClusterSettings, NodePods):
    """A colour in pods of ours."""

    target: Literal["kubernetes"]
    nodes: Whole = Field(ge=1, le=200)
    proxy_protocol: bool = True

    @property
    def size(self) -> int:
        """The number of nodes."""
        return self.nodes

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(namespace=self.namespace, context=self.context, access=self.access)


class Kubernetes:
    """Its nodes are found by the labels of their pods."""

    model: ClassVar[type[ClusterSettings]] = KubernetesCluster
    ours: ClassVar[bool] = True

    def problems(self, site: Site) -> list[Problem]:
        """A 4.x, which no pod of ours runs, or a name of ours in ``env``, which would be given twice."""
        if old := too_old(site):
            return old
        container = _container(site.settings.model_copy(update={"env": {}, "pod_template": {}}), site)
        taken = {one["name"] for one in container["env"]} & set(site.settings.env)
        return [Problem(f"{site.path}.env.{name}", "given", "no value: the target sets it") for name in sorted(taken)]

    def credentials_problem(self, credentials: Credentials) -> str | None:
        """The bootstrap file of its cluster is ``key:secret`` lines."""
        return unfit(credentials)

    def declare(self, site: Site, opts: pulumi.ResourceOptions) -> pulumi.Output[dict[str, Any]]:
        """Declare what it is made of, and wait for it; the output is its handle."""
        from components.targets.kubernetes_objects import declare

        settings: KubernetesCluster = site.settings
        credentials = _credentials()
        mine = credentials.get(site.colour)
        declared = _declared(site, mine)
        running = _running(site).model_dump(mode="json")
        rest = {"colour": site.colour, "idle": site.idle, "in_place": site.in_place}
        storage = settings.storage.model_dump(mode="json", exclude={"snapshot_class"})
        more = {"storage": storage, "front": site.front}
        before = KubernetesDeclared(f"{site.colour}-declared", {**running, **rest, **more}, opts)
        joined = credentials.get(declared.joins, mine)
        secrets = {} if mine is None or joined is None else secrets_of(mine, joined, settings, declared)
        if declared.joins != site.colour and not pulumi.runtime.is_dry_run():
            kept = loop.wait(kept_cookie(settings.place, names.cookie(settings.name, declared.joins)), LOOK_SECONDS)
            secrets |= {COOKIE: kept} if kept else {}
        begins = born(site)
        made = declare(settings, declared, secrets, before, opts, born=None if begins is None else written(begins))
        waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[*made]))
        ready = {**running, "in_place": site.in_place, "in_work": site.in_work, "emptied": site.emptied}
        return Ready(f"{site.colour}-nodes", ready, waits).handle

    def observed(self, site: Site) -> ClusterHandle | None:
        """The handle of the pods that there are."""
        if not isinstance(site.settings, KubernetesCluster):
            return None
        return loop.wait(observed(_running(site)), LOOK_SECONDS)

    def standing(self, site: Site) -> bool:
        """Whether there are pods of it."""
        return self.observed(site) is not None


def secrets_of(
    mine: Credentials, joined: Credentials, settings: KubernetesCluster, declared: Declared
) -> dict[str, str]:
    """What its Secrets hold; nodes of one cluster have the cookie of the colour whose cluster it is, which that one's Secret says where there is one."""
    seed = f"cookie of {settings.namespace}/{settings.name}-{declared.joins}".encode()
    values = {
        KEYS: f"{mine.api_key}:{mine.api_secret}:administrator\n",
        COOKIE: hmac.new(joined.api_secret.encode(), seed, hashlib.sha256).hexdigest()[:40],
        USERNAME: mine.username if mine.has_login else None,
        PASSWORD: mine.password if mine.has_login else None,
        LICENCE: mine.license if declared.licence else None,
    }
    return {key: value for key, value in values.items() if value is not None}


def _credentials() -> Mapping[str, Credentials]:
    return credentials_by_colour(pulumi.runtime.config.get_config("emqx:credentials"))


def _declared(site: Site, mine: Credentials | None) -> Declared:
    settings: KubernetesCluster = site.settings
    joins: Colour = site.joins or site.colour
    return Declared(
        colour=site.colour,
        version=settings.version,
        edition=settings.edition,
        nodes=settings.nodes,
        proxy_protocol=settings.proxy_protocol,
        environment=site.environment,
        joins=joins,
        login=mine is not None and mine.has_login,
        direct=site.direct,
        licence=mine is not None and mine.license is not None and settings.edition == "ee",
    )


def _container(settings: KubernetesCluster, site: Site) -> dict[str, Any]:
    spec = manifests.stateful_set(settings, _declared(site, None))["template"]["spec"]
    return dict(spec["containers"][0])


def _running(site: Site) -> Running:
    settings: KubernetesCluster = site.settings
    return Running(
        place=settings.place,
        name=settings.name,
        colour=site.colour,
        version=settings.version,
        edition=settings.edition,
        nodes=settings.nodes,
        proxy_protocol=settings.proxy_protocol,
        ready_seconds=settings.ready_seconds,
        snapshot_class=settings.storage.snapshot_class,
    )
