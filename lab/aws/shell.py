"""The command line of AWS, as a machine has it: one operation of boto3, or a copy to or from a bucket.

The rule: it acts with the credentials it is given and nothing else, and ends as the real one does: 254 where AWS refuses, 252 where it was called wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jmespath  # type: ignore[import-untyped]  # no stubs
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

Answer = dict[str, Any]
FLAGS = {"with-decryption", "recursive", "no-cli-pager", "only-show-errors", "quiet", "overwrite"}


def run(words: list[str], client: Callable[[str], Any], file: Callable[[str], Path]) -> Answer:
    """What it prints; ``file`` is where a path of the machine is."""
    try:
        positional, options = _split(words)
        service, operation = positional[0], positional[1]
        if (service, operation) == ("s3", "cp"):
            return _copy(client("s3"), file, positional[2], positional[3])
        api = client(service)
        model = api.meta.service_model.operation_model(api.meta.method_to_api_mapping[operation.replace("-", "_")])
        members = model.input_shape.members if model.input_shape else {}
        names = {xform_name(name).replace("_", "-"): name for name in members}
        asked = {names[name]: _value(value, members[names[name]]) for name, value in options.items() if name in names}
        if (
            unknown := options.keys()
            - names.keys()
            - {"query", "output", "region", "no-cli-pager", "cli-read-timeout", "cli-connect-timeout"}
        ):
            return {"code": 252, "err": f"aws: unknown options: {', '.join(sorted(unknown))}\n"}
        answer = getattr(api, operation.replace("-", "_"))(**asked)
    except (IndexError, KeyError) as error:
        return {"code": 252, "err": f"aws {' '.join(words)}: not played by the lab: {error}\n"}
    except (ClientError, BotoCoreError) as error:
        return {"code": 254, "err": f"\n{error}\n"}
    answer.pop("ResponseMetadata", None)
    found = jmespath.search(str(options["query"]), answer) if "query" in options else answer
    return {"out": _printed(found, str(options.get("output", "json")))}


def _split(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    positional: list[str] = []
    options: dict[str, Any] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            options[name] = value or True
        elif name and options[name] is True and name not in FLAGS:
            options[name] = word
        elif name and isinstance(options[name], str) and positional[:1] != ["s3"]:
            options[name] = [options[name], word]
        elif name and isinstance(options[name], list):
            options[name].append(word)
        else:
            positional.append(word)
    return positional, options


def _value(value: Any, shape: Any) -> Any:
    if shape.type_name == "list" and not isinstance(value, list):
        return [value]
    if shape.type_name in {"integer", "long"}:
        return int(value)
    if shape.type_name in {"structure", "map"}:
        return json.loads(value)
    return value


def _copy(s3: Any, file: Callable[[str], Path], source: str, target: str) -> Answer:
    away = source.startswith("s3://")
    bucket, _, key = (source if away else target).removeprefix("s3://").partition("/")
    place = file(target if away else source)
    if away:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        place = place / Path(key).name if place.is_dir() else place
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
    else:
        s3.put_object(Bucket=bucket, Key=key, Body=place.read_bytes())
    return {"out": f"{'download' if away else 'upload'}: {source} to {target}\n"}


def _printed(found: Any, output: str) -> str:
    if output == "text":
        return f"{_text(found)}\n"
    return json.dumps(found, indent=4, default=str) + "\n"


def _text(found: Any) -> str:
    if found is None:
        return "None"
    if isinstance(found, bool):
        return str(found)
    if isinstance(found, list):
        return ("\t" if all(not isinstance(one, list | dict) for one in found) else "\n").join(map(_text, found))
    if isinstance(found, dict):
        return "\t".join(_text(value) for _, value in sorted(found.items()))
    return str(found)
