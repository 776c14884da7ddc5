"""Writes stacks/schema.json from the settings (`python -m tools.write_schema`), so that an editor completes and checks a stack file.

The rule: the models are the only source; what only a person knows of a key (its secrets, how steps are written) is added here by name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from components.intent import model
from components.settings import CERTIFICATES, CREDENTIALS, KEYS

SCHEMA = Path(__file__).resolve().parent.parent / "stacks" / "schema.json"
SECURE = {
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}
SECRET = {"anyOf": [SECURE, {"const": ""}], "description": "pulumi config set --secret --path ..."}
PLAIN = {"anyOf": [{"type": "string"}, SECURE]}
STEP = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
        "hold": {"type": "number", "minimum": 0},
        "gate": {"const": True},
    },
}
ACCOUNT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"username": PLAIN, "password": SECRET, "clientId": PLAIN},
}
CREDENTIAL = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "apiKey": PLAIN,
        "apiSecret": SECRET,
        "username": PLAIN,
        "password": SECRET,
        "license": SECRET,
        "retained": ACCOUNT,
        "accounts": {"type": "array", "items": ACCOUNT, "maxItems": 50},
    },
}
OF_PULUMI = ("secretsprovider", "encryptedkey", "encryptionsalt")


def main() -> int:
    """Write the schema."""
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    return 0


def schema_text() -> str:
    """The schema of a stack file."""
    settings = _plain(model().model_json_schema(by_alias=True))
    parts, keys = settings.pop("$defs"), settings["properties"]
    parts["Cutover"]["properties"]["steps"] = {"type": "array", "items": STEP, "minItems": 1}
    config = {f"emqx:{key}": keys[key] for key in KEYS}
    colours = {"type": "object", "additionalProperties": False, "properties": {"blue": CREDENTIAL, "green": CREDENTIAL}}
    config[f"emqx:{CREDENTIALS}"] = colours
    config[f"emqx:{CERTIFICATES}"] = {"type": "object", "additionalProperties": SECRET}
    config["emqx:workDirectory"] = {"type": "string"}
    names = "|".join(sorted(key.removeprefix("emqx:") for key in config))
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of this project",
        "type": "object",
        "properties": {
            **{word: {"type": "string"} for word in OF_PULUMI},
            "config": {
                "type": "object",
                "properties": config,
                "required": ["emqx:live", "emqx:clusters"],
                # a key of ours that is not listed is a mistake; those of providers are theirs
                "patternProperties": {f"^emqx:(?!({names})$)": False},
            },
        },
        "required": ["config"],
        "additionalProperties": False,
        "$defs": parts,
    }
    return json.dumps(document, indent=1) + "\n"


def _plain(value: Any) -> Any:
    """Without the titles that repeat the names."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if not (key == "title" and isinstance(item, str))}
    return [_plain(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
