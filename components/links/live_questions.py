"""The questions of a conversion, asked with MQTT of the old colour and of every node of the new one: the answers must be equal.

Rule: nobody's client id is used on the old colour, where it would throw a device off; what cannot be asked there is held against what the old
colour decides by its data.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from components.cutover.words import Colour
from components.emqx.account import Account
from components.emqx.base import Cluster
from components.emqx.models import MqttAccount, Node
from components.emqx.probes import Answer, Prober
from components.links.archives import ArchiveDirectory
from components.links.data_export import running_node
from components.links.verification import Finding, refuse
from components.migration.permissions.client import Action, Client
from components.migration.permissions.live import LiveQuestion
from components.run.run import Run
from components.value import Value

LEVEL = 5
_WORDS = {True: "allowed", False: "refused"}


class Asked(Value):
    """How many questions were asked of how many nodes, and the answers that are narrower than before, which were accepted."""

    questions: int
    nodes: int
    narrower: tuple[str, ...] = ()


class _Judged(NamedTuple):
    """What differs on one node: what is wider, and what is narrower."""

    wider: list[Finding]
    narrower: list[Finding]


def clients_of(accounts: Sequence[MqttAccount]) -> list[Client]:
    """The accounts as the model of the old colour knows clients."""
    return [Client(one.client_id or f"upgrade-probe-{at}", one.username) for at, one in enumerate(accounts)]


def kept(store: ArchiveDirectory, name: str, questions: Sequence[LiveQuestion]) -> str:
    """Write the questions; their sha256."""
    return store.keep(name, json.dumps(questions).encode())


async def ask_live(
    run: Run,
    source: Colour,
    target: Colour,
    questions: Sequence[LiveQuestion],
    accounts: Sequence[MqttAccount],
    *,
    narrower_allowed: bool,
) -> Asked:
    """Ask, and judge.

    Raises:
        VerificationFailed: an answer of the new colour is wider than the old one's; or narrower, which nobody acknowledged.

    """
    blue, green = run.clusters[source], run.clusters[target]
    wanted = await _answers_of_old(blue, questions, accounts)
    wider: list[Finding] = []
    narrower: list[Finding] = []
    for node in green.handle.nodes:
        await run.checkpoint()
        judged = await _judged(node, green, questions, accounts, wanted)
        wider += judged.wider
        narrower += judged.narrower
    nodes = len(green.handle.nodes)
    run.record(
        "fact",
        section="live questions",
        questions=len(questions),
        nodes=nodes,
        wider=len(wider),
        narrower=[str(one) for one in narrower],
    )
    run.progress(
        f"{len(questions)} live questions and the doors of {nodes} nodes: {len(wider)} wider, {len(narrower)} narrower"
    )
    refuse([*wider, *([] if narrower_allowed else narrower)], target)
    return Asked(questions=len(questions), nodes=nodes, narrower=tuple(map(str, narrower[:20])))


async def _answers_of_old(
    blue: Cluster, questions: Sequence[LiveQuestion], accounts: Sequence[MqttAccount]
) -> list[bool]:
    """What each question is answered there; by its data where it is not asked, or says nothing for certain."""
    name = await running_node(blue)
    node = next(one for one in blue.handle.nodes if one.name == name)
    prober = Prober(node, proxy_protocol=blue.handle.proxy_protocol)
    found: list[bool] = []
    for question in questions:
        account = accounts[question.client]
        answer = None if account.client_id else await _asked(prober, account, question)
        found.append(answer.accepted if answer is not None and answer.certain else question.expected)
    return found


async def _judged(
    node: Node,
    green: Cluster,
    questions: Sequence[LiveQuestion],
    accounts: Sequence[MqttAccount],
    wanted: Sequence[bool],
) -> _Judged:
    prober = Prober(node, proxy_protocol=green.handle.proxy_protocol)
    found = _Judged([one for account in accounts for one in await _wrong_password(prober, account)], [])
    for question, allowed in zip(questions, wanted, strict=True):
        answer = await _asked(prober, accounts[question.client], question)
        if answer.accepted != allowed or not answer.certain:
            one = _finding(node, accounts[question.client], question, answer, allowed=allowed)
            (found.wider if answer.accepted else found.narrower).append(one)
    return found


async def _wrong_password(prober: Prober, account: MqttAccount) -> list[Finding]:
    """An account gets in with its own password only, and nobody whom the colour does not know."""
    stranger = Account(f"stranger-{secrets.token_hex(6)}", secrets.token_hex(6), by_client_id=False, ruled=False)
    found: list[Finding] = []
    for name, one in ((account.username or account.client_id, _account(account)), ("a stranger", stranger)):
        answer = await prober.connects(LEVEL, one, f"{secrets.token_hex(6)}")
        if answer.accepted:
            section = f"door of {prober.node.name}: {name} with a wrong password"
            found.append(Finding(section=section, expected="refused", found=answer.seen))
    return found


async def _asked(prober: Prober, account: MqttAccount, question: LiveQuestion) -> Answer:
    ours = _account(account)
    if question.action == str(Action.PUBLISH):
        return await prober.publishes(ours, question.topic)
    return await prober.subscribes(LEVEL, ours, question.topic)


def _account(declared: MqttAccount) -> Account:
    """Where the client id is what counts it is the name too."""
    name = declared.client_id or declared.username or ""
    return Account(name, declared.password or "", by_client_id=declared.client_id is not None, ruled=True)


def _finding(node: Node, account: MqttAccount, question: LiveQuestion, answer: Answer, *, allowed: bool) -> Finding:
    who = account.username or account.client_id
    return Finding(
        section=f"live question at {node.name}: {who} {question.action} {question.topic[:80]}",
        expected=_WORDS[allowed],
        found=answer.seen,
    )


def questions_of(store: ArchiveDirectory, name: str, sha256: str) -> list[LiveQuestion]:
    """The questions as they were kept."""
    return [LiveQuestion(*row) for row in json.loads(store.kept(name, sha256))]
