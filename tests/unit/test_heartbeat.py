"""A link that works is never silent for longer than two seconds, whatever it does meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from components.run.heartbeat import BEAT_SECONDS, heartbeat
from tests.unit.fake_world import World

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("pause", [0.3, 0.7, 1.9, 3.3, 30.0])
def test_no_two_lines_are_further_apart_than_a_beat(pause: float) -> None:
    world = World([])
    spoken = [world.clock.now()]
    run = replace(world.run("a"), progress=lambda _: spoken.append(world.clock.now()))

    async def work() -> None:
        async with heartbeat(run, "link") as heard:
            for _ in range(10):
                until = world.clock.now() + pause
                while world.clock.now() < until:
                    await world.clock.sleep(0.1)
                heard.progress("something")

    asyncio.run(work())
    assert max(late - early for early, late in pairwise(spoken)) <= BEAT_SECONDS + 0.3
