"""One call of the management API, as a conversion writes it down for after the import.

The rule kept here: requests are sent in their order, and an answer that is not the one that is written here stops the sending.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    """One call, to be sent in order.

    Args:
        method: ``PUT``, ``POST``; ``GET`` only reads back.
        path: below ``/api/v5`` (4.3: ``/api/v4``), with its query.
        body: JSON; with ``upload``, the content of the file.
        upload: where not empty, the body is sent as the multipart file ``filename`` of this name.
        answer: what ``data`` of the answer must be; None where it is not looked at.

    """

    method: str
    path: str
    body: Any
    upload: str = ""
    answer: Any = None

    def answered(self, data: Any) -> bool:
        """Whether ``data`` of an answer is what it must be."""
        return self.answer is None or _by_action(data) == _by_action(self.answer)


def _by_action(rows: Any) -> Any:
    """Rules in the order in which each action is asked by them: how a publish's stand to a subscription's decides nothing, and is a matter of milliseconds."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return rows
    actions = {row.get("action") for row in rows}
    return {action: [row for row in rows if row.get("action") == action] for action in actions}


def pieces(requests: Iterable[Request]) -> Iterator[bytes]:
    """``requests.json`` in pieces, a request on a line; ``answer`` only where there is one."""
    opening = "[\n"
    for one in requests:
        row = {"method": one.method, "path": one.path, "upload": one.upload, "body": one.body}
        yield (opening + json.dumps(row if one.answer is None else {**row, "answer": one.answer})).encode()
        opening = ",\n"
    yield b"\n]\n" if opening != "[\n" else b"[\n\n]\n"
