"""A machine for ``balancer.sh``: the script runs in a shell, in a directory that stands for the root, with stand-ins for what only a machine of AWS has.

HAProxy is a number, of its process: starting and reloading it makes another one, which has the share of the file that it found.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from components.machines.user_data import script
from components.routers.haproxy.by_command import PROGRAM, packed

CONFIGURATION = "listen own.address:1883"
STAND_INS = {
    "aws": """
case "$1 $2" in
  "ssm get-parameter") cat "$BED/parameters$6" 2>/dev/null || { echo "ParameterNotFound: $6" >&2; exit 254; } ;;
  "dynamodb get-item")
    case "$*" in
      *"Item.green.N"*)
        cat "$BED/share"
        [ ! -e "$BED/next-share" ] || mv "$BED/next-share" "$BED/share" ;;
      *) cat "$BED/states" ;;
    esac ;;
  "s3 cp") cp "$BED/s3/${6##*/}" "$7" ;;
  *) exit 2 ;;
esac
""",
    "python3": """
[ -e "$BED/process" ] || { echo "No such file or directory" >&2; exit 3; }
case "$3" in
  "show info") echo "Pid: $(cat "$BED/process")" ;;
  "show servers state") cat "$BED/has" ;;
  "set map"*) echo "${3##* }" >"$BED/share-in-force" ;;
esac
""",
    "systemctl": """
case "$1" in restart | reload)
  [ "$1" = restart ] || [ -e "$BED/process" ] || exit 1
  cat "$BED/etc/haproxy/share.map" | sed 's/green //' >"$BED/share-in-force"
  echo $(($(cat "$BED/process" 2>/dev/null || echo 0) + 1)) >"$BED/process" ;;
esac
""",
    "haproxy": '[ ! -e "$BED/wrong" ] || { echo "unknown keyword" >&2; exit 1; }',
    "rpm": 'cat "$BED/installed/$4" 2>/dev/null || exit 1',
    "dnf": '[ "$1" = install ] && echo "${OFFERED:-2.8.14}" >"$BED/installed/haproxy"',
    "curl": "for last; do :; done; case $last in */token) echo a-token ;; */local-ipv4) printf 10.0.0.7 ;; esac",
    "flock": ":",
    "id": "exit 1",
}


class Machine:
    """One machine; green has 25 % in the table."""

    def __init__(self, directory: Path) -> None:
        """Make it, with the parameters of an instance."""
        self.bed = directory
        for name in (
            "bin",
            "etc/haproxy",
            "etc/emqx-upgrade",
            "run",
            "installed",
            "parameters/emqx-prod/balancer/secrets",
        ):
            (directory / name).mkdir(parents=True)
        for name, text in STAND_INS.items():
            path = directory / "bin" / name
            path.write_text(f'#!/bin/sh\necho "{name} $*" >>"$BED/calls"\n{text}\n')
            path.chmod(0o755)
        facts = {
            "REGION": "eu-central-1",
            "PARAMETERS": "/emqx-prod/balancer",
            "TABLE": "emqx-prod-cutover",
            "WAIT_SECONDS": "0",
        }
        text = "".join(f"{key}='{value}'\n" for key, value in facts.items())
        (directory / "etc/emqx-upgrade/balancer").write_text(text)
        self.parameters(
            declared="digest-1 2.8 repository",
            config=packed(CONFIGURATION),
            files="tls-8883.pem",
            **{"secrets/tls-8883.pem": "planted key"},
        )
        (directory / "share").write_text("2500\n")
        (directory / "states").write_text("None\n")
        text = script("balancer.sh").replace(PROGRAM, "far_end.py")
        self.script = directory / "balancer.sh"
        self.script.write_text(text.replace("/etc/", f"{directory}/etc/").replace("/run/", f"{directory}/run/"))

    def parameters(self, **values: str) -> None:
        """Declare some."""
        for name, value in values.items():
            (self.bed / "parameters/emqx-prod/balancer" / name).write_text(f"{value}\n")

    def run(self, *words: str, **environment: Any) -> subprocess.CompletedProcess[str]:
        """Run the script to its end; ``calls`` are then those of this time."""
        (self.bed / "calls").write_text("")
        return subprocess.run(
            ["/bin/sh", str(self.script), *words],
            env={"PATH": f"{self.bed}/bin:{os.environ['PATH']}", "BED": str(self.bed), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def read(self, name: str) -> str:
        """A file of it, without its line end; nothing where there is none."""
        path = self.bed / name
        return path.read_text().strip() if path.exists() else ""

    @property
    def calls(self) -> list[str]:
        """What it called."""
        return self.read("calls").splitlines()
