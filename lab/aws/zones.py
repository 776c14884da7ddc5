"""Hosted zones as Route 53 changes them, where moto is more lenient: a batch is done whole or not at all, a record is deleted only by all of its values, and name servers have it later.

The rule: what is refused is refused in Route 53's own words (docs.aws.amazon.com, API ChangeResourceRecordSets).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping
from typing import Any

from lab.aws.played import instead

SYNC_SECONDS = 0.5
"""AWS says 60 s, generally."""
VALUES = ("ttl", "weight", "health_check_id", "multi_value_answer", "alias_target", "region", "failover")


class Zones:
    """All of the account, once ``play`` was called; ``sync`` is how long name servers take."""

    def __init__(self, sync: float = SYNC_SECONDS) -> None:
        """Nothing was changed yet."""
        self._sync, self._lock, self._numbers = sync, threading.Lock(), itertools.count(1)
        self._due: dict[str, float] = {}
        self._served: dict[str, list[tuple[float, list[Any]]]] = {}

    def play(self) -> None:
        """From now on, in this process."""
        from moto.core.responses import ActionResult
        from moto.route53.models import Route53Backend
        from moto.route53.responses import Route53

        asked = Route53.change_resource_record_sets

        def changed(one: Any) -> Any:
            asked(one)
            return ActionResult({"ChangeInfo": self._told(f"/change/C{next(self._numbers):013}", begins=True)})

        def changes(backend: Any, zoneid: str, change_list: list[dict[str, Any]]) -> None:
            self._change(backend, zoneid, change_list)

        def told(one: Any) -> Any:
            return ActionResult({"ChangeInfo": self._told(one._get_param("Id"))})  # noqa: SLF001 - moto's own way to read a request

        instead(Route53Backend, "change_resource_record_sets", changes)
        instead(Route53, "change_resource_record_sets", changed)
        instead(Route53, "get_change", told)

    def served(self, zone: Any) -> list[Any]:
        """The records of a zone as the name servers have them now."""
        with self._lock:
            past = self._served.get(zone.id)
            if not past:
                return list(zone.rrsets)
            while len(past) > 1 and past[1][0] <= time.monotonic():
                del past[0]
            return past[0][1]

    def _told(self, id_: str, *, begins: bool = False) -> dict[str, Any]:
        from moto.core.utils import utcnow

        with self._lock:
            if begins:
                self._due[id_] = time.monotonic() + self._sync
            due = self._due.get(f"/change/{id_.rpartition('/')[2]}", 0.0)
        status = "INSYNC" if due <= time.monotonic() else "PENDING"
        return {"Id": id_, "Status": status, "SubmittedAt": utcnow()}

    def _change(self, backend: Any, zoneid: str, change_list: list[dict[str, Any]]) -> None:
        from moto.route53.exceptions import DnsNameInvalidForZone

        zone = backend.get_hosted_zone(zoneid)
        changes = [(one["Action"], _made(one["ResourceRecordSet"])) for one in change_list]
        with self._lock:
            after = list(zone.rrsets)
            for action, record in changes:
                if not f".{record.name}".endswith(f".{zone.name.rstrip('.')}."):
                    raise DnsNameInvalidForZone(record.name, zone.name)
                _one(after, action, record)
            past = self._served.setdefault(zone.id, [(0.0, list(zone.rrsets))])
            past.append((time.monotonic() + self._sync, after))
            zone.rrsets = after


def _one(records: list[Any], action: str, record: Any) -> None:
    there = next((one for one in records if _key(one) == _key(record)), None)
    if there is None and action == "DELETE":
        raise _refused(f"Tried to delete {_shown(record)} but it was not found")
    if there is not None and action == "CREATE":
        raise _refused(f"Tried to create {_shown(record)} but it already exists")
    if there is not None and action == "DELETE" and _values(there) != _values(record):
        raise _refused(f"Tried to delete {_shown(record)} but the values provided do not match the current values")
    if action != "DELETE" and any(
        one.name == record.name and "CNAME" in {one.type, record.type} and one.type != record.type for one in records
    ):
        said = f"RRSet of type {record.type} with DNS name {record.name} is not permitted as it conflicts with other records with the same DNS name"
        raise _refused(said)
    if there is not None:
        records.remove(there)
    if action != "DELETE":
        records.append(record)


def _made(asked: Mapping[str, Any]) -> Any:
    from moto.route53.models import RecordSet

    record = RecordSet(dict(asked))  # type: ignore[abstract]  # as moto itself does
    record.name = f"{record.name.strip('.').lower()}."
    record.records = [value["Value"] for value in asked.get("ResourceRecords") or ()]
    return record


def _key(record: Any) -> tuple[str, str, str | None]:
    return f"{record.name.strip('.').lower()}.", str(record.type), record.set_identifier


def _values(record: Any) -> tuple[Any, ...]:
    return sorted(record.records or ()), *(_plain(getattr(record, name)) for name in VALUES)


def _plain(value: Any) -> str:
    return "" if value in (None, False) else str(value)


def _shown(record: Any) -> str:
    identifier = f", set identifier='{record.set_identifier}'" if record.set_identifier else ""
    return f"resource record set [name='{record.name}', type='{record.type}'{identifier}]"


def _refused(said: str) -> Exception:
    from moto.route53.exceptions import Route53ClientError

    return Route53ClientError("InvalidChangeBatch", f"[{said}]")
