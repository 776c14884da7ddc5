"""The ledger in a table of DynamoDB: what is written can be read, nobody writes over what another wrote, and who died is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.aws.clients import client
from components.emqx.errors import GaveUp, LeaseLost, NotNow, Unreachable
from components.ledger import dynamodb, versioned
from components.ledger.base import LEASE, Record
from components.ledger.dynamodb import HOLDER, ITEM, KEY, DynamodbLedger
from tests.aws_bed import REGION, account, make_table

pytestmark = pytest.mark.unit
TABLE = "emqx-prod-cutover"


@pytest.fixture
def table() -> Iterator[Any]:
    """The table, as the balancer declares it."""
    with account():
        make_table(TABLE)
        yield client(REGION, "dynamodb")


def ledger(**bounds: float) -> DynamodbLedger:
    return DynamodbLedger(REGION, TABLE, **bounds)


def item(table: Any) -> dict[str, Any]:
    return dict(table.get_item(TableName=TABLE, Key={KEY: {"S": ITEM}})["Item"])


async def test_what_was_written_is_read_and_is_legible(table: Any) -> None:
    async with ledger().held(None) as writing:
        await writing.write({LEASE: "run-1", "origin": "blue", "empty": ""}, share=2_500)
        await writing.write({"origin": None})
    assert await ledger().read() == Record(2_500, {LEASE: "run-1", "empty": ""})
    there = item(table)
    assert there["green"] == {"N": "2500"}
    assert there["memory"]["M"][LEASE] == {"S": "run-1"}
    assert there[HOLDER] == {"S": ""}


async def test_no_table_and_no_item_are_no_share(table: Any) -> None:
    assert await ledger().read() == Record()
    assert await DynamodbLedger(REGION, "nowhere").read() == Record()


async def test_a_share_that_was_set_meanwhile_is_kept(table: Any) -> None:
    async with ledger().held(None) as writing:
        await writing.write(share=1_000)
    async with ledger(stale_seconds=0).held(None) as slow:
        async with ledger(stale_seconds=0).held(None) as fast:
            await fast.write(share=5_000)
        with pytest.raises(NotNow, match="another process has taken it"):
            await slow.write(share=0)
    assert (await ledger().read()).share == 5_000


async def test_who_lost_the_lease_writes_nothing_and_leaves_no_hold(table: Any) -> None:
    async with ledger().held(None) as writing:
        await writing.write({LEASE: "run-2"}, share=1_000)
    with pytest.raises(LeaseLost, match="run run-2 holds it, this is run run-1"):
        async with ledger().held("run-1"):
            pytest.fail("run-1 may not write")
    assert await ledger().read() == Record(1_000, {LEASE: "run-2"})
    assert item(table)[HOLDER] == {"S": ""}


async def test_of_two_that_make_it_at_once_one_does(table: Any) -> None:
    store = dynamodb.DynamodbStore(REGION, TABLE)
    assert await store.put("holding", None, Record(), "first") is not None
    assert await store.put("holding", None, Record(7), "second") is None
    assert item(table)[HOLDER] == {"S": "first"}


async def test_a_write_whose_answer_got_lost_is_known_again(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ledger().held(None) as writing:
        real, lost = table.put_item, iter([True])

        def put_item(**request: Any) -> Any:
            answer = real(**request)
            return (
                real(**request) if next(lost, False) else answer
            )  # botocore's own retry of a request that got through

        monkeypatch.setattr(table, "put_item", put_item)
        await writing.write({"origin": "blue"}, share=100)
        await writing.write(share=200)
    assert await ledger().read() == Record(200, {"origin": "blue"})


async def test_a_holder_that_goes_on_is_waited_for_no_longer_than_patience(table: Any) -> None:
    async with ledger().held(None):
        with pytest.raises(GaveUp, match="held by another process"):
            async with ledger(patience_seconds=0).held(None):
                pytest.fail("it is held")


async def test_a_holder_that_died_is_passed_over(table: Any) -> None:
    async with ledger().held(None) as writing:
        await writing.write(share=10)
    table.put_item(TableName=TABLE, Item={**item(table), HOLDER: {"S": "died"}})
    async with ledger(stale_seconds=0).held(None) as writing:
        assert writing.record.share == 10


async def test_an_endpoint_that_is_away_is_retryable_and_says_so(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://dynamodb")

    monkeypatch.setattr(table, "get_item", away)
    with pytest.raises(Unreachable, match="reading the ledger"):
        await ledger().read()


class Counting(dynamodb.DynamodbStore):
    """Counts the looks."""

    looks = 0

    async def get(self, tried: str) -> Any:
        self.looks += 1
        return await super().get(tried)


async def test_however_often_a_run_asks_whether_it_may_act_the_table_is_read_once_a_second(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, mine, store = [100.0], ledger(), Counting(REGION, TABLE)
    monkeypatch.setattr(versioned, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(mine, "_store", store)
    for tick in range(200):
        now[0] = 100 + tick / 20
        await asyncio.gather(mine.read(), mine.read())
    assert store.looks == 10


async def test_a_pause_is_heard_within_a_second_and_what_was_written_here_at_once(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, mine = [100.0], ledger()
    monkeypatch.setattr(versioned, "time", SimpleNamespace(monotonic=lambda: now[0]))
    assert await mine.read() == Record()
    async with ledger().held(None) as elsewhere:
        await elsewhere.write({"hold": "wanted"})
    now[0] += dynamodb.FRESH_SECONDS
    assert (await mine.read()).memory == {"hold": "wanted"}
    async with mine.held(None) as writing:
        await writing.write({"hold": None})
    assert (await mine.read()).memory == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(
    st.dictionaries(st.from_regex(r"[-._a-zA-Z0-9]{1,20}", fullmatch=True), st.text(max_size=50), max_size=4),
    st.integers(0, 10_000),
)
async def test_every_value_survives(table: Any, memory: dict[str, str], share: int) -> None:
    store = dynamodb.DynamodbStore(REGION, TABLE)
    before = await store.get("reading")
    assert await store.put("writing", before, Record(share, memory), "") is not None
    assert await ledger().read() == Record(share, memory)
