"""Random clusters of 4.2 held against what is written for 4.3: each decision is the same, or the account names it (`make bench-proof`).

The sources are made to hurt: overlapping filters, one topic twice, rules for everybody, superusers, literal placeholders, ``$`` topics.
The rule kept here: one seed gives the same sources.
"""

from __future__ import annotations

import base64
import random
import time
from collections import Counter
from typing import Any

from components.cutover.versions import parse
from components.migration.facts import Export, Facts, Plan
from components.migration.hop_42_43.convert import Converted, convert
from components.migration.loading import add
from components.migration.manifest import Verdict
from components.migration.permissions.client import Access, Action, Client, hashed
from components.migration.permissions.compare import Difference, Proof, Question, compare
from components.migration.permissions.topics import matches, words
from components.migration.words import Credential

WORDS = ("a", "b", "cmd", "+", "#", "%c", "%u", "$SYS", "$x", "", "é", "undefined", "c-%c")
NAMES = ("dev1", "bob", "a", "+", "#", "$x", "%u", "%c", "root")
ROOT = "root"


def random_topic(rng: random.Random) -> str:
    """A filter; ``#`` only at its end."""
    listed = [rng.choice(WORDS) for _ in range(rng.randint(1, 4))]
    return "/".join([word for word in listed[:-1] if word != "#"] + listed[-1:]) or "a"


def random_facts(rng: random.Random) -> Facts:
    """An export with files, small enough that its rules meet."""
    credential: Credential = rng.choice(("username", "clientid"))
    rows = [
        {"login": rng.choice(("$all", *NAMES)), "topic": random_topic(rng), "allow": rng.random() < 0.5}
        | {"action": rng.choice(("pub", "sub", "pubsub"))}
        for _ in range(rng.randint(1, 12))
    ]
    password = base64.b64encode(hashed("sha256", b"", "secret")).decode()
    users = [{"login": ROOT, "password": password, "is_superuser": rng.random() < 0.5}]
    data: dict[str, Any] = {"version": "4.2.14", "auth_mnesia": users, "acl_mnesia": rows}
    facts = Facts(
        Plan(parse("4.2.14"), parse("4.3.22"), "ce", "ce", credential=credential), export=Export("random.json", data)
    )
    answer = rng.choice(("allow", "deny"))
    conf = f"acl_nomatch = {answer}\nallow_anonymous = {rng.choice(('true', 'false'))}\n"
    rule = rng.choice(("{allow, all}.", "{deny, all}.", '{deny, all, subscribe, ["$SYS/#", {eq, "#"}]}.'))
    for name, text in (("emqx.conf", conf), ("acl.conf", rule), ("loaded_plugins", "{emqx_auth_mnesia, true}.\n")):
        facts = add(facts, name, text.encode())
    return facts


def random_questions(rng: random.Random, facts: Facts, count: int) -> list[Question]:
    """Clients, actions and topics; half of them are near the rules."""
    topics = [row["topic"] for row in facts.export.rows("acl_mnesia")] if facts.export else []
    questions = []
    for _ in range(count):
        client = Client(rng.choice(NAMES), rng.choice((None, *NAMES)))
        topic = rng.choice(topics) if rng.random() < 0.5 else random_topic(rng)
        action = rng.choice(tuple(Action))
        listed = [rng.choice((word, client.clientid)) if word == "%c" else word for word in topic.split("/")]
        if action is Action.PUBLISH:
            listed = [rng.choice(("z", "a", "b")) if word in ("+", "#") else word for word in listed]
        questions.append((client, action, "/".join(listed)))
    return questions


def prove_one(rng: random.Random, questions: int) -> tuple[Proof, Converted]:
    """One cluster, converted and asked."""
    facts = random_facts(rng)
    result = convert(facts)
    asked = random_questions(rng, facts, questions)
    clients = list(dict.fromkeys(client for client, _, _ in asked))[:20]
    return compare(result.sides.old, [result.sides.new], asked, clients), result


def unnamed(proof: Proof, result: Converted) -> list[Difference]:
    """The differences that no item of the account stands for."""
    named = [item for item in result.account.items if item.verdict is not Verdict.CARRIED]
    filters = [item.label.split(" ", 2)[2] for item in named if item.section == "acl_mnesia"]
    supers = {item.label for item in named if item.section == "auth_mnesia" and "narrower for topics" in item.todo}

    has_tables = any(item.section == "built-in users" for item in named)

    def is_named(one: Difference) -> bool:
        if one.action.startswith("connect "):
            return has_tables
        is_super = one.topic.startswith("$") and one.after is Access.DENY and {one.username, one.clientid} & supers
        return bool(is_super) or any(matches(words(one.topic), words(topic), loose=False) for topic in filters)

    return [one for one in proof.differences if not is_named(one)]


def run(decisions: int, questions: int, seed: int) -> int:
    """Prove until enough is asked and print the figures; how many sources had a difference that is not in the account."""
    rng, began, failed = random.Random(seed), time.monotonic(), 0
    seen: Counter[str] = Counter()
    while seen["decisions"] < decisions and failed < 3:
        proof, result = prove_one(rng, questions)
        seen.update(sources=1, decisions=proof.decisions, wider=proof.widened, narrower=proof.narrowed)
        silent = unnamed(proof, result)
        if silent:
            failed += 1
            print("4.2 -> 4.3, not in the account:", *map(str, silent[:5]), result.requests, sep="\n")
    equal = seen["decisions"] - seen["wider"] - seen["narrower"]
    print(
        f"4.2 -> 4.3, seed {seed}: {seen['decisions']:,} decisions on {seen['sources']:,} sources in {time.monotonic() - began:.0f} s: "
        f"equal {equal:,}, wider {seen['wider']:,} and narrower {seen['narrower']:,} (all named in the account)"
    )
    return failed
