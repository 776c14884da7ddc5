"""What cannot be reached now is unknown; a refusal is an answer, and nobody is moved against it."""

from __future__ import annotations

import asyncio

import pytest

from components.cutover.words import Colour
from components.emqx.errors import (
    BadInput,
    GaveUp,
    NotNow,
    Refused,
    Rejected,
    Unauthorized,
    Unreachable,
    UpgradeError,
)
from components.emqx.known import known
from components.links.opening import silent
from components.links.shift import carry_out
from components.run.whereabouts import whereabouts
from tests.unit.cutover_bed import half_way, manner, up
from tests.unit.fake_world import UNFINISHED, World

pytestmark = [pytest.mark.unit, *UNFINISHED]


async def _fails(failure: UpgradeError) -> int:
    raise failure


@pytest.mark.parametrize("kind", [Unreachable, NotNow])
def test_what_cannot_be_reached_now_is_unknown(kind: type[UpgradeError]) -> None:
    assert asyncio.run(known(_fails(kind("asking", seen="s", todo="t")))) is None


@pytest.mark.parametrize("kind", [Unauthorized, Rejected, Refused, BadInput, GaveUp])
def test_whatever_is_fatal_is_an_answer(kind: type[UpgradeError]) -> None:
    with pytest.raises(kind):
        asyncio.run(known(_fails(kind("asking", seen="s", todo="t"))))


def test_a_node_that_boots_is_unknown_and_a_path_that_emqx_refuses_is_not() -> None:
    html = Rejected("asking", seen="404 with HTML", todo="t", status=404)
    coded = Rejected("asking", seen="404 NOT_FOUND", todo="t", status=404, code="NOT_FOUND")
    assert asyncio.run(known(_fails(html))) is None
    with pytest.raises(Rejected):
        asyncio.run(known(_fails(coded)))


class TestARevokedKey:
    """The old colour refuses us in the middle of a cutover: nobody may be sent away from it unseen."""

    def interrupted(self) -> World:
        world = World([f"dev-{number}" for number in range(50)])
        asyncio.run(half_way(world))
        world.ledger.memory["imported"] = "green 1.0"
        world.apis["blue"].revoked = True
        return world

    def test_is_not_silence(self) -> None:
        with pytest.raises(Unauthorized):
            asyncio.run(silent(self.interrupted().run("b"), "blue"))

    @pytest.mark.parametrize("to", ["green", "blue"])
    def test_ends_the_next_run_before_anything_moves(self, to: Colour) -> None:
        world = self.interrupted()
        share, at = world.router.parts, dict(world.at)
        with pytest.raises(Unauthorized, match="401"):
            asyncio.run(up(world, manner([50, 100]), "b", to=to))
        assert (world.router.parts, world.at) == (share, at)

    def test_ends_a_link_before_it_sets_the_share(self) -> None:
        world = self.interrupted()
        share = world.router.parts
        with pytest.raises(Unauthorized):
            asyncio.run(carry_out(world.run("a"), "shift-100", "green", manner([50, 100]), "forward"))
        assert world.router.parts == share

    def test_does_not_hide_the_error_that_is_being_told(self) -> None:
        assert "unknown on blue" in asyncio.run(whereabouts(self.interrupted().run("a")))
