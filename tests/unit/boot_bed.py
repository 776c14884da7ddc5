"""A machine for ``boot.sh``: the script runs in a shell, in a directory that stands for the root, with stand-ins for what only a machine of AWS has.

Each stand-in writes its arguments into ``calls``; what it knows lies in files beside it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.machines.user_data import script

PLANTED = "planted-cookie"
PARAMETERS = {
    "declared": "5.8.6 ee repository",
    "nodes": "emqx@10.0.0.4\nemqx@10.0.1.4",
    "config": 'node.data_dir = "/var/lib/emqx"',
    "born": "listeners.tcp.default.max_connections = 4321",
    "secrets/cookie": f'node.cookie = "{PLANTED}"',
    "secrets/settings": 'dashboard.default_password = "planted \\"$HOME\\" `password`"',
    "secrets/api-keys": "key:planted-secret:administrator",
}
STAND_INS = {
    "aws": """
case "$1 $2" in
  "ssm get-parameter") cat "$BED/parameters$6" 2>/dev/null || { echo "ParameterNotFound: $6" >&2; exit 254; } ;;
  "s3 cp") cp "$BED/s3/${6##*/}" "$7" ;;
  *) exit 2 ;;
esac
""",
    "blkid": '[ "$1" = -p ] || exit 4; case "$(cat "$2")" in "") exit 2 ;; doubtful) exit 8 ;; esac',
    "mkfs.xfs": 'for last; do :; done; echo xfs >"$last"',
    "mountpoint": '[ -e "$BED/mounted" ]',
    "mount": 'touch "$BED/mounted"',
    "rpm": 'cat "$BED/installed/$4" 2>/dev/null || { echo "package $4 is not installed"; exit 1; }',
    "dnf": """
case $1 in
  remove) rm "$BED/installed/$3" ;;
  install)
    file=${3##*/}
    plain=${file%.rpm}
    version=${plain##*-}
    echo "${BROKEN:-$version}" >"$BED/installed/${plain%-*}" ;;
esac
""",
    "systemctl": ":",
    "curl": """
for last; do :; done
case $last in
  */token) [ -z "${ALONE:-}" ] || exit 7; echo a-token ;;
  */emqx-upgrade-aside) cat "$BED/aside" 2>/dev/null || exit 22 ;;
esac
""",
    "id": "exit 1",
}


class Machine:
    """One machine; its volume is a file, empty unless it says something."""

    def __init__(self, directory: Path, *, volume: str = "", installed: Mapping[str, str] | None = None) -> None:
        """Make it, with the parameters of a node."""
        self.bed = directory
        for name in ("bin", "etc/emqx", "etc/emqx-upgrade", "installed", "s3", "data"):
            (directory / name).mkdir(parents=True)
        for name, text in STAND_INS.items():
            path = directory / "bin" / name
            path.write_text(f'#!/bin/sh\necho "{name} $*" >>"$BED/calls"\n{text}\n')
            path.chmod(0o755)
        (directory / "sdf").write_text(volume)
        for name, version in (installed or {}).items():
            (directory / "installed" / name).write_text(version)
        self.facts(NODE="1")
        for name, value in PARAMETERS.items():
            self.parameter(name, value)
        self.script = directory / "boot.sh"
        self.script.write_text(script("boot.sh").replace("/etc/", f"{directory}/etc/"))

    def facts(self, **more: Any) -> None:
        """What the instance was given."""
        words = {
            "REGION": "eu-central-1",
            "PARAMETERS": "/emqx-prod/blue",
            "VOLUME": "vol-0123",
            "DEVICE": f"{self.bed}/sdf",
            "DATA": f"{self.bed}/data",
            "WAIT_SECONDS": "0",
            **more,
        }
        text = "".join(f"{key}='{value}'\n" for key, value in words.items())
        (self.bed / "etc/emqx-upgrade/node").write_text(text)

    def parameter(self, name: str, value: str | None) -> None:
        """Set or remove one."""
        path = self.bed / "parameters/emqx-prod/blue" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if value is None:
            path.unlink()
        else:
            path.write_text(f"{value}\n")

    def package(self, name: str, content: bytes = b"a package") -> str:
        """Put a file into the bucket; its sha256."""
        (self.bed / "s3" / name).write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def boot(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end; ``calls`` are then those of this boot."""
        (self.bed / "calls").write_text("")
        path = f"{self.bed}/bin:{os.environ['PATH']}"
        return subprocess.run(
            ["/bin/sh", str(self.script)],
            env={"PATH": path, "BED": str(self.bed), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        """What it called."""
        return (self.bed / "calls").read_text().splitlines()

    @property
    def started(self) -> bool:
        """Whether EMQX was started."""
        return "systemctl restart emqx" in self.calls
