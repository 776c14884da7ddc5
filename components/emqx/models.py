"""What the program knows of a cluster; plain values that may stand in Pulumi's state, so never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from components.aws.place import AwsPlace
from components.cutover.words import WEBSOCKET, Carried, Colour, Edition
from components.emqx.errors import BadInput
from components.kubernetes.place import Place
from components.system.address import parsed
from components.value import Value


class Node(Value):
    """One EMQX node: ``emqx@127.0.1.1``, ``http://127.0.1.1:18083``, ``127.0.1.1:1883``.

    ``ws`` is its listener for WebSocket (``127.0.1.1:8083``), None where it has none that the balancer should use.
    """

    name: str
    api: str
    mqtt: str
    ws: str | None = None


class KeeperHandle(Value):
    """Who stops, starts and copies the nodes of a cluster (``components.keepers``).

    ``kind`` is the keeper's word in its registry, ``place`` where the nodes live, as that keeper reads it; ``release`` is the release that
    they are to run, None where the keeper has only one kind. ``commands`` are the owner's, by what they do, each at most ``seconds``.
    ``snapshots`` is the class of volume snapshots that a node is copied by, None where its files are.
    """

    kind: str
    place: str
    release: str | None = None
    commands: Mapping[str, tuple[str, ...]] = {}
    seconds: float = 300.0
    snapshots: str | None = None

    @property
    def starts_by_itself(self) -> bool:
        """Whether its nodes are started by a resource of ours, which also lets them join; the owner's commands only stop and start what is there."""
        return not self.commands


class ExportsAccess(Value):
    """How an export of 4.x comes from its node: 4.4 never hands one out over its API (docs/emqx/v4-data.md#export).

    ``api`` asks the node that made it. ``path`` is of this machine: a directory where the nodes' exports lie, or one file that somebody made;
    ``{node}`` and ``{file}`` in it are filled in. ``command`` prints the file: arguments, no shell, with ``{path}`` (the file on the node, below
    ``directory``), ``{node}``, ``{host}``, ``{pod}`` (of a node on Kubernetes) and ``{file}`` filled in.
    """

    kind: Literal["api", "path", "command"] = "api"
    path: str = ""
    command: tuple[str, ...] = ()
    directory: str = "/var/lib/emqx"


class ClusterHandle(Value):
    """All that the code after the target needs; the credentials are looked up by colour.

    ``edition`` is the declared one, None where a target knows it by itself; ``keeper`` is None where the nodes are not ours to stop and start;
    ``exports`` is None where nobody said how an export of 4.x is got.
    ``pods`` is where the nodes are pods, whose addresses are those of their cluster (``emqx.reach``), ``aws`` where they are instances of ours.
    """

    colour: Colour
    nodes: tuple[Node, ...] = Field(min_length=1)
    version: str
    edition: Edition | None = None
    proxy_protocol: bool = False
    keeper: KeeperHandle | None = None
    exports: ExportsAccess | None = None
    pods: Place | None = None
    aws: AwsPlace | None = None


class Endpoint(Value):
    """A listener of a balancer as it is served.

    ``behind`` is whether its connections begin with the PROXY header of a balancer in front. ``certificate`` and ``client_ca`` are the sha256 of the chains (of what is public in them), ``until`` is when the balancer's own certificate
    expires (ISO 8601, UTC).
    """

    protocol: Carried
    address: str
    behind: bool = False
    certificate: str | None = None
    client_ca: str | None = None
    until: str | None = None

    def at(self, host: str) -> Endpoint:
        """The same, at this host."""
        return self.model_copy(update={"address": f"{host}:{parsed(self.address).port}"})


class Weighed(Value):
    """What a balancer that weighs divides connections between.

    ``listeners`` are the addresses (ARN) of its listeners, ``groups`` those of each colour's target groups, in the order of the listeners; ``nodes`` are the
    names of each colour's nodes by the address of their target.
    """

    listeners: tuple[str, ...]
    groups: Mapping[Colour, tuple[str, ...]]
    nodes: Mapping[Colour, Mapping[str, str]] = {}


class Tier(Value):
    """Instances that run HAProxy behind a Network Load Balancer: ``name`` is what their tag says, ``groups`` are the addresses (ARN) of the target groups that they are in, one for each listener."""

    name: str
    groups: tuple[str, ...]


class Named(Value):
    """What a balancer is that is a name in a hosted zone: ``name`` has a record for each colour, which leads to the name of that colour in ``colours``.

    ``ttl_seconds`` is how long answers may be kept, ``wait_ttls`` after how many such times everybody is taken to have asked again. ``nodes`` are each colour's nodes: the
    id of the node's health check, or the address (``http://..``) at which it says whether it takes clients, where Route 53 cannot ask.
    """

    zone: str
    name: str
    ttl_seconds: int
    wait_ttls: int
    colours: Mapping[Colour, str]
    nodes: Mapping[Colour, Mapping[str, str]] = {}


class BalancerHandle(Value):
    """Where devices connect, and where the share is kept.

    ``mqtt`` is the first address, ``endpoints`` are all of them where the stack declares listeners. ``admin`` are the stats sockets of all replicas (unix paths or ``host:port``); ``maps`` is the directory of
    ``share.map``, from which a restarted replica starts, and of the ledger ``files``; where the replicas are ``pods`` nobody knows their sockets beforehand, and
    ``maps`` is the name under which Deployment and ConfigMap are found; on ``aws`` it is the table of the ledger ``dynamodb``. A handle without the words is ``haproxy`` and
    ``files``, as the states of 2026 have it.
    """

    router: str = "haproxy"
    ledger: str = "files"
    mqtt: str
    endpoints: tuple[Endpoint, ...] = ()
    admin: tuple[str, ...]
    maps: str
    pods: Place | None = None
    aws: AwsPlace | None = None
    weighed: Weighed | None = None
    tier: Tier | None = None
    named: Named | None = None

    @property
    def websocket(self) -> bool:
        """Whether clients come through it by WebSocket."""
        return any(one.protocol in WEBSOCKET for one in self.endpoints)

    @property
    def behind(self) -> bool:
        """Whether everybody comes to it from a balancer in front."""
        return bool(self.endpoints) and all(one.behind for one in self.endpoints)


class MqttAccount(Value):
    """An MQTT client that the stack's owner knows the password of."""

    model_config = ConfigDict(hide_input_in_errors=True)

    username: str | None = Field(default=None, repr=False)
    password: str | None = Field(default=None, repr=False)
    client_id: str | None = Field(default=None, repr=False)


class Credentials(Value):
    """An API key, a dashboard login for what API keys may not see, and the licence that nodes of ours are started with; only ever in memory.

    Of a colour of 4.x the key is an application's id and secret; ``retained`` may subscribe to everything, with which retained messages are
    read; ``accounts`` are clients as which blue and green are asked the same questions.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    api_key: str = Field(repr=False, min_length=1)
    api_secret: str = Field(repr=False, min_length=1)
    username: str | None = Field(default=None, repr=False)
    password: str | None = Field(default=None, repr=False)
    license: str | None = Field(default=None, repr=False, min_length=1)
    retained: MqttAccount | None = Field(default=None, repr=False)
    accounts: tuple[MqttAccount, ...] = Field(default=(), repr=False, max_length=50)

    @property
    def has_login(self) -> bool:
        """Whether a dashboard login is configured."""
        return bool(self.username and self.password)


_BY_COLOUR = TypeAdapter(dict[Colour, Credentials])


def credentials_by_colour(text: str | None) -> dict[str, Credentials]:
    """The credentials as the stack's config has them: JSON by colour, or nothing.

    Measured with the real engine (3.259, SDK 3.272): a ``config:`` block with ``type: object`` takes nested secrets
    (`pulumi config set --secret --path emqx:credentials.blue.apiSecret x` beside plain values). The program gets the whole
    object decrypted as one JSON string, ``get_secret_object`` makes all of it secret, and `emqx:credentials` stands in
    PULUMI_CONFIG_SECRET_KEYS; ``configure()`` gets the same JSON string, decrypted, on `up` and `preview`. On
    `refresh` and `destroy` it is that of the last `up`.

    Raises:
        BadInput: what is wrong and where, never a value.

    """
    try:
        return {str(colour): each for colour, each in _BY_COLOUR.validate_json(text or "{}").items()}
    except ValidationError as invalid:
        errors = invalid.errors(include_input=False, include_context=False, include_url=False)
    wrong = "; ".join(": ".join([*filter(None, [_path(each["loc"])]), each["msg"]]) for each in errors)
    todo = "pulumi config set --secret --path emqx:credentials.COLOUR.apiKey (and .apiSecret)"
    raise BadInput("emqx:credentials", seen=wrong, todo=todo)


def missing_credentials(colour: str) -> BadInput:
    """What is said of a colour that has none."""
    todo = f"pulumi config set --secret --path emqx:credentials.{colour}.apiKey (and .apiSecret)"
    return BadInput("the management API", node=colour, seen="no credentials are configured", todo=todo)


def _path(where: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in where if part != "[key]")
