"""An instance's machine: a root of its own over this one's, its console, its devices, and the services that run in it.

The rule: whatever is in it ends with its first process; its root outlives that, as a root volume does, and its data are on volumes.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.aws.cloud_init import NotUnderstoodError, Wanted, read
from lab.kubernetes.sandbox import OWN, PATHS, ROOT, Mount, elsewhere, first, layers, mounted, with_pid

STANDINS = (
    *("aws", "curl", "apt-get", "dnf", "yum", "dpkg", "dpkg-query", "rpm", "systemctl", "id", "chown", "haproxy"),
    *("blkid", "mkfs.xfs", "mkfs.ext4", "mount", "umount", "mountpoint"),
)
PRIVATE = (
    *("/etc/emqx", "/etc/emqx-upgrade", "/etc/haproxy", "/var/lib/emqx", "/var/lib/haproxy", "/var/lib/cloud"),
    "/tmp",  # noqa: S108 - of the machine
)
"""Directories that are the machine's alone on every machine, and that are found from outside."""
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
STOP_SECONDS, POLL_SECONDS = 30.0, 0.05


@dataclass
class Service:
    """A unit that was started."""

    name: str
    process: asyncio.subprocess.Process

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return self.process.returncode is None

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when that was not enough."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            # nsenter hands nothing on: its child is meant
            with_pid(first(self.process.pid) or self.process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.process.wait()), STOP_SECONDS)
                return


@dataclass
class Machine:
    """That of one instance; ``installed`` are its packages with their versions, ``volumes`` what is mounted where."""

    place: Path
    volumes_place: Path
    name: str
    address: str
    user_data: str
    installed: dict[str, str] = field(default_factory=dict)
    mounts: dict[str, Path] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None

    @property
    def console(self) -> Path:
        """What a serial console would show, of all boots."""
        return self.place / "console"

    @property
    def devices(self) -> Path:
        """The links by id of the volumes that are attached."""
        return self.place / "devices"

    @property
    def door(self) -> Path:
        """Where its programs find the agent."""
        return self.place / "lab"

    @property
    def running(self) -> bool:
        """Whether it has power."""
        return self._process is not None and self._process.returncode is None

    @property
    def power(self) -> str:
        """What became of its first process, in words."""
        if self._process is None:
            return "never had power"
        return "has power" if self.running else f"its first process ended with {self._process.returncode}"

    def outside(self, path: str) -> str:
        """Where a file of the machine is for whoever is not in it."""
        one = Path(path)
        for parent in (one, *one.parents):
            if str(parent) in self.mounts:
                return str(self.mounts[str(parent)] / one.relative_to(parent))
            if str(parent) in PRIVATE:
                return str(self.place / "own" / one.relative_to("/"))
        return str(self.place / "layers" / one.relative_to("/"))

    async def boot(self) -> None:
        """Give it power; returns when its first process runs."""
        for directory in (self.devices, self.door, *(self.place / "own" / path[1:] for path in PRIVATE)):
            directory.mkdir(parents=True, exist_ok=True)
        self.mounts.clear()
        self._prepare()
        script = self.place / "start"
        script.write_text(self._script(), encoding="utf-8")
        words = ("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=KILL", "/bin/sh", str(script))
        with self.console.open("ab") as console:
            self._process = await asyncio.create_subprocess_exec(
                *words,
                env={"PATH": PATHS, "HOME": "/root", "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )

    def _prepare(self) -> None:
        """What its first process does: cloud-init's part."""
        try:
            wanted = read(self.user_data)
        except NotUnderstoodError as error:
            wanted = Wanted()
            with self.console.open("a", encoding="utf-8") as console:
                console.write(f"cloud-init: {error}\n")
        once = self.place / "own/var/lib/cloud/instance/boot-finished"
        lines = ["#!/bin/sh"]
        if not once.exists():
            for number, file in enumerate(wanted.files):
                source = self.door / f"file-{number}"
                source.write_bytes(file.content)
                at = shlex.quote(file.path)
                lines += [
                    f'mkdir -p "$(dirname {at})"',
                    f"cat /run/lab/{source.name} {'>>' if file.append else '>'} {at}",
                ]
                lines.append(f"chmod {file.mode:o} {at}")
        lines.append(
            'for f in /var/lib/cloud/scripts/per-boot/*; do [ ! -x "$f" ] || "$f" || echo "cloud-init: $f failed"; done'
        )
        if not once.exists():
            lines += [one if isinstance(one, str) else shlex.join(map(str, one)) for one in wanted.commands]
            lines += ["mkdir -p /var/lib/cloud/instance", ": > /var/lib/cloud/instance/boot-finished"]
        lines.append("exec sleep infinity")
        (self.door / "init").write_text("\n".join([*lines, ""]), encoding="utf-8")

    def _script(self) -> str:
        """What makes its world, and becomes its first process."""
        root = f"{self.place}/root"
        lines = [
            "set -e",
            f"mkdir -p {root}",
            f"mount -t tmpfs -o mode=755 tmpfs {root}",
            *(f"mkdir {root}/{name}" for name in sorted(OWN)),
            f"chmod 1777 {root}/tmp",  # noqa: S108 - of the machine
            f"mount -t proc proc {root}/proc",
            f"echo {shlex.quote(self.name)} > /proc/sys/kernel/hostname",
            *(f": > {root}/dev/{name}; mount --bind /dev/{name} {root}/dev/{name}" for name in DEVICES),
            f"ln -s /proc/self/fd {root}/dev/fd; mkdir {root}/dev/shm",  # noqa: S108 - of the machine
            *layers(self.place),
        ]
        commands = self.place / "commands"
        self._commands(commands)
        mounts = [
            *(Mount(path, str(path)) for path in elsewhere()),
            *(Mount(self.place / "own" / path[1:], path) for path in PRIVATE),
            Mount(self.door, "/run/lab"),
            Mount(self.volumes_place, "/run/lab-volumes"),
            Mount(self.devices, "/dev/disk/by-id"),
            Mount(commands, "/usr/local/sbin"),
        ]
        lines += [line for mount in mounts for line in mounted(mount, f"{root}{mount.at}")]
        return "\n".join([*lines, f"exec chroot {root} /bin/sh /run/lab/init", ""])

    def _commands(self, commands: Path) -> None:
        commands.mkdir(exist_ok=True)
        standin = Path(__file__).with_name("standin.py")
        for name in STANDINS:
            command = commands / name
            command.write_text(f"#!{sys.executable} -SE\n{standin.read_text(encoding='utf-8')}", encoding="utf-8")
            command.chmod(0o755)

    async def enter(
        self, *words: str, environment: Mapping[str, str] | None = None, output: int | None = None
    ) -> asyncio.subprocess.Process:
        """Run something in it; what it says goes to the console, or to a pipe."""
        pid = first(self._process.pid) if self._process else None
        if pid is None:
            raise OSError(f"{self.name} has no power")
        into = ("nsenter", "--target", str(pid), "--mount", "--pid", "--uts", "--ipc", "--root", "--wd")
        with self.console.open("ab") as console:
            return await asyncio.create_subprocess_exec(
                *(*into, "--", *words),
                env={"PATH": PATHS, "HOME": "/root", "LANG": "C.UTF-8", **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output or console,
                stderr=output or subprocess.STDOUT,
            )

    async def serve(self, name: str, *words: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a service, which runs as long as the machine."""
        await self.halt(name)
        self.services[name] = Service(name, await self.enter(*words, environment=environment))

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a service's first process."""
        process = self.services[name].process
        with_pid(first(process.pid) or process.pid, number)

    async def halt(self, name: str) -> None:
        """Stop a service."""
        service = self.services.pop(name, None)
        if service is not None and service.active:
            await service.stop()

    async def shut_down(self) -> None:
        """As `poweroff` does: the services in order, then the power."""
        await asyncio.gather(*(self.halt(name) for name in list(self.services)))
        await self.cut()

    async def cut(self) -> None:
        """Take its power away."""
        if self._process is not None and self._process.returncode is None:
            with_pid(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        self.services.clear()


def module(name: str) -> tuple[str, ...]:
    """Words that run a module of ours in a machine."""
    return ("/usr/bin/env", f"PYTHONPATH={ROOT}", sys.executable, "-m", name)
