"""What the node answers is what openapi.stripped.json promises: required fields, types and enumerations, for every described GET."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.recordings.bed import api, cluster, host
from tests.lab.recordings.device import Device
from tests.lab.recordings.replay import HERE

pytestmark = pytest.mark.lab

OPENAPI: dict[str, Any] = json.loads((HERE / "openapi.stripped.json").read_text())
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,), "object": (dict,),
}  # fmt: skip
KNOWN_WRONG = {
    # Where EMQX's own recorded answer is not what its document says; the recording wins.
    "/banned": ("hasnext is required",),
    "/clients": ("subscriptions_max: str",),
    "/mqtt/retainer": ("index_specs",),
    "/sessions_count": ("int is no string",),
    "/subscriptions": ("dict is no array",),
}


def faults(schema: dict[str, Any], value: Any, path: str) -> list[str]:  # noqa: C901  one branch for each keyword
    """Where a value is not what a schema says; a union is satisfied by one of its members."""
    if "$ref" in schema:
        found: Any = OPENAPI
        for part in schema["$ref"].lstrip("#/").split("/"):
            found = found[part]
        return faults(found, value, path)
    for union in ("oneOf", "anyOf"):
        if union in schema:
            every = [faults(one, value, path) for one in schema[union]]
            return [] if any(not one for one in every) else min(every, key=len)
    out = [one for part in schema.get("allOf", ()) for one in faults(part, value, path)]
    wanted = schema.get("type")
    if value is None:
        return out
    if wanted and (not isinstance(value, TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean")):
        return [*out, f"{path}: {type(value).__name__} is no {wanted}"]
    if "enum" in schema and value not in schema["enum"]:
        out.append(f"{path}: {value!r} is none of {schema['enum']}")
    if isinstance(value, dict):
        out += [f"{path}: {name} is required" for name in schema.get("required", ()) if name not in value]
        for name, one in schema.get("properties", {}).items():
            if name in value:
                out += faults(one, value[name], f"{path}.{name}")
    if isinstance(value, list) and "items" in schema:
        out += [fault for index, one in enumerate(value) for fault in faults(schema["items"], one, f"{path}[{index}]")]
    return out


def _schema(path: str, status: str) -> dict[str, Any] | None:
    content = OPENAPI["paths"].get(path, {}).get("get", {}).get("responses", {}).get(status, {}).get("content", {})
    found: dict[str, Any] | None = content.get("application/json", {}).get("schema")
    return found


async def test_every_described_get_answers_what_the_document_says(tmp_path: Path) -> None:
    async with cluster(tmp_path) as managed, api(managed) as client:
        await _fill(client)
        device = await Device.connect(host(managed), "c1", level=5)
        values = {"node": managed.names()[0], "clientid": "c1", "id": "r1"}
        checked, wrong = [], []
        for path in OPENAPI["paths"]:
            filled = _filled(path, values)
            schema = _schema(path, "200")
            if schema is None or filled is None:
                continue
            answer = await client.get(filled)
            if answer.status_code != 200 or "json" not in answer.headers.get("content-type", ""):
                continue
            checked.append(path)
            wrong += [one for one in faults(schema, answer.json(), path) if not _known(path, one)]
        await device.close()
    assert len(checked) >= 30, checked
    assert not wrong, "\n".join(wrong[:40])


def _filled(path: str, values: dict[str, str]) -> str | None:
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return None if "{" in path else path


def _known(path: str, fault: str) -> bool:
    return any(
        path.startswith(prefix) and any(word in fault for word in words) for prefix, words in KNOWN_WRONG.items()
    )


async def _fill(client: Any) -> None:
    await client.post("/connectors", json={"type": "http", "name": "h", "url": "http://127.0.0.1:9", "headers": {}})
    await client.post(
        "/actions", json={"type": "http", "name": "a", "connector": "h", "parameters": {"path": "/", "method": "post"}}
    )
    await client.post("/rules", json={"id": "r1", "sql": 'SELECT * FROM "t/#"', "actions": ["http:a"]})
    await client.post("/banned", json={"as": "clientid", "who": "bad"})
    await client.post("/authorization/sources", json={"type": "built_in_database"})
    await client.post("/authorization/sources/built_in_database/rules/users", json=[{"username": "u", "rules": []}])
    await client.post("/publish", json={"topic": "t", "payload": "x", "retain": True})
    await client.post("/data/export", json={})
