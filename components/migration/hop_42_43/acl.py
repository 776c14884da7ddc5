"""Built-in rules of 4.2 as requests to 4.3, so that the order in which they are asked stays what it was.

4.2 asks the oldest rule of a login first, then those of ``$all``, and its export has the newest first; 4.3 asks the newest first, those of
all last, and an import stamps all rules within a few milliseconds (V_4.2.14_to_4.3.22_*). Sent one by one in the order of the export, each in
a millisecond of its own, they gave the answers of 4.2 (V_4.3.22_rules_again_and_early_client).
The rule kept here: a rule goes by a request or it is named; what was sent is read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from components.migration.permissions.before import Row, evaluation_order
from components.migration.permissions.overlap import OLD_EVERYBODY
from components.migration.requests import Request

SECTION, PATH = "acl_mnesia", "/acl"
EVERYBODY = ("all", "")
SUPERUSER_TOPICS = ("$SYS/#", "$delayed/#")
"""Roots that ``#`` does not match; those that a rule mentions are added to them."""
Key = tuple[str, str]


class Rule(NamedTuple):
    """A row of the export: its index there, whom it is for, and what it says; ``created_at`` is -1 where it has none, ``of_enterprise`` where it has a type."""

    at: int
    kind: str
    value: str
    topic: str
    action: str
    access: str
    created_at: int = -1
    of_enterprise: bool = False

    def rows(self) -> Iterator[Row]:
        """As the broker keeps it: one for each action."""
        for action in ("pub", "sub") if self.action == "pubsub" else (self.action,):
            yield Row(self.kind, self.value, self.topic, action, self.access, self.created_at)


def read_rule(index: int, row: Mapping[str, Any], credential: str | None) -> Rule | None:
    """A row of open source 4.2 (``login``, ``allow``), or of Enterprise 4.2 (``type``, ``access``); None where it is none."""
    topic, action = row.get("topic"), row.get("action")
    if not isinstance(topic, str) or action not in ("pub", "sub", "pubsub"):
        return None
    if "type" in row:
        kind, value, access = row["type"], row.get("type_value", ""), row.get("access")
        fits = (kind == "all") == ("type_value" not in row)
    else:
        login = row.get("login")
        kind, value = EVERYBODY if login == OLD_EVERYBODY else (credential, login)
        access, fits = {"true": "allow", "false": "deny"}.get(str(row.get("allow")).lower()), True
    if kind not in ("all", "username", "clientid") or not isinstance(value, str) or access not in ("allow", "deny"):
        return None
    created = row.get("created_at")
    time = created if isinstance(created, int) and not isinstance(created, bool) else -1
    return Rule(index, kind, value, topic, action, access, time, "type" in row) if fits else None


def unsaid(rule: Rule) -> str:
    """Why 4.3 cannot be told a rule; empty where it can."""
    if rule.kind != "all" and not rule.value:
        return "4.3 takes no empty name"
    if not rule.topic:
        return "4.3 takes no empty topic"
    if not rule.of_enterprise and not {"%c", "%u"}.isdisjoint(rule.topic.split("/")):
        return "4.3 puts client id or user name in place of %c and %u, 4.2 compared them as they stand there (43-45)"
    try:
        f"{rule.value}{rule.topic}".encode()
    except UnicodeEncodeError:
        return "its name or topic is no Unicode"
    return ""


def newest_first(rules: Iterable[Rule]) -> list[Rule]:
    """The rules of the export as 4.2 has them, the newest of each login first: as they stand there, or, of Enterprise, by their times turned round.

    Enterprise 4.2 asks the newest first and puts names in place of ``%c`` and ``%u``, as 4.3 does (emqx-auth-mnesia, e4.2.0 to e4.2.13), so that
    its oldest has to be sent first.
    """
    logins: dict[Key, list[Rule]] = {}
    for rule in rules:
        logins.setdefault((rule.kind, rule.value), []).append(rule)
    ordered: list[Rule] = []
    for listed in logins.values():
        if all(rule.created_at >= 0 for rule in listed):
            rows = evaluation_order([row for rule in listed for row in rule.rows()])
            asked = {row: at for at, row in enumerate(rows)}
            listed.sort(key=lambda rule: -min(asked[row] for row in rule.rows()))
        ordered += listed
    return ordered


def evaluated(rules: Iterable[Rule]) -> dict[Key, list[Row]]:
    """The rows by login, as 4.2 asks them: what comes last in ``newest_first`` is asked first."""
    rows: dict[Key, list[Row]] = {}
    for rule in reversed(list(rules)):
        rows.setdefault((rule.kind, rule.value), []).extend(rule.rows())
    return rows


def requests(rules: Iterable[Rule], superusers: Iterable[Key], roots: Iterable[str] = ()) -> tuple[Request, ...]:
    """What is sent, in this order: the newest rule of 4.2 first, superusers behind all rules, and at the end every login is read back.

    Args:
        rules: from ``newest_first``, those that can be said.
        superusers: who was asked nothing: an allow of everything, the newest of its login.
        roots: first levels with ``$`` that ``#`` does not match.

    """
    sent = [_request(rule.kind, rule.value, rule.topic, rule.action, rule.access) for rule in rules]
    topics = (*dict.fromkeys((*(f"{root}/#" for root in roots), *SUPERUSER_TOPICS)), "#")
    sent += [_request(kind, value, topic, "pubsub", "allow") for kind, value in superusers for topic in topics]
    return (*sent, *_read_back(sent))


def _request(kind: str, value: str, topic: str, action: str, access: str) -> Request:
    who = {} if kind == "all" else {kind: value}
    return Request("POST", PATH, {**who, "topic": topic, "action": action, "access": access})


def _read_back(sent: Iterable[Request]) -> Iterator[Request]:
    """4.3 lists the rules of a login in the order in which it asks them."""
    for (kind, value), rows in applied(sent).items():
        who = {"all": OLD_EVERYBODY} if kind == "all" else {kind: value}
        path = f"/$all?_limit={len(rows) + 1}" if kind == "all" else f"/{kind}/{quote(value, safe='')}"
        answer = [{**who, "topic": row.topic, "action": row.action, "access": row.access} for row in rows]
        yield Request("GET", PATH + path, None, answer=answer)


def applied(sent: Iterable[Request]) -> dict[Key, list[Row]]:
    """What 4.3 asks by after these requests, each in a millisecond of its own: a rule with the topic and action of another replaces it."""
    table: dict[tuple[Key, str, str], Row] = {}
    for at, request in enumerate(sent):
        if (request.method, request.path) != ("POST", PATH):
            continue
        body = request.body
        kind = next((one for one in ("clientid", "username") if one in body), "all")
        rule = Rule(at, kind, body.get(kind, ""), body["topic"], body["action"], body["access"], at)
        table |= {((rule.kind, rule.value), row.topic, row.action): row for row in rule.rows()}
    rows: dict[Key, list[Row]] = {}
    for (key, _, _), row in table.items():
        rows.setdefault(key, []).append(row)
    return {key: evaluation_order(listed) for key, listed in rows.items()}
