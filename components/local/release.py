"""A real EMQX release as the nodes of a colour: one ``bin/emqx foreground`` for each, at loopback addresses of its own.

The rule: everything that distinguishes the nodes reaches them by environment, and their ``listeners`` are the same on all of
them, because a data import writes those of one node to every node (docs/emqx/config.md#what-an-import-writes). No secret is in an argument that
we write; EMQX's own start script hands the cookie on to ``beam.smp`` as ``-setcookie``, which is its doing.

It was never run against a real release: none can be had where this is developed and tested. Names and values are from these sources:

- ``EMQX_`` + path with ``__``: EMQX's "Configuration Files" (environment variables); unknown ones are logged and dropped (hocon).
- node name, cookie, data directory, log directory, seeds, one address each for the API: EMQX's script
  ``start-two-nodes-in-host.sh`` and ``bin/emqx``; the API's ``bind``, ``rpc.listen_address`` and ``rpc.port_discovery = manual`` also
  in the recorded configuration of 5.8.11 on three loopback addresses (recording 02_nodes_cluster_stats).
- Distribution: its port is 4370 + the number before the ``@`` (``ekka_dist``), on all addresses. 5.8 has no setting for the
  address; ``-kernel inet_dist_use_interface`` is what EMQX names for it (change log of #16653, which adds a setting later).
  ``ERL_AFLAGS`` stands before, ``ERL_FLAGS`` behind the ``-emqx_data_dir`` that ``bin/emqx`` looks for at the end of the line.
- ``own_address.c`` is how the recordings' test bed gave each node its address (docs/emqx/README.md#the-test-bed); it also moves what a version
  that does not know one of these settings opens on all addresses.
- API keys: docs/emqx/api.md#keys-and-roles. Texts in quotes: EMQX's operator gives them like this; without, hocon may read a structure.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from components.cutover.words import Edition
from components.emqx.errors import BadInput, GaveUp
from components.emqx.models import Credentials, Node
from components.system.environment import kept
from components.system.files import replace

MQTT_PORT, WS_PORT, API_PORT = 1883, 8083, 18083
_DIST_PORT, _RPC_PORT = 4370, 5369
_FIRST, _LAST = 16, 250
LOCK = ("254", API_PORT)
"""Host and port that hold a network of ours; the lab holds its own at port 1883, which is looked at too."""
RUNS = "runs.json"
"""In a node's directory: the release that it was started with last."""
LICENSE = "EMQX_LICENSE__KEY"
"""The one variable of EMQX's own that is taken from our environment, since it is the user's to give; the licence of the credentials goes first."""

_VARIABLE = re.compile(r"""^(REL_VSN|IS_ENTERPRISE)=["']?([^"'\s]*)["']?\s*$""", re.MULTILINE)
_PLAIN_PATH = re.compile(r"/[\w./@+-]*")
_SOURCE = Path(__file__).with_name("own_address.c")
_COMPILE_SECONDS = 60.0


@dataclass(frozen=True)
class Release:
    """An unpacked release: its directory, and what it says that it is."""

    home: Path
    version: str
    edition: Edition

    @classmethod
    def read(cls, home: str) -> Release:
        """What ``releases/emqx_vars`` says, the file that ``bin/emqx`` reads too (later lines win, as in the shell).

        Raises:
            BadInput: it is no release; ``seen`` says why.

        """
        path = Path(home)
        try:
            said = dict(_VARIABLE.findall((path / "releases" / "emqx_vars").read_text(errors="replace")))
        except OSError as failure:
            raise _no_release(home, f"releases/emqx_vars cannot be read ({failure.strerror})") from None
        if not said.get("REL_VSN"):
            raise _no_release(home, "releases/emqx_vars has no REL_VSN")
        if not os.access(path / "bin" / "emqx", os.X_OK):
            raise _no_release(home, "bin/emqx is not there or cannot be executed")
        if not path.is_absolute():
            raise _no_release(home, "the path is relative")
        return cls(path, said["REL_VSN"], "ee" if said.get("IS_ENTERPRISE") == "yes" else "ce")

    def differs(self, version: str, edition: str) -> list[tuple[str, str, str]]:
        """Where a declared cluster is another one: setting, its value, what the release is."""
        pairs = (("version", version, self.version), ("edition", edition, self.edition))
        return [
            (name, declared, f"{own}, as the release in {self.home} is")
            for name, declared, own in pairs
            if declared != own
        ]


def remember(place: Place, found: Release) -> None:
    """Write down beside the node's data what it is started with."""
    said = {"home": str(found.home), "version": found.version, "edition": found.edition}
    replace(place.home / RUNS, json.dumps(said))


def last_of(place: Place) -> Release | None:
    """The release that the node was started with last; None where nobody wrote it down."""
    try:
        said = json.loads((place.home / RUNS).read_text())
        return Release(Path(said["home"]), said["version"], said["edition"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _no_release(home: str, seen: str) -> BadInput:
    todo = "give the absolute path of an unpacked EMQX release (bin/emqx, etc/, releases/)"
    return BadInput("emqxHome", node=home, seen=seen, todo=todo)


@dataclass(frozen=True)
class Place:
    """Where node ``number`` of a cluster lives; ``directory`` is the colour's, absolute."""

    directory: Path
    network: str
    number: int

    @property
    def address(self) -> str:
        """Its loopback address."""
        return f"{self.network}.{self.number}"

    @property
    def home(self) -> Path:
        """Its own directory: data, log, output, pid."""
        return self.directory / f"node-{self.number}"

    @property
    def data(self) -> Path:
        """Its data directory, by which its process is known."""
        return self.home / "data"

    @property
    def node(self) -> Node:
        """Its name and addresses."""
        api, mqtt = f"http://{self.address}:{API_PORT}", f"{self.address}:{MQTT_PORT}"
        return Node(name=f"emqx@{self.address}", api=api, mqtt=mqtt, ws=f"{self.address}:{WS_PORT}")


@dataclass(frozen=True)
class Common:
    """What all nodes of a cluster share; ``keys`` and ``own_address`` are files."""

    seeds: tuple[str, ...]
    proxy_protocol: bool
    keys: Path
    own_address: Path
    cookie: str = field(repr=False)
    credentials: Credentials = field(repr=False)


def environment(place: Place, common: Common, ours: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of one node; ``ours`` is the one that we have."""
    values = {
        **kept(ours, LICENSE),
        **_born_with(place.directory / "etc" / "base.hocon"),
        "EMQX_NODE__NAME": place.node.name,
        "EMQX_NODE__COOKIE": common.cookie,
        "EMQX_NODE__DATA_DIR": str(place.data),
        "EMQX_LOG_DIR": str(place.home / "log"),
        "EMQX_CLUSTER__DISCOVERY_STRATEGY": "static",
        "EMQX_CLUSTER__STATIC__SEEDS": json.dumps(common.seeds),
        "EMQX_RPC__LISTEN_ADDRESS": place.address,
        "EMQX_RPC__PORT_DISCOVERY": "manual",
        "ERL_AFLAGS": f"-kernel inet_dist_use_interface {{{place.address.replace('.', ',')}}}",
        "EMQX_LISTENERS__TCP__DEFAULT__BIND": f"0.0.0.0:{MQTT_PORT}",
        "EMQX_LISTENERS__TCP__DEFAULT__PROXY_PROTOCOL": "true" if common.proxy_protocol else "false",
        "EMQX_LISTENERS__WS__DEFAULT__BIND": f"0.0.0.0:{WS_PORT}",
        "EMQX_LISTENERS__WS__DEFAULT__PROXY_PROTOCOL": "true" if common.proxy_protocol else "false",
        **{f"EMQX_LISTENERS__{kind}__DEFAULT__ENABLE": "false" for kind in ("SSL", "WSS")},
        "EMQX_DASHBOARD__LISTENERS__HTTP__BIND": f"{place.address}:{API_PORT}",
        "EMQX_API_KEY__BOOTSTRAP_FILE": _quoted(str(common.keys)),
        "EMQX_TELEMETRY__ENABLE": "false",
        "LD_PRELOAD": str(common.own_address),
        "NODE_OWN_ADDRESS": place.address,
    }
    if common.credentials.username and common.credentials.password:
        values["EMQX_DASHBOARD__DEFAULT_USERNAME"] = _quoted(common.credentials.username)
        values["EMQX_DASHBOARD__DEFAULT_PASSWORD"] = _quoted(common.credentials.password)
    if common.credentials.license:
        values[LICENSE] = _quoted(common.credentials.license)
    return values


def _born_with(path: Path) -> dict[str, str]:
    """What its nodes began with, as variables: the release's own ``etc`` is not ours to write; nothing where nothing was laid down."""
    try:
        tree = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    found: dict[str, str] = {}
    waiting: list[tuple[str, Mapping[str, object]]] = [("EMQX_", tree)]
    for before, part in waiting:
        for key, value in part.items():
            name = f"{before}{key.upper()}"
            if isinstance(value, dict):
                waiting.append((f"{name}__", value))
            else:
                found[name] = json.dumps(value, ensure_ascii=False)
    return found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def require_plain(directory: Path) -> None:
    """Refuse a work directory that shell, loader (``LD_PRELOAD``) or hocon would read as something else.

    Raises:
        BadInput: it has a blank, a colon, a quote or the like in it.

    """
    if not _PLAIN_PATH.fullmatch(str(directory)):
        todo = "set emqx:workDirectory to a path of letters, digits and . _ - + @ only"
        raise BadInput("starting a release", node=str(directory), seen="the path has other characters", todo=todo)


def cookie(directory: Path) -> str:
    """The cluster's cookie, made at the first call and kept in a file that only we can read."""
    path = directory / "cookie"
    if not path.exists():
        # Begins with a letter, or hocon might read a number.
        replace(path, "c" + secrets.token_hex(24))
    return path.read_text()


def adopt_cookie(directory: Path, other: Path) -> None:
    """Take the cookie of the cluster in ``other``, whose member a node of this directory is to be; it stays there for later starts."""
    replace(directory / "cookie", cookie(other))


def own_address_library(directory: Path) -> Path:
    """The compiled ``own_address.c``, made once for each cluster.

    Raises:
        BadInput: no C compiler, or it fails; says why one is needed.

    """
    library = directory / "own_address.so"
    if library.exists():
        return library
    fresh = library.with_suffix(f".{os.getpid()}")
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(fresh), str(_SOURCE)]
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_COMPILE_SECONDS, env=kept(os.environ)
        )
    except (OSError, subprocess.SubprocessError) as failure:
        said = getattr(failure, "stderr", None) or str(failure)
        raise BadInput(
            "compiling own_address.c",
            seen=str(said).strip().splitlines()[-1][:300],
            todo="install a C compiler as `cc`: nodes of a real release on one machine need the same listeners at different addresses",
        ) from None
    fresh.replace(library)
    return library


def free_network(random: Random, nodes: int) -> str:
    """A network ``127.a.b`` on whose first ``nodes`` addresses nobody has any of our ports.

    Raises:
        GaveUp: none in a thousand tries.

    """
    for _ in range(1000):
        network = f"127.{random.randint(_FIRST, _LAST)}.{random.randint(0, 255)}"
        hosts = [str(number + 1) for number in range(nodes)]
        ports = (MQTT_PORT, WS_PORT, API_PORT, _DIST_PORT, _RPC_PORT)
        wanted = [LOCK, (LOCK[0], MQTT_PORT), *((host, port) for host in hosts for port in ports)]
        if all(_free(f"{network}.{host}", port) for host, port in wanted):
            return network
    raise GaveUp("finding a free network", seen="127.16.0 to 127.250.255 are taken", todo="end what listens there")


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind((host, port))
        return True
    return False
