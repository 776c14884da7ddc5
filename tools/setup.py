"""`make setup`: the virtual environment with what requirements.lock pins, and `pulumi` in it; standard library only.

Quick when there is nothing to do, safe when two run at once, and finished or done again: a stamp is written last,
and an environment in which pip was killed is made anew.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import get_pulumi
import go_build

ROOT = Path(__file__).resolve().parent.parent
VENV = (ROOT / ".venv").resolve()
"""A link to another checkout's is that one, and is not made anew for this place."""
STAMP = VENV / "emqx-setup.stamp"
UNFINISHED = VENV / "emqx-setup.unfinished"
LOCK = ROOT / "requirements.lock"
PIP = (VENV / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-q", "install")
INSTALL_SECONDS = 1800


def main() -> int:
    """Make everything ready; 0, or 1 with one line that says what is missing."""
    if is_ready():
        return 0
    work = ROOT / ".emqx"
    try:
        work.mkdir(exist_ok=True)
        with go_build.locked(work / "setup.lock", "setup") as lock:
            return 0 if is_ready() else make_ready(lock)
    except go_build.Missing as missing:
        get_pulumi.PROGRAM.say(str(missing))
    except subprocess.CalledProcessError as failed:
        say(f"failed with status {failed.returncode}: {shlex.join(map(str, failed.cmd))}")
        if "ensurepip" in failed.cmd:
            say("this Python comes without ensurepip: install its venv package (python3.11-venv on Debian)")
    except subprocess.TimeoutExpired as late:
        say(
            f"not ended after {late.timeout:.0f} s: {shlex.join(map(str, late.cmd))}; look at the network and run it again"
        )
    except OSError as error:
        say(f"{error.filename or ROOT}: {error.strerror}")
    except KeyboardInterrupt:
        say("interrupted; run it again")
    return 1


def is_ready() -> bool:
    """Whether the last setup was for exactly this place, these requirements and these tools, and its tools are there."""
    try:
        return STAMP.read_text(encoding="utf-8") == wanted() and all(
            (VENV / "bin" / name).exists() for name in ("python", "pulumi")
        )
    except OSError:
        return False


def wanted() -> str:
    """What the stamp of a finished setup says."""
    parts = (
        LOCK,
        ROOT / "tools" / "pulumi" / "go.mod",
        Path(get_pulumi.__file__),
        Path(go_build.__file__),
        Path(__file__),
    )
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    return f"{VENV} {sys.version_info[0]}.{sys.version_info[1]} {digest}\n"


def make_ready(lock: int) -> int:
    """Install whatever is missing; pip holds ``lock`` too, so that one whose setup was killed is waited for."""
    get_pulumi.possible(VENV / "bin")
    if UNFINISHED.exists() or not made_here():
        say(f"making {VENV} with Python {sys.version.split()[0]}")
        venv.create(VENV, clear=VENV.exists(), with_pip=True)
    say("installing what requirements.lock pins")
    UNFINISHED.touch()
    command = [*map(str, PIP), "--require-hashes", "-r", str(LOCK)]
    try:
        subprocess.run(command, check=True, timeout=INSTALL_SECONDS, pass_fds=[lock])
    except subprocess.CalledProcessError:
        UNFINISHED.unlink()  # pip has taken back what it did
        raise
    UNFINISHED.unlink()
    get_pulumi.provide(VENV / "bin")
    STAMP.write_text(wanted(), encoding="utf-8")
    return 0


def made_here() -> bool:
    """Whether there is an environment for this place (a moved one has the old place in its scripts) that runs."""
    scripts = VENV / "bin" / "activate"
    if not scripts.exists() or str(VENV) not in scripts.read_text(encoding="utf-8"):
        return False
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([VENV / "bin" / "python", "-c", code], capture_output=True, check=False, timeout=60)
    except OSError:
        return False
    return answer.stdout.decode().strip() == f"{sys.version_info[0]}.{sys.version_info[1]}"


def say(line: str) -> None:
    """A line for the person who waits."""
    print(f"setup: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
