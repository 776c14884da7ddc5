"""A machine for the tools that get programs: a PATH of its own, with a go made of shell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1] / "tools"
GO = """#!/bin/sh
if [ "$1" = version ]; then echo go version go1.99; exit 0; fi
if [ "$1" = mod ]; then printf '{"Dir": "%s"}' "$SOURCE"; exit 0; fi
echo built >> "$BUILDS"
echo some/package
sleep 0.5
[ -z "$FAIL" ] || { echo no space left on device; exit 1; }
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho v3.259.0\\n' > "$2"; chmod +x "$2"
"""


class Machine:
    """A PATH with nothing but what a test puts there, a cache and a virtual environment's directory."""

    def __init__(self, directory: Path, script: str) -> None:
        self.script = TOOLS / script
        self.path, self.venv, self.builds = directory / "path", directory / "venv" / "bin", directory / "builds"
        self.path.mkdir()
        self.venv.mkdir(parents=True)
        for name in ("sh", "sleep", "chmod"):
            (self.path / name).symlink_to(str(shutil.which(name)))
        self.environment = {
            "PATH": str(self.path),
            "XDG_CACHE_HOME": str(directory / "cache"),
            "BUILDS": str(self.builds),
        }

    def has(self, name: str, script: str) -> None:
        (self.path / name).write_text(script)
        (self.path / name).chmod(0o755)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, self.script, *(arguments or ("--into", str(self.venv)))],
            env=self.environment | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def get(self, *arguments: str, **environment: str) -> tuple[int, str]:
        process = self.start(*arguments, **environment)
        _, said = process.communicate(timeout=60)
        return process.returncode, said

    def build_count(self) -> int:
        return len(self.builds.read_text().splitlines()) if self.builds.exists() else 0
