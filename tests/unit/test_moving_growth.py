"""A conversion of many users and rules costs as much for each further one as for the first, and not much memory."""

from __future__ import annotations

import base64
import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from components.cutover.versions import parse
from components.emqx.answers import ExportFacts
from components.emqx.models import ExportsAccess
from components.emqx.v4.calls import Calls
from components.emqx.v4.exports import DataExports
from components.emqx.v4.traits import traits_of
from components.links.archives import looked_at
from components.migration import moving as module
from components.migration.declared import differing
from components.migration.facts import Facts, Plan
from components.migration.hop_44_5 import Source, convert
from components.migration.inventory import Section
from components.migration.loading import add
from components.migration.moving import converted, expected_of, moving
from components.migration.permissions.after import After, dialects
from components.migration.permissions.before import ANONYMOUS, BUILT_IN, Before
from components.migration.permissions.client import Access, Action, Client
from components.migration.permissions.compare import LISTED, compare
from components.migration.prove import after_of, before_of
from components.migration.requests import pieces
from components.migration.words import Shown

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


def facts_of(count: int) -> Facts:
    """The export as an update reads it."""
    plan = Plan(parse("4.4.19"), parse("5.8.9"), "ce", "ce", strategy="two-cluster")
    loaded = add(Facts(plan), "etc/loaded_plugins", b"{emqx_auth_mnesia, true}.\n")
    return add(loaded, "export.json", json.dumps(export(count)).encode())


def peak_bytes(count: int) -> int:
    """Of all that is read, converted, proved and written."""
    tracemalloc.start()
    try:
        facts = facts_of(count)
        proved = converted(facts, now=0.0)
        facts = facts.without_logins()
        made = proved()
        assert sum(map(len, made.account.json_pieces(origin="a", target="b"))) > count
        assert sum(map(len, pieces(made.requests))) > count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_further_user_or_rule_needs_less_than_1600_bytes_at_the_peak() -> None:
    peak_bytes(10)  # what is made once
    less, more = peak_bytes(200), peak_bytes(500)
    assert (more - less) / (3 * 300) < 1_600


async def test_whether_an_export_is_whole_is_seen_without_its_rows_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "emqx-export-1.json"
    path.write_text(json.dumps(export(2_000)), encoding="utf-8")
    exports = DataExports(
        cast("Calls", None), traits_of(parse("4.4.19")), ExportsAccess(kind="path", path=str(tmp_path))
    )
    facts = ExportFacts(filename=path.name, node="emqx@a", size=path.stat().st_size)
    tracemalloc.start()
    try:
        assert await looked_at(path) == ""
        assert await exports.sha256(facts) == hashlib.sha256(path.read_bytes()).hexdigest()
        assert tracemalloc.get_traced_memory()[1] < 3 * path.stat().st_size
    finally:
        tracemalloc.stop()
    path.write_text(json.dumps({"data": {"version": "4.4"}}), encoding="utf-8")
    assert await looked_at(path) == "it has no version, so it is no export"


def test_what_is_left_without_logins_says_the_same_of_plugins_and_doors() -> None:
    facts = add(facts_of(2), "etc/emqx.conf", b"listener.tcp.external = 1883\n")
    shown = Shown({"emqx_auth_mnesia": False, "emqx_dashboard": True}, {"tcp": frozenset({1884})})
    left = facts.without_logins()
    assert differing(left, shown) == differing(facts, shown) != []
    assert left.export is not None
    assert (left.export.rows("auth_mnesia"), left.export.rows("acl_mnesia")) == ([], [])
    assert left.export.data["version"] == "4.4"
    assert facts.export is not None
    assert len(facts.export.rows("acl_mnesia")) == 4


def test_the_proof_is_the_same_whoever_still_has_the_export() -> None:
    facts = facts_of(20)
    proved = converted(facts, now=0.0)
    assert proved() == moving(facts, now=0.0)


def test_differences_are_told_side_by_side_and_doors_first() -> None:
    dialect = dialects((5, 8, 9))[0]
    old = Before(sources=(), no_match=Access.DENY)
    sides = [After(dialect, no_match=Access.ALLOW), After(dialect, authenticators=1, no_match=Access.ALLOW)]
    asked = [(Client("a"), Action.PUBLISH, "t"), (Client("b"), Action.SUBSCRIBE, "t")]
    told = compare(old, sides, iter(asked), [Client("a")])
    seen = [(one.clientid, one.action) for one in told.differences]
    topics = [("a", "publish"), ("b", "subscribe")]
    assert seen == [("a", "connect"), ("a", "connect"), *topics, *topics]
    assert (told.decisions, told.widened, told.narrowed) == (4, 6, 0)


def test_a_thousand_differences_of_each_direction_are_listed_and_all_are_counted() -> None:
    dialect = dialects((5, 8, 9))[0]
    sides = [After(dialect, authenticators=1, no_match=Access.ALLOW)] * 2
    asked = [(Client(f"c{number}"), Action.PUBLISH, "t") for number in range(LISTED - 10)]
    told = compare(Before(sources=(), no_match=Access.DENY), sides, asked)
    assert (len(told.differences), told.widened) == (LISTED, 2 * (LISTED - 10))


def test_whether_a_client_is_known_is_asked_of_nobody_else() -> None:
    users = Unwalked({("username", "a"): (b"", b""), ("clientid", "c"): (b"", b"")})
    side = Before(users=users, missing=frozenset({BUILT_IN, ANONYMOUS}))
    asked = (Client("x", "a"), Client("c"), Client("x", "c"), Client("a", None))
    assert [side.knows(client) for client in asked] == [True, True, False, False]


@pytest.mark.parametrize("is_written", [False, True])
def test_what_was_made_for_one_question_goes_before_memory_grows_with_all(*, is_written: bool) -> None:
    source = Source(export(800), "export.json")
    side = after_of(convert(source, "4.4.19", "5.8.9"), dialects((5, 8, 9))[0]) if is_written else before_of(source)
    held: list[int] = []
    tracemalloc.start()
    try:
        for number in range(800):
            name = f"user-{number:06d}"
            assert side.ask(Client("c", name), Action.PUBLISH, f"own/{name}/x") == (Access.ALLOW, True)
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[799] - held[399] < 100 * 400


def test_what_green_must_show_is_put_together_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(items: dict[str, int], *, ordered: bool) -> Section:
        made.append(len(items))
        return Section(items, ordered=ordered)

    conversion = convert(Source(export(2_100), "export.json"), "4.4.19", "5.8.9")
    monkeypatch.setattr(module, "Section", counted)
    shown = expected_of(conversion)
    assert shown.counts()["acl_clients"] == shown.counts()["acl_users"] == 2_100
    assert sum(made) == sum(count or 0 for count in shown.counts().values())
