"""Hosted zones as Route 53 changes them, where moto is more lenient: a batch is done whole or not at all, and a record is deleted only by all of its values.

The rule: what is refused is refused in Route 53's own words (docs.aws.amazon.com, API ChangeResourceRecordSets).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

VALUES = ("ttl", "weight", "health_check_id", "multi_value_answer", "alias_target", "region", "failover")
_lock = threading.Lock()


def exact() -> None:
    """From now on, in this process."""
    from moto.route53.models import Route53Backend

    Route53Backend.change_resource_record_sets = _change  # type: ignore[method-assign]


def _change(self: Any, zoneid: str, change_list: list[dict[str, Any]]) -> None:
    from moto.route53.exceptions import DnsNameInvalidForZone

    zone, changes = (
        self.get_hosted_zone(zoneid),
        [(one["Action"], _made(one["ResourceRecordSet"])) for one in change_list],
    )
    with _lock:
        after = list(zone.rrsets)
        for action, record in changes:
            if not f".{record.name}".endswith(f".{zone.name.rstrip('.')}."):
                raise DnsNameInvalidForZone(record.name, zone.name)
            _one(after, action, record)
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
