"""A conversion of many users and rules costs as much for each further one as for the first."""

from __future__ import annotations

import base64
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from components.migration import moving as module
from components.migration.hop_44_5 import Source, convert
from components.migration.inventory import Section
from components.migration.moving import expected_of
from components.migration.permissions.after import dialects
from components.migration.permissions.before import ANONYMOUS, BUILT_IN, Before
from components.migration.permissions.client import Access, Action, Client
from components.migration.prove import after_of, before_of

pytestmark = pytest.mark.unit


def export(count: int) -> dict[str, Any]:
    """As many users, each with a rule of its own, and as many client ids with another."""
    stored = base64.b64encode(b"salt" + b"0" * 64).decode()
    names = [f"user-{number:06d}" for number in range(count)]
    rule = {"action": "pub", "access": "allow", "created_at": 1}
    return {
        "version": "4.4",
        "auth_mnesia": [{"login": name, "type": "username", "password": stored, "created_at": 1} for name in names],
        "acl_mnesia": [
            *({**rule, "type": "username", "type_value": name, "topic": f"own/{name}/#"} for name in names),
            *({**rule, "type": "clientid", "type_value": name, "topic": f"id/{name}/#"} for name in names),
        ],
    }


class Unwalked(dict[tuple[str, str], tuple[bytes, bytes]]):
    """Users that are asked for by name only."""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        raise AssertionError("everybody was looked at for one client")


def test_whether_a_client_is_known_is_asked_of_nobody_else() -> None:
    users = Unwalked({("username", "a"): (b"", b""), ("clientid", "c"): (b"", b"")})
    side = Before(users=users, missing=frozenset({BUILT_IN, ANONYMOUS}))
    asked = (Client("x", "a"), Client("c"), Client("x", "c"), Client("a", None))
    assert [side.knows(client) for client in asked] == [True, True, False, False]


@pytest.mark.parametrize("is_written", [False, True])
def test_what_was_made_for_one_question_goes_before_memory_grows_with_all(*, is_written: bool) -> None:
    source = Source(export(2_000), "export.json")
    side = after_of(convert(source, "4.4.19", "5.8.9"), dialects((5, 8, 9))[0]) if is_written else before_of(source)
    held: list[int] = []
    tracemalloc.start()
    try:
        for number in range(2_000):
            name = f"user-{number:06d}"
            assert side.ask(Client("c", name), Action.PUBLISH, f"own/{name}/x") == (Access.ALLOW, True)
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[1_999] - held[999] < 100 * 1_000


def test_what_green_must_show_is_put_together_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(items: dict[str, int], *, ordered: bool) -> Section:
        made.append(len(items))
        return Section(items, ordered=ordered)

    conversion = convert(Source(export(3_000), "export.json"), "4.4.19", "5.8.9")
    monkeypatch.setattr(module, "Section", counted)
    shown = expected_of(conversion)
    assert shown.counts()["acl_clients"] == shown.counts()["acl_users"] == 3_000
    assert sum(made) == sum(count or 0 for count in shown.counts().values())
