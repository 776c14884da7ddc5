"""The lab's nodes of 4.2, 4.3 and 4.4 answer as the recorded ones did, and let in, allow and throw off whom those did."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from tests.lab.recordings.old import SUBJECTS, VERSIONS, OldWorld, play
from tests.lab.recordings.old_clients import before, check
from tests.lab.recordings.replay import Tally

pytestmark = pytest.mark.lab


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tallies(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Tally]:
    """All recordings of all three versions, each version on one cluster of its own."""

    async def played(version: str) -> list[Tally]:
        async with OldWorld(tmp_path_factory.mktemp(version), version) as world:
            return [await play(world, subject, before, check) for subject in SUBJECTS]

    found = await asyncio.gather(*map(played, VERSIONS))
    return {
        (version, subject): tally
        for version, tallies in zip(VERSIONS, found, strict=True)
        for subject, tally in zip(SUBJECTS, tallies, strict=True)
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_answers_are_those_of_the_recording(tallies: dict[tuple[str, str], Tally], version: str, subject: str) -> None:
    tally = tallies[version, subject]
    assert not tally.differences, "\n".join(tally.differences[:40])
    assert tally.compared > 0
