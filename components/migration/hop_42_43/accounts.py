"""Clients with accounts in two plugins of open source 4.2: there the plugin that was loaded first decides alone, on 4.3 one of the passwords will do.

Read from emqx_auth_clientid, emqx_auth_username and emqx_auth_mnesia of 4.2.14 (``check/3`` stops at the first that has a record) and of 4.3.22.
The rule kept here: a password is known by what is stored of it, so that none is needed to compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations, islice
from typing import NamedTuple

from components.migration.configs.terms import Loaded
from components.migration.detectors.set_by import by_variable
from components.migration.facts import Facts
from components.migration.hop_42_43.sides import PLUGINS, Key, Users, effect
from components.migration.manifest import Ledger
from components.migration.permissions.client import Access, Client
from components.migration.permissions.compare import Difference, Proof

MOST_SHARED = 1000
"""Names with accounts in two plugins that are asked for."""
ORDER = "loaded_plugins: which plugin with built-in users is asked first"
SECTION = "built-in users"
BOTH = "4.2 asked only the plugin that was loaded first ({first}), 4.3 lets in with the password of any of them"
TODO = "take out the accounts that are not wanted: of two kinds one, of one name all but one"


class Table(NamedTuple):
    """The users of one plugin of 4.2."""

    plugin: str
    users: Users


def tables(facts: Facts, users: Mapping[str, Users]) -> list[Table]:
    """The plugins with users that were not off, in the order in which they were loaded where that is known.

    Args:
        facts: what was given.
        users: by section of the export.

    """
    found = [Table(PLUGINS[section], listed) for section, listed in users.items() if listed]
    said: Iterable[Loaded] = (*(facts.plugins or ()), *by_variable(facts))
    order = [one.name for one in said if one.enabled]
    on = [table for table in found if effect(facts, table.plugin) is not False]
    return sorted(on, key=lambda table: order.index(table.plugin) if table.plugin in order else len(order))


def is_ordered(facts: Facts, listed: Iterable[Table]) -> bool:
    """Whether it is known which of them is asked first."""
    return all(effect(facts, table.plugin) for table in listed)


def account_tables(facts: Facts, users: Mapping[str, Users], ledger: Ledger) -> None:
    """One item for all clients that have accounts in two plugins; nothing where one plugin has all."""
    listed = tables(facts, users)
    if len(listed) > 1:
        first = listed[0].plugin if is_ordered(facts, listed) else "loaded_plugins says which"
        label = f"accounts of one client in {' and '.join(table.plugin for table in listed)}"
        ledger.expect(SECTION, 1)
        ledger.changed(SECTION, 0, label, BOTH.format(first=first), TODO)


def with_accounts(
    proof: Proof, facts: Facts, users: Mapping[str, Users], new: Mapping[Key, tuple[bytes, bytes]]
) -> Proof:
    """The proof, with the decisions about clients that have accounts in two plugins.

    Args:
        proof: of everything else.
        facts: what was given.
        users: of 4.2, by section of the export.
        new: of 4.3.

    """
    listed = tables(facts, users)
    answers = [one for client in _clients(listed) for one in _passwords(client, listed, new)]
    if answers and not is_ordered(facts, listed):
        unknown, missing = proof.unknown + len(answers), (*proof.missing, ORDER)
        return replace(proof, decisions=proof.decisions + len(answers), unknown=unknown, missing=missing)
    differences = [one for one in answers if one.before is not one.after]
    wider = sum(one.widens for one in differences)
    return replace(
        proof,
        decisions=proof.decisions + len(answers),
        differences=(*proof.differences, *differences),
        widened=proof.widened + wider,
        narrowed=proof.narrowed + len(differences) - wider,
    )


def _clients(listed: Iterable[Table]) -> Iterator[Client]:
    """One for each name that two tables have, and one for each two that have a client id and a user name between them."""
    for one, other in combinations(listed, 2):
        for kind, name in islice((key for key in one.users if key in other.users), MOST_SHARED):
            yield Client(name) if kind == "clientid" else Client("any-client", name)
        for left, right in ((one, other), (other, one)):
            ids = next((name for kind, name in left.users if kind == "clientid"), None)
            names = next((name for kind, name in right.users if kind == "username"), None)
            if ids is not None and names is not None:
                yield Client(ids, names)


def _passwords(client: Client, listed: Iterable[Table], new: Mapping[Key, tuple[bytes, bytes]]) -> Iterator[Difference]:
    """The decisions for each password that is stored of the client on either side."""
    keys: list[Key] = [("clientid", client.clientid), *([("username", client.username)] if client.username else [])]
    records = [(table.plugin, key, table.users[key]) for table in listed for key in keys if key in table.users]
    decides = next((plugin for plugin, _, _ in records), "")
    accepted = [stored for plugin, _, stored in records if plugin == decides]
    taken = [new[key] for key in keys if key in new]
    for plugin, (kind, name), stored in records:
        before, after = (Access.ALLOW if stored in held else Access.DENY for held in (accepted, taken))
        what = f"connect with the password of {kind} {name[:80]!r} in {plugin}"
        yield Difference(client.username, client.clientid, what, "", before, after)
