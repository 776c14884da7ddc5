"""Who an update acts as: a service account with exactly the documented rights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lab.kubernetes.cluster import Cluster
from lab.kubernetes.outside import ROOT

RIGHTS = ROOT / "docs" / "kubernetes-rights.yaml"
UPDATES, PREVIEWS = "emqx-upgrade", "emqx-upgrade-preview"
"""The two roles of the file that a person applies."""


def account(cluster: Cluster, namespace: str, role: str) -> dict[str, Any]:
    """The kubeconfig of somebody in this namespace who has a role of the documented file, and no other right."""
    cluster.kubectl("apply", "-n", namespace, "-f", str(RIGHTS))
    cluster.kubectl("create", "serviceaccount", role, "-n", namespace)
    bound = f"--serviceaccount={namespace}:{role}"
    cluster.kubectl("create", "rolebinding", role, "-n", namespace, f"--role={role}", bound)
    token = cluster.kubectl("create", "token", role, "-n", namespace, "--duration=4h").strip()
    config: dict[str, Any] = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    config["users"] = [{"name": role, "user": {"token": token}}]
    config["contexts"] = [{"name": role, "context": {"cluster": config["clusters"][0]["name"], "user": role}}]
    config["current-context"] = role
    return config


def written(config: dict[str, Any], path: Path, server: str | None = None) -> Path:
    """The file of a kubeconfig, which leads to ``server`` where that is another way to the same one."""
    if server is not None:
        named = config["clusters"][0]
        config = {**config, "clusters": [{**named, "cluster": {**named["cluster"], "server": server}}]}
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
