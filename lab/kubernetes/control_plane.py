"""etcd, API server, controller manager and scheduler: started, held up, ready.

The rule: they are what anybody's cluster has; only times are shorter where a person would wait for minutes.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import httpx

from lab.kubernetes.api import Api
from lab.kubernetes.certificates import Authority
from lab.kubernetes.network import FIRST_SERVICE, NODE, SERVICES

API_PORT, KUBELET_PORT = 6443, 10250
SERVER = f"https://{NODE}:{API_PORT}"
STORE = "http://127.0.0.1:2379"
READY_SECONDS, POLL_SECONDS, AGAIN_SECONDS = 120.0, 0.1, 1.0
LOST_AFTER, EVICTED_AFTER = "40s", "30"
"""A node that says nothing is lost after the first; its pods are evicted after as many seconds more as the second says (40 s and 300)."""
PERSON, AUDIT = "person", "audit.log"
"""Whom the kubeconfig names; where in the logs each request of a person or of a service account is that is not a controller's, without its body."""
AUDITED = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "Metadata", "users": [PERSON]},
    ],
}
ADDRESSES = (
    "127.0.0.1",
    NODE,
    FIRST_SERVICE,
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
)


class NotReadyError(OSError):
    """The control plane did not come up; says what was seen last."""


class ControlPlane:
    """The processes, with their files in a directory."""

    def __init__(self, commands: Path, directory: Path) -> None:
        """Certificates are made; nothing runs."""
        self._commands, self._logs = commands, directory / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._data = directory / "etcd"
        self.authority = Authority(directory / "certificates")
        self._accounts = self.authority.account_key()
        self._server = self.authority.issue("api", "kube-apiserver", addresses=ADDRESSES)
        self._reader = self.authority.issue("kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
        self.admin = self.authority.issue("admin", "admin", "system:masters")
        self.person = self.authority.issue(PERSON, PERSON, "system:masters")
        self.kubelet = self.authority.issue("kubelet", "system:node:lab", addresses=[NODE])
        self.api = Api(SERVER, self.authority.file, self.admin)
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._words: dict[str, list[str]] = {}

    async def start(self) -> None:
        """All of them; raises NotReadyError when one ends or is not ready in time."""
        await self._run("etcd", self._etcd())
        await self.start_api()
        for name, words in (("kube-controller-manager", self._controllers()), ("kube-scheduler", self._scheduler())):
            await self._run(name, words)

    async def start_api(self) -> None:
        """The API server, until it is ready."""
        await self._run("kube-apiserver", self._api_server())
        limit = asyncio.get_running_loop().time() + READY_SECONDS
        seen = ""
        while asyncio.get_running_loop().time() < limit:
            for name, process in self._processes.items():
                if process.returncode is not None:
                    raise NotReadyError(f"{name} ended with status {process.returncode}: {self._tail(name)}")
            try:
                answer = await self.api.http.get("/readyz")
                if answer.status_code == httpx.codes.OK:
                    return
                seen = answer.text[-300:]
            except httpx.HTTPError as error:
                seen = str(error)
            await asyncio.sleep(POLL_SECONDS)
        raise NotReadyError(
            f"the API server is not ready after {READY_SECONDS:g} s: {seen}; {self._tail('kube-apiserver')}"
        )

    async def stop_api(self) -> None:
        """End the API server, as its machine would."""
        process = self._processes.pop("kube-apiserver")
        process.kill()
        await process.wait()

    async def revive(self) -> None:
        """Start again what has ended by itself, as the kubelet of a control plane does; it is told in the log of the cluster."""
        for name, process in [*self._processes.items()]:
            if process.returncode is not None:
                print(
                    f"{name} ended with status {process.returncode}: {self._tail(name)}; it is started again",
                    flush=True,
                )
                await asyncio.sleep(AGAIN_SECONDS)
                await self._run(name, self._words[name])

    async def serve_streams(self, pods: Path) -> None:
        """The kubelet's own server, for the pods below a directory."""
        words = ["-listen", f"{NODE}:{KUBELET_PORT}", "-certificate", str(self.kubelet)]
        await self._run("kubelet-streams", [*words, "-clients", str(self.authority.file), "-pods", str(pods)])

    async def _run(self, name: str, words: Iterable[str]) -> None:
        self._words[name] = [*words]
        with (self._logs / f"{name}.log").open("ab") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                str(self._commands / name),
                *self._words[name],
                env={"PATH": os.environ["PATH"], "HOME": str(self._logs)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _tail(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_bytes()[-600:].decode(errors="replace")

    def _etcd(self) -> list[str]:
        peer = "http://127.0.0.1:2380"
        return [
            f"--data-dir={self._data}",
            f"--listen-client-urls={STORE}",
            f"--advertise-client-urls={STORE}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _api_server(self) -> list[str]:
        policy = self._logs / "audit.json"
        policy.write_text(json.dumps(AUDITED), encoding="utf-8")
        return [
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self._logs / AUDIT}",
            f"--etcd-servers={STORE}",
            f"--advertise-address={NODE}",
            f"--secure-port={API_PORT}",
            f"--tls-cert-file={self._server}.crt",
            f"--tls-private-key-file={self._server}.key",
            f"--client-ca-file={self.authority.file}",
            f"--service-account-key-file={self._accounts}",
            f"--service-account-signing-key-file={self._accounts}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-certificate-authority={self.authority.file}",
            f"--kubelet-client-certificate={self._reader}.crt",
            f"--kubelet-client-key={self._reader}.key",
            f"--default-not-ready-toleration-seconds={EVICTED_AFTER}",
            f"--default-unreachable-toleration-seconds={EVICTED_AFTER}",
            f"--cert-dir={self._logs}",
        ]

    def _component(self, name: str) -> list[str]:
        user = self.authority.issue(name, f"system:{name}")
        config = self.authority.kubeconfig(user, SERVER, self.authority.directory / f"{name}.yaml")
        return [
            f"--kubeconfig={config}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self._logs}",
        ]

    def _controllers(self) -> list[str]:
        return [
            *self._component("kube-controller-manager"),
            f"--root-ca-file={self.authority.file}",
            f"--service-account-private-key-file={self._accounts}",
            "--use-service-account-credentials=true",
            f"--node-monitor-grace-period={LOST_AFTER}",
        ]

    def _scheduler(self) -> list[str]:
        return self._component("kube-scheduler")
