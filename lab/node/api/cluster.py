"""The shape of the cluster, and changing it: who is in, an invitation, forcing out.

Answers as in recordings 02, A2_invite_join_ce_5.8.8_5.8.9, A5_variants_ce and C1_green_stopped_then_force_leave_ce; what it does to the nodes is
`lab.node.membership`'s business.
"""

from __future__ import annotations

import asyncio
from typing import Any

from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint, timestamp
from lab.node.api.errors import ApiError


async def cluster(call: Call) -> Answer:
    """GET /cluster: only those that run, so a dead member is not in it."""
    names = [node.name for node in call.managed.visible(call.here)]
    name = call.managed.cluster.nodes[call.here].terms.cluster_name or call.managed.name
    return Answer({"name": name, "nodes": names, "self": call.here})


async def topology(call: Call) -> Answer:
    """GET /cluster/topology: every node is a core node here."""
    return Answer([{"core_node": node.name, "replicant_nodes": []} for node in call.managed.visible(call.here)])


async def invite(call: Call) -> Answer:
    """PUT /cluster/:node/invite: answered when it has joined."""
    await call.managed.membership.invite(call.here, call.path["node"])
    return Answer()


async def invite_async(call: Call) -> Answer:
    """PUT /cluster/:node/invite_async: answered at once; GET /cluster/invitation tells the rest."""
    name, now, rows = call.path["node"], call.now, call.managed.invitations
    rows[name] = row = {"node": name, "started_at": timestamp(now(), milliseconds=True)}

    async def work() -> None:
        try:
            await call.managed.membership.invite(call.here, name)
        except ApiError as error:
            row["reason"] = str(error.message)
        row["finished_at"] = timestamp(now(), milliseconds=True)

    call.managed.background(asyncio.create_task(work()))
    return Answer()


async def invitation(call: Call) -> Answer:
    """GET /cluster/invitation: by what has become of each."""
    found: dict[str, list[Any]] = {"failed": [], "in_progress": [], "succeed": []}
    for row in call.managed.invitations.values():
        ended = "failed" if "reason" in row else "succeed"
        found[ended if "finished_at" in row else "in_progress"].append(row)
    return Answer(found)


async def force_leave(call: Call) -> Answer:
    """DELETE /cluster/:node/force_leave."""
    await call.managed.membership.force_leave(call.here, call.path["node"])
    return NO_CONTENT


ENDPOINTS = (
    Endpoint("GET", "/cluster", cluster),
    Endpoint("GET", "/cluster/topology", topology),
    Endpoint("GET", "/cluster/invitation", invitation),
    Endpoint("PUT", "/cluster/{node}/invite", invite),
    Endpoint("PUT", "/cluster/{node}/invite_async", invite_async),
    Endpoint("DELETE", "/cluster/{node}/force_leave", force_leave),
)
