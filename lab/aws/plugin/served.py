"""The plugin's side of the engine's protocol (pulumirpc.ResourceProvider).

The rule: every call names the type in what it says; nothing is made, changed or taken away in a preview.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import grpc  # type: ignore[import-untyped]  # no stubs
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]  # no stubs
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.rpc import UNKNOWN

from lab.aws.plugin.compared import changed, filled, problems
from lab.aws.plugin.kind import Aws, Kind, Props

VERSION = "7.51.1"
CONFIGURED = {
    "region",
    "version",
    "__internal",
    "pluginDownloadURL",
    "skipCredentialsValidation",
    "skipRegionValidation",
}


WRONG = (ClientError, BotoCoreError, TimeoutError, NotImplementedError, LookupError, ValueError)
"""What goes wrong, and is told."""


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves some types, in one region."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        """Not configured yet."""
        self._kinds = kinds
        self._aws = Aws(None)

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it and calls it
        """Secrets are the engine's business: a property is secret out of here when it was so going in."""
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """That of the SDK it is written for."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The settings of the provider that are played."""
        wrong = [name for name in plain(request.news) if name not in CONFIGURED]
        failures = [
            provider_pb2.CheckFailure(property=name, reason="not served by the lab's AWS plugin") for name in wrong
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Another region is another place."""
        moved = plain(request.olds).get("region") != plain(request.news).get("region")
        return provider_pb2.DiffResponse(changes=_changes(moved), replaces=["region"] if moved else [])

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take the region."""
        region = plain(request.args).get("region") or dict(request.variables).get("aws:config:region")
        self._aws = Aws(None if region in (None, UNKNOWN) else str(region))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Defaults, a name, and what is not served."""
        kind, news = self._kind(request.urn, context), plain(request.news)
        failures = [provider_pb2.CheckFailure(property=at, reason=why) for at, why in problems(news, kind.known)]
        olds = plain(request.olds)
        kept = {name: olds[name] for name, rule in kind.known.items() if rule.name and name in olds}
        full = filled({**kept, **news}, kind.known, request.urn.rpartition("::")[2], request.randomSeed)
        if kind.regional:
            full.setdefault("region", self._aws.region)
        return provider_pb2.CheckResponse(inputs=struct(full), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """What differs from what is there; a replacement makes the new one first."""
        kind = self._kind(request.urn, context)
        differs = changed(kind, plain(request.news), plain(request.olds), plain(request.old_inputs))
        differs = {name: replaces for name, replaces in differs.items() if name not in request.ignoreChanges}
        replaces = [name for name, replaces in differs.items() if replaces]
        return provider_pb2.DiffResponse(
            changes=_changes(bool(differs)), diffs=sorted(differs), replaces=sorted(replaces)
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Make it; in a preview say what would be known of it."""
        kind, given = self._kind(request.urn, context), plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=struct(self._forecast(kind, given)))
        id_ = self._act(context, f"creating {kind.token}", lambda: kind.create(self._aws, given))
        try:
            kind.finish(self._aws, id_, given)
        except WRONG as error:
            _abort_half_made(context, f"creating {kind.token} {id_}: {error}", id_, self._full(kind, given))
        return provider_pb2.CreateResponse(id=id_, properties=struct(self._state(context, kind, id_, {}, given)))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """As AWS has it, for refresh and import; the empty id when it is gone."""
        kind, known = self._kind(request.urn, context), plain(request.properties)
        seen = self._act(context, f"reading {kind.token} {request.id}", lambda: kind.read(self._aws, request.id, known))
        if seen is None:
            return provider_pb2.ReadResponse()
        declared = plain(request.inputs) or {name: seen[name] for name in kind.inputs if seen.get(name) is not None}
        inputs = {name: _only(seen.get(name, value), value) for name, value in declared.items()}
        state = self._full(kind, {**known, **seen})
        return provider_pb2.ReadResponse(id=request.id, properties=struct(state), inputs=struct(inputs))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Bring it to what is wanted."""
        kind, news, olds = self._kind(request.urn, context), plain(request.news), plain(request.olds)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=struct(self._full(kind, {**olds, **news})))
        differs = changed(kind, news, olds, plain(request.old_inputs))
        names = {name for name in differs if name not in request.ignoreChanges}
        act = f"updating {kind.token} {request.id}"
        if not kind.outputs_known(olds):
            self._act(context, act, lambda: kind.finish(self._aws, request.id, news))
        if names:
            wanted = {**news, "arn": olds.get("arn")}
            self._act(context, act, lambda: kind.update(self._aws, request.id, wanted, olds, names))
        return provider_pb2.UpdateResponse(properties=struct(self._state(context, kind, request.id, olds, news)))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take it away."""
        kind, known = self._kind(request.urn, context), plain(request.properties)
        act = f"deleting {kind.token} {request.id}"
        self._act(context, act, lambda: kind.delete(self._aws, request.id, known))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """No function is served."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the lab's AWS plugin serves no function, {request.tok} neither")

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        """What runs is let finish."""
        return empty_pb2.Empty()

    def _kind(self, urn: str, context: Any) -> Kind:
        token = urn.split("::")[2].rpartition("$")[2]
        if token not in self._kinds:
            served = ", ".join(sorted(self._kinds))
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED, f"{token} is not served by the lab's AWS plugin; it serves {served}"
            )
        return self._kinds[token]

    def _forecast(self, kind: Kind, given: Props) -> Props:
        unknown = kind.told - {"tagsAll"}
        return self._full(kind, {**dict.fromkeys(unknown - given.keys(), UNKNOWN), **given})

    def _state(self, context: Any, kind: Kind, id_: str, before: Props, given: Props) -> Props:
        known = {name: value for name, value in before.items() if name not in kind.inputs} | given
        seen = self._act(context, f"reading {kind.token} {id_}", lambda: kind.read(self._aws, id_, known))
        return self._full(kind, {**known, **(seen or {}), **given})

    def _full(self, kind: Kind, props: Props) -> Props:
        told = {name: value for name, value in props.items() if name in kind.told}
        if kind.tagged:
            told["tagsAll"] = told.get("tags") or {}
        return told

    def _act(self, context: Any, what: str, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except WRONG as error:
            context.abort(grpc.StatusCode.UNKNOWN, f"{what}: {error}")


def _abort_half_made(context: Any, why: str, id_: str, given: Props) -> None:
    """Tell the engine that there is something, which it notes, and takes up or away the next time."""
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=why)
    half = provider_pb2.ErrorResourceInitFailed(id=id_, properties=struct(given), inputs=struct(given), reasons=[why])
    status.details.add().Pack(half)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, why)


def _changes(some: bool) -> Any:
    return provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE


def _only(seen: Any, declared: Any) -> Any:
    """What is there of what was declared: AWS fills objects with more."""
    if isinstance(seen, dict) and isinstance(declared, dict):
        return {name: _only(seen.get(name, value), value) for name, value in declared.items()}
    if isinstance(seen, list) and isinstance(declared, list) and len(seen) == len(declared):
        return [_only(have, one) for have, one in zip(seen, declared, strict=True)]
    return seen


def plain(message: Any) -> Props:
    """A struct as values; whole numbers are integers."""
    found: Props = json_format.MessageToDict(message)
    whole = json.loads(
        json.dumps(found), parse_float=lambda text: int(float(text)) if float(text).is_integer() else float(text)
    )
    return dict(whole)


def struct(props: Mapping[str, Any]) -> Any:
    """The other way round."""
    message = struct_pb2.Struct()
    message.update(json.loads(json.dumps(props, default=str)))
    return message
