"""Where things are on Kubernetes, as plain values that may stand in Pulumi's state: never a path of this machine, never a credential."""

from __future__ import annotations

import os
import re
from typing import Literal

from components.value import Value

Access = Literal["auto", "direct", "port-forward"]
"""How the ports of pods are reached; ``auto`` is ``direct`` inside of a cluster and ``port-forward`` outside."""
_POD = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class Place(Value):
    """A namespace, in the context of the kubeconfig that it is reached by (None: the current one)."""

    namespace: str
    context: str | None = None
    access: Access = "auto"

    @property
    def forwards(self) -> bool:
        """Whether ports of pods are reached through the API server."""
        if self.access == "auto":
            return "KUBERNETES_SERVICE_HOST" not in os.environ
        return self.access == "port-forward"


def pod_of(host: str) -> str | None:
    """The pod behind its name below a headless Service: ``emqx-0`` of ``emqx-0.nodes.ns.svc.cluster.local``; None of anything else."""
    pod, dot, _ = host.partition(".")
    return pod if dot and not pod.isdigit() and _POD.fullmatch(pod) else None
