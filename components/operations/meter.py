"""The eye of a step: once a second it measures, journals, judges and shows; it moves nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from components.cutover.gates import Facts, Thresholds, Verdict, judge
from components.cutover.words import Colour, other
from components.emqx.errors import GateFailed, Retryable, UpgradeError
from components.operations.measure import observe
from components.operations.moving import Moved
from components.operations.run import Run

SAMPLE_SECONDS = 1.0
LINE_SECONDS = 2.0


class Meter:
    """Measures one step.

    Args:
        run: the run.
        step: the link's name, for journal and progress.
        to: where the clients go.
        share: the wanted share, in percent.
        thresholds: what makes a gate fail.
        budget_per_second: the rate, for the seconds that are left.

    """

    def __init__(
        self, run: Run, step: str, to: Colour, share: int, thresholds: Thresholds, budget_per_second: int
    ) -> None:
        """Measure nothing yet."""
        self.run, self.step, self.to, self.share = run, step, to, share
        self.moved = Moved()
        self._thresholds, self._budget = thresholds, budget_per_second
        self._history: list[Facts] = []
        self._baseline: Facts | None = None
        self._last_line = 0.0

    async def baseline(self) -> None:
        """Measure what is normal before anybody moves."""
        self._baseline = await observe(self.run, self.to, self.moved.count)

    def notice(self) -> None:
        """A batch was moved: show it when the last line is old enough."""
        if self.run.clock.now() - self._last_line >= LINE_SECONDS:
            self._show()

    async def hold(self, seconds: float) -> None:
        """Stay as it is for so long, in slices, so that an interruption is heard."""
        end = self.run.clock.now() + seconds
        while (left := end - self.run.clock.now()) > 0:
            await self.run.checkpoint()
            await self.run.clock.sleep(min(left, SAMPLE_SECONDS))

    async def watch_over(self, work: Coroutine[Any, Any, None]) -> None:
        """Let the work run while the gates are judged; the first of the two that fails ends both.

        Raises:
            GateFailed: a gate's fact is over its threshold, during the work or right after it.

        """
        doing, watching = asyncio.ensure_future(work), asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait({doing, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            await doing
            await self._look()
        finally:
            for task in (doing, watching):
                task.cancel()
            await asyncio.gather(doing, watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self._look()
            await self.run.clock.sleep(SAMPLE_SECONDS)

    async def _look(self) -> None:
        """One measurement: into the journal, onto the screen, before the gates."""
        try:
            facts = await observe(self.run, self.to, self.moved.count)
        except Retryable as passing:
            self.run.record("sample", step=self.step, unknown=str(passing))
            return
        self._history.append(facts)
        del self._history[:-600]
        live = facts.live
        self.run.record(
            "sample", step=self.step, blue=live.get("blue"), green=live.get("green"), share=facts.share_parts
        )
        self.notice()
        verdicts = judge(self._thresholds, self._baseline, self._history)
        for verdict in verdicts:
            if verdict.verdict != "pass":
                self.run.record("gate", step=self.step, **verdict.model_dump(mode="json"))
        failed = next((verdict for verdict in verdicts if verdict.verdict == "fail"), None)
        if failed:
            raise _failure(self.step, failed)

    def _show(self) -> None:
        self._last_line = self.run.clock.now()
        live = self._history[-1].live if self._history else {}
        here, there = live.get(self.to), live.get(other(self.to))
        total = (here or 0) + (there or 0)
        measured = f"{100 * here / total:.0f}" if here is not None and total else "?"
        left = max(0, self.moved.to_move - self.moved.count) / self._budget
        self.run.progress(
            f"{self.step}: share {self.share} % wanted, {measured} % measured on {self.to}; "
            f"moved {self.moved.count} of {self.moved.to_move}; {self._budget}/s; {left:.0f} s left"
        )


def _failure(step: str, verdict: Verdict) -> UpgradeError:
    return GateFailed(
        f"gate {verdict.gate} during {step}",
        node=verdict.node or "",
        seen=f"{verdict.value} is over the threshold {verdict.threshold}: {verdict.reason}",
        todo="find the cause, then run pulumi up again: it starts at the first step",
    )
