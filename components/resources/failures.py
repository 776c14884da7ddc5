"""What goes wrong in a provider: a refusal is one line of a check; of a failed act the person sees one line, and the rest is kept.

The rule: keeping the rest never hides the failure.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pulumi
from pulumi.dynamic import CheckFailure

from components.emqx.errors import UpgradeError, of_this_machine
from components.resources import progress
from components.resources.props import State


def refusals(props: State, refuse: Callable[[], None]) -> list[CheckFailure]:
    """What ``refuse`` says of these inputs; nothing while a preview does not know all of them."""
    if not pulumi.contains_unknowns(props):
        try:
            refuse()
        except UpgradeError as refusal:
            return [CheckFailure("", f"{type(refusal).__name__}: {refusal}")]
    return []


@contextmanager
def told(keep: Callable[[BaseException, str], None]) -> Iterator[None]:
    """Serve the block; when it fails ``keep`` gets the failure and its traceback, and trouble with this machine's files is one of ours."""
    try:
        with progress.serving():
            yield
    except OSError as trouble:
        failure = of_this_machine(trouble)
        _kept(keep, failure)
        raise failure from None
    except BaseException as failure:
        _kept(keep, failure)
        raise


def _kept(keep: Callable[[BaseException, str], None], failure: BaseException) -> None:
    with suppress(OSError):  # where it would be kept may be what is wrong
        keep(failure, traceback.format_exc())
