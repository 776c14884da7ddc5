"""What stands before moto: it writes down each call, refuses what its caller may not do, and plays AWS's bad days.

The rule: a fault is a number of answers, never a time, so that no test depends on how fast it is.
"""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from lab.aws.calls import Call, call_of
from lab.aws.rights import allowed, resource_of

ACCOUNT = "123456789012"
DENIED = {"ec2": "UnauthorizedOperation"}
LOOKS = ("Describe", "Get", "List")
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
Policies = Callable[[str], list[Mapping[str, Any]] | None]


@dataclass
class Fault:
    """The next ``times`` answers to an action (``ec2:RunInstances``): AWS's error ``code``, or with none the answer of before (``stale``).

    ``skip`` are let pass first; ``about`` stands somewhere in the request's body; with ``after`` the call is done, and its answer lost.
    """

    action: str
    code: str = ""
    message: str = "played by the lab"
    status: int = 400
    times: int = 1
    skip: int = 0
    about: str = ""
    after: bool = False


class Front:
    """The application that moto's server runs."""

    def __init__(self, moto: Wsgi, region: str, policies: Policies, control: Callable[[str, Any], Any]) -> None:
        """Before ``moto``; ``policies`` are those of who has an access key (None: may do everything), ``control`` answers the lab's own calls."""
        self._moto, self._region, self._policies, self._control = moto, region, policies, control
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._before: dict[bytes, tuple[bytes, bytes]] = {}
        self.calls: Counter[tuple[str, str]] = Counter()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        body = request.get_data()
        environ["wsgi.input"] = io.BytesIO(body)
        if request.path.startswith("/lab/"):
            return self._own(request.path.removeprefix("/lab/"), body)(environ, start)
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = call_of(request.method, request.path, request.query_string.decode(), headers, body)
        if call is None:
            return self._moto(environ, start)
        refused = self._denied(call)
        with self._lock:
            self.calls[call.who, call.action] += 1
            fault = None if refused else self._fault(call, body)
        if refused:
            return refused(environ, start)
        key = call.action.encode() + b" " + body + request.query_string + request.path.encode()
        if fault is None or fault.after or not fault.code:
            answer = Response.from_app(self._moto, environ)
            with self._lock:
                before = self._before.get(key)
                if call.operation.startswith(LOOKS):
                    self._before[key] = (answer.get_data(), (answer.content_type or "").encode())
            if fault is None or (not fault.code and before is None):
                return answer(environ, start)
            if not fault.code and before is not None:
                return Response(before[0], content_type=before[1].decode())(environ, start)
        return _error(call, fault.code, fault.message, fault.status)(environ, start)

    def play(self, fault: Fault) -> None:
        """From the next call on."""
        with self._lock:
            self._faults.append(fault)

    def _fault(self, call: Call, body: bytes) -> Fault | None:
        for fault in self._faults:
            if fault.action == call.action and fault.about.encode() in body:
                if fault.skip:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
                return fault
        return None

    def _denied(self, call: Call) -> Response | None:
        documents = self._policies(call.who)
        machine = call.who.startswith("ASIA")
        if documents is None or allowed(
            documents, call.action, resource_of(call, self._region, ACCOUNT) if machine else None
        ):
            return None
        code = DENIED.get(call.service, "AccessDeniedException" if call.protocol == "json" else "AccessDenied")
        return _error(call, code, f"User {call.who} is not authorized to perform: {call.action}", 403)

    def _own(self, path: str, body: bytes) -> Response:
        asked = json.loads(body or b"null")
        if path == "calls":
            with self._lock:
                told: Any = [[who, action, count] for (who, action), count in sorted(self.calls.items())]
        elif path == "faults":
            self.play(Fault(**asked))
            told = None
        elif path == "faults/left":
            told = sum(fault.times for fault in self._faults)
        else:
            try:
                told = self._control(path, asked)
            except (LookupError, ValueError, OSError) as error:
                return Response(json.dumps({"error": str(error)}), status=400, content_type="application/json")
        return Response(json.dumps(told), content_type="application/json")


def _error(call: Call, code: str, message: str, status: int) -> Response:
    """AWS's error in the call's own protocol."""
    if call.protocol == "json":
        return Response(
            json.dumps({"__type": code, "message": message}), status, content_type="application/x-amz-json-1.1"
        )
    if call.protocol == "cbor":
        # the one protocol whose errors are looked for in a header too
        headers = {"x-amzn-query-error": f"{code};Sender", "smithy-protocol": "rpc-v2-cbor"}
        return Response(_cbor({"__type": code, "message": message}), status, headers, content_type="application/cbor")
    inner = f"<Code>{code}</Code><Message>{message}</Message>"
    if call.service == "ec2":
        text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>lab</RequestID></Response>"
    elif call.service == "s3":
        text = f"<Error>{inner}<RequestId>lab</RequestId></Error>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error><RequestId>lab</RequestId></ErrorResponse>"
    return Response(text, status, content_type="text/xml")


def _cbor(texts: Mapping[str, str]) -> bytes:
    """A map of texts."""
    parts = [bytes([0xA0 | len(texts)])]
    for text in (text for pair in texts.items() for text in pair):
        data = text.encode()
        parts += [b"\x79", len(data).to_bytes(2, "big"), data]
    return b"".join(parts)
