"""Reading an answer as values; one of another shape is an error that never quotes what was answered."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from components.emqx.client import Reply
from components.emqx.errors import NotNow

_Value = TypeVar("_Value")
_Model = TypeVar("_Model", bound=BaseModel)


def read(adapter: TypeAdapter[_Value], reply: Reply, body: object) -> _Value:
    """The body as values; NotNow when it has another shape."""
    try:
        return adapter.validate_python(body)
    except ValidationError as error:
        where = json.dumps(list(error.errors(include_input=False, include_url=False)[0]["loc"]))
    todo = "check that the address is an EMQX management API of a version that is supported"
    raise NotNow(reply.tried, node=reply.node, seen=f"an answer of an unknown shape at {where}", todo=todo)


def read_model(model: type[_Model], reply: Reply) -> _Model:
    """One object of the answer as a model; NotNow when it has another shape."""
    return read(TypeAdapter(model), reply, reply.json())


def outline(content: bytes) -> Any:
    """An export of 4.x, of which only objects with a version are kept: the rows of 100,000 users would need 120 MB to be looked at and forgotten.

    Raises:
        ValueError: it is cut off, or no JSON.

    """
    return json.loads(content, object_hook=lambda one: one if "version" in one else None)
