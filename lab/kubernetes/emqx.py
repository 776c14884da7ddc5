"""What the image of EMQX runs in a pod: a lab node with the pod's ``emqx.conf`` and environment, as EMQX's own start script reads them.

The rule: the environment wins over the file; a configuration that EMQX refuses ends the process with EMQX's reason on its output, and the
container with it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from components.hocon.document import read
from components.hocon.errors import HoconError
from components.hocon.parser import NO_FILE
from lab.kubernetes.grounds import PORT
from lab.kubernetes.network import NODE
from lab.node.api.effective import known
from lab.node.api.host import Settings
from lab.node.cli import licensed
from lab.node.kept.defaults import DEFAULTS
from lab.node.kept.store import merged
from lab.node.lifeline import live
from lab.node.v4.line import line_of

CONF, DATA = Path("/opt/emqx/etc/emqx.conf"), Path("/opt/emqx/data")
STARTING = ("node", "cluster", "rpc", "log", "license", "api_key", "dashboard")
"""Roots that a node reads when it starts and the management API does not show from there."""
EVERYWHERE = "0.0.0.0"
FIRST_SECONDS, GENERATED_BYTES = 60.0, 4096


class WrongError(Exception):
    """A configuration that EMQX does not start with; in its words."""


def configuration(
    conf: str, environment: Mapping[str, str], included: Callable[[str], str | None] = lambda _: None
) -> dict[str, Any]:
    """The roots of a file, and of what it includes, with the variables ``EMQX_A__B`` laid on it.

    Raises:
        WrongError: it cannot be read, or has a root that EMQX does not know.

    """
    try:
        found: dict[str, Any] = dict(read([("emqx.conf", conf)], partial(_given, included)).tree)
    except HoconError as error:
        raise WrongError(f"failed_to_load_hocon_file, reason: {error}") from None
    for name, value in sorted(environment.items()):
        if name.startswith("EMQX_") and "__" in name:
            *path, last = name.removeprefix("EMQX_").lower().split("__")
            laid: Any = {last: _value(value)}
            for part in reversed(path):
                laid = {part: laid}
            found = merged(found, laid)
    edition = "ee" if environment.get("LAB_EDITION") == "ee" else "ce"
    unknown = sorted(found.keys() - {*known(edition), *DEFAULTS, *STARTING})
    if unknown:
        raise WrongError(f"failed_to_check_schema: emqx_conf_schema, reason: unknown_fields, unknown: {unknown[0]}")
    for name, root in (("listeners", dict), ("node", dict), ("cluster", dict)):
        if not isinstance(found.get(name, {}), root):
            raise WrongError(f"failed_to_check_schema: emqx_conf_schema, path: {name}, reason: expected_type_struct")
    return found


def _given(included: Callable[[str], str | None], name: str, _file: str) -> tuple[str, str]:
    text = included(name)
    return NO_FILE if text is None else (name, text)


def _value(text: str) -> Any:
    """As a HOCON value: a number, a truth, a list or an object, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def settings_of(found: Mapping[str, Any], environment: Mapping[str, str], address: str, directory: Path) -> Settings:
    """A node at an address, with its data in a directory."""
    node, cluster = found.get("node", {}), found.get("cluster", {})
    name = node.get("name") or f"{environment.get('EMQX_NAME') or 'emqx'}@{environment.get('EMQX_HOST') or address}"
    called = name.partition("@")[0]
    edition = "ee" if environment["LAB_EDITION"] == "ee" else "ce"
    websocket = found.get("listeners", {}).get("ws", {}).get("default", {}).get("enable", True)
    return Settings(
        directory=directory,
        name=cluster.get("name", "emqxcl"),
        nodes=1,
        edition=edition,  # type: ignore[arg-type]
        version=environment["LAB_VERSION"],
        network=address,
        host=name.partition("@")[2],
        called=called,
        websocket=bool(websocket),
        max_sessions=licensed(25, edition),
        cookie=str(node.get("cookie", "emqxsecretcookie")),
        seeds=tuple(_seeds(cluster, called)),
        config={root: value for root, value in found.items() if root not in STARTING},
    )


def old_settings(environment: Mapping[str, str], address: str, directory: Path) -> Settings:
    """A node of 4.x: its own cluster, called as its variables say, which lives in its pod and listens there everywhere; its files lie with its data."""
    return Settings(
        directory=directory,
        nodes=1,
        edition="ee" if environment["LAB_EDITION"] == "ee" else "ce",
        version=environment["LAB_VERSION"],
        network=EVERYWHERE,
        host=environment.get("EMQX_HOST") or address,
        called=environment.get("EMQX_NAME") or "emqx",
        max_sessions=0,
    )


def _link_backups(settings: Settings) -> None:
    """Its exports lie where a person looks for them: in ``backup`` of its data directory (4.4)."""
    link = settings.directory / "backup"
    if not link.is_symlink():
        link.symlink_to(Path("data") / f"{settings.called}@{settings.host}" / "backup")


def _seeds(cluster: Mapping[str, Any], called: str) -> Iterable[str]:
    if cluster.get("discovery_strategy") == "dns":
        asked = cluster.get("dns", {})
        return [f"{asked.get('record_type', 'a')}:{asked['name']}{'' if called == 'emqx' else f':{called}'}"]
    if cluster.get("discovery_strategy") == "static":
        seeds = cluster.get("static", {}).get("seeds", [])
        return seeds if isinstance(seeds, list) else [seed.strip() for seed in str(seeds).split(",") if seed.strip()]
    return []


def on_node(path: Path, mounts: Mapping[str, str]) -> Path:
    """A path of the container as the node knows it, if a volume stands there."""
    for parent in (path, *path.parents):
        if str(parent) in mounts:
            return Path(mounts[str(parent)]) / path.relative_to(parent)
    return path


def own_address() -> str:
    """That of the pod."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((NODE, 1))
        return str(sock.getsockname()[0])


def ground_of(cookie: str) -> tuple[str, socket.socket]:
    """The control address of where nodes with this cookie live, and what holds that up as long as it is open."""
    return held_by(socket.create_connection((NODE, PORT), FIRST_SECONDS), cookie)


def held_by(line: socket.socket, cookie: str) -> tuple[str, socket.socket]:
    """The same by a connection to where the grounds are."""
    line.sendall(f"{cookie}\n".encode())
    with line.makefile() as answers:
        answer = json.loads(answers.readline())
    if "error" in answer:
        raise OSError(answer["error"])
    return str(answer["control"]), line


def _generate(settings: Settings) -> None:
    """What EMQX writes into its data directory before it starts, which needs room there."""
    place = DATA / "configs"
    place.mkdir(parents=True, exist_ok=True)
    (place / "vm.args").write_text(f"-name emqx@{settings.host}\n{' ' * GENERATED_BYTES}\n", encoding="utf-8")


def _mounts(text: str) -> dict[str, str]:
    pairs = (line.rpartition("=") for line in text.splitlines())
    return {at: source for at, _, source in pairs}


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main() -> int:
    """A node until SIGTERM; 1 with a line where it cannot start."""
    mounts = _mounts(os.environ.pop("LAB_MOUNTS", ""))
    try:
        if line_of(os.environ["LAB_VERSION"]) is not None:
            settings = old_settings(os.environ, own_address(), on_node(DATA, mounts))
            _link_backups(settings)
            return live(settings, None)
        conf = CONF.read_text(encoding="utf-8") if CONF.exists() else ""
        found = configuration(conf, os.environ, lambda name: _text(on_node(Path(name), mounts)))
        settings = settings_of(found, os.environ, own_address(), on_node(DATA, mounts))
        file = found.get("api_key", {}).get("bootstrap_file", "")
        if file:
            os.environ["EMQX_API_KEY__BOOTSTRAP_FILE"] = str(on_node(Path(file), mounts))
        _generate(settings)
        control, line = ground_of(settings.cookie)
        print(
            f"Listener tcp:default on 0.0.0.0:1883 is about to start\nEMQX {settings.version} is running now!",
            flush=True,
        )
        with line:
            return live(settings, control, only=True)
    except (WrongError, OSError) as error:
        print(f"[error] {error}", flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
