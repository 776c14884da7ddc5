"""One look of the eye of a step at an API that fails or hangs: it is short, and what does not answer in time is unknown."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from components.cutover.arrival import Before
from components.emqx.answers import LicenseFacts, NodeFacts
from components.emqx.errors import NotNow, Unreachable
from components.emqx.models import Credentials
from components.emqx.registry import cluster_of
from components.run.measure import PATIENCE_SECONDS, observe
from components.run.moved import Moved
from tests.handles import cluster_at
from tests.unit.fake_api import FakeApi
from tests.unit.fake_world import UNFINISHED, fleet

pytestmark = [pytest.mark.unit, *UNFINISHED]


class TestOneLook:
    """One look is short, and what does not answer in time is unknown."""

    def test_every_question_has_a_short_patience(self) -> None:
        asked: dict[str, float | None] = {}

        class Impatient(FakeApi):
            async def nodes(self, **more: Any) -> tuple[NodeFacts, ...]:
                asked[f"nodes of {self.colour}"] = more.get("patience_seconds")
                return await super().nodes()

            async def metrics(self, **more: Any) -> dict[str, int]:
                asked["metrics"] = more.get("patience_seconds")
                raise Unreachable("asking", node=self.node, seen="nothing", todo="wait")

            async def license(self, **more: Any) -> LicenseFacts | None:
                asked["license"] = more.get("patience_seconds")
                raise Unreachable("asking", node=self.node, seen="nothing", todo="wait")

        world = fleet(5)
        world.apis = {colour: Impatient(world, colour, evacuates=True) for colour in world.apis}
        facts = asyncio.run(observe(world.run("a"), "green", Moved(), Before(), moving=False, expected=())).facts
        questions = ["nodes of blue", "nodes of green", "metrics", "license"]
        assert asked == dict.fromkeys(questions, PATIENCE_SECONDS)
        assert (facts.connack_sent, facts.license_limit) == (None, None)

    def test_without_patience_the_licence_is_asked_once(self) -> None:
        asked: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path.rpartition("/")[2])
            if asked[-1] == "license":
                return httpx.Response(500)
            node = {"node": "emqx@blue", "node_status": "running", "edition": "Enterprise", "version": "5.8.9"}
            return httpx.Response(200, json=[node])

        async def look() -> None:
            credentials = Credentials(api_key="k", api_secret="s")
            async with cluster_of(
                cluster_at("blue", colour="blue", version="5.8.9"), credentials, transport=httpx.MockTransport(answer)
            ) as api:
                with pytest.raises(NotNow):
                    await api.license(patience_seconds=0)

        asyncio.run(look())
        assert asked == ["nodes", "license"]

    def test_calls_that_fail_together_do_not_come_back_to_the_node_that_hangs(self) -> None:
        asked: list[str] = []
        together = asyncio.Event()

        async def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.host)
            if len(asked) == 3:
                together.set()
            await together.wait()
            if request.url.host == "127.0.1.1":
                raise httpx.ReadTimeout("hangs", request=request)
            return httpx.Response(200, json={})

        async def look() -> None:
            handle = cluster_at("127.0.1.1", "127.0.1.2", "127.0.1.3")
            credentials = Credentials(api_key="k", api_secret="s")
            async with cluster_of(handle, credentials, transport=httpx.MockTransport(answer)) as api:
                await asyncio.gather(*(api.metrics(patience_seconds=0) for _ in range(3)), return_exceptions=True)
                await api.metrics(patience_seconds=0)

        asyncio.run(look())
        assert asked == ["127.0.1.1"] * 3 + ["127.0.1.2"]
