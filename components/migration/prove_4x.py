"""Prove the hops inside 4.x on the data that was given: 4.2 to 4.3, and 4.3 or 4.4 to a newer one of them.

Both sides decide as recorded (docs/emqx/v4-data.md). The rule kept here: where an order depends on the speed of a machine, every order that it
may become is a side of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from components.migration.facts import Facts
from components.migration.hop_42_43.accounts import with_accounts
from components.migration.hop_42_43.convert import convert
from components.migration.permissions.before import Before, Row, evaluation_order
from components.migration.permissions.compare import Proof
from components.migration.permissions.questions import questions
from components.migration.prove import MOST_DECISIONS, before_of, proof_of, used
from components.migration.surroundings import source_of

ROOTS = ("$SYS/brokers", "$delayed/5/t", "$queue/t", "$own/t")
"""Topics that ``#`` does not reach; a superuser of 4.2 is asked for none of them."""
ROLLED = "a roll, and nodes that join, keep rules and their times: their order stays, and so does each decision"
IMPORTED = (
    "an import stamps the rules anew, within a few milliseconds: compared as all in one, and as each in one of its own;"
    " where these differ it is a lottery, so send the rules by POST /api/v4/acl afterwards, the oldest first"
)


def prove_4x(facts: Facts, topics: Iterable[str] = (), most: int = MOST_DECISIONS) -> Proof:
    """Compare the decisions of a 4.x with those of the newer 4.x that the plan leads to.

    Args:
        facts: what was given, with its plan.
        topics: further topics to ask for.
        most: decisions for each side; logins beyond it are left out and counted.

    Raises:
        BadSource: the source is refused.

    """
    export = facts.export.data if facts.export else {}
    asked_for = [*used(export), *ROOTS, *topics]
    if facts.plan.source.line < (4, 3):
        return _through_requests(facts, asked_for, most)
    return _same_shape(facts, asked_for, most)


def _through_requests(facts: Facts, topics: Sequence[str], most: int) -> Proof:
    """4.2 against the converted export and the requests."""
    sides = convert(facts).sides
    proof = proof_of(sides.old, [sides.new], questions(sides.old, topics, most), most)
    return with_accounts(proof, facts, sides.users, sides.new.users)


def _same_shape(facts: Facts, topics: Sequence[str], most: int) -> Proof:
    """4.3 or 4.4 against a newer one: nodes that join have the same rules, an import has them in an order of its own."""
    reach = before_of(source_of(facts))
    old = Before(**{name: getattr(reach, name) for name in Before.__dataclass_fields__})
    sides, notes = [old], [ROLLED]
    if facts.plan.strategy in (None, "two-cluster"):
        listed = facts.export.rows("acl_mnesia") if facts.export else []
        sides += [replace(old, rows=rows) for rows in imported(old.rows, listed)]
        notes.append(IMPORTED)
    proof = proof_of(old, sides, questions(old, topics, most), most)
    return replace(proof, notes=tuple(notes))


def imported(
    rows: Mapping[tuple[str, str], Sequence[Row]], listed: Sequence[Mapping[str, Any]]
) -> Iterator[dict[tuple[str, str], list[Row]]]:
    """The rules as an import may have them: all in one millisecond, and each in its own, in the order of the file."""
    place = {
        (str(row.get("type_value", "")), str(row.get("topic")), action): at
        for at, row in enumerate(listed)
        for action in (("pub", "sub") if row.get("action") == "pubsub" else (str(row.get("action")),))
    }
    for times in (dict.fromkeys(place, 0), place):
        yield {
            key: evaluation_order(
                row._replace(created_at=times.get((row.value, row.topic, row.action), 0)) for row in listed_rows
            )
            for key, listed_rows in rows.items()
        }
