"""Router `route53`: a name whose two weighted records lead to the names of the colours; it is asked before a device connects, and never again.

The rule: records are written only as they were read (the record of before is deleted in the same batch that makes the new one, which Route 53 does whole or not at
all), so that what somebody changed meanwhile is seen first. Whose record takes devices away from both colours is refused, never overwritten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import httpx
from botocore.exceptions import ClientError

from components.aws.clients import client
from components.cutover.capabilities import ROUTE53, Capabilities
from components.cutover.weights import OF_RECORDS, share_of, weights_of
from components.cutover.words import COLOURS, PARTS, Colour
from components.emqx.aws_told import code_of
from components.emqx.errors import BadInput, NotNow, Refused
from components.emqx.models import BalancerHandle, Named
from components.ledger.base import require_parts
from components.routers.asking import Asking
from components.routers.base import Router, Server, ServerState
from components.routers.blind import Blind
from components.system.trusted import authorities

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import ChangeTypeDef, ResourceRecordSetOutputTypeDef, ResourceRecordSetTypeDef

FRESH_SECONDS, HEALTH_FRESH_SECONDS = 5.0, 5.0
"""Route 53 takes 5 calls a second from a whole account (docs.aws.amazon.com, "Quotas: Route 53 API requests")."""
READ_BACK_SECONDS, POLL_SECONDS, ASK_SECONDS = 30.0, 1.0, 3.0
CHANGED = "InvalidChangeBatch"
HEALTHY_FRACTION = 0.18
"""Route 53 takes an endpoint for healthy when more than 18 % of its checkers do (docs.aws.amazon.com, "How Route 53 determines whether a health check is healthy")."""
WORD: Final = "CNAME"


class Route53Router(Asking, Blind):
    """Router over the records of a name.

    Args:
        handle: its region, zone, name, and what it leads to.
        read_back_seconds: how long a change may take until it is read.

    """

    NODE = "Route 53"

    def __init__(self, handle: BalancerHandle, *, read_back_seconds: float = READ_BACK_SECONDS) -> None:
        if handle.aws is None or handle.named is None:
            raise BadInput("the balancer's router", seen="no region, or no name", todo="run pulumi up")
        super().__init__()
        self._named: Named = handle.named
        self._region, self._read_back_seconds = handle.aws.region, read_back_seconds
        self._change, self._kept_seconds = "", 0.0

    @property
    def can(self) -> Capabilities:
        """Weights for who looks the name up, after so many times its TTL."""
        return replace(ROUTE53, spread_seconds=float(self._named.ttl_seconds * self._named.wait_ttls))

    @property
    def end_command(self) -> str:
        """Where the records of the name are; deleting them ends no connection."""
        return (
            f"aws route53 list-resource-record-sets --hosted-zone-id {self._named.zone} "
            f"--start-record-name {self._named.name} (and delete those of {self._named.name})"
        )

    def replicas(self) -> Sequence[Router]:
        """AWS has them; they are one."""
        return [self]

    async def share(self) -> int:
        """Green's share in parts of 10,000.

        Raises:
            Refused: the name has records of somebody else, or nobody has a weight.
            Unreachable, NotNow, Unauthorized: AWS.

        """
        found = await self._records()
        share = share_of({colour: one.get("Weight", 0) for colour, one in found.items()})
        if share is None:
            seen = f"no record of {self._named.name} has a weight: {', '.join(found) or 'there is none'}"
            todo = "run pulumi up: its first link settles them to the ledger's share"
            raise Refused("green's share", node=self.NODE, seen=seen, todo=todo)
        return share

    async def set_share(self, parts: int) -> None:
        """Give each colour's record its weight, and read it back; both at once.

        Raises:
            BadInput: not within 0..10000, or a share of a colour that it does not have.
            NotNow: the records still have other weights.
            Unreachable, NotNow, Unauthorized, Refused: AWS; Refused also where the name has records of somebody else.

        """
        require_parts(parts)
        weights = weights_of(parts, OF_RECORDS)
        here = [colour for colour in COLOURS if colour in self._named.colours]
        if not any(weights[colour] for colour in here):
            todo = f"give it to a colour of {', '.join(here) or 'none'}"
            raise BadInput("setting green's share", seen=f"{parts} of {PARTS}", todo=todo)
        end, said = time.monotonic() + self._read_back_seconds, None
        while changes := self._changes(await self._records(fresh=True), weights):
            if said is not None and time.monotonic() > end:
                seen = (
                    f"after {self._read_back_seconds:g} s {self._named.name} shows other weights than {weights}{said}"
                )
                raise NotNow("setting green's share", node=self.NODE, seen=seen, todo="run the update again")
            said = await self._ask(f"setting green's share of {self._named.name}", partial(self._write, changes))
            self._seen.clear()
            if said:
                await asyncio.sleep(POLL_SECONDS)

    async def in_sync(self) -> float | None:
        """Whether all name servers have the last change: then how long resolvers may keep what was before."""
        if not self._change:
            return 0.0
        api = client(self._region, "route53")
        told = await self._ask("asking for the change of the records", partial(api.get_change, Id=self._change))
        if told["ChangeInfo"]["Status"] != "INSYNC":
            return None
        self._change = ""
        return self._kept_seconds

    async def health(self) -> Mapping[Colour, Mapping[str, bool]]:
        """For each colour and node, whether Route 53's checkers find it well, or the node says itself that it takes clients."""
        return {
            colour: {node: await self._well(check) for node, check in self._named.nodes.get(colour, {}).items()}
            for colour in COLOURS
        }

    async def servers(self) -> Mapping[Colour, Mapping[str, Server]]:
        """Every node is told to devices while it is well; how many connections they have is not told."""
        return {colour: dict.fromkeys(self._named.nodes.get(colour, {}), Server("ready", 0)) for colour in COLOURS}

    async def set_server(self, colour: Colour, node: str, state: ServerState) -> None:
        """A node is taken out by its health check alone.

        Raises:
            Refused: it is to be taken out.

        """
        if state != "ready" or node not in self._named.nodes.get(colour, {}):
            todo = "use a balancer that connections pass, where single nodes are to be kept empty"
            raise Refused(f"setting {node} to {state}", node=node, seen="a name has no such state", todo=todo)

    async def _records(self, *, fresh: bool = False) -> dict[Colour, ResourceRecordSetOutputTypeDef]:
        """The records of the name, by colour; Refused where one is not ours."""
        name = self._named.name

        def look() -> list[ResourceRecordSetOutputTypeDef]:
            found = client(self._region, "route53").list_resource_record_sets(
                HostedZoneId=self._named.zone, StartRecordName=name, StartRecordType="A", MaxItems="100"
            )
            return [one for one in found["ResourceRecordSets"] if one["Name"].rstrip(".").lower() == name]

        listed = await self._fresh("records", f"looking up {name}", look, 0.0 if fresh else FRESH_SECONDS)
        found: dict[Colour, ResourceRecordSetOutputTypeDef] = {}
        for one in listed:
            colour = next((colour for colour in COLOURS if self._is(colour, one)), None)
            if colour is None:
                seen = f"{name} has a record that is not this stack's: {_shown(one)}, which takes devices away from both colours"
                todo = f"take it out, or give emqx:balancer.aws.records another name than {name}"
                raise Refused("green's share", node=self.NODE, seen=seen, todo=todo)
            found[colour] = one
        return found

    def _is(self, colour: Colour, one: ResourceRecordSetOutputTypeDef) -> bool:
        """Whether it is the record that leads to a colour."""
        leads = [value["Value"].rstrip(".").lower() for value in one.get("ResourceRecords", ())]
        return (
            one["Type"] == WORD and one.get("SetIdentifier") == colour and leads == [colour_name(self._named, colour)]
        )

    def _changes(
        self, found: Mapping[Colour, ResourceRecordSetOutputTypeDef], weights: Mapping[Colour, int]
    ) -> list[ChangeTypeDef]:
        """What brings the records to these weights and the declared TTL; one of a colour that leaves is weighed and not made anew."""
        changes: list[ChangeTypeDef] = []
        for colour in COLOURS:
            before = found.get(colour)
            if before is None and colour not in self._named.colours:
                continue
            if before is not None:
                if (before.get("Weight"), before.get("TTL")) == (weights[colour], self._named.ttl_seconds):
                    continue
                changes.append({"Action": "DELETE", "ResourceRecordSet": before})
            changes.append({"Action": "CREATE", "ResourceRecordSet": self._record(colour, weights[colour])})
        return changes

    def _record(self, colour: Colour, weight: int) -> ResourceRecordSetTypeDef:
        return {
            "Name": self._named.name,
            "Type": WORD,
            "SetIdentifier": colour,
            "Weight": weight,
            "TTL": self._named.ttl_seconds,
            "ResourceRecords": [{"Value": colour_name(self._named, colour)}],
        }

    def _write(self, changes: list[ChangeTypeDef]) -> str:
        """Send them; what Route 53 said where a record is not as it was read."""
        asked = client(self._region, "route53").change_resource_record_sets
        try:
            answer = asked(
                HostedZoneId=self._named.zone, ChangeBatch={"Comment": "share of a cutover", "Changes": changes}
            )
        except ClientError as failure:
            if code_of(failure) != CHANGED:
                raise
            return f": {failure}"[:400]
        self._change = answer["ChangeInfo"]["Id"]
        longest = max(one["ResourceRecordSet"].get("TTL", 0) for one in changes)
        self._kept_seconds = float(longest * self._named.wait_ttls)
        return ""

    async def _well(self, check: str) -> bool:
        if not check.startswith("http"):
            api = client(self._region, "route53")
            look = partial(api.get_health_check_status, HealthCheckId=check)
            told = await self._fresh(check, "asking who is healthy", look, HEALTH_FRESH_SECONDS)
            said = [
                one.get("StatusReport", {}).get("Status", "").startswith("Success")
                for one in told["HealthCheckObservations"]
            ]
            return sum(said) > HEALTHY_FRACTION * len(said)
        try:
            async with httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False, verify=authorities()) as http:
                return (await http.get(check)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


def colour_name(named: Named, colour: Colour) -> str:
    """Where the record of a colour leads, also of one that leaves."""
    return named.colours.get(colour, f"{colour}.{named.name}")


def _shown(one: ResourceRecordSetOutputTypeDef) -> str:
    """A record as a person finds it again."""
    leads = ", ".join(value["Value"] for value in one.get("ResourceRecords", ())) or "an alias"
    return f"{one['Type']} {one.get('SetIdentifier', 'without an identifier')} ({leads})"
