"""The base of all our dynamic providers: inputs are a pydantic model, one ``act`` creates and updates, credentials stay in memory.

The rule: a pickled instance has no attributes, so that ``__provider`` in the state is module and class name; renaming either breaks old stacks.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar, get_args

import pulumi
from pulumi import dynamic
from pydantic import BaseModel

from components.emqx.errors import Retryable, UpgradeError
from components.emqx.models import Credentials, credentials_by_colour
from components.kubernetes.patience import outlasting
from components.resources import engine, progress
from components.resources.failures import refusals, told
from components.resources.props import State, changed, elsewhere, mistakes, own

Inputs = TypeVar("Inputs", bound=BaseModel)


class TypedProvider(dynamic.ResourceProvider, Generic[Inputs]):
    """A provider whose inputs are ``Inputs`` (by alias or by name); a subclass is written for the model that it names there.

    ``TRIGGERS`` are the fields whose change means an update. ``REPLACES`` are paths: another place, not another spelling of it, means a replacement. All else may be edited.
    """

    TRIGGERS: ClassVar[frozenset[str]] = frozenset()
    REPLACES: ClassVar[frozenset[str]] = frozenset()
    serialize_as_secret_always = False
    credentials: Mapping[str, Credentials] = {}
    _model: ClassVar[type[BaseModel]]

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Keep the model that the class is written for."""
        super().__init_subclass__(**arguments)
        for base in getattr(cls, "__orig_bases__", ()):
            for model in get_args(base):
                if isinstance(model, type) and issubclass(model, BaseModel):
                    cls._model = model

    @abstractmethod
    def identity(self, inputs: Inputs) -> str:
        """The natural id of the resource: a name that the world knows, never a random one."""

    @abstractmethod
    def act(self, inputs: Inputs, olds: State | None) -> State:
        """Make the world as the inputs say and return the outputs; ``olds`` are the last ones, None at the first time.

        It must be idempotent: a failure leaves nothing in the state, and the next `up` calls it again.
        """

    def refuse(self, inputs: Inputs, olds: State) -> None:
        """Raise UpgradeError where preview and update must not even start; ``olds`` are the last inputs, or empty."""

    def stale(self, inputs: Inputs, olds: State) -> bool:  # noqa: ARG002  -- for subclasses
        """Whether the world is not what the outputs ``olds`` say, so that ``act`` must run again."""
        return False

    def look(self, olds: State) -> State:
        """The outputs as the world has them now; raise Retryable when it cannot be reached."""
        return olds

    def failed(self, inputs: Inputs, failure: BaseException, details: str) -> None:  # noqa: ARG002  -- for subclasses
        """Keep the traceback ``details`` of a failed ``act``, of which the person sees one line (for the journal)."""
        if not isinstance(failure, UpgradeError):
            sys.stderr.write(details)

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        """Keep the credentials of the stack's configuration by colour, in memory only."""
        engine.attach()
        self.credentials = credentials_by_colour(req.config.get("credentials"))

    def check(self, olds: State, news: State) -> dynamic.CheckResult:
        """Name every input that is wrong; what is unknown in a preview is not judged."""
        props = own(news)
        failures = list(mistakes(self._model, props))
        failures = failures or refusals(props, lambda: self.refuse(self._inputs(props), own(olds)))
        return dynamic.CheckResult(news, failures)

    def diff(self, _id: str, olds: State, news: State) -> dynamic.DiffResult:
        """Compare the fields that matter, then ask the world."""
        replaces = sorted(elsewhere(self._model, self.REPLACES, olds, news))
        changes = bool(replaces or changed(self._model, self.TRIGGERS, olds, news))
        if not changes and not pulumi.contains_unknowns(own(news)):
            changes = self.stale(self._inputs(own(news)), own(olds))
        return dynamic.DiffResult(changes=changes, replaces=replaces, delete_before_replace=True)

    def create(self, props: State) -> dynamic.CreateResult:
        """Act for the first time."""
        inputs = self._inputs(own(props))
        return dynamic.CreateResult(self.identity(inputs), self._outputs(inputs, props, None))

    def update(self, _id: str, olds: State, news: State) -> dynamic.UpdateResult:
        """Act again."""
        return dynamic.UpdateResult(self._outputs(self._inputs(own(news)), news, own(olds)))

    def read(self, id_: str, props: State) -> dynamic.ReadResult:
        """What the world says; what the state says, and a word about it, when the world cannot be reached."""
        with progress.serving():
            try:
                return dynamic.ReadResult(id_, self.look(own(props)))
            except Retryable as unreachable:
                progress.progress(f"kept as it is in the state, because it cannot be looked at: {unreachable}")
                return dynamic.ReadResult(id_, own(props))

    def delete(self, _id: str, _props: State) -> None:
        """Do nothing: deletes come after all creates and updates, and one that acts would undo them."""

    def _outputs(self, inputs: Inputs, props: State, olds: State | None) -> State:
        with outlasting(), told(lambda failure, details: self.failed(inputs, failure, details)):
            return {**own(props), **self.act(inputs, olds)}

    def _inputs(self, props: State) -> Inputs:
        return self._model.model_validate(props)  # type: ignore[return-value]  # the class is written for this model
