"""What no part of ``cluster.hocon`` holds: schemas and the topics of topic metrics, as requests that are sent after the import."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from components.migration.hop_44_5.plugins import MODULES, is_loaded, module
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import Options, Source
from components.migration.manifest import NOTHING, Ledger
from components.migration.requests import Request

SCHEMAS = "schemas"
SCHEMA_TYPES = {"avro": (5, 1), "protobuf": (5, 1), "json": (5, 8)}  # parser of 4.4 and the minor version that has it
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,200}")  # a key of a map in 5.x's configuration
ONE_EDITION_SINCE = (5, 9)  # before it the open source edition has no schema registry
ANEW = "add it under POST /schema_registry and change schema_decode in the SQL"
METRICS = "topic_metrics"
TELEMETRY = "emqx_telemetry"
Json = dict[str, Any]


def convert_schemas(source: Source, options: Options, ledger: Ledger, target: tuple[int, int]) -> Iterator[Request]:
    """Each schema by its name, which is its key in 5.x; of several versions of one name the last."""
    rows = (source.export or {}).get(SCHEMAS, [])
    ledger.expect(SCHEMAS, len(rows))
    last = {str(row.get("name")): at for at, row in enumerate(rows)}
    for at, row in enumerate(rows):
        name, kind, text = str(row.get("name") or ""), str(row.get("parser_type") or ""), row.get("schema")
        why = _why_no_schema(name, kind, text, options, target)
        if not why and last[name] != at:
            why = "a later schema of the same name replaces it"
        if why:
            ledger.dropped(SCHEMAS, at, name, why, ANEW)
            continue
        todo = f"look that schema_decode and schema_encode in the SQL name it {name[:40]!r}, without a version"
        ledger.changed(SCHEMAS, at, name, "in the schema registry under its name", todo)
        yield Request("POST", "/schema_registry", _schema(name, kind, row))


def _schema(name: str, kind: str, row: dict[str, Any]) -> dict[str, Any]:
    body = {"type": kind, "name": name, "source": row["schema"]}
    description = row.get("descr")
    return body | ({"description": description} if isinstance(description, str) and description else {})


def _why_no_schema(name: str, kind: str, text: Any, options: Options, target: tuple[int, int]) -> str:
    if not name or not isinstance(text, str) or not text:
        return "it has no name or no text"
    if not _NAME.fullmatch(name):
        return "5.x takes no such name; another one must be put into the SQL too"
    if options.edition == "ce" and target < ONE_EDITION_SINCE:
        return "the open source edition has no schema registry"
    if target < SCHEMA_TYPES.get(kind, (99, 0)):
        return "5.x has no parser of its kind that this conversion can set up"
    return ""


def convert_telemetry(source: Source, settings: Settings, options: Options, target: tuple[int, int]) -> Json:
    """The open source 5.x reports to its makers unless it is told not to; Enterprise has no such root (docs/emqx/backup.md#the-body-that-works)."""
    is_off = settings.peek("telemetry.enabled") == "false"
    if is_off:
        settings.carried("telemetry.enabled", "telemetry.enable", got=False)
    if options.edition == "ee" or target >= ONE_EDITION_SINCE:
        return {}
    return {"telemetry": {"enable": False}} if is_off or is_loaded(source, "loaded_plugins", TELEMETRY) is False else {}


def convert_topic_metrics(source: Source, ledger: Ledger) -> Iterator[Request]:
    """The topics that the module counts, where its configuration names them."""
    found = module(source, METRICS)
    if found is None:
        return
    at, config, enabled = found
    listed = config.get("topics")
    names = [one.get("topic") if isinstance(one, dict) else one for one in listed] if isinstance(listed, list) else []
    topics = list(dict.fromkeys(name for name in names if isinstance(name, str) and name))
    if not enabled:
        ledger.dropped(MODULES, at, METRICS, "it was off", NOTHING)
        return
    if not topics:
        todo = "add the topics again: POST /mqtt/topic_metrics"
        ledger.dropped(MODULES, at, METRICS, "no topics of it are in the export", todo)
        return
    if len(topics) < len(names):
        ledger.changed(
            MODULES, at, METRICS, f"{len(names) - len(topics)} of its topics could not be read or are doubles"
        )
    else:
        ledger.carried(MODULES, at, METRICS, f"{len(topics)} topics; they count from zero")
    yield from (Request("POST", "/mqtt/topic_metrics", {"topic": topic}) for topic in topics)
