"""What the tests of 4.2 -> 4.3 share: the recorded files of both versions, conversions of given texts, exports with given users."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

from components.cutover.versions import parse as version
from components.migration import facts as known
from components.migration import loading
from components.migration.configs import flat
from components.migration.facts import Export, Facts, Plan
from components.migration.hop_42_43.convert import Converted, convert
from components.migration.hop_42_43.files import convert_confs
from components.migration.manifest import Ledger

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault of the code."""

RECORDED = Path(__file__).parent / "recordings/migration"
MENTIONED = re.compile(r"^\s*(?:##?\s*)?([a-z][A-Za-z0-9_$]*(?:\.[^\s=]+)*)\s*=\s*(.*?)\s*$")
PLAN = Plan(version("4.2.14"), version("4.3.22"), "ce", "ce")


def recorded(line: str) -> list[tuple[str, str, str]]:
    """(file, key, value) of every setting that the files of a version mention, commented out or not."""
    found = []
    for file in sorted((RECORDED / line).rglob("*.conf")):
        for text in file.read_text(encoding="utf-8").splitlines():
            mentioned = MENTIONED.match(text)
            if mentioned and "<" not in mentioned[1]:
                found.append((str(file.relative_to(RECORDED / line)), mentioned[1], mentioned[2]))
    return found


OLD, NEW = recorded("4.2"), recorded("4.3")


def converted(*confs: flat.Conf, credential: Any = "username") -> tuple[dict[str, str], Any]:
    ledger = Ledger()
    files = convert_confs(confs, credential, ledger)
    return dict(files.texts), ledger.account()


def one(text: str, file: str = "emqx.conf", **more: Any) -> tuple[str, Any]:
    texts, account = converted(flat.parse(file, text), **more)
    return "".join(texts.values()), account


USERS = "## users\nauth.user.password_hash = sha256\nauth.user.1.username = a\nauth.user.1.password = p\n"
CLIENTS = "auth.client.password_hash = sha256\nauth.client.1.clientid = c\nauth.client.1.password = p\n"
MNESIA = "# mine\nauth.mnesia.password_hash = sha256\nauth.mnesia.as = username\nauth.mnesia.1.login = m\nauth.mnesia.1.password = p\n"


def sample(name: str) -> Export:
    return known.read_export(name, (RECORDED / "samples" / name).read_text(encoding="utf-8"))


PASSWORD = base64.b64encode(b"salt" + b"a" * 64).decode()


def users(*rows: dict[str, Any], **sections: Any) -> Export:
    return Export(
        "e.json", {"version": "4.2.11", "auth_mnesia": [{"password": PASSWORD, **row} for row in rows], **sections}
    )


PLUGINS = b"{emqx_auth_mnesia, true}.\n{emqx_auth_username, true}.\n{emqx_auth_clientid, true}.\n"


def recording(name: str) -> Any:
    return json.loads((RECORDED / "hop_42_43" / f"{name}.json").read_text(encoding="utf-8"))


def recorded_facts(kind: Any, export: dict[str, Any]) -> Facts:
    """The node that was recorded: the shipped files of 4.2, its plugins, its export."""
    facts = Facts(replace(PLAN, credential=kind), export=Export("export.json", export))
    for name, data in (
        ("emqx.conf", b"allow_anonymous = true\nacl_nomatch = allow\nacl_file = etc/acl.conf\n"),
        ("acl.conf", (RECORDED / "hop_42_43" / "acl.conf").read_bytes()),
        ("loaded_plugins", PLUGINS),
    ):
        facts = loading.add(facts, name, data)
    return facts


def recorded_hop(kind: str) -> tuple[Any, Converted]:
    said = recording(f"as_{kind}")
    return said, convert(recorded_facts(kind, said["export"]))
