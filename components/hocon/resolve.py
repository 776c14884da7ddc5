"""Substitutions: each ``${path}`` takes what stands at that path of the whole document, by the same order as EMQX (``hocon.erl``, resolve).

The first one, in the order of the text, for which something complete is found is put in; then all that are left are asked again.
The rule kept here: every step is counted, because a text of few lines can name what is large without end.
"""

from __future__ import annotations

from typing import Any

from components.hocon.errors import HoconError
from components.hocon.nodes import ABSENT, Array, Field, Object, Pieces, Variable

MOST_STEPS = 2_000_000
"""Of one document that has substitutions; each node that is looked at is one."""


class Budget:
    """How many steps are left."""

    def __init__(self, steps: int = MOST_STEPS) -> None:
        """All of them."""
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Take steps.

        Raises:
            HoconError: there are none left.

        """
        self.left -= steps
        if self.left < 0:
            raise HoconError("its substitutions name too much")


def resolve(root: Object, slots: list[tuple[Pieces, int]], budget: Budget) -> HoconError | None:
    """Put a value into each slot, in place; nothing into those that name what stands nowhere, of which the first comes back as an error.

    Raises:
        HoconError: more than the budget.

    """
    pending = list(slots)
    while pending:
        for number, (pieces, at) in enumerate(pending):
            variable = pieces.parts[at]
            budget.spend()
            found = _lookup(variable.path, root.fields, ABSENT, budget)
            if found is not ABSENT or not variable.is_required:
                pieces.parts[at] = found
                del pending[number]
                break
        else:
            first = pending[0][0].parts[pending[0][1]]
            for pieces, at in pending:
                pieces.parts[at] = ABSENT
            return HoconError("a substitution of what stands nowhere", first.line, first.file)
    return None


def _lookup(path: tuple[str, ...], elements: list[Any], found: Any, budget: Budget) -> Any:
    for element in elements:
        budget.spend()
        if isinstance(element, Field):
            if element.key != path[0] or element.is_quoted:
                continue
            value = element.value
            if len(path) == 1:
                found = _merged(found, value, budget) if _is_complete(value, budget) else found
            else:
                found = _lookup(path[1:], _elements(value), found, budget)
        else:
            found = _lookup(path, _elements(element), found, budget)
    return found


def _elements(value: Any) -> list[Any]:
    if isinstance(value, Object):
        return value.fields
    return [part for part in value.parts if isinstance(part, Object | Pieces)] if isinstance(value, Pieces) else []


def _merged(old: Any, new: Any, budget: Budget) -> Any:
    if not (_is_object(old) and _is_object(new)):
        return new
    parts = [part for one in (old, new) for part in (one.parts if isinstance(one, Pieces) else (one,))]
    budget.spend(len(parts))
    return Pieces(parts)


def _is_object(value: Any) -> bool:
    while isinstance(value, Pieces):
        value = value.parts[0]
    return isinstance(value, Object) and not value.is_path


def _is_complete(value: Any, budget: Budget) -> bool:
    """Whether no substitution is open in it."""
    waiting = [value]
    while waiting:
        budget.spend()
        one = waiting.pop()
        if isinstance(one, Variable):
            return False
        if isinstance(one, Object):
            budget.spend(len(one.fields))
            waiting += [field.value for field in one.fields]
        elif isinstance(one, Array | Pieces):
            below = one.items if isinstance(one, Array) else one.parts
            budget.spend(len(below))
            waiting += below
    return True
