"""What pydantic finds wrong, as lines of path, value and what is allowed; a value that may be a secret is never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationError
from pydantic_core import PydanticCustomError

from components.cutover.steps import Problem

_LIMITS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "expected": "{}",
    "expected_tags": "{}",
    "min_length": "at least {} of them",
    "max_length": "at most {} of them",
    "pattern": "a text like {}",
}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "mapping": "an object",
    "dict": "an object",
    "model": "an object",
    "tuple": "a list",
}
_TAGS = ("local", "external", "kubernetes", "aws")


def _no_truth(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("int_truth", "a whole number")
    return value


Whole = Annotated[int, BeforeValidator(_no_truth)]
"""A whole number as the config writes it: 3, 3.0 or "3", and not ``true``, which is 1 in Python."""


def matching(pattern: str, allowed: str) -> AfterValidator:
    """A text that is of this pattern as a whole; ``allowed`` is what a person reads of it."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise PydanticCustomError("shape", "{allowed}", {"allowed": allowed})
        return value

    return AfterValidator(check)


def problems_of(invalid: ValidationError, model: type[BaseModel], prefix: str) -> list[Problem]:
    """One problem for each error."""
    errors = invalid.errors(include_url=False)
    wheres = {error["loc"] for error in errors}
    # A list of which every item is wrong is reported as too short as well.
    told = [
        one for one in errors if one["type"] != "too_short" or not any(_inside(where, one["loc"]) for where in wheres)
    ]
    return [_problem(error, model, prefix) for error in told]


def _inside(where: Sequence[str | int], outer: Sequence[str | int]) -> bool:
    return len(where) > len(outer) and tuple(where[: len(outer)]) == tuple(outer)


def _problem(error: Any, model: type[BaseModel], prefix: str) -> Problem:
    kind, where, value = error["type"], error["loc"], error["input"]
    if kind == "union_tag_invalid":
        where, value = (*where, "target"), error["ctx"]["tag"]
    elif kind == "union_tag_not_found":
        return Problem(prefix + _path((*where, "target")), "missing", ", ".join(_TAGS))
    path = prefix + _path(where)
    if kind == "missing":
        return Problem(path, "missing", "a value is required")
    if kind == "extra_forbidden":
        return Problem(path, "unknown key", ", ".join(_keys(model, where[:-1])) or "nothing here")
    return Problem(path, shown(value), _allowed(error))


def _path(where: Sequence[str | int]) -> str:
    """``clusters.blue.nodes[0].api``; the tag that pydantic puts behind a colour is no part of the config."""
    parts = [part for index, part in enumerate(where) if not (part in _TAGS and index == 2) and part != "[key]"]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")


def _allowed(error: Any) -> str:
    context = error.get("ctx", {})
    limits = [text.format(_plain(context[key])) for key, text in _LIMITS.items() if key in context]
    kinds = [text for kind, text in _KINDS.items() if error["type"].startswith(kind)]
    return " and ".join(limits).replace("'", "") or (kinds[0] if kinds else str(error["msg"]))


def _plain(limit: Any) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _keys(model: Any, where: Sequence[str | int]) -> list[str]:
    """The keys that the model at ``where`` knows, as the config writes them."""
    for part in where:
        choices = [one for one in _models(model) if part not in _TAGS or one.model_fields["target"].annotation]
        if part in _TAGS:
            model = next(one for one in choices if part in get_args(one.model_fields["target"].annotation))
            continue
        for choice in choices:
            found = [field for field in choice.model_fields.values() if field.alias == part]
            if found:
                model = found[0].annotation
    return [str(field.alias) for one in _models(model) for field in one.model_fields.values()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for inner in get_args(annotation) for one in _models(inner)]


def shown(value: object) -> str:
    """Scalars in short, containers by their kind; nothing that has the shape of credentials."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"a list of {len(value)}"
    text = repr(value)
    return "(not shown)" if re.search(r"@|secret|passw|token", text, re.IGNORECASE) else text[:40]
