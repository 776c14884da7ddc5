"""A container: a process with a root directory, mounts, hostname, process ids and network of its own.

The rule: its root is this machine's, with a layer over it that is the container's own, so that nothing it writes is seen by anybody else;
whatever is in it ends with its first process.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.kubernetes.network import SPACES

ROOT = Path(__file__).resolve().parents[2]
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
POLL_SECONDS = 0.02
SIGNALLED, BEGUN = 128, "begun"
OWN = {"proc", "dev", "sys", "tmp", "run"}
"""What a container has of its own, or has not."""
HIDDEN = {"/etc/resolv.conf"}
"""What the cluster has put there for itself."""


@dataclass(frozen=True)
class Mount:
    """A file or directory of the node that stands at ``at`` in the container."""

    source: Path
    at: str
    read_only: bool = False


@dataclass(frozen=True)
class Box:
    """What a container is made of; ``place`` is its directory on the node, ``files`` the one in which the node's server finds it."""

    place: Path
    files: Path
    address: str
    hostname: str
    words: Sequence[str]
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    links: Sequence[tuple[str, str]] = ()
    directory: str = "/"
    read_only: bool = False
    stop: signal.Signals = signal.SIGTERM

    @property
    def made(self) -> bool:
        """Whether its first process has all that it should have."""
        return (self.place / BEGUN).exists()


@dataclass
class Container:
    """One that runs, or ran: ``code`` is its exit code then."""

    box: Box
    process: asyncio.subprocess.Process
    code: int | None = field(default=None, init=False)

    @property
    def enter(self) -> Path:
        """The program that runs its arguments inside."""
        return self.box.files / "enter"

    async def wait(self) -> int:
        """Until it ends; the exit code as Kubernetes counts it."""
        status = await self.process.wait()
        self.code = SIGNALLED - status if status < 0 else status
        (self.box.files / "ended").touch()
        previous = self.box.files / "log.previous"
        previous.unlink(missing_ok=True)
        previous.hardlink_to(self.box.files / "log")
        return self.code

    def signal(self, number: int) -> None:
        """To its first process."""
        if self.process.returncode is None and (process := first(self.process.pid)):
            with_pid(process, number)

    async def stop(self, seconds: float) -> None:
        """The signal that its image names, and SIGKILL when that was not enough."""
        self.signal(self.box.stop)
        try:
            await asyncio.wait_for(asyncio.shield(self.process.wait()), seconds)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """SIGKILL, to everything in it."""
        self.signal(signal.SIGKILL)
        await self.process.wait()


async def start(box: Box) -> Container:
    """Run it; what it writes is in ``log``, which is ``log.previous`` too once it has ended."""
    box.files.mkdir(parents=True, exist_ok=True)
    log = box.files / "log"
    log.unlink(missing_ok=True)
    (box.files / "ended").unlink(missing_ok=True)
    script = box.place / "start"
    script.write_text(_script(box), encoding="utf-8")
    words = ["nsenter", f"--net={SPACES / box.address}", "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork"]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *words,
            "--kill-child=KILL",
            "/bin/sh",
            str(script),
            *box.words,
            env=dict(box.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    while process.returncode is None and not box.made:  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(POLL_SECONDS)
    _write_enter(box, first(process.pid) or 0)
    return Container(box, process)


def _script(box: Box) -> str:
    """What makes the container's world, and becomes its first process."""
    root = box.place / "root"
    lines = [
        "set -e",
        f"mkdir -p {root}",
        f"mount -t tmpfs -o mode=755 tmpfs {root}",
        *(f"mkdir {root}/{name}" for name in sorted(OWN)),
        f"mount --rbind /dev {root}/dev",
        f"mount -t proc proc {root}/proc",
        f"chmod 1777 {root}/tmp",  # noqa: S108 - of the container
        f"echo {shlex.quote(box.hostname)} > /proc/sys/kernel/hostname",
        *layers(box.place),
    ]
    mounts = [*(Mount(path, str(path)) for path in elsewhere()), *box.mounts]
    for mount in sorted(mounts, key=lambda one: one.at.count("/")):
        # Where the machine has a link (/var/run), it leads out of the root.
        lines += mounted(mount, f"{root}{os.path.realpath(mount.at)}")
    for at, source in box.links:
        lines += [f"mkdir -p {root}{os.path.dirname(at)}", f"ln -sf {shlex.quote(source)} {root}{at}"]  # noqa: PTH120
    if box.read_only:
        lines.append(f"for at in {root}/* {root}; do ! mountpoint -q $at || mount -o remount,ro,bind $at; done")
    return "\n".join([*lines, f": > {box.place / BEGUN}", f"exec chroot {root} {_in_directory(box)}", ""])


def layers(place: Path) -> list[str]:
    """A layer of the container's own over each directory of the machine's root.

    One over all of it is refused in a user namespace: it would show what the mounts below it hide.
    """
    points = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()}
    lines = []
    for path in sorted(Path("/").iterdir()):
        at = f"{place}/root{path}"
        if path.is_symlink():
            lines.append(f"ln -s {shlex.quote(str(path.readlink()))} {at}")
        elif path.is_dir() and path.name not in OWN:
            if any(one == str(path) or one.startswith(f"{path}/") for one in points - HIDDEN):
                lines.append(f"mkdir {at}; mount --rbind {path} {at}")
                continue
            upper, work = f"{place}/layers/{path.name}", f"{place}/work/{path.name}"
            lines.append(f"mkdir -p {at} {upper} {work}")
            lines.append(f"mount -t overlay overlay -o lowerdir={path},upperdir={upper},workdir={work} {at}")
    return lines


def mounted(mount: Mount, at: str) -> list[str]:
    """The lines that put it at a place of the machine."""
    source, quoted = shlex.quote(str(mount.source)), shlex.quote(at)
    made = f"mkdir -p {quoted}"
    if not mount.source.is_dir():
        made = f"mkdir -p {shlex.quote(os.path.dirname(at))}; [ -e {quoted} ] || : > {quoted}"  # noqa: PTH120
    again = [f"mount -o remount,ro,bind {quoted}"] if mount.read_only else []
    return [made, f"mount --bind {source} {quoted}", *again]


def elsewhere() -> list[Path]:
    """Directories that our own programs need and that the layers do not show: on another disk than the root, or where a container has its own."""
    named = {ROOT, Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).parents[1]}
    needed = named | {path.resolve() for path in (*named, Path(sys.executable))}
    disk = Path("/").stat().st_dev
    return [path for path in sorted(needed) if path.stat().st_dev != disk or path.parts[1] in OWN]


def _write_enter(box: Box, first: int) -> None:
    exported = "\n".join(
        f"export {name}={shlex.quote(value)}" for name, value in box.environment.items() if _named(name)
    )
    into = f"exec nsenter --target {first} --mount --net --pid --uts --ipc --root --wd -- {_in_directory(box)}"
    enter = box.files / "enter"
    enter.touch(mode=0o700)
    enter.write_text(f"#!/bin/sh\n{exported}\n{into}\n", encoding="utf-8")


def _in_directory(box: Box) -> str:
    """Words of a shell that run its own arguments in the container's working directory."""
    inner = f'cd {shlex.quote(box.directory)} && exec "$@"'
    return f'/bin/sh -c {shlex.quote(inner)} sh "$@"'


def _named(name: str) -> bool:
    return name.isidentifier()


def first(pid: int) -> int | None:
    """The first process of the container that ``unshare`` with this id holds, or that `nsenter` has started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return None
    return int(children[0]) if children else None


def with_pid(pid: int, number: int) -> None:
    """A signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
