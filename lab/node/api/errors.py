"""The refusals of the management API, with EMQX's own codes and sentences; raised anywhere, rendered in one place.

Source of the codes: recording 02 (GET /error_codes) and the recordings of each refusal.
"""

from __future__ import annotations

import json
from typing import Any


def to_json(body: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


class ApiError(Exception):
    """An answer that is not a success.

    Args:
        status: the HTTP status.
        code: EMQX's code in capitals; empty where the recorded body has none.
        message: the sentence, or the object that EMQX puts in its place.
        headers: headers besides content type and length.

    """

    def __init__(self, status: int, code: str, message: Any, headers: dict[str, str] | None = None) -> None:
        """Keep what the rendering needs."""
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}
        super().__init__(f"{status} {code}: {message}")


def bad_request(message: Any) -> ApiError:
    """400 BAD_REQUEST with a sentence."""
    return ApiError(400, "BAD_REQUEST", message)


def not_found(message: str, code: str = "NOT_FOUND") -> ApiError:
    """404 with a JSON body: the path exists, the thing does not."""
    return ApiError(404, code, message)


def node_not_found(name: str) -> ApiError:
    """404 of every path with a node in it."""
    return not_found(f"Node not found: {name}")


def client_not_found() -> ApiError:
    """404 of everything under /clients/:id."""
    return not_found("Client ID not found", "CLIENTID_NOT_FOUND")


def on_node(name: str, reason: str) -> ApiError:
    """400 of an evacuation or rebalance call that the node itself refuses (docs/emqx/evacuation.md#corner-cases)."""
    return bad_request(f"error on node '{name}': {reason}")


def invalid(**parts: Any) -> ApiError:
    """400 with the JSON that hocon's checker makes of a value, as text inside ``message``.

    The order of the keys is the recorded one, and callers give their parts in it; ``kind`` comes last unless given.
    """
    parts.setdefault("kind", "validation_error")
    return bad_request(json.dumps(parts, separators=(",", ":"), ensure_ascii=False))


def internal(message: str) -> ApiError:
    """500 INTERNAL_ERROR as an Erlang crash shows itself; the stack is not imitated."""
    return ApiError(500, "INTERNAL_ERROR", message)
