"""Who may connect, publish and subscribe on a 4.x node: its plugins that are active there, then ``acl.conf``, then what the configuration says of the rest.

The rule: this is written from the recordings (V_*_auth_mnesia, V_4.2.14_to_4.3.22_*) and shares nothing with what converts or proves; the one is held against the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from components.mqtt.reasons import Reason
from lab.node.kept.old import OldRule, OldUser
from lab.node.kept.store import Store
from lab.node.rules.acl_file import Client, FileRule, concerns
from lab.node.rules.authn import Credentials, Verdict
from lab.node.rules.authz import Decision, Request
from lab.node.v4.etc import flag
from lab.node.v4.hashes import fits
from lab.node.v4.line import CLIENTID, MNESIA, USERNAME, Line

ALL = ("all", "")
EVERYBODY = "$all"
"""Whom a rule of all is about: a kind of its own from 4.3 on, a login of 4.2."""


class Judge:
    """Of one cluster.

    Args:
        line: of the cluster.  store: its tables.
        settings: of its configuration files, as they are now.  file_rules: those of ``acl.conf``.
        active: node -> the plugins that run there now.

    """

    def __init__(
        self,
        line: Line,
        store: Store,
        settings: Mapping[str, str],
        file_rules: Callable[[], Sequence[FileRule]],
        active: Callable[[str], Collection[str]],
    ) -> None:
        self._line, self._store, self._settings = line, store, settings
        self._file_rules, self._active = file_rules, active

    @property
    def disconnects(self) -> bool:
        """`acl_deny_action` of the zone, or of all."""
        said = self._settings.get("zone.external.acl_deny_action") or self._settings.get("acl_deny_action")
        return said == "disconnect"

    def scram(self) -> dict[str, Any] | None:
        """4.x's enhanced authentication is not played."""
        return None

    def check(self, credentials: Credentials) -> Verdict:
        """The first plugin that knows the client decides; who is known to none is let in by `allow_anonymous`, or not."""
        active = self._active(credentials.node)
        for plugin in self._store.old.plugins or ():
            verdict = self._asked(plugin, credentials) if plugin in active else None
            if verdict is not None:
                return verdict
        if flag(self._settings, "allow_anonymous"):
            return Verdict(anonymous=True)
        return Verdict(Reason.NOT_AUTHORIZED)

    def _asked(self, plugin: str, credentials: Credentials) -> Verdict | None:
        tables, password = self._store.old, credentials.password or b""
        if plugin == MNESIA:
            return self._mnesia(credentials, password)
        if plugin == CLIENTID and (user := tables.clientids.get(credentials.client_id)):
            return _of_plugin(self._settings.get("auth.client.password_hash", "sha256"), user, password)
        if plugin == USERNAME and (user := tables.usernames.get(credentials.username or "")):
            return _of_plugin(self._settings.get("auth.user.password_hash", "sha256"), user, password)
        return None

    def _mnesia(self, credentials: Credentials, password: bytes) -> Verdict | None:
        """A client with two accounts needs the password of one (V_4.3.22_auth_mnesia)."""
        users, kind = self._store.old.users, self._settings.get("auth.mnesia.password_hash", "sha256")
        if self._line.one_kind:
            keys = [("login", self._login(credentials.client_id, credentials.username))]
        else:
            keys = [("clientid", credentials.client_id), ("username", credentials.username or "")]
        found = [users[key] for key in keys if key in users]
        if not found:
            return None
        good = next((user for user in found if fits(kind, user.secret, password)), None)
        return Verdict(Reason.BAD_USERNAME_OR_PASSWORD) if good is None else Verdict(is_superuser=good.is_superuser)

    def _login(self, client_id: str, username: str | None) -> str:
        return client_id if self._settings.get("auth.mnesia.as", "username") == "clientid" else username or ""

    def decide(self, request: Request) -> Decision:
        """Rules of the plugin where it is active, then those of ``acl.conf``, then `acl_nomatch`."""
        if MNESIA in self._active(request.client.node):
            for rules in self._rules(request.client):
                for rule in rules:
                    if self._selects(rule, request):
                        return Decision(rule.allow, matched=True)
        for file_rule in self._file_rules():
            if _in_file(file_rule, request):
                return Decision(file_rule.permission == "allow", matched=True)
        return Decision(self._settings.get("acl_nomatch", "allow") == "allow", matched=False)

    def _rules(self, client: Client) -> Iterable[Iterable[OldRule]]:
        rules = self._store.old.rules
        if self._line.one_kind:
            yield rules.get(("login", self._login(client.client_id, client.username)), ())
            yield rules.get(("login", EVERYBODY), ())
            return
        for key in (("clientid", client.client_id), ("username", client.username or ""), ALL):
            yield newest_first(rules.get(key, ()))

    def _selects(self, rule: OldRule, request: Request) -> bool:
        if rule.action != "pubsub" and not request.action.startswith(rule.action):
            return False
        wanted = rule.topic if self._line.one_kind else filled(rule.topic, request.client)
        return matches(request.topic, wanted)


def newest_first(rules: Iterable[OldRule]) -> list[OldRule]:
    """The order in which 4.3 and 4.4 ask: by time stamp, in one millisecond descending by topic, then by action."""
    return sorted(rules, key=lambda rule: (rule.created_ms, rule.topic, rule.action), reverse=True)


def filled(topic: str, client: Client) -> str:
    """A topic whose levels ``%c`` and ``%u`` are the client's names; a name that it does not have stays as it is written."""
    names = {"%c": client.client_id, "%u": "%u" if client.username is None else client.username}
    return "/".join(names.get(level, level) for level in topic.split("/"))


def matches(name: str, topic_filter: str, *, loose: bool = False) -> bool:
    """4.x's own: a wildcard of a subscription is a level like any other, so ``a/#`` is selected by ``a/+``.

    ``loose`` as ``acl.conf`` is read: a leading wildcard selects ``$SYS`` too.
    """
    if not loose and name.startswith("$") and topic_filter[:1] in {"+", "#"}:
        return False
    levels, wanted = name.split("/"), topic_filter.split("/")
    for index, level in enumerate(wanted):
        if level == "#" and index == len(wanted) - 1:
            return True
        if index == len(levels) or level not in {"+", levels[index]}:
            return False
    return len(levels) == len(wanted)


def _of_plugin(kind: str, user: OldUser, password: bytes) -> Verdict:
    """4.2's two other plugins say 5 where emqx_auth_mnesia says 4 (V_4.2.14_auth_mnesia)."""
    return Verdict() if fits(kind, user.secret, password) else Verdict(Reason.NOT_AUTHORIZED)


def _in_file(rule: FileRule, request: Request) -> bool:
    if rule.action not in {"all", request.action} or not concerns(rule.who, request.client):
        return False
    if rule.topics is None:
        return True
    client = request.client
    for exact, topic in rule.topics:
        if exact and topic == request.topic:
            return True
        nameless = client.username is None and "%u" in topic.split("/")
        if not exact and not nameless and matches(request.topic, filled(topic, client), loose=True):
            return True
    return False
