"""A dynamic resource's properties held against the pydantic model of its inputs; an unknown of a preview is never judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CheckFailure
from pydantic import BaseModel, ValidationError

from components.emqx.models import ClusterHandle

State = dict[str, Any]
PROVIDER_KEY = "__provider"


def clusters_before(olds: State | None) -> list[ClusterHandle]:
    """The clusters that a resource knew at its last update; none where there was no update."""
    return [ClusterHandle.model_validate(raw) for raw in ((olds or {}).get("clusters") or {}).values()]


def mistakes(model: type[BaseModel], props: Mapping[str, Any]) -> Iterator[CheckFailure]:
    """Every input that is wrong, missing or not known to the model; whole floats pass as integers."""
    try:
        model.model_validate(props)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            if error["type"] == "missing" or not pulumi.contains_unknowns(error["input"]):
                yield CheckFailure(".".join(map(str, error["loc"])), error["msg"])


def changed(
    model: type[BaseModel], fields: frozenset[str], olds: Mapping[str, Any], news: Mapping[str, Any]
) -> set[str]:
    """The fields whose values differ; what is not set has the model's default."""
    return {name for name in fields if value_of(model, name, olds) != value_of(model, name, news)}


def elsewhere(
    model: type[BaseModel], fields: frozenset[str], olds: Mapping[str, Any], news: Mapping[str, Any]
) -> set[str]:
    """The fields of paths that name another place now; ``./work`` and its absolute path are the same one."""
    return {
        name
        for name in changed(model, fields, olds, news)
        if Path(str(value_of(model, name, olds))).resolve() != Path(str(value_of(model, name, news))).resolve()
    }


def value_of(model: type[BaseModel], name: str, props: Mapping[str, Any]) -> Any:
    """The comparable value of a field, given by alias or by name, or its default."""
    field = model.model_fields[name]
    default = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    return plain(props.get(field.alias or name, props.get(name, default)))


def plain(value: Any) -> Any:
    """A value as it is compared: models as JSON, sequences as lists, nothing for None; numbers need no care, 1.0 equals 1."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def own(props: State) -> State:
    """The properties without the pickled provider."""
    return {key: value for key, value in props.items() if key != PROVIDER_KEY}
