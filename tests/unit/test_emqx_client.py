"""The management API's client: which failures pass, which do not, and that nothing foreign or secret gets out."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from components.emqx.client import LEAKS, EmqxHttp
from components.emqx.errors import BadInput, NotNow, Rejected, Unauthorized, Unreachable, UpgradeError
from components.emqx.models import Credentials
from components.emqx.v5.calls import Calls
from components.emqx.v5.cluster import ClusterApi
from tests.handles import cluster_at

pytestmark = pytest.mark.unit

KEY, SECRET, PASSWORD = "the-key", "s3cret-of-the-key", "dash-passw0rd"
HANDLE = cluster_at("127.0.1.1", "127.0.1.2", "127.0.1.3")
CREDENTIALS = Credentials(api_key=KEY, api_secret=SECRET, username="admin", password=PASSWORD)
Handler = Callable[[httpx.Request], httpx.Response]


def http(handler: Handler, **more: Any) -> EmqxHttp:
    return Calls(HANDLE, CREDENTIALS, transport=httpx.MockTransport(handler), **{"patience_seconds": 0.6, **more})


def exceptions_of_httpx() -> list[type[BaseException]]:
    found = [value for _, value in inspect.getmembers(httpx) if inspect.isclass(value)]
    return [value for value in found if issubclass(value, BaseException)]


def made(kind: type[BaseException]) -> BaseException:
    secret = f"Illegal header value b'Basic {SECRET}'"
    for arguments in ((secret,), (), ({"message": secret},)):
        try:
            return kind(*arguments)
        except TypeError:
            continue
    request = httpx.Request("GET", "http://x", headers={"Authorization": SECRET})
    return httpx.HTTPStatusError(secret, request=request, response=httpx.Response(500, request=request))


@pytest.mark.parametrize("kind", exceptions_of_httpx(), ids=lambda kind: kind.__name__)
async def test_no_exception_of_httpx_gets_out_and_none_quotes_a_header(kind: type[BaseException]) -> None:
    assert issubclass(kind, LEAKS)

    def fail(request: httpx.Request) -> httpx.Response:
        raise made(kind)

    async with http(fail, patience_seconds=0) as one:
        with pytest.raises(UpgradeError) as caught:
            await one.call("GET", "/nodes", node="emqx@127.0.1.1")
        assert isinstance(caught.value, Unreachable)
        assert SECRET not in repr(caught.value) + str(caught.value)
        assert caught.value.__cause__ is None
        with pytest.raises(Unreachable):
            await drained(one)


async def drained(one: EmqxHttp) -> None:
    async with one.stream("/data/files/x", node="emqx@127.0.1.1", params={}) as pieces:
        async for _ in pieces:
            pass


def test_no_repr_shows_a_credential() -> None:
    api = ClusterApi(HANDLE, CREDENTIALS)
    shown = repr(api) + repr(api.http) + repr(CREDENTIALS) + str(CREDENTIALS)
    assert not any(secret in shown for secret in (KEY, SECRET, PASSWORD))


async def test_a_read_survives_500_and_a_connection_that_is_closed_without_an_answer() -> None:
    answers: list[object] = [httpx.Response(500), httpx.RemoteProtocolError("closed"), httpx.Response(200, json=[])]
    nodes: list[str] = []

    def flaky(request: httpx.Request) -> httpx.Response:
        nodes.append(request.url.host)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return answer

    async with http(flaky, patience_seconds=5) as one:
        assert (await one.call("GET", "/nodes")).json() == []
    assert nodes == ["127.0.1.1", "127.0.1.2", "127.0.1.3"], "each attempt asks another node"


async def test_a_write_that_is_not_idempotent_is_sent_once() -> None:
    sent = 0

    def fail(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        return httpx.Response(500, json={"code": "UNKNOWN_ERROR", "message": "nodedown"})

    async with http(fail, patience_seconds=5) as one:
        with pytest.raises(NotNow, match="nodedown"):
            await one.call("POST", "/publish", body={})
    assert sent == 1


async def test_a_call_to_one_node_never_goes_to_another() -> None:
    asked: set[str] = set()

    def fail(request: httpx.Request) -> httpx.Response:
        asked.add(request.url.host)
        return httpx.Response(503)

    async with http(fail) as one:
        with pytest.raises(NotNow, match=r"emqx@127\.0\.1\.2"):
            await one.call("GET", "/cluster", node="emqx@127.0.1.2")
        with pytest.raises(BadInput, match="nosuch"):
            await one.call("GET", "/cluster", node="nosuch@127.0.1.9")
    assert asked == {"127.0.1.2"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"code": "BAD_API_KEY_OR_SECRET", "message": "Check api_key/api_secret"}, Unauthorized, "check the API"),
        (403, {"code": "UNAUTHORIZED_ROLE", "message": ""}, Unauthorized, "UNAUTHORIZED_ROLE"),
        (404, "<html><head><title>404 - NOT FOUND</title></head></html>", Rejected, "no error of EMQX"),
        (400, {"code": "BAD_REQUEST", "message": "x" * 900}, Rejected, "BAD_REQUEST"),
        (400, {"code": "BAD_REQUEST", "message": {"kind": "validation_error"}}, Rejected, "validation_error"),
    ],
)
async def test_an_error_names_node_what_was_tried_seen_and_what_to_do(
    status: int, body: object, kind: type[UpgradeError], words: str
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=body) if isinstance(body, dict) else httpx.Response(status, text=str(body))

    async with http(fail) as one:
        with pytest.raises(kind, match=words) as caught:
            await one.call("GET", "/nodes")
    message = str(caught.value)
    assert "GET /nodes on emqx@127.0.1.1" in message
    assert "Next: " in message
    assert len(message) < 600


async def test_a_token_is_renewed_when_it_is_old_and_when_it_was_revoked() -> None:
    clock, logins, valid = 0.0, 0, set[str]()

    def serve(request: httpx.Request) -> httpx.Response:
        nonlocal logins
        if request.url.path.endswith("/login"):
            assert "authorization" not in request.headers
            logins += 1
            valid.clear()
            valid.add(f"token{logins}")
            return httpx.Response(200, json={"token": f"token{logins}"})
        ok = request.headers["authorization"].removeprefix("Bearer ") in valid
        return httpx.Response(200 if ok else 401, json={"code": "BAD_TOKEN", "message": "Get a token by POST /login"})

    transport = httpx.MockTransport(serve)
    async with Calls(HANDLE, CREDENTIALS, transport=transport, now=lambda: clock) as one:
        await one.call("GET", "/users", bearer=True)
        await one.call("GET", "/users", bearer=True)
        assert logins == 1
        clock = 3500.0
        await one.call("GET", "/users", bearer=True)
        assert logins == 2, "a move longer than an hour must log in again"
        valid.clear()
        await one.call("GET", "/users", bearer=True)
        assert logins == 3


async def test_a_version_whose_dashboard_gives_no_tokens_says_so_and_sends_nothing() -> None:
    sent: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    async with EmqxHttp(HANDLE, CREDENTIALS, root="/api/v4", transport=httpx.MockTransport(serve)) as one:
        await one.call("GET", "/brokers")
        with pytest.raises(BadInput, match="no tokens"):
            await one.call("GET", "/users", bearer=True)
    assert [request.url.path for request in sent] == ["/api/v4/brokers"]


async def test_a_token_that_cannot_be_a_header_is_refused_and_not_quoted() -> None:
    async with http(lambda _: httpx.Response(200, json={"token": "bad\r\ntoken"})) as one:
        with pytest.raises(NotNow) as caught:
            await one.call("GET", "/users", bearer=True)
    assert "bad" not in str(caught.value)


async def test_cancelling_a_call_is_not_turned_into_an_error() -> None:
    async def hang(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    async with Calls(HANDLE, CREDENTIALS, transport=httpx.MockTransport(hang)) as one:
        task = asyncio.create_task(one.call("GET", "/nodes"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
