"""Programs that no package index ships, built from Go modules that stand here; standard library only, it runs before anything is installed.

The rule: a program is built once per machine, in a directory named by its version (and by our own part of its source, where there is one),
by one of those that ask at once; what is there is complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
BUILD_SECONDS = 3600.0
PROGRESS_SECONDS = 10.0
LOCK_SECONDS = 2 * BUILD_SECONDS  # one that installs and builds first
POLL_SECONDS = 0.2


class Missing(Exception):  # noqa: N818  -- it reads as what it is: something is missing
    """Something that a person must install; the message says how."""


@dataclass(frozen=True)
class Program:
    """A program and how it is built.

    Attributes:
        name: as people know it; ``binary`` is its file.
        module: the directory of its go.mod, which pins the version of ``pinned``.
        package: what is built, as `go build` takes it.
        flags: for the linker, with ``{version}`` where that belongs.
        minutes: what the build takes on two cores, to be said.
        instead: what may be put on PATH where there is no Go, after "or "; empty when nothing will do.
        documents: paths below ``pinned``'s source that must lie beside the program's own source when it is built.

    """

    name: str
    binary: str
    module: Path
    pinned: str
    package: str
    flags: str
    minutes: int
    instead: str = ""
    documents: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The version that go.mod pins, as `v3.259.0`."""
        found = re.search(rf"{re.escape(self.pinned)} (v\S+)", (self.module / "go.mod").read_text(encoding="utf-8"))
        if not found:
            raise Missing(f"{self.module / 'go.mod'} does not name {self.pinned}")
        return found[1]

    @property
    def cached(self) -> Path:
        """Where the build is, or will be."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        own = sorted(self.module.glob("*.go"))
        mark = hashlib.sha256(b"".join(file.read_bytes() for file in own)).hexdigest()[:8] if own else ""
        return cache / "emqx-upgrade" / "-".join(filter(None, (self.name, self.version, mark))) / self.binary

    def say(self, line: str) -> None:
        """A line for the person who waits."""
        print(f"{self.name}: {line}", file=sys.stderr, flush=True)

    def get(self, reason: str) -> Path:
        """The build, made first when it is not there; ``reason`` says why it is needed."""
        if self.cached.exists():
            return self.cached
        go = self.find_go(reason)
        with locked(self.directory() / "lock", self.name):
            for left in self.cached.parent.glob("build-*"):  # by a build that was killed
                shutil.rmtree(left, ignore_errors=True)
            if not self.cached.exists():
                self.say(
                    f"{reason}: building {self.version} from source, once (about {self.minutes} minutes on two cores)"
                )
                self._build(go)
        return self.cached

    def possible(self, reason: str) -> None:
        """Raise Missing at once where `get` would only find out after minutes."""
        if not self.cached.exists():
            self.find_go(reason)
            self.directory()

    def directory(self) -> Path:
        """The directory of the build, made when it is not there."""
        directory = self.cached.parent
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"{error.filename}: {error.strerror}"
            raise Missing(
                f"no place for the build of {self.name} ({why}): name a directory in XDG_CACHE_HOME"
            ) from None
        if not os.access(directory, os.W_OK):
            raise Missing(f"nothing can be written into {directory}: name another directory in XDG_CACHE_HOME")
        return directory

    def find_go(self, reason: str) -> str:
        """The `go` command, which must be recent enough for the module."""
        wanted = parse_version((self.module / "go.mod").read_text(encoding="utf-8"), r"^go (\d+)\.(\d+)\.?(\d*)$")
        how = f"install Go {text(wanted)} or newer (https://go.dev/dl/)"
        how += f", or {self.instead}, and put it on PATH" if self.instead else " and put it on PATH"
        go = shutil.which("go")
        if not go:
            raise Missing(f"{reason}, and no go to build one: {how}")
        # In the module's directory, so that a go which may fetch its own newer version answers with that one.
        code, said = answer_of([go, "version"], 300, self.module)
        found = parse_version(said, r"\bgo(\d+)\.(\d+)\.?(\d*)")
        if code or not found or not wanted or found < wanted:
            seen = said.strip().rpartition("\n")[2] or "no answer"
            raise Missing(f"{reason}, and {go} cannot build one ({seen}): {how}")
        return go

    def _build(self, go: str) -> None:
        """Build in a temporary directory and move the finished binary into place."""
        with tempfile.TemporaryDirectory(prefix="build-", dir=self.cached.parent) as temporary:
            source, made = self.module, Path(temporary) / "made"
            if self.documents:
                source = Path(temporary) / "source"
                shutil.copytree(self.module, source)
                for document in self.documents:
                    found = self._source_of_pinned(go) / document
                    (source / found.name).write_bytes(found.read_bytes())
            flags = self.flags.format(version=self.version)
            code, last = self._watched([go, "build", "-v", "-ldflags", flags, "-o", str(made), self.package], source)
            if code:
                raise Missing(f"building {self.name} {self.version} failed with status {code}: {last}")
            made.replace(self.cached)

    def _source_of_pinned(self, go: str) -> Path:
        """Where go keeps the source of the pinned module, fetched now where it is not."""
        code, said = answer_of([go, "mod", "download", "-json", self.pinned], BUILD_SECONDS, self.module)
        if code:
            raise Missing(f"the source of {self.name} {self.version} cannot be had: {said.strip()[-300:]}")
        return Path(json.loads(said)["Dir"])

    def _watched(self, command: list[str], source: Path) -> tuple[int, str]:
        """Run a build and say every few seconds how far it is; its status and what it said last."""
        began = said = time.monotonic()
        compiled, last = 0, ""
        environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
        with subprocess.Popen(
            command, cwd=source, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            limit = threading.Timer(BUILD_SECONDS, process.kill)
            limit.start()
            try:
                for line in process.stdout or ():
                    compiled, last = compiled + (not line.startswith("go: ")), line.strip()
                    if time.monotonic() - said >= PROGRESS_SECONDS:
                        said = time.monotonic()
                        self.say(f"{said - began:4.0f} s, {compiled} packages, {last}")
            except BaseException:
                process.kill()
                raise
            finally:
                limit.cancel()
        return process.returncode, last


def answer_of(command: list[str], seconds: float, directory: Path = TOOLS) -> tuple[int, str]:
    """Status and output of a command; one that cannot be run or does not end has status 1."""
    try:
        answer = subprocess.run(
            command, cwd=directory, text=True, errors="replace", timeout=seconds, check=False, capture_output=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return answer.returncode, answer.stdout + answer.stderr


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link (an engine looks beside its real path, so a symbolic one will not do), or a copy on another disk."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


@contextlib.contextmanager
def locked(path: Path, who: str) -> Iterator[int]:
    """Hold a lock file, which gives its descriptor; says for ``who`` now and then that it waits, at most LOCK_SECONDS."""
    began = time.monotonic()
    said = began - PROGRESS_SECONDS
    with path.open("w") as handle:
        while not taken(handle.fileno()):
            waited = time.monotonic() - began
            if waited > LOCK_SECONDS:
                raise Missing(f"another one has been at it for {waited:.0f} s ({path} is locked): end it and run again")
            if time.monotonic() - said >= PROGRESS_SECONDS:
                said = time.monotonic()
                print(f"{who}: another one is at it ({path}), waiting for {waited:.0f} s", file=sys.stderr, flush=True)
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
