"""Gets a `pulumi` with its Python language host into a virtual environment; standard library only, it runs before anything is installed.

A `pulumi` on PATH is used when it is recent enough and has a Python language host of its own; else the version that
`tools/pulumi/go.mod` pins is built from source, once per machine, in a directory named by that version.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
MODULE = TOOLS / "pulumi"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3"
MINIMUM = (3, 259, 0)  # what this was tried with; older engines were not
PLUGINS = ("pulumi-language-python", "pulumi-resource-pulumi-python")
SIGNATURE = "# Written by tools/get_pulumi.py"
BUILD_SECONDS = 1800.0
PROGRESS_SECONDS = 10.0
LOCK_SECONDS = 2 * BUILD_SECONDS  # one that installs and builds first
POLL_SECONDS = 0.2


class Missing(Exception):  # noqa: N818  -- it reads as what it is: something is missing
    """Something that a person must install; the message says how."""


def main(arguments: list[str] | None = None) -> int:
    """Put `pulumi` into ``--into DIRECTORY`` and print its path; 0, or 1 with one line that says what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, required=True, help="the bin directory of a virtual environment")
    options = parser.parse_args(arguments)
    try:
        print(provide(options.into.absolute()))
    except Missing as missing:
        say(str(missing))
        return 1
    except OSError as error:
        say(f"{error.filename or options.into}: {error.strerror}")
        return 1
    return 0


def provide(directory: Path) -> Path:
    """``DIRECTORY/pulumi``: a link to the one on PATH, or the pinned build with our language host beside it."""
    target = directory / "pulumi"
    existing, reason = usable_on_path(excluding=directory)
    if existing:
        say(f"using {existing}: {reason}")
        for name in PLUGINS:
            (directory / name).unlink(missing_ok=True)
        replace(target, lambda new: new.symlink_to(existing))
        return target
    built = cached_build(reason)
    if not target.exists() or target.is_symlink() or not target.samefile(built):
        replace(target, lambda new: link_or_copy(built, new))
    write_launchers(directory)
    return target


def possible(directory: Path) -> None:
    """Raise Missing at once where ``provide`` would only find out after minutes."""
    existing, reason = usable_on_path(excluding=directory)
    if not existing and not cached_binary().exists():
        find_go(reason)
        cache_directory()


def usable_on_path(*, excluding: Path) -> tuple[Path | None, str]:
    """The `pulumi` on PATH that may be used, and why; or None and why none is used."""
    given = os.environ.get("PATH", "").split(os.pathsep)
    places = [
        place for place in given if place and Path(place).resolve() != excluding.resolve() and not is_ours(Path(place))
    ]
    found = shutil.which("pulumi", path=os.pathsep.join(places))
    if not found:
        return None, "no pulumi on PATH"
    _, said = answer_of([found, "version"], 60)
    version = parse_version(said)
    if version is None:
        return None, f"{found} does not tell its version"
    if version < MINIMUM:
        return None, f"{found} is {text(version)}, at least {text(MINIMUM)} is needed"
    beside = str(Path(found).resolve().parent)
    for name in PLUGINS:
        if not shutil.which(name, path=os.pathsep.join([beside, *places])):
            return None, f"{found} comes without {name}"
    return Path(found), f"version {text(version)}"


def cached_build(reason: str) -> Path:
    """The pinned build, made first when it is not there; two processes that ask at once build one."""
    binary = cached_binary()
    if binary.exists():
        return binary
    go = find_go(reason)
    with locked(cache_directory() / "lock"):
        for left in binary.parent.glob("build-*"):  # by a build that was killed
            shutil.rmtree(left, ignore_errors=True)
        if not binary.exists():
            say(f"{reason}: building {pinned_version()} from source, once (about 5 minutes on two cores)")
            build(go, pinned_version(), binary)
    return binary


def cached_binary() -> Path:
    """Where the pinned build is, or will be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "emqx-upgrade" / f"pulumi-{pinned_version()}" / "pulumi"


def cache_directory() -> Path:
    """The directory of the pinned build, made when it is not there."""
    directory = cached_binary().parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
        raise Missing(f"no place for the build of pulumi ({reason}): name a directory in XDG_CACHE_HOME") from None
    if not os.access(directory, os.W_OK):
        raise Missing(f"nothing can be written into {directory}: name another directory in XDG_CACHE_HOME")
    return directory


def pinned_version() -> str:
    """The version that go.mod pins, as `v3.259.0`."""
    found = re.search(rf"{re.escape(PACKAGE)} (v\S+)", (MODULE / "go.mod").read_text(encoding="utf-8"))
    if not found:
        raise Missing(f"{MODULE / 'go.mod'} does not name {PACKAGE}")
    return found[1]


def find_go(reason: str) -> str:
    """The `go` command, which must be recent enough for the module; ``reason`` says why no `pulumi` will do."""
    wanted = parse_version((MODULE / "go.mod").read_text(encoding="utf-8"), r"^go (\d+)\.(\d+)\.?(\d*)$")
    how = f"install Go {text(wanted)} or newer (https://go.dev/dl/), or a pulumi {text(MINIMUM)} or newer, and put it on PATH"
    go = shutil.which("go")
    if not go:
        raise Missing(f"{reason}, and no go to build one: {how}")
    # In the module's directory, so that a go which may fetch its own newer version answers with that one.
    code, said = answer_of([go, "version"], 300)
    found = parse_version(said, r"\bgo(\d+)\.(\d+)\.?(\d*)")
    if code or not found or not wanted or found < wanted:
        seen = said.strip().rpartition("\n")[2] or "no answer"
        raise Missing(f"{reason}, and {go} cannot build one ({seen}): {how}")
    return go


def answer_of(command: list[str], seconds: float) -> tuple[int, str]:
    """Status and output of a quick command; one that cannot be run or does not end has status 1."""
    try:
        answer = subprocess.run(
            command, cwd=MODULE, text=True, errors="replace", timeout=seconds, check=False, capture_output=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return answer.returncode, answer.stdout + answer.stderr


def build(go: str, version: str, binary: Path) -> None:
    """Build into a temporary directory and move the finished binary into place, with a line of progress now and then."""
    with tempfile.TemporaryDirectory(prefix="build-", dir=binary.parent) as temporary:
        made = Path(temporary) / "pulumi"
        flags = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}"
        command = [go, "build", "-v", "-ldflags", flags, "-o", str(made), f"{PACKAGE}/cmd/pulumi"]
        environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
        code, last = watched(command, environment)
        if code:
            raise Missing(f"building pulumi {version} failed with status {code}: {last}")
        made.replace(binary)


def watched(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a build and say every few seconds how far it is; its status and what it said last."""
    began = said = time.monotonic()
    compiled, last = 0, ""
    with subprocess.Popen(
        command, cwd=MODULE, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        limit = threading.Timer(BUILD_SECONDS, process.kill)
        limit.start()
        try:
            for line in process.stdout or ():
                compiled, last = compiled + (not line.startswith("go: ")), line.strip()
                if time.monotonic() - said >= PROGRESS_SECONDS:
                    said = time.monotonic()
                    say(f"{said - began:4.0f} s, {compiled} packages, {last}")
        except BaseException:
            process.kill()
            raise
        finally:
            limit.cancel()
    return process.returncode, last


def write_launchers(directory: Path) -> None:
    """The language host and the dynamic provider beside the binary, where the engine looks for them."""
    python, host = directory / "python", TOOLS / "language_host" / "host.py"
    own = f'exec "{python}" -u "{host}" "$@"\n'
    # The engine names the project's own virtual environment; without one, it is ours.
    dynamic = (
        'if [ -n "$PULUMI_RUNTIME_VIRTUALENV" ]; then exec "$PULUMI_RUNTIME_VIRTUALENV/bin/python" '
        '-u -m pulumi.dynamic "$@"; fi\n' + f'exec "{python}" -u -m pulumi.dynamic "$@"\n'
    )
    for name, body in zip(PLUGINS, (own, dynamic), strict=True):
        script = f"#!/bin/sh\n{SIGNATURE}\n{body}"
        path = directory / name
        if path.is_file() and path.read_text(encoding="utf-8") == script:
            continue
        replace(path, partial(write_script, script))


def replace(path: Path, make: Callable[[Path], object]) -> None:
    """Make a file beside and rename it, so that nobody ever sees half of it."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    make(new)
    new.replace(path)


def write_script(script: str, path: Path) -> None:
    """An executable file."""
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link (the engine looks beside its real path, so a symbolic one will not do), or a copy on another disk."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold a lock file, which gives its descriptor; says so now and then while it waits, at most LOCK_SECONDS."""
    began = time.monotonic()
    said = began - PROGRESS_SECONDS
    with path.open("w") as handle:
        while not taken(handle.fileno()):
            waited = time.monotonic() - began
            if waited > LOCK_SECONDS:
                raise Missing(f"another one has been at it for {waited:.0f} s ({path} is locked): end it and run again")
            if time.monotonic() - said >= PROGRESS_SECONDS:
                said = time.monotonic()
                say(f"another one is at it ({path}), waiting for {waited:.0f} s")
            time.sleep(POLL_SECONDS)
        yield handle.fileno()


def taken(descriptor: int) -> bool:
    """Whether the lock is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def parse_version(answer: str, pattern: str = r"^v?(\d+)\.(\d+)\.(\d+)") -> tuple[int, ...] | None:
    """The first three numbers that the pattern finds, a missing last one as 0."""
    found = re.search(pattern, answer.strip(), re.MULTILINE)
    return tuple(int(number or 0) for number in found.groups()) if found else None


def text(version: tuple[int, ...] | None) -> str:
    """Numbers as `3.259.0`."""
    return ".".join(map(str, version or ()))


def is_ours(directory: Path) -> bool:
    """Whether it is another clone's, which may be taken away at any time."""
    launcher = directory / PLUGINS[0]
    try:
        return SIGNATURE in launcher.read_bytes()[:200].decode(errors="replace")
    except OSError:
        return False


def say(line: str) -> None:
    """A line for the person who waits."""
    print(f"pulumi: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
