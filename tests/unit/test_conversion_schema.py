"""What the conversion writes is what the API document of 5.8.11 describes: every request body, connector, action, source, rule, listener."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.migration.configs.flat import parse
from components.migration.hop_44_5 import Conversion, Options, Source, convert, read_export
from components.migration.hop_44_5.shape import backend_faults, component_faults, document, faults

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent / "recordings" / "hop_44_5"
DOCUMENT = document()
ROOTS = DOCUMENT["info"]["x-roots"]


def all_faults(conversion: Conversion) -> Iterator[str]:  # noqa: C901 - a loop for each root
    config = conversion.config
    for root in ("connectors", "actions", "sources"):
        for kind, ones in config.get(root, {}).items():
            for name, one in ones.items():
                yield from component_faults(root, kind, one, f"{root}.{kind}.{name}")
    for name, rule in config.get("rule_engine", {}).get("rules", {}).items():
        yield from faults(rule, {"$ref": ROOTS["rule"]}, f"rules.{name}")
    for one in config["authentication"]:
        yield from backend_faults("authentication", one, f"authentication.{one.get('backend')}")
    for one in config["authorization"]["sources"]:
        yield from backend_faults("authorization", one, f"authorization.{one['type']}")
    for root, schema_name in ROOTS["roots"].items():
        if root in config:
            yield from faults(config[root], {"$ref": schema_name}, root)
    nodes = json.loads(conversion.bootstrap.get("base.hocon", "{}"))
    for kind, ones in nodes.get("listeners", {}).items():
        for name, one in ones.items():
            sent = {"type": kind, "id": f"{kind}:{name}", "running": True, "current_connections": 0, **one}
            yield from faults(sent, {"$ref": ROOTS["listeners"][kind]}, f"listeners.{kind}.{name}")
    yield from request_faults(conversion)


UNDESCRIBED = ("/schema_registry", "/mqtt/topic_metrics")  # the document is cut down and has no words on these


def request_faults(conversion: Conversion) -> Iterator[str]:
    for request in conversion.requests:
        path = request.path.partition("?")[0]
        if path in UNDESCRIBED:
            continue
        template = next(one for one in DOCUMENT["paths"] if same_path(one, path))
        operation = DOCUMENT["paths"][template][request.method.lower()]
        content = operation.get("requestBody", {}).get("content", {})
        if request.upload:
            assert "multipart/form-data" in content
            continue
        if "application/json" in content:
            yield from faults(request.body, content["application/json"]["schema"], request.path)
        else:
            assert request.body is None


def same_path(template: str, path: str) -> bool:
    parts, given = template.split("/"), path.split("/")
    return len(parts) == len(given) and all(a == b or a.startswith("{") for a, b in zip(parts, given, strict=True))


def files_of_44() -> tuple[list[Any], dict[str, str]]:
    """The files that 4.4.19 shipped, with the plugins of the recording."""
    texts = {path.name: path.read_text() for path in (HERE / "etc").rglob("*.conf")}
    settings = [one for name, text in texts.items() if name != "acl.conf" for one in parse(name, text).settings]
    files = {
        "acl.conf": texts["acl.conf"],
        "loaded_plugins": "{emqx_auth_mnesia, true}.\n",
        "loaded_modules": "{emqx_mod_acl_internal, true}.\n",
    }
    return settings, files


def export(name: str) -> dict[str, Any]:
    return read_export(name, (HERE / name).read_bytes(), "4.4.19")


def test_everything_of_an_enterprise_export_is_of_the_shape_that_the_api_describes() -> None:
    conversion = convert(Source(export("ee-4.4-all-kinds.json")), "4.4.19", "5.8.11", Options(now=1795343060.5))
    assert list(all_faults(conversion)) == []


def test_everything_of_the_shipped_files_is_of_the_shape_that_the_api_describes() -> None:
    settings, files = files_of_44()
    source = Source(export("oss-4.4.19.json"), "oss", settings, files)
    conversion = convert(source, "4.4.19", "5.8.11", Options(credential="username", now=1795343060.5))
    assert list(all_faults(conversion)) == []


@pytest.mark.parametrize("name", ["redis", "mysql", "pgsql", "mongo", "http", "jwt"])
def test_a_plugin_that_is_on_becomes_an_authenticator_of_the_shape_that_the_api_describes(name: str) -> None:
    settings, files = files_of_44()
    files["loaded_plugins"] = f"{{emqx_auth_{name}, true}}.\n"
    conversion = convert(Source(None, "", settings, files), "4.4.19", "5.8.11", Options(now=1.0))
    assert any(one["enable"] for one in conversion.config["authentication"])
    assert list(all_faults(conversion)) == []


def test_the_validator_finds_a_wrong_value() -> None:
    schema = {"$ref": ROOTS["authorization"]["built_in_database"]}
    assert list(faults({"type": "built_in_database", "max_rules": "many", "odd": 1}, schema)) != []
