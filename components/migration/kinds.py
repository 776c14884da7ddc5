"""What a text is, by its content and, where two readings are possible, by its name; the suffix alone never decides.

The rule kept here: a text that is of no kind is called ``other``: whoever converts must refuse it, for nothing of it would be read.
"""

from __future__ import annotations

import json
import re
from typing import Literal

from components.migration.configs import flat
from components.migration.sources import registry, unit
from components.migration.sources.base import Document

Kind = Literal[
    "loaded_plugins",
    "loaded_modules",
    "acl.conf",
    "psk.txt",
    "node file",
    "certificate",
    "flat",
    "hocon",
    "variables",
    "other",
]
NODE_FILES: dict[str, Kind] = {
    "loaded_plugins": "loaded_plugins",
    "loaded_modules": "loaded_modules",
    "psk.txt": "psk.txt",
    "init.psk": "psk.txt",
    "ssl_dist.conf": "node file",
}
"""Files of a node that are known by their name."""
_REMARKS = r"(?:\s++|%[^\n]*+(?:\n|\Z))*+"
_RULE = re.compile(_REMARKS + r"\{\s*'?(?:allow|deny)'?\s*[,}]")
_FACT = re.compile(_REMARKS + r"(?:\{\s*'?(\w+)'?\s*,\s*(?:true|false)\s*\}|(emqx_\w+))\s*\.(?:\s|\Z)", re.ASCII)
_SECRET = re.compile(r"[^\s:=#{}\"']+:[0-9A-Fa-f]{8,}")
_DOTTED = re.compile(r"[a-z][a-z0-9_]*(?:\.[\w@/:-]+)+", re.ASCII)
_ALONE = re.compile(
    r"allow_anonymous|acl_\w+|auth_order|enable_acl\w*|flapping_\w+|bypass_auth_plugins|name|host", re.ASCII
)
_ROOT = re.compile(
    r"^[ \t]*(?:\{[ \t]*)?\"?(?:authentication|authorization|listeners|mqtt|node|cluster|log|dashboard|api_key|rule_engine|bridges|connectors|actions"
    r"|sources|retainer|delayed|gateway|zones|durable_sessions|plugins|license|exhook|sysmon|rpc|prometheus|limiter|force_shutdown)\"?[ \t]*[.{=:]",
    re.MULTILINE,
)


def kind_of(file: str, text: str, major: int) -> Kind:
    """What a text of a cluster of ``major`` is."""
    document = Document(file, text)
    name = document.name
    if name in NODE_FILES:
        return NODE_FILES[name]
    if unit.recognizes(document):
        return "variables"
    by_content = _of_terms(name, text)
    if by_content is not None:
        return by_content
    if name.endswith(".hocon"):
        return "hocon"
    if name.endswith(".conf"):
        return "flat" if major < 5 else "hocon"
    if registry.spelling_of(document) is not None:
        return "variables"
    return _unnamed(text, major)


def _of_terms(name: str, text: str) -> Kind | None:
    """Texts that EMQX itself writes and that cannot be anything else."""
    if "-----BEGIN " in text[:4000] and text.lstrip().startswith(("-----BEGIN ", "Bag Attributes", "Certificate:")):
        return "certificate"
    if _RULE.match(text) or (name.startswith("acl") and name.endswith((".conf", ".acl"))):
        return "acl.conf"
    fact = _FACT.match(text)
    if fact:
        return "loaded_modules" if (fact[1] or fact[2]).startswith("emqx_mod_") else "loaded_plugins"
    if text.lstrip().startswith("[") and _is_module_list(text):
        return "loaded_modules"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "psk.txt" if "psk" in name.lower() and lines and all(map(_SECRET.fullmatch, lines)) else None


def _is_module_list(text: str) -> bool:
    """As Enterprise writes ``loaded_modules``."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return bool(rows) and all(isinstance(row, dict) and {"name", "enable"} <= row.keys() for row in rows)


def _unnamed(text: str, major: int) -> Kind:
    """A configuration file under another name: every line of it must be one."""
    if major >= 5 and _ROOT.search(text):
        return "hocon"
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    if ("=" not in first and "include" not in first) or text.count("\n") > flat.MOST_LINES:
        return "other"
    rows = flat.parse("", text).rows
    settings = [row.setting for row in rows if row.setting is not None]
    keys = settings and all(_DOTTED.fullmatch(one.key) or _ALONE.fullmatch(one.key) for one in settings)
    return "flat" if keys and not any(row.is_foreign for row in rows) else "other"
