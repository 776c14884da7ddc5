"""What lies in Parameter Store for the instances of a balancer, as ``balancer.sh`` reads it; pure.

The rule: an instance's HAProxy is whole in them and in the table. What is secret lies below ``secrets/``, and ``declared`` is written last: its first word is a digest of all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from components.aws import names
from components.cutover.words import COLOURS, Colour, Edition
from components.emqx.errors import BadInput
from components.emqx.models import ClusterHandle
from components.machines.front import Front, HaproxyInstances
from components.machines.rights import statement, text_of
from components.machines.words import S3Package
from components.routers.haproxy.by_command import DIRECTORY, packed
from components.routers.haproxy.configuration import HaproxySettings, Side, render
from components.routers.haproxy.frontends import Bind
from components.routers.listeners import Listener
from components.value import Value

READY_PORT = 8404
OWN = "own.address"
"""Stands in the configuration for an instance's private address, at which alone it listens."""
DECLARED, CONFIG, FILES = "declared", "config", "files"
LARGEST = 8_192
"""Bytes that a parameter may have."""


class Fronting(Value):
    """The balancer as declared: what it listens on, for how many clients each, and how long a node that was down is well first."""

    listeners: tuple[Listener, ...]
    max_connections: int
    back_seconds: float


def configuration(
    fronting: Fronting, clusters: Mapping[Colour, ClusterHandle], editions: Mapping[Colour, Edition]
) -> str:
    """``haproxy.cfg``, with ``OWN`` in it."""
    settings = HaproxySettings(
        binds=tuple(map(_bind, fronting.listeners)),
        sides=tuple(Side(cluster=clusters[one], edition=editions[one]) for one in COLOURS if one in clusters),
        maps=DIRECTORY,
        max_connections=fronting.max_connections,
        back_seconds=fronting.back_seconds,
        ready_port=READY_PORT,
        ready_host=OWN,
        beside=f"{DIRECTORY}/",
    )
    return render(settings)


def _bind(one: Listener) -> Bind:
    chain, authorities = files_of(one)
    return Bind(address=f"{OWN}:{one.port}", protocol=one.protocol, certificate=chain, client_ca=authorities)


def files_of(one: Listener) -> tuple[str | None, str | None]:
    """The names of a listener's certificate with its key, and of the authorities of its clients."""
    return (
        None if one.certificate is None else f"tls-{one.port}.pem",
        None if one.client_ca is None else f"authorities-{one.port}.pem",
    )


def config(text: str) -> str:
    """The configuration as a parameter.

    Raises:
        BadInput: it does not fit into one.

    """
    value = packed(text)
    if len(value) > LARGEST:
        seen, todo = f"{len(value)} bytes, a parameter has {LARGEST} at most", "declare fewer nodes or listeners"
        raise BadInput("HAProxy's configuration", node="Parameter Store", seen=seen, todo=todo)
    return value


def files(named: Sequence[str]) -> str:
    """Which secret files there are; a parameter cannot be empty."""
    return "\n".join(named) or "-"


def digest(wanted: HaproxyInstances, text: str, secret: Mapping[str, str]) -> str:
    """What an instance says that has taken all of it over."""
    whole = json.dumps([text, wanted.version, source(wanted), dict(secret)], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def source(wanted: HaproxyInstances) -> str:
    """Where its package is: ``repository``."""
    package = wanted.package
    return f"{package.uri} {package.sha256}" if isinstance(package, S3Package) else package


def declared(wanted: HaproxyInstances, known_by: str) -> str:
    """``DIGEST 2.8 repository``."""
    return f"{known_by} {wanted.version} {source(wanted)}"


AGENT = (
    "ssm:UpdateInstanceInformation",
    *(
        f"ssmmessages:{one}"
        for one in ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
    ),
    *(
        f"ec2messages:{one}"
        for one in ("AcknowledgeMessage", "DeleteMessage", "FailMessage", "GetEndpoint", "GetMessages", "SendReply")
    ),
)
"""What the agent of Systems Manager calls to get its commands; AWS lets none of it be bound to a resource."""


def rights(front: Front, own: str, secret: Sequence[str], account: str) -> str:
    """The document of the role's one policy: its parameters, the item of the table, the package, and the agent."""
    region, wanted = front.region, front.instances
    below = names.parameters(own, names.BALANCER)
    parameters = [f"{below}/{one}" for one in (DECLARED, CONFIG, FILES, *(f"secrets/{name}" for name in secret))]
    told = [statement("ssm:GetParameter", region, account, *(f"ssm parameter{one}" for one in parameters))]
    told.append(statement("dynamodb:GetItem", region, account, f"dynamodb table/{names.table(own)}"))
    return text_of(
        [*told, {"Effect": "Allow", "Action": list(AGENT), "Resource": "*"}], region, wanted.kms_key, wanted.package
    )
