"""One node of a roll: what is to be done with it is the plan's (``cutover.roll``), here it is done.

The rule: the link with number k sees to it that at least k nodes are on the declared version. It looks first, so a run that was cut off goes on at
the node that it had taken out; a node that does not come back stops it with all others in service.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.cutover.evacuation import Evacuation
from components.cutover.facts import Facts, Thresholds
from components.cutover.roll import Act, Release, RollNode, acts, order
from components.cutover.roll_memory import ROLLING, UNEVEN, InWork, in_work
from components.cutover.words import Colour
from components.emqx.errors import GaveUp, Refused, UpgradeError, of_this_machine
from components.emqx.known import known
from components.keepers.base import Copied, NodeKeeper
from components.links import roll_away
from components.links.carrying import carry, left_behind
from components.links.filling import bounded
from components.links.fingerprint import refuse_changed
from components.links.reach import within
from components.links.roll_away import Away, Opens
from components.links.roll_dropped import Dropped
from components.links.roll_gates import facts_of, require_gates
from components.links.roll_look import observed, refuse_broken
from components.links.roll_ready import wait_until_back, wait_until_gone, wait_until_in
from components.run.run import Run

BACKUPS = "backups"


@dataclass(frozen=True)
class Rolling:
    """What a roll works with.

    ``keeper`` stops and starts the nodes of ``colour``, ``of_nodes`` opens the cluster as some of its nodes have it, ``may_end`` is whether sessions
    that nothing could carry were given up.
    """

    run: Run
    colour: Colour
    declared: Release
    keeper: NodeKeeper
    of_nodes: Opens
    work_directory: Path
    budget_per_second: int
    gates: Thresholds
    knobs: Evacuation
    may_end: bool

    def away(self, node: str, step: str) -> Away:
        """The node, for whoever takes its clients off in a step."""
        return Away(self.colour, node, step, self.of_nodes, self.budget_per_second, self.knobs)


async def roll(rolling: Rolling, number: int) -> dict[str, Any]:
    """See to it that ``number`` nodes are on the declared version, one more than before at most.

    Returns:
        What was done with which node: ``{"node", "from", "to", "moved", "seconds", "copy"}``, or only ``done`` where it was done before.

    Raises:
        Refused: two nodes are out, or somebody changed the configuration. GateFailed, GaveUp: with what was seen on which node.

    """
    run, colour = rolling.run, rolling.colour
    nodes = await observed(run, colour)
    done = sum(node.done(rolling.declared) for node in nodes)
    if done >= number:
        return {"done": done}
    refuse_broken(colour, nodes)
    await refuse_changed(run, colour, rolling.work_directory)
    node = next(one for one in nodes if one.name == order(nodes, rolling.declared)[0])
    budget = await within(run.clusters[colour], rolling.budget_per_second, [node.name])
    rolling = replace(rolling, budget_per_second=budget)
    return await _Node(rolling, node, f"roll-{number}").carry_out()


def step_of(name: str, mover: str) -> dict[str, Any]:
    """What the journal has of a step of a roll, as of every step: at its begin by what clients are to be moved, at its end by what they were."""
    return {"name": name, "share": 100.0, "mover": mover}


@dataclass
class _Node:
    """One node on its way."""

    rolling: Rolling
    node: RollNode
    step: str
    moved: Counter[str] = field(default_factory=Counter)
    moving_seconds: float = 0.0
    before: Facts | None = None
    copy: Copied | None = field(default=None)
    messages: Dropped = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is counted yet."""
        self.messages = Dropped(self.rolling.of_nodes)

    @property
    def away(self) -> Away:
        return self.rolling.away(self.node.name, self.step)

    async def carry_out(self) -> dict[str, Any]:
        run, name, step = self.rolling.run, self.node.name, self.step
        began = run.clock.now()
        by = await roll_away.means(run, self.rolling.colour)
        run.record("step", **step_of(step, by), phase="begin", node=name)
        doing: Mapping[Act, Callable[[], Awaitable[None]]] = {
            "shut": self._shut,
            "move": self._move,
            "stop": self._stop,
            "copy": self._copy,
            "start": self._start,
            "ready": self._ready,
            "open": self._open,
        }
        async with bounded(run, last=False):
            for act in acts(self.node, self.rolling.declared):
                run.progress(f"{step}: {name}: {act}")
                await run.act("roll", step=step, node=name, does=act)
                await doing[act]()
            await self._judge()
        await refuse_changed(run, self.rolling.colour, self.rolling.work_directory)
        moving = round(self.moving_seconds, 3)
        clients = self.moved.total()
        did = {"clients": clients, "moving_seconds": moving, "dropped": await self.messages.count()}
        run.record("step", **step_of(step, " and ".join(+self.moved)), phase="end", node=name, **did)
        return {
            "node": name,
            "from": str(self.node.release),
            "to": str(self.rolling.declared),
            "moved": clients,
            "seconds": round(run.clock.now() - began, 3),
            "copy": None if self.copy is None else str(self.copy.place),
        }

    async def _judge(self) -> None:
        """Judge what has come since ``before``: the refusals that our own probes ask for are in neither stretch."""
        rolling, before = self.rolling, self.before or await facts_of(self.rolling.run, self.rolling.colour)
        await require_gates(rolling.run, rolling.colour, self.step, rolling.gates, before, self.messages)

    async def _shut(self) -> None:
        run, rolling = self.rolling.run, self.rolling
        known = in_work(await run.memory(), rolling.colour)
        if known is not None and known.node == self.node.name:
            await roll_away.shut(run, self.away)
            return
        if self.node.release is None:
            seen, todo = (
                "what it runs is not known",
                "look at GET /nodes; every running node must say its version and edition",
            )
            raise Refused(f"rolling {self.node.name}", node=self.node.name, seen=seen, todo=todo)
        work = InWork(rolling.colour, self.node.name, self.node.release, f"{run.clock.now():.3f}")
        await run.remember({ROLLING: str(work), UNEVEN: rolling.colour})
        await roll_away.shut(run, self.away)

    async def _move(self) -> None:
        rolling, name = self.rolling, self.node.name
        self.before = await facts_of(rolling.run, rolling.colour)
        others = await roll_away.running_others(rolling.run, self.away)
        await self.messages.among([*others, name])
        began = rolling.run.clock.now()
        self.moved += await roll_away.move(rolling.run, self.away)
        self.moving_seconds += rolling.run.clock.now() - began
        if not others:
            return  # the only node: its sessions were acknowledged before
        async with rolling.of_nodes([name]) as old, rolling.of_nodes(others) as new:
            done = await carry(rolling.run, old, new, rolling.knobs.sess_evict_rate)
        rolling.run.record(
            "fact", section="sessions carried", colour=rolling.colour, count=done.taken, **done._asdict()
        )
        if done.left and not rolling.may_end:
            raise left_behind(rolling.colour, done.left, done.messages)
        await self._judge()

    async def _stop(self) -> None:
        rolling, name = self.rolling, self.node.name
        left = await roll_away.left(rolling.run, self.away)
        if left and not rolling.may_end:
            raise roll_away.stuck(self.away, left)
        self.moved["stop"] += left  # they lose their connection with the node
        await self.messages.among(await roll_away.running_others(rolling.run, self.away))
        await rolling.run.set_server(rolling.colour, name, "maint")
        await rolling.run.checkpoint()
        await rolling.keeper.stop(name)
        await wait_until_gone(rolling.run, rolling.colour, name)

    async def _copy(self) -> None:
        work = await self._work()
        place = (
            self.rolling.work_directory
            / BACKUPS
            / work.since
            / f"{work.node}-{work.release.version}-{work.release.edition}"
        )
        try:
            self.copy = await self.rolling.keeper.back_up(work.node, place)
        except OSError as trouble:
            raise await self._not_back(of_this_machine(trouble)) from None
        self.rolling.run.record(
            "fact", section="copy", node=work.node, place=str(place), files=self.copy.files, bytes=self.copy.size
        )
        await self.rolling.run.remember({ROLLING: str(work._replace(copied=True))})

    async def _start(self) -> None:
        rolling, name = self.rolling, self.node.name
        await rolling.run.checkpoint()
        try:
            await rolling.keeper.start(name, *rolling.declared)
        except GaveUp as failure:
            raise await self._not_back(failure) from None

    async def _ready(self) -> None:
        rolling = self.rolling
        try:
            await wait_until_back(rolling.run, rolling.colour, self.node.name, rolling.of_nodes)
        except GaveUp as failure:
            raise await self._not_back(failure) from None
        self.before = await facts_of(rolling.run, rolling.colour)
        await self.messages.among(rolling.run.clusters[rolling.colour].node_names)

    async def _not_back(self, failure: UpgradeError) -> GaveUp:
        """A node that does not come back: how many others serve, and its copy is named."""
        rolling = self.rolling
        work = in_work(await rolling.run.memory(), rolling.colour)
        others = await known(roll_away.running_others(rolling.run, self.away))
        copy = self.rolling.work_directory / BACKUPS / (work.since if work else "")
        todo = (
            f"{failure.todo}; then run pulumi up again, which goes on with this node. To put its data back instead: stop it, then"
            f" python -m components.keepers restore {copy}/{self.node.name}-*"
        )
        serving = "whether others serve is not known" if others is None else f"{len(others)} other nodes serve"
        seen = f"{failure.seen}; it is out of the balancer, {serving}"
        return GaveUp(
            f"rolling {self.node.name} to {self.rolling.declared}: {failure.tried}",
            node=self.node.name,
            seen=seen,
            todo=todo,
        )

    async def _open(self) -> None:
        rolling, name = self.rolling, self.node.name
        await rolling.run.set_server(rolling.colour, name, "ready")
        await wait_until_in(rolling.run, rolling.colour, name)
        await rolling.run.remember({ROLLING: None})

    async def _work(self) -> InWork:
        work = in_work(await self.rolling.run.memory(), self.rolling.colour)
        if work is None or work.node != self.node.name:
            seen = "the ledger does not name it as the one that is in work"
            raise Refused(f"copying {self.node.name}", node=self.node.name, seen=seen, todo="run pulumi up again")
        return work
