"""Verification before the first client: green is ready, has room, holds what blue held, and treats clients as blue does.

Rule: each failure names section, expected and found; what could not be looked at is said in the result, never passed over.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.cutover.words import Colour
from components.emqx.account import Account
from components.emqx.base import Cluster
from components.emqx.errors import VerificationFailed
from components.emqx.models import Node
from components.emqx.probes import LEVELS, Answer, Prober, Topics
from components.links.readiness import LIMIT_SECONDS, wait_until_ready
from components.links.room import look_at_room
from components.migration.foreign import leftovers
from components.migration.inventory import Difference, Inventory, Section, blocking, compare
from components.run.run import Run
from components.value import Value

_MOST_SHOWN = 5


class Finding(Value):
    """One thing that is not as it must be."""

    section: str
    expected: str
    found: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.section}: expected {self.expected}, found {self.found}"


class Verified(Value):
    """What was looked at; plain data for state and journal.

    ``sections`` is section -> items on green; ``unlisted`` says what cannot be listed and why; ``tolerated`` are
    differences that refuse nothing (written by clients); ``probes`` is node -> question -> what was seen; ``reference``
    says what the probes were held against.
    """

    ready_seconds: float
    clients: int
    room: int | None
    sections: dict[str, int | None]
    unlisted: dict[str, str]
    tolerated: tuple[str, ...]
    reference: str
    probes: dict[str, dict[str, str]]
    seconds: float


async def verify(
    run: Run,
    source: Colour,
    target: Colour,
    expected: Inventory,
    *,
    ready_limit_seconds: float = LIMIT_SECONDS,
    extra_allowed: bool = False,
) -> Verified:
    """Verify ``target`` against ``expected`` (``ExportResult.inventory``) and against how ``source`` treats clients.

    ``extra_allowed`` is whether ``target`` may have bans, retained and delayed messages that ``source`` has not: clients work on it
    already, or it was acknowledged.

    Raises:
        VerificationFailed: names at most five findings, each with section, expected, found; all are in the journal.
        GaveUp: not ready in time. Refused: the probe's account could not be removed. Stopped, LeaseLost as ever.

    """
    blue, green, began = run.clusters[source], run.clusters[target], run.clock.now()
    ready = await wait_until_ready(run, target, limit_seconds=ready_limit_seconds)
    clients = sum((await blue.live_connections()).values())
    room, findings = await _room(green, clients)
    await run.checkpoint()
    found = await green.inventory()
    differences = compare(expected, found, run.clock.now())
    wrong = blocking(differences) + ([] if extra_allowed else leftovers(differences))
    findings += [Finding(section=d.section, expected=d.expected, found=f"{d.found} ({_kind(d)})") for d in wrong]
    await run.checkpoint()
    reference, seen, strange = await probe(blue, green, expected)
    findings += strange
    result = Verified(
        ready_seconds=round(ready, 3),
        clients=clients,
        room=room,
        sections=found.counts(),
        unlisted={**expected.unlisted(), **found.unlisted()},
        tolerated=tuple(str(one) for one in differences if one not in wrong),
        reference=reference,
        probes=seen,
        seconds=round(run.clock.now() - began, 3),
    )
    run.record("fact", section="verify", **result.model_dump(mode="json"), findings=[str(one) for one in findings])
    refuse(findings, target)
    return result


def _kind(difference: Difference) -> str:
    left = "left there earlier: remove it, or emqx:cutover.acknowledge [leftovers]"
    return left if leftovers([difference]) else difference.kind


def refuse(findings: list[Finding], target: Colour) -> None:
    """Raise VerificationFailed with the first findings, where there are any; all of them are in the journal."""
    if not findings:
        return
    shown = "; ".join(map(str, findings[:_MOST_SHOWN]))
    more = f"; and {len(findings) - _MOST_SHOWN} more in the journal" if len(findings) > _MOST_SHOWN else ""
    raise VerificationFailed(
        "the verification",
        node=target,
        seen=shown + more,
        todo="correct green (or what the import could not carry), then run `pulumi up` again; no client was moved",
    )


async def _room(green: Cluster, clients: int) -> tuple[int | None, list[Finding]]:
    """How many more clients green may hold (None: no licence limits it), and what is too little."""
    findings: list[Finding] = []
    here = await look_at_room(green)
    if here.licence is not None and here.licence.expiry:
        expired = f"expired {here.licence.expiry_at}"
        findings.append(Finding(section="licence", expected="a valid licence", found=expired))
    if here.licensed is not None and here.licence is not None and clients > here.licensed:
        more = f"{here.licensed} (the limit is {here.licence.max_sessions})"
        findings.append(Finding(section="licence", expected=f"room for {clients} clients", found=more))
    if here.files is not None and clients > here.files:
        findings.append(Finding(section="capacity", expected=f"files for {clients} clients", found=here.limits))
    if here.doors is not None and clients > here.doors:
        findings.append(Finding(section="listeners", expected=f"room for {clients} clients", found=here.limits))
    return here.licensed, findings


async def probe(
    blue: Cluster, green: Cluster, expected: Inventory
) -> tuple[str, dict[str, dict[str, str]], list[Finding]]:
    """Ask blue first, then every green node the same questions with the same kind of account."""
    topics = Topics.fresh(_retained_topic(expected))
    reference = await _reference(blue, topics)
    seen: dict[str, dict[str, str]] = {}
    findings: list[Finding] = []
    await green.sweep()
    async with green.temporary_account(topics.rules()) as account:
        wanted = {**_at_least(account), **_certain(reference)}
        for node in green.handle.nodes:
            answers = await questions(node, account, topics, proxy_protocol=green.handle.proxy_protocol)
            seen[node.name] = {question: answer.seen for question, answer in answers.items()}
            findings += _judged(node, wanted, answers)
    told = blue.handle.colour if _certain(reference) else "the rules of every cluster: the source answered no probe"
    return told, seen, findings


async def _reference(blue: Cluster, topics: Topics) -> Mapping[str, Answer]:
    await blue.sweep()
    running = {one.name for one in await blue.nodes() if one.running}
    async with blue.temporary_account(topics.rules()) as account:
        for node in blue.handle.nodes:
            if node.name in running:
                return await questions(node, account, topics, proxy_protocol=blue.handle.proxy_protocol)
    return {}


def _retained_topic(expected: Inventory) -> str | None:
    """A retained message that was imported, for the probe to read."""
    section = expected.sections.get("retained")
    if not isinstance(section, Section):
        return None
    return next((topic for topic in section.items if topic not in section.optional), None)


def _certain(answers: Mapping[str, Answer]) -> dict[str, bool]:
    return {question: answer.accepted for question, answer in answers.items() if answer.certain}


def _at_least(account: Account | None) -> dict[str, bool]:
    """What holds on every cluster, whatever blue says: our own account works, a wrong password does not."""
    if account is None:
        return {}
    found: dict[str, bool] = {}
    for level in LEVELS:
        found |= {f"connect, MQTT {level}": True, f"wrong password, MQTT {level}": False}
    return found


def _judged(node: Node, wanted: Mapping[str, bool], answers: Mapping[str, Answer]) -> list[Finding]:
    words = {True: "accepted", False: "refused"}
    return [
        Finding(section=f"probe of {node.name}: {question}", expected=words[accept], found=answers[question].seen)
        for question, accept in wanted.items()
        if question in answers and (answers[question].accepted != accept or not answers[question].certain)
    ]


async def questions(node: Node, account: Account | None, topics: Topics, *, proxy_protocol: bool) -> dict[str, Answer]:
    """Everything that is asked of one node, by a name that is the same on all nodes (docs/emqx/probes.md)."""
    prober = Prober(node, proxy_protocol=proxy_protocol)
    found: dict[str, Answer] = {}
    for level in LEVELS:
        found[f"anonymous, MQTT {level}"] = await prober.connects(level, None, None)
        if account is not None:
            found[f"connect, MQTT {level}"] = await prober.connects(level, account, account.password)
            found[f"wrong password, MQTT {level}"] = await prober.connects(level, account, account.password + "x")
        elif not found[f"anonymous, MQTT {level}"].accepted:
            continue  # only an account of a foreign directory could go on
        found[f"publish and receive, MQTT {level}"] = await prober.converses(level, account, f"{topics.own}/{level}")
        if account is None or account.ruled:
            found[f"denied subscription, MQTT {level}"] = await prober.subscribes(level, account, f"{topics.denied}/s")
        found[f"subscription without a rule, MQTT {level}"] = await prober.subscribes(
            level, account, f"{topics.unruled}/s"
        )
        if topics.retained is not None:
            found[f"retained message, MQTT {level}"] = await prober.reads(level, account, topics.retained)
    if account is not None and account.ruled:
        found["denied publish"] = await prober.publishes(account, f"{topics.denied}/p")
        found["publish without a rule"] = await prober.publishes(account, f"{topics.unruled}/p")
    return found
