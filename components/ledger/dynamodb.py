"""Ledger `dynamodb`: an item of a table that people can read; every write compares the stamp of the last one (docs/adr/0015).

The rule: a stamp is of one write and of no other, so that a write whose answer got lost is known again when it is tried once more. A run asks before each act
whether it may go on; since every read is paid for, one answers for ``FRESH_SECONDS``, well within the two seconds in which a pause is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from components.aws.clients import client
from components.emqx.aws_told import code_of, told
from components.ledger.base import Record, parts_of
from components.ledger.versioned import PATIENCE_SECONDS, STALE_SECONDS, Stored, VersionedLedger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, PutItemInputTypeDef

FRESH_SECONDS = 1.0
KEY, ITEM = "id", "cutover"
"""The hash key of the table, and the one item that it holds."""
SHARE, MEMORY, HOLDER, STAMP = "green", "memory", "held_by", "stamp"
NO_TABLE, CHANGED = "ResourceNotFoundException", "ConditionalCheckFailedException"


class DynamodbLedger(VersionedLedger):
    """The ledger of a balancer on AWS.

    Args:
        region: where its table is.
        table: the table's name.
        stale_seconds: for how long a holder may do nothing.
        patience_seconds: for how long somebody else may keep it.

    """

    def __init__(
        self,
        region: str,
        table: str,
        *,
        stale_seconds: float = STALE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        bounds = {"stale_seconds": stale_seconds, "patience_seconds": patience_seconds}
        super().__init__(DynamodbStore(region, table), **bounds, fresh_seconds=FRESH_SECONDS)


SLOW_STALE_SECONDS, SLOW_PATIENCE_SECONDS = 90.0, 240.0
"""Behind a router whose orders go by Systems Manager: a share is set and read back in two of them, each bounded by 25 s, while the ledger is held."""


def slow(region: str, table: str) -> DynamodbLedger:
    """The ledger of such a balancer; all of its writers have to use this one."""
    return DynamodbLedger(region, table, stale_seconds=SLOW_STALE_SECONDS, patience_seconds=SLOW_PATIENCE_SECONDS)


class DynamodbStore:
    """The item; read consistently, written on its stamp."""

    def __init__(self, region: str, table: str) -> None:
        """Find it by the name of its table."""
        self._region, self.name = region, table

    async def get(self, tried: str) -> Stored | None:
        """As the table has it; None where there is no table yet either."""
        with told(tried, self.name):
            return await asyncio.to_thread(self._get)

    async def put(self, tried: str, before: Stored | None, record: Record, holder: str) -> Stored | None:
        """On the stamp that it had, or as a new one."""
        with told(tried, self.name):
            return await asyncio.to_thread(self._put, before, record, holder)

    def _get(self) -> Stored | None:
        try:
            answer = client(self._region, "dynamodb").get_item(
                TableName=self.name, Key={KEY: {"S": ITEM}}, ConsistentRead=True
            )
        except ClientError as failure:
            if code_of(failure) == NO_TABLE:
                return None
            raise
        return _stored(answer["Item"]) if answer.get("Item") else None

    def _put(self, before: Stored | None, record: Record, holder: str) -> Stored | None:
        stamp = uuid4().hex
        item: dict[str, AttributeValueTypeDef] = {
            KEY: {"S": ITEM},
            STAMP: {"S": stamp},
            HOLDER: {"S": holder},
            MEMORY: {"M": {key: {"S": value} for key, value in record.memory.items()}},
        }
        if record.share is not None:
            item[SHARE] = {"N": str(record.share)}
        request: PutItemInputTypeDef = {
            "TableName": self.name,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(#word)" if before is None else "#word = :seen",
            "ExpressionAttributeNames": {"#word": KEY if before is None else STAMP},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if before is not None:
            request["ExpressionAttributeValues"] = {":seen": {"S": before.seen}}
        try:
            client(self._region, "dynamodb").put_item(**request)
        except ClientError as failure:
            if code_of(failure) != CHANGED:
                raise
            if _stamp_there(failure) != stamp:
                return None
        return _stored(item)


def _stored(item: Mapping[str, AttributeValueTypeDef]) -> Stored:
    """What an item holds; no share where there is none, or one that cannot be."""
    share = item.get(SHARE, {}).get("N", "")
    parts = parts_of(share)
    memory = {key: str(value.get("S", "")) for key, value in (item.get(MEMORY, {}).get("M") or {}).items()}
    return Stored(Record(parts, memory), item.get(HOLDER, {}).get("S", ""), item.get(STAMP, {}).get("S", ""))


def _stamp_there(failure: ClientError) -> str:
    """The stamp of the item on which a condition failed."""
    there: Any = failure.response.get("Item") or {}
    return str(there.get(STAMP, {}).get("S", ""))
