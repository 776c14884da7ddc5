"""Where clusters live: the word in the stack file, and what stands for it; a target is one module and one line here."""

from __future__ import annotations

import pulumi

from components.settings import Settings
from components.targets.base import Target
from components.targets.external import External
from components.targets.kubernetes import Kubernetes
from components.targets.local import Local

KUBERNETES = "kubernetes"


def providers_of(settings: Settings) -> list[pulumi.ProviderResource]:
    """Pulumi's own providers that the declared colours and balancer need, configured as they need them."""
    pods = [one for one in settings.clusters.values() if one.target == KUBERNETES]
    if settings.balancer.target == KUBERNETES:
        pods.append(settings.balancer.kubernetes)
    if not pods:
        return []
    from components.targets.kubernetes_objects import provider

    return [provider(pods[0].context)]


TARGETS: dict[str, Target] = {"local": Local(), "external": External(), "kubernetes": Kubernetes()}
