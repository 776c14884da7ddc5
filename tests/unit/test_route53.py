"""Router route53 over moto, whose zones change as Route 53's do: weights of both colours at once, records of somebody else, changes that come between, and how long they take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from components.aws.clients import client
from components.aws.place import AwsPlace
from components.cutover.words import PARTS
from components.emqx.errors import BadInput, NotNow, Refused, Unauthorized
from components.emqx.models import BalancerHandle, Named
from components.routers import route53
from components.routers.base import Spreads
from components.routers.registry import capabilities_of, router_of
from components.routers.route53 import Route53Router
from lab.aws.zones import Zones
from tests.aws_bed import REGION, account

pytestmark = pytest.mark.unit
NAME = "mqtt.lab.test"
COLOURS = {"blue": f"blue.{NAME}", "green": f"green.{NAME}"}


class Zone:
    """A hosted zone with the records of a name."""

    def __init__(self) -> None:
        self.api = client(REGION, "route53")
        self.id = self.api.create_hosted_zone(Name="lab.test", CallerReference="x")["HostedZone"]["Id"].rpartition("/")[
            2
        ]

    def write(self, action: Any, identifier: str, weight: int, leads: str = "", ttl: int = 60) -> None:
        record: Any = {
            "Name": NAME,
            "Type": "CNAME",
            "SetIdentifier": identifier,
            "Weight": weight,
            "TTL": ttl,
            "ResourceRecords": [{"Value": leads or f"{identifier}.{NAME}"}],
        }
        batch: Any = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self.api.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch=batch)

    def weights(self) -> dict[str, int]:
        listed = self.api.list_resource_record_sets(HostedZoneId=self.id)["ResourceRecordSets"]
        return {one["SetIdentifier"]: one["Weight"] for one in listed if "SetIdentifier" in one}

    def router(self, colours: dict[str, str] = COLOURS, nodes: Any = None, **more: Any) -> Route53Router:
        named = Named.model_validate(
            {"zone": self.id, "name": NAME, "ttl_seconds": 60, "wait_ttls": 3, "colours": colours, "nodes": nodes or {}}
        )
        place = AwsPlace(region=REGION)
        handle = BalancerHandle(router="route53", mqtt=f"{NAME}:1883", admin=(), maps="t", aws=place, named=named)
        return Route53Router(handle, **more)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    from moto.route53.models import Route53Backend
    from moto.route53.responses import Route53

    for owner, name in ((Route53Backend, "change_resource_record_sets"), (Route53, "change_resource_record_sets")):
        monkeypatch.setattr(owner, name, vars(owner)[name])
    monkeypatch.setattr(Route53, "get_change", Route53.get_change)
    monkeypatch.setattr(route53, "POLL_SECONDS", 0.0)
    Zones(sync=0.0).play()
    with account():
        made = Zone()
        made.write("CREATE", "blue", 1)
        made.write("CREATE", "green", 0)
        yield made


def before(zone: Zone, operation: str, then: Callable[[], None]) -> None:
    """Do something right before the next call of an operation."""
    seen: list[Any] = []

    def hook(**_: Any) -> None:
        if not seen:
            seen.append(1)
            then()

    zone.api.meta.events.register_first(f"before-parameter-build.route-53.{operation}", hook)


async def test_a_share_is_set_on_both_records_and_read_back(zone: Zone) -> None:
    router = zone.router()
    assert await router.share() == 0
    await router.set_share(1_000)
    assert zone.weights() == {"blue": 9, "green": 1}
    assert await router.share() == 1_000
    await router.set_share(PARTS)
    assert await zone.router().share() == PARTS
    assert zone.weights() == {"blue": 0, "green": 1}


async def test_a_share_that_is_there_is_not_written(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    router = zone.router()
    await router.set_share(1_000)
    assert await router.in_sync() == 180.0
    monkeypatch.setattr(zone.api, "change_resource_record_sets", None)
    await router.set_share(1_000)
    assert await router.in_sync() == 0.0


async def test_what_somebody_changes_between_look_and_change_is_seen_first(zone: Zone) -> None:
    before(zone, "ChangeResourceRecordSets", lambda: zone.write("UPSERT", "blue", 200, ttl=300))
    router = zone.router()
    await router.set_share(5_000)
    assert zone.weights() == {"blue": 1, "green": 1}
    assert await router.in_sync() == 3 * 300.0, "resolvers keep the answer that somebody made for his TTL"


async def test_a_record_that_comes_between_is_not_overwritten(zone: Zone) -> None:
    before(zone, "ChangeResourceRecordSets", lambda: zone.write("UPSERT", "green", 7, leads="elsewhere.lab.test"))
    with pytest.raises(Refused, match=r"not this stack's: CNAME green \(elsewhere.lab.test\)"):
        await zone.router().set_share(5_000)
    assert zone.weights() == {"blue": 1, "green": 7}


async def test_a_third_record_takes_devices_away_and_is_refused_by_its_name(zone: Zone) -> None:
    zone.write("CREATE", "red", 5, leads="red.lab.test")
    for act in (zone.router().share(), zone.router().set_share(5_000)):
        with pytest.raises(Refused, match=r"CNAME red \(red.lab.test\), which takes devices away from both colours"):
            await act
    assert zone.weights() == {"blue": 1, "green": 0, "red": 5}


async def test_a_record_that_somebody_took_away_is_made_again(zone: Zone) -> None:
    zone.write("DELETE", "blue", 1)
    with pytest.raises(Refused, match=r"no record of mqtt\.lab\.test has a weight: green"):
        await zone.router().share()
    await zone.router().set_share(2_500)
    assert zone.weights() == {"blue": 3, "green": 1}


async def test_a_colour_that_leaves_gets_no_weight_and_is_not_made_again(zone: Zone) -> None:
    router = zone.router({"green": COLOURS["green"]})
    with pytest.raises(BadInput, match="give it to a colour of green"):
        await router.set_share(0)
    await router.set_share(PARTS)
    assert zone.weights() == {"blue": 0, "green": 1}
    zone.write("DELETE", "blue", 0)
    await zone.router({"green": COLOURS["green"]}).set_share(PARTS)
    assert zone.weights() == {"green": 1}


async def test_a_change_that_is_not_taken_in_time_is_told_with_what_route_53_said(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"Error": {"Code": "InvalidChangeBatch", "Message": "a lock"}}

    def refuses(**_: Any) -> None:
        raise ClientError(said, "ChangeResourceRecordSets")  # type: ignore[arg-type]

    monkeypatch.setattr(zone.api, "change_resource_record_sets", refuses)
    with pytest.raises(NotNow, match=r"shows other weights than .* a lock"):
        await zone.router(read_back_seconds=0.05).set_share(1_000)


@pytest.mark.parametrize(
    ("code", "raised"), [("Throttling", NotNow), ("PriorRequestNotComplete", NotNow), ("AccessDenied", Unauthorized)]
)
async def test_throttling_and_missing_rights_are_told_apart(
    zone: Zone, monkeypatch: pytest.MonkeyPatch, code: str, raised: type[Exception]
) -> None:
    def refuses(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "ChangeResourceRecordSets")

    monkeypatch.setattr(zone.api, "change_resource_record_sets", refuses)
    with pytest.raises(raised, match=f"ChangeResourceRecordSets: {code}"):
        await zone.router().set_share(1_000)
    assert zone.weights() == {"blue": 1, "green": 0}


async def test_it_is_in_sync_when_every_name_server_has_the_change(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    router, status = zone.router(), ["PENDING"]
    assert isinstance(router, Spreads)
    assert await router.in_sync() == 0.0
    await router.set_share(1_000)
    monkeypatch.setattr(zone.api, "get_change", lambda **_: {"ChangeInfo": {"Status": status[0]}})
    assert await router.in_sync() is None
    status[0] = "INSYNC"
    assert await router.in_sync() == 180.0
    assert await router.in_sync() == 0.0
    assert router.can.spread_seconds == 180.0


async def test_however_often_a_run_asks_route_53_is_asked_once_in_a_while(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    zone.api.meta.events.register("before-call.*.*", lambda model, **_: calls.append(model.name))
    monkeypatch.setattr("components.routers.asking.time", SimpleNamespace(monotonic=lambda: 1.0))
    check = _check(zone)
    calls.clear()
    router = zone.router(nodes={"blue": {"n1": check}})
    for _ in range(100):
        await router.share()
        await router.health()
    assert sorted(calls) == ["GetHealthCheckStatus", "ListResourceRecordSets"]


def _check(zone: Zone) -> str:
    config: Any = {"Type": "HTTP", "IPAddress": "192.0.2.1", "Port": 18083, "ResourcePath": "/status"}
    return str(zone.api.create_health_check(CallerReference="c", HealthCheckConfig=config)["HealthCheck"]["Id"])


@pytest.mark.parametrize(("well", "of", "healthy"), [(3, 16, True), (2, 16, False), (0, 0, False)])
async def test_a_node_is_well_when_more_than_18_percent_of_the_checkers_say_so(
    zone: Zone, monkeypatch: pytest.MonkeyPatch, well: int, of: int, healthy: bool
) -> None:
    says = ["Success: HTTP Status Code 200, OK"] * well + ["Failure: HTTP Status Code 503"] * (of - well)
    told = {"HealthCheckObservations": [{"StatusReport": {"Status": one}} for one in says]}
    monkeypatch.setattr(zone.api, "get_health_check_status", lambda **_: told)
    assert await zone.router(nodes={"blue": {"n1": "id"}}).health() == {"blue": {"n1": healthy}, "green": {}}


async def test_where_route_53_cannot_ask_the_node_is_asked_itself(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answers(_: httpx.AsyncClient, url: str) -> httpx.Response:
        if "gone" in url:
            raise httpx.ConnectError("refused")
        return httpx.Response(503 if "evacuates" in url else 200)

    monkeypatch.setattr(httpx.AsyncClient, "get", answers)
    nodes = {"blue": {"n1": "http://gone/", "n2": "http://evacuates/"}, "green": {"n3": "http://well/"}}
    assert await zone.router(nodes=nodes).health() == {"blue": {"n1": False, "n2": False}, "green": {"n3": True}}


async def test_a_node_cannot_be_kept_empty_by_name(zone: Zone) -> None:
    router = zone.router(nodes={"blue": {"n1": "id"}})
    assert (await router.servers())["blue"]["n1"].state == "ready"
    await router.set_server("blue", "n1", "ready")
    for node, state in (("n1", "drain"), ("n2", "ready")):
        with pytest.raises(Refused, match="a name has no such state"):
            await router.set_server("blue", node, state)  # type: ignore[arg-type]


def test_it_is_found_by_its_word_and_a_handle_without_a_name_is_refused(zone: Zone) -> None:
    place = AwsPlace(region=REGION)
    with pytest.raises(BadInput, match="no region, or no name"):
        router_of(BalancerHandle(router="route53", mqtt="m:1", admin=(), maps="t", aws=place))
    can = capabilities_of("route53")
    assert (can.cohorts, can.closes_clients, can.keeps_seconds) == (False, False, None)
    assert NAME in zone.router().end_command
