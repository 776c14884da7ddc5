"""What cloud-init makes of user data, as far as it is played here: files, once, and commands.

The rule: user data that is not understood is told on the console, as cloud-init does, and never half done.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

PLAYED = {"write_files", "runcmd", "package_update", "package_upgrade", "hostname", "preserve_hostname", "ssh_pwauth"}


class NotUnderstoodError(ValueError):
    """User data that cloud-init would complain of; says what is wrong."""


@dataclass(frozen=True)
class File:
    """One of ``write_files``."""

    path: str
    content: bytes
    mode: int = 0o644
    append: bool = False


@dataclass(frozen=True)
class Wanted:
    """What is done at the first boot."""

    files: tuple[File, ...] = ()
    commands: tuple[str | list[str], ...] = ()


def read(user_data: str) -> Wanted:
    """Of a cloud-config, or of a script; empty data is nothing.

    Raises:
        NotUnderstoodError: it is neither, or has a part that is not played here.

    """
    if not user_data.strip():
        return Wanted()
    if user_data.startswith("#!"):
        return Wanted(
            (File("/var/lib/cloud/instance/user-data", user_data.encode(), 0o700),),
            ("/var/lib/cloud/instance/user-data",),
        )
    if not user_data.startswith("#cloud-config"):
        raise NotUnderstoodError(f"Unhandled non-multipart (text/x-not-multipart) userdata: {user_data[:20]!r}")
    try:
        found = yaml.safe_load(user_data) or {}
    except yaml.YAMLError as error:
        raise NotUnderstoodError(f"Failed loading yaml blob: {error}") from None
    if not isinstance(found, Mapping) or (unknown := found.keys() - PLAYED):
        raise NotUnderstoodError(f"not played by the lab: {sorted(unknown) if isinstance(found, Mapping) else found!r}")
    return Wanted(tuple(_file(one) for one in found.get("write_files", ())), tuple(found.get("runcmd", ())))


def _file(one: Mapping[str, Any]) -> File:
    content = str(one.get("content", "")).encode()
    if one.get("encoding", "text/plain") in {"b64", "base64"}:
        try:
            content = base64.b64decode(content, validate=False)
        except binascii.Error as error:
            raise NotUnderstoodError(f"write_files {one['path']}: {error}") from None
    elif one.get("encoding", "text/plain") != "text/plain":
        raise NotUnderstoodError(f"write_files {one['path']}: encoding {one['encoding']} is not played by the lab")
    return File(str(one["path"]), content, int(str(one.get("permissions", "0644")), 8), bool(one.get("append", False)))
