"""The built-in ACL in 4.4's order of evaluation, through the API that keeps an order.

The rule kept here: a deny may grow, an allow may shrink, and both are said; without an order every deny comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from components.migration.hop_44_5.names import DELAYED_ALLOW, DELAYED_DENY, DELAYED_OFF, is_syntax, widened
from components.migration.hop_44_5.source import Source
from components.migration.manifest import BadSource, Ledger, shorten
from components.migration.permissions.before import Row, evaluation_order
from components.migration.permissions.topics import begins_with_wildcard, behind_delay, words
from components.migration.requests import Request

SECTION = "acl_mnesia"
RULES = "/authorization/sources/built_in_database/rules"
RULES_IN_A_REQUEST = 1000
DEFAULT_MAX_RULES = 100
ACTIONS = {"pub": "publish", "sub": "subscribe"}
Key = tuple[str, str]


class Placed(NamedTuple):
    """A row and its index in the export; a ``pubsub`` row is two."""

    at: int
    row: Row


@dataclass
class Acl:
    """The rules of each login in their order, as the API takes them."""

    rules: dict[Key, list[dict[str, str]]] = field(default_factory=dict)
    shut: dict[Key, None] = field(
        default_factory=dict
    )  # logins that are denied everything, because their name is a wildcard

    forbids_delay: bool = False

    def max_rules(self) -> int:
        """The most rules of one login."""
        return max((len(rules) for rules in self.rules.values()), default=0)

    def requests(self) -> Iterator[Request]:
        """One portion after the other; those of everybody in one, because it replaces."""
        everybody = self.rules.get(("all", ""))
        if everybody:
            yield Request("POST", f"{RULES}/all", {"rules": everybody})
        for kind, path in (("clientid", "clients"), ("username", "users")):
            portion: list[dict[str, Any]] = []
            size = 0
            for (this, value), rules in self.rules.items():
                if this != kind or not rules:
                    continue
                portion.append({kind: value, "rules": rules})
                size += len(rules)
                if size >= RULES_IN_A_REQUEST:
                    yield Request("POST", f"{RULES}/{path}", portion)
                    portion, size = [], 0
            if portion:
                yield Request("POST", f"{RULES}/{path}", portion)


def read_rows(source: Source) -> dict[Key, list[Placed]]:
    """The rows of the export by login, in 4.4's order.

    Raises:
        BadSource: a row that is no rule; a deny could be lost with it.

    """
    logins: dict[Key, list[Placed]] = {}
    for index, data in enumerate((source.export or {}).get(SECTION, [])):
        for row in _read(source.export_name, index, data):
            logins.setdefault((row.kind, row.value), []).append(Placed(index, row))
    return {key: _ordered(logins.pop(key)) for key in list(logins)}


def _read(file: str, index: int, data: dict[str, Any]) -> list[Row]:
    place = f"{SECTION}[{index}]"
    kind, topic, action, access = data.get("type"), data.get("topic"), data.get("action"), data.get("access")
    value = "" if kind == "all" else data.get("type_value")
    remedy = "export again from the newest 4.4, or take the row out"
    if (
        kind not in ("all", "username", "clientid")
        or not isinstance(value, str)
        or not isinstance(topic, str)
        or not topic
    ):
        raise BadSource(file, place, "a rule without a known type, type_value or topic", remedy)
    if action not in ("pub", "sub", "pubsub") or access not in ("allow", "deny"):
        raise BadSource(
            file, place, "a rule whose action is not pub, sub or pubsub, or whose access is not allow or deny", remedy
        )
    created = data.get("created_at")
    time = created if isinstance(created, int) and not isinstance(created, bool) else -1
    return [Row(kind, value, topic, one, access, time) for one in (("pub", "sub") if action == "pubsub" else (action,))]


def _ordered(placed: list[Placed]) -> list[Placed]:
    """Where one row has no time the order is not known: then every deny comes first, which can only deny more."""
    by_row: dict[Row, list[Placed]] = {}
    for one in placed:
        by_row.setdefault(one.row, []).append(one)
    ordered = [one for row in evaluation_order(by_row) for one in by_row[row]]
    if any(one.row.created_at < 0 for one in placed):
        ordered.sort(key=lambda one: one.row.access != "deny")
    return ordered


def convert_acl(source: Source, ledger: Ledger, *, loose: bool) -> Acl:
    """Convert the rows.

    Args:
        source: its section ``acl_mnesia``.
        ledger: where each row is accounted.
        loose: whether a leading wildcard matches ``$SYS`` on the target; in 4.4's built-in ACL it does not.

    """
    ledger.expect(SECTION, len((source.export or {}).get(SECTION, [])))
    acl = Acl()
    for key, placed in read_rows(source).items():
        unordered = any(one.row.created_at < 0 for one in placed)
        rules = acl.rules.setdefault(key, [])
        for one in placed:
            written, note = _convert(source.export_name, one, loose=loose)
            if loose and written and one.row.access == "allow":
                written, note = _guarded(acl, one.row, written, note)
            rules += written
            acl.forbids_delay |= note == DELAYED_OFF
            _account(ledger, one, written, note, unordered=unordered)
    for key in acl.shut:
        acl.rules[key] = [{"permission": "deny", "action": "all", "topic": "#"}, *acl.rules.get(key, [])]
    return acl


def _guarded(acl: Acl, row: Row, written: list[dict[str, str]], note: str) -> tuple[list[dict[str, str]], str]:
    """A client named ``+`` or ``#`` would make a leading placeholder a wildcard for ``$`` topics: such names are denied everything."""
    first = words(row.topic)[0]
    if first not in ("%c", "%u"):
        return written, note
    if first == "%u" and row.kind == "clientid":
        return [], "before 5.8.1 a user named + could use it for topics that begin with $; choose 5.8.1 or newer"
    acl.shut |= {("clientid" if first == "%c" else "username", name): None for name in ("+", "#")}
    return written, note or "clients and users named + or # are denied everything before 5.8.1"


def _account(ledger: Ledger, one: Placed, written: list[dict[str, str]], note: str, *, unordered: bool) -> None:
    label = f"{one.row.access} {one.row.action} {one.row.topic}"
    whose = f" ({one.row.kind} {shorten(one.row.value)})" if one.row.value else ""
    if not written:
        ledger.dropped(SECTION, one.at, label, f"{note}{whose}", "write the rule by hand, with another topic")
    elif note or unordered:
        how = note or "its time is not in the export: the denies of this login come first now"
        ledger.changed(SECTION, one.at, label, f"{how}{whose}", "look whether this login may still do what it must")
    else:
        ledger.carried(SECTION, one.at, label, f"in 4.4's order of evaluation{whose}")


def _convert(file: str, one: Placed, *, loose: bool) -> tuple[list[dict[str, str]], str]:
    """The rules of 5.x for one row, and what is not the same."""
    behind = behind_delay(words(one.row.topic))
    if behind is None:
        return _convert_plain(file, one, loose=loose)
    if one.row.access == "allow":
        return [_rule(one.row, "allow", one.row.topic)], DELAYED_ALLOW
    if not behind or behind == ("#",):
        return [], DELAYED_OFF
    written, note = _convert_plain(file, one._replace(row=one.row._replace(topic="/".join(behind))), loose=loose)
    return written, "; ".join(filter(None, (DELAYED_DENY, note)))


def _convert_plain(file: str, one: Placed, *, loose: bool) -> tuple[list[dict[str, str]], str]:
    row, topic, note = one.row, one.row.topic, ""
    allow, parts = one.row.access == "allow", words(one.row.topic)
    if loose and begins_with_wildcard(topic):
        if allow:
            return (
                [],
                "before 5.8.1 such a filter matches topics that begin with $ too, which 4.4 did not allow; choose 5.8.1 or newer",
            )
        note = "before 5.8.1 it denies topics that begin with $ too"
    elif loose and parts[0] in ("%c", "%u"):
        note = "before 5.8.1 a name that is + or # is a wildcard for topics that begin with $ too"
    if is_syntax(topic):
        if not {"+", "#", "%u", "%c"} & set(parts) and not (allow and topic.startswith("${")):
            return [_rule(row, row.access, f"eq {topic}")], note
        if allow:
            return [], "a filter with ${ or a leading eq, which 5.x reads as its own syntax"
        topic, note = widened(topic) or "", "a filter with ${ or a leading eq: it denies more on 5.x"
        if not topic:
            seen = "a deny for topics that begin with ${, which 5.x cannot say"
            raise BadSource(file, f"{SECTION}[{one.at}]", seen, "rename these topics, or take the row out")
    rules = [_rule(row, row.access, _placed(topic, "${username}"))]
    if "%u" not in parts or row.kind == "username":
        return rules, note
    return _without_username(row, topic, rules)


def _without_username(row: Row, topic: str, rules: list[dict[str, str]]) -> tuple[list[dict[str, str]], str]:
    """A client without a user name: 4.4 leaves ``%u`` as it is, 5.x puts ``undefined``."""
    if row.access == "allow":
        guard = _rule(row, "deny", _placed(topic, "undefined"))
        return [guard, *rules], "with a deny for the user name 'undefined', which 5.x gives to clients without one"
    return [
        *rules,
        _rule(row, "deny", _placed(topic, "%u")),
    ], "clients without a user name are denied the topic with %u for everybody"


def _rule(row: Row, access: str, topic: str) -> dict[str, str]:
    return {"permission": access, "action": ACTIONS[row.action], "topic": topic}


def _placed(topic: str, username: str) -> str:
    """The placeholders of 5.x; only whole words are placeholders in 4.4."""
    names = {"%u": username, "%c": "${clientid}"}
    return "/".join(names.get(word, word) for word in words(topic))
