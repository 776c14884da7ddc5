"""``acl.conf`` of 4.4 as one of 5.x that decides the same; where it cannot, it denies more, never less.

What differs between the two, each with its answer here (see permissions/before.py and after.py for the readings):

- 4.4 puts a name into one word of a topic, 5.x into the text: rules with a placeholder get a condition on the name;
- without a user name 4.4 stops at the first ``%u`` of a list: what stands behind it in an allow gets a condition too;
- ``${...}`` and a leading ``eq `` are plain text in 4.4 and syntax in 5.x: written as ``{eq, ...}`` where they can be;
- a leading wildcard is for ``$SYS`` too in 4.4 and not since 5.8.1: a deny names those topics, and an allow loses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from components.migration.hop_44_5.names import DELAYED_ALLOW, DELAYED_DENY, DELAYED_OFF, is_syntax, widened
from components.migration.permissions.before import ALIASES
from components.migration.permissions.client import Access
from components.migration.permissions.erlang import Atom, Placed, Term, TermError, Text, write
from components.migration.permissions.file_rules import FileRule, compile_file, in_bytes
from components.migration.permissions.topics import begins_with_wildcard, behind_delay, words

ALL = Atom("all")
SINGLE_BYTES = "4.4 compares its letters above U+007F as single bytes, 5.x in UTF-8: it denies now what it says"
ONE_WORD = "^([^/+#]|[^/]{2,})$"  # a name that is a word of a topic by itself, and no wildcard
DOLLAR_NAME = "^[$]"
_ACTIONS = {"pubsub": "all", "publish": "publish", "subscribe": "subscribe"}


@dataclass
class FileConversion:
    """The outcome.

    Args:
        rules: terms of 5.x.
        notes: what changed, by index of the rule; an index that is not in it is carried.
        dropped: why, by index of the rule.
        ends_with: the answer for everything that no rule before matched, where a rule says so.
        forbids_delay: a deny of every delayed message was there.
        root_denied: a deny with a leading wildcard was there: what begins with ``$`` must be denied by ``no_match``.

    """

    rules: list[Term] = field(default_factory=list)
    notes: dict[int, list[str]] = field(default_factory=dict)
    dropped: dict[int, str] = field(default_factory=dict)
    ends_with: Access | None = None
    root_denied: bool = False
    forbids_delay: bool = False

    def note(self, index: int, text: str) -> None:
        """A change of one rule."""
        notes = self.notes.setdefault(index, [])
        if text not in notes:
            notes.append(text)

    def text(self) -> str:
        """The rules as a file."""
        return "".join(f"{write(rule)}.\n" for rule in self.rules)


class _Condition(NamedTuple):
    """What must hold for a group of topics besides the rule's own ``who``: regular expressions for the two names, or empty."""

    username: str = ""
    clientid: str = ""


def convert_file(terms: Sequence[Placed], roots: Iterable[str], *, loose: bool) -> FileConversion:
    """Convert the terms of an ``acl.conf``.

    Args:
        terms: of the file, with their lines.
        roots: the first words with ``$`` that rules of other sources mention.
        loose: whether a leading wildcard matches ``$SYS`` on the target.

    Raises:
        TermError: a term that 4.4 does not know.

    """
    compiled = compile_file(terms)
    known = sorted({"$SYS", *roots, *(root for rule in compiled for root in _roots(rule))})
    result = FileConversion()
    for index, (rule, (_, term)) in enumerate(zip(compiled, terms, strict=True)):
        if result.ends_with is not None:
            result.dropped[index] = "an {allow, all} or {deny, all} before it decides everything"
        elif rule.topics is None:
            _end(result, index, rule)
        else:
            _convert_rule(result, index, rule, term, [] if loose else known)
    return result


def _roots(rule: FileRule) -> list[str]:
    return [
        topic.words[0] for topic in rule.topics or () if topic.words[0].startswith("$") and "${" not in topic.words[0]
    ]


def _end(result: FileConversion, index: int, rule: FileRule) -> None:
    """{allow, all} and {deny, all} are for every topic in 4.4; before 5.8.9 they are for ``#``."""
    result.ends_with = rule.access
    if rule.access is Access.ALLOW and result.root_denied:
        result.rules.append((Atom("allow"), ALL, ALL, [Text("#")]))
        result.note(index, "not for topics that begin with $: a deny before it was for them, and 5.x cannot say so")
    else:
        result.rules.append((Atom(rule.access), ALL))


def _convert_rule(result: FileConversion, index: int, rule: FileRule, term: Term, roots: list[str]) -> None:
    assert isinstance(term, tuple)  # noqa: S101 - compile_file has read it as a rule
    line, allow = rule.line, rule.access is Access.ALLOW
    if not allow and _has_single_bytes(line, term[1]):
        result.note(index, SINGLE_BYTES)
    who = _who(line, term[1], allow=allow)
    if who is None:
        result.dropped[index] = "its names have letters that 4.4 compares as single bytes: it matched nobody"
        return
    action = term[2]
    assert isinstance(action, Atom)  # noqa: S101 - as above
    groups: dict[_Condition, list[Term]] = {}
    for condition, topic in _topics(result, index, line, term[3], allow=allow, roots=roots):
        groups.setdefault(condition, []).append(topic)
    if not groups:
        result.dropped.setdefault(index, "; ".join(result.notes.pop(index, ["it has no topics and matched nothing"])))
        return
    for condition, topics in groups.items():
        result.rules.append((Atom(rule.access), _under(who, condition), Atom(_ACTIONS[action.name]), topics))


def _under(who: Term, condition: _Condition) -> Term:
    parts: list[Term] = [] if who == ALL else [who]
    parts += [(Atom(kind), (Atom("re"), Text(pattern))) for kind, pattern in condition._asdict().items() if pattern]
    return parts[0] if len(parts) == 1 else (Atom("and"), parts) if parts else ALL


def _who(line: int, term: Term, *, allow: bool) -> Term | None:
    """The same people in 5.x's words; None where an allow would begin to match somebody."""
    match term:
        case (Atom("user" | "client"), Atom("all")) | Atom("all"):
            return ALL
        case (Atom("user" | "client" as kind), Text(name) as text):
            if allow and in_bytes(line, text) != name:
                return None
            return (Atom("username" if kind == "user" else "clientid"), Text(name))
        case (Atom("and" | "or" as how), list(parts)):
            meant = [_who(line, part, allow=allow) for part in parts]
            if how == "and" and None in meant:
                return None
            return (Atom(how), [part for part in meant if part is not None])
    return term


def _has_single_bytes(line: int, term: Term) -> bool:
    if isinstance(term, Text):
        return in_bytes(line, term) != term.text
    return isinstance(term, tuple | list) and any(_has_single_bytes(line, part) for part in term)


def _topics(
    result: FileConversion, index: int, line: int, terms: Term, *, allow: bool, roots: list[str]
) -> Iterable[tuple[_Condition, Term]]:
    behind, next_behind = False, False
    for term in terms if isinstance(terms, list) else [terms]:
        exact = isinstance(term, tuple)
        text = term[1] if isinstance(term, tuple) else term
        assert isinstance(text, Text)  # noqa: S101 - compile_file has read it as a topic
        delayed = _behind_delay(result, index, text, allow=allow)
        text = delayed or text
        parts = words(text.text)
        behind, next_behind = next_behind, next_behind or (not exact and "%u" in parts)
        if delayed is None or _left_out(result, index, line, text, allow=allow):
            continue
        if exact:
            yield _Condition("^" if behind and allow else ""), (Atom("eq"), Text(text.text))
            continue
        if any(alias in parts for alias in ALIASES):
            if allow:
                result.note(index, "%cida and %cna have no counterpart: the topic and those behind it are left out")
                return
            result.note(index, "%cida and %cna have no counterpart: denied for every name")
            text = Text("/".join("+" if part in ALIASES else part for part in parts))
        if behind and not allow:
            result.note(index, "clients without a user name are denied too what stands behind a %u")
        if not allow and is_syntax(text.text) and widened(text.text) is None:
            raise TermError(line, "a deny for topics that begin with ${, which 5.x cannot say; rename these topics")
        condition = _condition(text.text, behind_username=behind, allow=allow)
        for topic in _spelled(result, index, text.text, allow=allow, roots=roots):
            yield condition, topic
        if not allow and roots and begins_with_wildcard(text.text):
            result.note(
                index, "of topics that begin with $ it denies $SYS, those that rules mention, and a client's own name"
            )
            yield condition._replace(username=DOLLAR_NAME), Text("${username}/#")
            yield condition._replace(clientid=DOLLAR_NAME), Text("${clientid}/#")


def _behind_delay(result: FileConversion, index: int, text: Text, *, allow: bool) -> Text | None:
    """The topic that 5.x asks for in place of ``$delayed/N/...``; None where a deny of the delay itself cannot be said."""
    behind = behind_delay(words(text.text))
    if behind is None:
        return text
    if allow:
        result.note(index, DELAYED_ALLOW)
        return text
    if behind and behind != ("#",):
        result.note(index, DELAYED_DENY)
        return replace(text, text="/".join(behind))
    result.note(index, DELAYED_OFF)
    result.forbids_delay = True
    return None


def _left_out(result: FileConversion, index: int, line: int, text: Text, *, allow: bool) -> bool:
    """Whether an allow must lose the topic; a deny keeps it, and is said to have grown."""
    if in_bytes(line, text) != text.text:
        result.note(
            index,
            "a topic with letters that 4.4 compares as single bytes is left out: it matched nothing"
            if allow
            else SINGLE_BYTES,
        )
        return allow
    if allow and text.text.startswith("${"):
        result.note(index, "a topic that begins with ${ is left out: no deny of 5.x could be put before it")
        return True
    return False


def _condition(topic: str, *, behind_username: bool, allow: bool) -> _Condition:
    parts = words(topic)
    username = ONE_WORD if "%u" in parts else "^" if behind_username and allow else ""
    return _Condition(username, ONE_WORD if "%c" in parts else "")


def _spelled(result: FileConversion, index: int, topic: str, *, allow: bool, roots: list[str]) -> Iterable[Term]:
    """A topic in 5.x's syntax, and for a deny those that a leading wildcard does not reach any more."""
    parts = words(topic)
    if is_syntax(topic):
        if not {"+", "#", "%u", "%c"} & set(parts):
            yield (Atom("eq"), Text(topic))
            return
        if allow:
            result.note(index, "a filter with ${ or a leading eq, which 5.x reads as its own syntax, is left out")
            return
        result.note(index, "a filter with ${ or a leading eq, which 5.x reads as its own syntax, denies more")
        parts = words(widened(topic) or "#")
    yield Text(_placed("/".join(parts)))
    if parts[0] not in ("+", "#"):
        return
    if allow and roots:
        result.note(index, "a leading wildcard does not match topics that begin with $ in 5.x")
    if not allow and roots:
        result.root_denied = True
        rest = ("#",) if parts[0] == "#" else parts[1:]
        for root in roots:
            yield Text(_placed("/".join((root, *rest))))


def _placed(topic: str) -> str:
    """The placeholders of 5.x; only whole words are placeholders in 4.4."""
    names = {"%u": "${username}", "%c": "${clientid}"}
    return "/".join(names.get(word, word) for word in words(topic))
