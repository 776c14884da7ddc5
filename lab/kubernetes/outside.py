"""What of a cluster stands outside its namespaces: sockets on this machine's loopback, which lead into it.

The rule: the cluster ends with this process, and this process with the cluster; nobody is left, whatever ends either of them.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

from components.system.environment import kept

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "get_kubernetes.py"
REQUEST_BYTES = 4096
READY, CONTROL = "ready.json", "control"
"""In its directory: what is written when it serves, and where it is told what is to break."""
PRIVATE = ("--user", "--map-root-user", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child=KILL")


class NoClusterError(OSError):
    """The machine does not allow a cluster; says what is missing."""


def program() -> Path:
    """The directory of the control plane's programs, built now where it is not."""
    return _got("control-plane")


def plugin() -> Path:
    """Pulumi's Kubernetes plugin, fetched or built now where it is not: a directory to be linked by its name below ``plugins`` of a Pulumi home."""
    return _got("plugin")


def _got(what: str) -> Path:
    answer = subprocess.run([sys.executable, TOOL, what], stdout=subprocess.PIPE, text=True, check=False)
    if answer.returncode:
        raise NoClusterError(f"no {what}, see above")
    return Path(answer.stdout.strip())


def possible() -> None:
    """Raise NoClusterError where private namespaces are not to be had."""
    for name in ("unshare", "nsenter", "ip", "mount", "chroot"):
        if not shutil.which(name):
            raise NoClusterError(f"{name} is missing: install util-linux, iproute2 and coreutils")
    trial = (
        "ip link add name lab0 type bridge && ip link add name lab1 type veth peer name lab2 && mount -t tmpfs lab /mnt"
    )
    answer = subprocess.run(["unshare", *PRIVATE, "sh", "-c", trial], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise NoClusterError(
            f"this machine gives no private namespaces ({answer.stderr.strip()}): allow user namespaces with bridges and veth"
            " (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or run it as root"
        )


class Outside:
    """One cluster and its doors."""

    def __init__(self, directory: Path) -> None:
        """Start it; `ready.json` in its directory says when it serves."""
        possible()
        commands = program()
        directory.mkdir(parents=True, exist_ok=True)
        self._api = listening("127.0.0.1", 0)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [sys.executable, "-m", "lab.kubernetes.inside", str(directory), str(commands), str(self._api.fileno())]
        self.process = subprocess.Popen(
            ["unshare", *PRIVATE, *words, str(theirs.fileno()), str(self._api.getsockname()[1])],
            cwd=ROOT,
            env=kept(os.environ),
            pass_fds=[self._api.fileno(), theirs.fileno()],
            stdin=subprocess.PIPE,
        )
        theirs.close()
        threading.Thread(target=serve, args=[ours], daemon=True).start()


def serve(doors: socket.socket) -> None:
    """Open what is asked for, as ``{"host", "port"}``, and hand over the listening socket or say why not."""
    while request := doors.recv(REQUEST_BYTES):
        asked = json.loads(request)
        try:
            with listening(asked["host"], asked["port"]) as door:
                socket.send_fds(doors, [b"{}"], [door.fileno()])
        except OSError as error:
            doors.send(json.dumps({"error": str(error)}).encode())


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        door.listen(1024)
    except OSError:
        door.close()
        raise
    return door
