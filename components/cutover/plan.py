"""The order of a cutover's acts as a pure iterator: what is observed and what is desired go in, transitions come out.

The rule: whatever was done before, and wherever a run is interrupted, planning again from what is then observed ends with everybody on
``to`` and keeps the invariants that ``plan`` states.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from components.cutover.cohort import everybody, green_parts, share_percent
from components.cutover.steps import Step
from components.cutover.words import PARTS, Colour, Mover, other

Act = Literal["open", "share", "move", "portion", "hold", "judge", "drain"]
DRAIN = "drain"
"""The name of the last step, which is always there: only when it is done the old colour counts as drained."""


class PlanError(ValueError):
    """A plan that would break an invariant; a fault of ours, nothing that an operator can repair."""


@dataclass(frozen=True)
class World:
    """What is observed: green's share in parts, the colours the balancer has fully up, and those that evacuate.

    ``drained`` are the colours whose drain was finished, after every hold and gate. All of it can be asked at any time, so a
    killed run has nothing to remember.
    """

    share: int
    healthy: frozenset[Colour]
    draining: frozenset[Colour] = frozenset()
    drained: frozenset[Colour] = frozenset()


@dataclass(frozen=True)
class Desired:
    """Where everybody shall be, by which steps, and what takes the last clients off the old colour; ``portions`` where the router does not know clients (``movers.Choice``)."""

    to: Colour
    steps: tuple[Step, ...]
    mover: Mover
    portions: tuple[float, ...] = ()


class Transition(NamedTuple):
    """One act.

    ========  ===========================================================================================
    open      stop the evacuation of ``colour`` everywhere, wait until the balancer has each of its nodes fully up; part of the step that needs it
    share     set green's share to ``parts``
    move      take those off the other colour that ``cohort.moves`` names at ``parts``, at the paced rate
    portion   take a part of those on ``colour`` off, the one that ``parts`` names, while ``to`` has the whole share
    hold      go on judging the gates for ``seconds``
    judge     wait until no gate is unknown, and all pass
    drain     take everybody off ``colour`` until it has no live connection; in the last step also shut its door where it has one
    ========  ===========================================================================================
    """

    act: Act
    step: str
    colour: Colour
    parts: int
    seconds: float = 0.0


def plan(observed: World, desired: Desired) -> Iterator[Transition]:
    """Yield the transitions that lead from ``observed`` to everybody on ``desired.to``.

    We keep these invariants at all times, checked after each yield against the world as it is when the transition is done:

    * the share of ``to`` never falls, so cohorts only grow, and since each move takes exactly those between the share before and
      the share now, no client is moved twice;
    * the share of ``to`` never rises while ``to`` is not healthy;
    * ``to`` has the whole share before the other colour drains;
    * a hold or gate finds all the clients moved that the share before it names, so with evacuation the last share's step drains by
      itself, and the last step finds nobody but those who came back meanwhile;
    * behind a router that does not know clients (``desired.portions``) a share below the whole moves nobody: who is disconnected could come back to
      the old colour. With the whole share set they go in portions, and each is judged before the next.

    Therefore the order within a step: first the share (a client that is moved comes back at once and must be sent to its
    new colour), then the move. A share that is reached already is not set again, but its move is done again, because the run
    before may have been interrupted in it; a hold or gate before a reached share was passed and is not repeated.

    Raises:
        PlanError: when a transition would break an invariant.

    """
    world = observed
    for transition in _transitions(observed, desired):
        following = after(world, transition, desired.to)
        check_invariants(world, following, transition, desired.to)
        world = following
        yield transition


def part(observed: World, desired: Desired, step: str) -> list[Transition]:
    """What the link of one step does: its part of ``plan``, and before it ``open`` where it finds ``to`` shut in the middle of the chain."""
    mine = [one for one in plan(observed, desired) if one.step == step and one.act != "open"]
    shut = any(_is_shut(observed, desired.to, one) for one in mine)
    return [Transition("open", step, desired.to, observed.share), *mine] if shut else mine


def after(world: World, transition: Transition, to: Colour) -> World:
    """The world when the transition is done."""
    colour = transition.colour
    if transition.act == "open":
        return replace(world, healthy=world.healthy | {colour}, draining=world.draining - {colour})
    if transition.act == "share":
        # Whoever gets a share may get clients at once.
        return replace(world, share=transition.parts, drained=world.drained - {to})
    if transition.act == "drain":
        done = frozenset([colour] if transition.step == DRAIN else [])
        return replace(world, draining=world.draining | {colour}, drained=world.drained | done)
    return world


def check_invariants(before: World, now: World, transition: Transition, to: Colour) -> None:
    """Raise PlanError where ``transition`` from ``before`` to ``now`` breaks what ``plan`` promises."""
    percent = share_percent(to, now.share)
    rises = percent > share_percent(to, before.share)
    if percent < share_percent(to, before.share):
        message = f"{transition.step}: the share of {to} would fall to {percent:g} %"
    elif rises and (to not in before.healthy or to in before.draining):
        message = f"{transition.step}: {to} would get {percent:g} % but is not healthy"
    elif transition.act in {"portion", "drain"} and (before.share != everybody(to) or transition.colour == to):
        message = f"{transition.step}: {transition.colour} would drain while {to} has {percent:g} %"
    elif transition.act == "move" and transition.parts != before.share:
        message = f"{transition.step}: clients would be moved for a share that is not set"
    else:
        return
    raise PlanError(message)


def _transitions(observed: World, desired: Desired) -> Iterator[Transition]:
    to = desired.to
    if observed.share == everybody(to) and other(to) in observed.drained:
        return
    opened = False
    for one in _work(observed, desired):
        if not opened and _is_shut(observed, to, one):
            yield Transition("open", one.step, to, observed.share)
            opened = True
        yield one


def _is_shut(observed: World, to: Colour, one: Transition) -> bool:
    """Whether ``to`` must be opened before this: one that evacuates refuses who comes back; one that is not up may not get more."""
    return to in observed.draining or (one.act == "share" and to not in observed.healthy)


def _work(observed: World, desired: Desired) -> Iterator[Transition]:
    to, old, reached = desired.to, other(desired.to), observed.share
    for index, step in enumerate(desired.steps):
        if step.kind == "share":
            parts = _farther(to, reached, green_parts(to, step.share))
            # Below a share that is reached there is nothing left: the move of the farthest reached one covers it.
            if _covered(desired, index, observed.share):
                continue
            if parts != reached:
                yield Transition("share", step.name, to, parts)
                reached = parts
            if desired.portions and parts != everybody(to):
                continue
            for portion in desired.portions[:-1]:
                yield Transition("portion", step.name, old, green_parts(to, portion))
                yield Transition("judge", step.name, to, parts)
            # An evacuation that a run with another mover began is gone on with: beside it a kick would be twice the budget.
            evacuates = parts == everybody(to) and (desired.mover == "evacuation" or old in observed.draining)
            yield Transition("drain" if evacuates else "move", step.name, old, parts)
        elif not _covered(desired, index, observed.share):
            act: Act = "hold" if step.kind == "hold" else "judge"
            yield Transition(act, step.name, to, reached, step.seconds)
    yield Transition("drain", DRAIN, old, reached)


def _farther(to: Colour, one: int, two: int) -> int:
    return max(one, two) if to == "green" else min(one, two)


def _covered(desired: Desired, index: int, share: int) -> bool:
    """Whether a later share step is reached by ``share`` too, so that this step was passed."""
    have = share if desired.to == "green" else PARTS - share
    later = (step.share for step in desired.steps[index + 1 :] if step.kind == "share")
    return any(green_parts("green", percent) <= have for percent in later)
