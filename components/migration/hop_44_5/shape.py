"""Whether 5.x would take what was written: held against the API document of 5.8.11 (`data/openapi.json`).

The rule kept here: one connector that 5.x does not take makes it refuse a whole import, so such a one is left out and said to be; a
reason names the place and never the value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

Json = dict[str, Any]
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "number": (int, float),
    "array": list,
    "object": dict,
}


@cache
def document() -> Json:
    """The API document, trimmed to what the conversion writes; ``info.x-roots`` names the schema of each kind."""
    text = (files("components.migration") / "data" / "openapi.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def faults(value: Any, schema: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """What is wrong with a value, each fault with its place first; durations and sizes are strings, and nobody reads them here."""
    if "$ref" in schema:
        yield from faults(value, document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]], at)
        return
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        found = [list(faults(value, choice, at)) for choice in choices]
        if all(found):
            yield from min(found, key=len)
    elif "enum" in schema:
        if value not in schema["enum"]:
            yield f"{at}: {value!r} is none of {schema['enum']}"
    else:
        yield from _typed(value, schema, at)


def _typed(value: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind in ("integer", "number") and isinstance(value, bool))):
        yield f"{at}: {value!r} is no {kind}"
        return
    if kind in ("integer", "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at}: {value!r} is out of its range"
    if kind == "array":
        for number, one in enumerate(value):
            yield from faults(one, schema.get("items", {}), f"{at}[{number}]")
    if kind == "object" and "properties" in schema and "$name" not in schema["properties"]:
        yield from (f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value)
        for name, one in value.items():
            if name in schema["properties"]:
                yield from faults(one, schema["properties"][name], f"{at}.{name}")
            else:
                yield f"{at}.{name} is not known"


def component_faults(root: str, kind: str, value: Json, at: str = "") -> Iterator[str]:
    """Of a connector, an action or a source; ``root`` is ``connectors``, ``actions`` or ``sources``."""
    schema = document()["info"]["x-roots"][root][kind]
    yield from faults({"type": kind, "name": "n", **value}, {"$ref": schema}, at)


def backend_faults(root: str, value: Json, at: str = "") -> Iterator[str]:
    """Of an authenticator or a source of permissions; ``root`` is ``authentication`` or ``authorization``."""
    table = document()["info"]["x-roots"][root]
    kind = str(value.get("backend") or value.get("type") or "jwt")
    more = value.get("redis_type") or value.get("mongo_type") or value.get("method") or ""
    if value.get("mechanism") == "jwt":
        more = "jwks" if value["use_jwks"] else value["algorithm"]
    name = table.get(f"{kind}:{more}", table.get(kind))
    if name is None:
        yield f"{at}.type: {more!r} is of no kind that 5.x has"
        return
    # use_jwks = false chooses the kind in HOCON; the document only has it where it is true
    sent = {key: one for key, one in value.items() if (key, one) != ("use_jwks", False)}
    yield from faults(sent, {"$ref": name}, at)


def refused(found: Iterator[str]) -> str:
    """The first fault as a reason for an account, without the value; empty where there is none."""
    first = next(found, "")
    return f"5.x does not take its {first.partition(':')[0].removeprefix('.')[:60]}" if first else ""
