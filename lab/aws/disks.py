"""Volumes: a directory for each, which an attachment brings to a machine, and copies of them for snapshots.

The rule: a volume lasts as long as moto has it; whose machine has gone keeps what was written on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.aws.machine import Machine

BY_ID = "nvme-Amazon_Elastic_Block_Store_"


class Disks:
    """Those of the account; moto's own objects say which there are."""

    def __init__(self, directory: Path, ec2: Any) -> None:
        """Below a directory of the lab's."""
        self.volumes, self._snapshots, self._ec2 = directory / "volumes", directory / "snapshots", ec2
        self.stuck: set[str] = set()
        """Devices whose next attachment never comes about."""
        for one in (self.volumes, self._snapshots):
            one.mkdir(parents=True, exist_ok=True)

    def made(self, volume: Any) -> None:
        """A new volume, empty or as a snapshot is."""
        place = self.volumes / volume.id
        source = self._snapshots / (volume.snapshot_id or "-")
        if source.exists():
            shutil.copytree(source, place, symlinks=True)
        else:
            place.mkdir(exist_ok=True)

    def kept(self, snapshot: Any) -> None:
        """A snapshot of a volume as it is now; what vanishes meanwhile is not on it."""
        source = self.volumes / snapshot.volume.id
        if source.exists():
            shutil.copytree(source, self._snapshots / snapshot.id, symlinks=True, ignore=_sockets)

    def attached(self, attachment: Any) -> None:
        """It comes about, unless it is stuck."""
        if attachment.device in self.stuck:
            self.stuck.discard(attachment.device)
            attachment.status = "attaching"

    def show(self, instance: str, machine: Machine) -> None:
        """Let a machine have the devices that are attached to its instance, and no others."""
        wanted = {f"{BY_ID}{one.id.replace('-', '')}": one.id for one in self._of(instance)}
        if not machine.devices.exists():
            return
        there = {path.name for path in machine.devices.iterdir()}
        for name in wanted.keys() - there:
            (machine.devices / name).write_text(wanted[name], encoding="utf-8")
        for name in there - wanted.keys():
            (machine.devices / name).unlink()

    def release(self, instance: str) -> None:
        """An instance has ended: its volumes are free."""
        for one in list(self._ec2.volumes.values()):
            if one.attachment is not None and one.attachment.instance.id == instance:
                one.attachment = None

    def _of(self, instance: str) -> Iterable[Any]:
        for one in list(self._ec2.volumes.values()):
            attachment = one.attachment
            if attachment is not None and attachment.instance.id == instance and attachment.status == "attached":
                yield one


def _sockets(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(directory, name).is_socket()]
