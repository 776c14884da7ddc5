"""The balancer as manifests: HAProxy in the pods of a Deployment, and the Service that devices connect to; pure.

The rule: another configuration is other pods. Those of before stop listening and keep their clients, until these have left or the time for it is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from components.cutover.words import COLOURS, Colour, Edition
from components.emqx.models import ClusterHandle
from components.kubernetes import names
from components.manifests.pod import CONFINED, Manifest, environment, template
from components.manifests.words import ObjectName, Pods, Resources
from components.routers.haproxy.configuration import BACK_SECONDS, HaproxySettings, Side, render
from components.routers.haproxy.frontends import Bind
from components.routers.listeners import Listener
from components.value import Value

USER = 99
"""``haproxy`` in the official image."""
ETC, CONFIG = "/usr/local/etc/haproxy", "haproxy.cfg"
SHARE, TLS = names.SHARE_DIRECTORY, "/etc/emqx-upgrade/tls"
"""Beside the configuration's directory, not in it: nothing can be mounted into a volume that is read-only."""
DEFAULT_PORT = 1883
REPOSITORY = "docker.io/library/haproxy"
CONFIGURATION = "emqx-upgrade/configuration"
"""The annotation of a pod by which another configuration makes it another pod."""
SLOW_SECONDS = 5
"""A pod that ends listens on for so long: whoever sends clients to it hears of its end later than it does."""
Range = Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+/\d{1,3}$")]


class ServiceWords(Value):
    """The Service that devices connect to; ``Local`` traffic keeps their addresses."""

    type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = "LoadBalancer"
    annotations: Mapping[str, str] = {}
    source_ranges: tuple[Range, ...] = ()
    external_traffic_policy: Literal["Local", "Cluster"] = "Local"
    load_balancer_class: str | None = Field(default=None, min_length=1)

    @property
    def outside(self) -> Manifest:
        """What of its spec is about traffic from outside."""
        spec: Manifest = {}
        if self.type != "ClusterIP":
            spec["externalTrafficPolicy"] = self.external_traffic_policy
        if self.type == "LoadBalancer":
            spec |= {"loadBalancerSourceRanges": list(self.source_ranges)} if self.source_ranges else {}
            spec |= {"loadBalancerClass": self.load_balancer_class} if self.load_balancer_class else {}
        return spec


class Taken(Value):
    """A Service of somebody's in the balancer's namespace; ``leaves`` are its ports that nobody uses."""

    service: ObjectName
    leaves: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = ()


class BalancerPods(Pods):
    """What HAProxy's pods are declared with; ``drain_seconds`` is how long a pod that ends keeps its clients, ``takes`` are Services of somebody's that are to lead to them."""

    resources: Resources = Resources(cpu="250m", memory="256Mi", memory_limit="1Gi")
    version: str = Field(default="2.8.25", pattern=r"^\d+\.\d+\.\d+[-a-z0-9.]*$")
    service: ServiceWords = ServiceWords()
    drain_seconds: int = Field(default=86_400, ge=1, le=2_592_000)
    takes: tuple[Taken, ...] = ()


class Fronting(Value):
    """The balancer as declared: what it listens on, how many pods, and for whom."""

    listeners: tuple[Listener, ...] = ()
    replicas: int
    max_connections: int
    back_seconds: float = BACK_SECONDS
    environment: str = ""

    @property
    def ports(self) -> list[tuple[str, int]]:
        """Each port with its name: ``mqtt-1883``."""
        listed = [(one.protocol, one.port) for one in self.listeners] or [("mqtt", DEFAULT_PORT)]
        return [(f"{protocol}-{port}", port) for protocol, port in listed]


def configuration(
    fronting: Fronting, clusters: Mapping[Colour, ClusterHandle], editions: Mapping[Colour, Edition]
) -> str:
    """``haproxy.cfg``."""
    binds = tuple(_bind(one) for one in fronting.listeners) or (Bind(address=f":{DEFAULT_PORT}"),)
    sides = tuple(Side(cluster=clusters[one], edition=editions[one]) for one in COLOURS if one in clusters)
    settings = HaproxySettings(
        binds=binds,
        sides=sides,
        admin=(f"127.0.0.1:{names.ADMIN_PORT}",),
        maps=SHARE,
        max_connections=fronting.max_connections,
        back_seconds=fronting.back_seconds,
        ready_port=names.READY_PORT,
        pod=True,
    )
    return render(settings)


def _bind(one: Listener) -> Bind:
    secret = None if one.certificate is None else one.certificate.secret
    return Bind(
        address=f":{one.port}",
        protocol=one.protocol,
        certificate=None if secret is None else f"{TLS}/{secret}/tls.crt",
        client_ca=None if one.client_ca_secret is None else f"{TLS}/{one.client_ca_secret}/ca.crt",
        accept_proxy=one.accept_proxy,
    )


def labels(pods: Pods, environment_word: str) -> dict[str, str]:
    """Of the balancer's objects."""
    own = {"app.kubernetes.io/managed-by": names.MANAGED}
    word = {"environment": environment_word} if environment_word else {}
    return {**names.balancer_labels(pods.name), **own, **word}


def digest(text: str) -> str:
    """What a configuration is known by."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def deployment(pods: BalancerPods, fronting: Fronting, known_by: Any) -> Manifest:
    """The spec of the Deployment; its configuration is ``known_by`` a digest, or by what Pulumi will know as one."""
    selector = names.balancer_labels(pods.name)
    return {
        "replicas": fronting.replicas,
        "minReadySeconds": 1,
        "progressDeadlineSeconds": int(pods.ready_seconds) + 1,
        "revisionHistoryLimit": 3,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "100%"}},
        "selector": {"matchLabels": selector},
        "template": template(
            pods, labels(pods, fronting.environment), {CONFIGURATION: known_by}, _spec(pods, fronting)
        ),
    }


def _spec(pods: BalancerPods, fronting: Fronting) -> Manifest:
    secrets = _secrets(fronting.listeners)
    return {
        "serviceAccountName": pods.service_account or names.balancer(pods.name),
        "terminationGracePeriodSeconds": pods.drain_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(pods, fronting, secrets)],
        "volumes": [
            {"name": "config", "configMap": {"name": names.balancer(pods.name)}},
            {"name": "share", "configMap": {"name": names.ledger(pods.name)}},
            *(
                {"name": f"tls-{one}", "secret": {"secretName": one, "items": _files(files)}}
                for one, files in secrets.items()
            ),
        ],
    }


def _secrets(listeners: Sequence[Listener]) -> dict[str, dict[str, str]]:
    """The Secrets that listeners name, and the file that each of their keys becomes."""
    found: dict[str, dict[str, str]] = {}
    for one in listeners:
        if one.certificate is not None and one.certificate.secret:
            # HAProxy finds a key beside its certificate by this name
            found.setdefault(one.certificate.secret, {}).update({"tls.crt": "tls.crt", "tls.key": "tls.crt.key"})
        if one.client_ca_secret:
            found.setdefault(one.client_ca_secret, {})["ca.crt"] = "ca.crt"
    return found


def _files(files: Mapping[str, str]) -> list[Manifest]:
    return [{"key": key, "path": path} for key, path in sorted(files.items())]


def _container(pods: BalancerPods, fronting: Fronting, secrets: Iterable[str]) -> Manifest:
    repository = pods.repository or REPOSITORY
    master = f"127.0.0.1:{names.MASTER_PORT},level,admin"
    ready = {"httpGet": {"path": "/ready", "port": names.READY_PORT, "scheme": "HTTP"}}
    return {
        "name": names.BALANCER_CONTAINER,
        "image": f"{repository}@{pods.digest}" if pods.digest else f"{repository}:{pods.version}",
        "imagePullPolicy": pods.image_pull_policy,
        "command": ["haproxy", "-W", "-db", "-S", master, "-f", f"{ETC}/{CONFIG}"],
        "env": environment(pods.env),
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP"}
            for name, port in (*fronting.ports, ("ready", names.READY_PORT))
        ],
        "resources": pods.resources.manifest,
        "securityContext": {**CONFINED, "readOnlyRootFilesystem": True},
        "readinessProbe": {**ready, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {**ready, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        "lifecycle": {"preStop": {"sleep": {"seconds": SLOW_SECONDS}}},
        "volumeMounts": [
            {"name": "config", "mountPath": ETC, "readOnly": True},
            {"name": "share", "mountPath": SHARE, "readOnly": True},
            *({"name": f"tls-{one}", "mountPath": f"{TLS}/{one}", "readOnly": True} for one in secrets),
        ],
    }


def service(pods: BalancerPods, fronting: Fronting) -> Manifest:
    """The spec of the Service."""
    words = pods.service
    spec: Manifest = {
        "type": words.type,
        "selector": names.balancer_labels(pods.name),
        "ports": [{"name": name, "port": port, "targetPort": port, "protocol": "TCP"} for name, port in fronting.ports],
    }
    return {**spec, **words.outside}


def network_policy(pods: BalancerPods, fronting: Fronting) -> Manifest:
    """The spec of the NetworkPolicy: the listeners, and where a kubelet asks; the sockets are on the loopback."""
    ports = [*(port for _, port in fronting.ports), names.READY_PORT]
    return {
        "podSelector": {"matchLabels": names.balancer_labels(pods.name)},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": port, "protocol": "TCP"} for port in ports]}],
    }


def address(found: Mapping[str, Any], namespace: str) -> str | None:
    """Where devices connect, as a Service with its status says it; None while nobody has given it an address."""
    spec, port = found["spec"], found["spec"]["ports"][0]
    if spec["type"] == "LoadBalancer":
        for one in ((found.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if host := one.get("ip") or one.get("hostname"):
                return f"{host}:{port['port']}"
        return None
    name = f"{found['metadata']['name']}.{namespace}.svc.cluster.local"
    return f"{name}:{port['port']}"
