"""What all links of the cutover's chain have in common; a link is one dynamic resource, so that state says how far it got.

The rule: a link acts only under the lease of the run that it was handed, and its `delete` does nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pulumi
from pulumi.dynamic import Resource

from components.cutover.words import Colour, Direction
from components.report.files import write_report
from components.report.numbers import NoCutoverError
from components.resources import engine
from components.resources.props import State
from components.resources.provider import TypedProvider
from components.resources.world import WorldInputs, journaled, opened, write_failure
from components.run.run import Run


class LinkInputs(WorldInputs):
    """A link: the run it belongs to (token and direction come from the first one), and the token of the link before it."""

    to: Colour
    run: str
    direction: Direction
    after: str


Inputs = TypeVar("Inputs", bound=LinkInputs)


class LinkProvider(TypedProvider[Inputs]):
    """A provider whose act runs once per run: ``to``, the run's token and ``after`` trigger it, nothing else does."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"to", "run", "after"})

    def identity(self, inputs: Inputs) -> str:
        """The link's neutral name."""
        return inputs.name

    def act(self, inputs: Inputs, olds: State | None) -> State:  # noqa: ARG002  -- a link looks at the world, not at its state
        """Do the link's work unless this run has nothing to do, and hand the token on."""
        facts = {} if inputs.direction == "nothing" else engine.run_bounded(lambda: self._in_the_journal(inputs))
        return {"token": inputs.run, "facts": facts, "serving": inputs.to}

    @abstractmethod
    async def work(self, run: Run, inputs: Inputs) -> dict[str, Any]:
        """The link's work; returns what the state should show of it (small, no secrets)."""

    def failed(self, inputs: Inputs, failure: BaseException, details: str) -> None:
        """The journal keeps the traceback, the person gets one line, and a report of how far it came."""
        write_failure(inputs, inputs.run, failure, details)
        directory = Path(inputs.work_directory)
        with suppress(NoCutoverError, OSError):
            write_report(directory / "journal.jsonl", directory / "report", run=inputs.run)

    async def _in_the_journal(self, inputs: Inputs) -> dict[str, Any]:
        async def work(run: Run) -> dict[str, Any]:
            await run.checkpoint()
            return await self.work(run, inputs)

        async with opened(inputs, self.credentials, inputs.run) as run:
            return await journaled(run, inputs.name, work)


class Link(Resource):
    """A link of the chain; ``token`` is what the next one waits for, ``facts`` what this one did, ``serving`` the colour it worked for."""

    token: pulumi.Output[str]
    facts: pulumi.Output[dict[str, Any]]
    serving: pulumi.Output[str | None]
    PROVIDER: ClassVar[type[TypedProvider[Any]]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the link; ``props`` are the fields of its inputs, some of them outputs of other resources."""
        super().__init__(self.PROVIDER(), name, {**props, "token": None, "facts": None, "serving": None}, opts)
