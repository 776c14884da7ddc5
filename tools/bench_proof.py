"""At least a million random decisions before and after each conversion: no deny may become an allow unnamed (`make bench-proof`).

The sources are made to hurt: overlapping rules, ties in time, names with wildcards and slashes, ``$`` topics, placeholders known and
unknown, 5.x's own syntax as plain text, every order of the sources. The seed is printed; the same seed gives the same sources.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import random
import sys
import time
from collections import Counter

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import BadSource, Conversion, Options, Source, convert
from components.migration.hop_44_5.source import patch
from components.migration.manifest import Verdict
from components.migration.permissions.after import dialects
from components.migration.permissions.client import Action, Client, hashed
from components.migration.permissions.compare import Proof, compare
from components.migration.prove import after_of, before_of
from tools import bench_proof_4x

WORDS = (
    "a",
    "b",
    "cmd",
    "+",
    "#",
    "%c",
    "%u",
    "$SYS",
    "$x",
    "",
    "${clientid}",
    "eq a",
    "%cida",
    "é",
    "undefined",
    "c-%c",
)
NAMES = ("dev1", "bob", "a", "a/b", "+", "#", "$x", "$SYS", "undefined", "é", "x y", "%u")
TARGETS = ("5.6.1", "5.8.0", "5.8.5", "5.8.11", "5.10.1", "6.1.0", "6.3.1")
ADDRESSES = ("127.0.0.1", "10.1.2.3", "::1")
SALT = b"\xfb\x16\x4e\x90"
ACCOUNTED = ("acl_mnesia", "acl.conf", "emqx.conf", "auth_mnesia", "loaded_plugins")


def random_topic(rng: random.Random) -> str:
    """A filter; ``#`` only at its end, as 4.4's API demands."""
    words = [rng.choice(WORDS) for _ in range(rng.randint(1, 4))]
    words = [word for word in words[:-1] if word != "#"] + words[-1:]
    return "/".join(words) or "a"


def random_who(rng: random.Random, depth: int = 0) -> str:
    """The second part of a rule of acl.conf."""
    name = rng.choice(NAMES).replace("\\", "\\\\")
    plain = [
        "all",
        f'{{user, "{name}"}}',
        f'{{client, "{name}"}}',
        "{user, all}",
        f'{{ipaddr, "{rng.choice(ADDRESSES)}"}}',
        '{ipaddrs, ["10.0.0.0/8", "127.0.0.1"]}',
    ]
    if depth < 1 and rng.random() < 0.2:
        parts = ", ".join(random_who(rng, 1) for _ in range(rng.randint(0, 2)))
        return f"{{'{rng.choice(('and', 'or'))}', [{parts}]}}"
    return rng.choice(plain)


def random_rule(rng: random.Random) -> str:
    """One term of acl.conf."""
    access = rng.choice(("allow", "deny"))
    if rng.random() < 0.12:
        return f"{{{access}, all}}."
    topics = [f'"{random_topic(rng)}"' for _ in range(rng.randint(1, 3))]
    topics = [f"{{eq, {topic}}}" if rng.random() < 0.15 else topic for topic in topics]
    action = rng.choice(("publish", "subscribe", "pubsub"))
    return f"{{{access}, {random_who(rng)}, {action}, [{', '.join(topics)}]}}."


def random_source(rng: random.Random) -> Source:
    """An export with files, small enough that its rules meet."""
    rows = []
    for _ in range(rng.randint(0, 10)):
        kind = rng.choice(("all", "username", "clientid"))
        action, access = rng.choice(("pub", "sub")), rng.choice(("allow", "deny"))
        row: dict[str, object] = {"type": kind, "topic": random_topic(rng), "action": action, "access": access}
        row["created_at"] = rng.randint(1, 4)
        rows.append(row if kind == "all" else row | {"type_value": rng.choice(NAMES)})
    users = [
        {
            "login": name,
            "type": "username",
            "created_at": 1,
            "password": base64.b64encode(SALT + hashed("sha256", SALT, "secret")).decode(),
        }
        for name in rng.sample(NAMES, rng.randint(0, 3))
    ]
    keys = {
        "acl_nomatch": rng.choice(("allow", "deny")),
        "allow_anonymous": rng.choice(("true", "false")),
        "acl_order": rng.choice(("none", "file,mnesia", "mnesia,file")),
    }
    if rng.random() < 0.7:
        keys["auth.mnesia.password_hash"] = "sha256"
    settings = [Setting("emqx.conf", line, key, value) for line, (key, value) in enumerate(keys.items(), 1)]
    files = {"acl.conf": "\n".join(random_rule(rng) for _ in range(rng.randint(0, 6)))}
    if rng.random() < 0.8:
        fact = rng.choice(("{emqx_auth_mnesia, true}.", "{emqx_auth_mnesia, true}.", "{emqx_auth_mnesia, false}.", ""))
        files["loaded_plugins"] = f"{fact}\n"
        files["loaded_modules"] = "{emqx_mod_acl_internal, true}.\n"
    export = {"version": "4.4", "auth_mnesia": users, "acl_mnesia": rows}
    return Source(export, "random.json", settings, files)


def random_questions(rng: random.Random, source: Source, count: int) -> list[tuple[Client, Action, str]]:
    """Clients, actions and topics: half of them are near the rules."""
    topics = [row["topic"] for row in (source.export or {})["acl_mnesia"]]
    questions = []
    for _ in range(count):
        username = rng.choice((None, *NAMES))
        client = Client(rng.choice(NAMES), username, rng.choice(ADDRESSES))
        topic = rng.choice(topics) if topics and rng.random() < 0.5 else random_topic(rng)
        words = [_put(word, client, rng) for word in topic.split("/")]
        action = rng.choice(tuple(Action))
        if action is Action.PUBLISH:
            words = ["z" if word in ("+", "#") else word for word in words]
        questions.append((client, action, "/".join(words)))
    return questions


def _put(word: str, client: Client, rng: random.Random) -> str:
    if word == "%c":
        return rng.choice((client.clientid, "%c", "a"))
    if word == "%u":
        return rng.choice((client.username or "undefined", "%u", "a"))
    return rng.choice((word, word, "a", "$x")) if word in ("+", "#") else word


def prove_one(rng: random.Random, questions: int) -> tuple[Proof | None, Conversion | None, str, Source]:
    """One source, converted and asked; no proof where the source is refused, with the reason."""
    source, target = random_source(rng), rng.choice(TARGETS)
    try:
        conversion = convert(source, "4.4.19", target, Options(credential="username"))
    except BadSource as refusal:
        return None, None, str(refusal), source
    asked = random_questions(rng, source, questions)
    clients = list(dict.fromkeys(client for client, _, _ in asked))[:20]
    sides = [after_of(conversion, dialect) for dialect in dialects(patch(target))]
    return compare(before_of(source), sides, asked, clients), conversion, target, source


def is_reported(conversion: Conversion) -> bool:
    """Whether the account says that something decides otherwise."""
    return any(item.section in ACCOUNTED and item.verdict is not Verdict.CARRIED for item in conversion.account.items)


def main() -> int:
    """Run until enough is asked; 1 where a deny became an allow, or a difference is not in the account."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=1000, help="for each source")
    parser.add_argument("--seed", type=int, default=44)
    arguments = parser.parse_args()
    rng, began, decided, failed = random.Random(arguments.seed), time.monotonic(), 0, 0
    seen: Counter[str] = Counter()
    for number in itertools.count(1):
        proof, conversion, note, source = prove_one(rng, arguments.questions)
        if proof is None or conversion is None:
            seen["refused"] += 1
            continue
        seen["sources"] += 1
        seen["narrower"] += proof.narrowed
        seen["wider"] += proof.widened
        decided += proof.decisions
        silent = bool(proof.narrowed) and not is_reported(conversion)
        if proof.widened or silent:
            failed += 1
            print(
                f"source {number}, {note}, {'not reported' if silent else 'WIDER'}:\n{source.export}\n{source.files}\n{source.settings}"
            )
            print(*[str(one) for one in proof.differences if one.widens or silent][:5], sep="\n")
            if failed >= 3:
                break
        if decided >= arguments.decisions:
            break
    seconds = time.monotonic() - began
    print(
        f"seed {arguments.seed}: {decided:,} decisions on {seen['sources']:,} sources ({seen['refused']} refused) in {seconds:.0f} s"
    )
    print(
        f"equal {decided - seen['narrower'] - seen['wider']:,}, narrower {seen['narrower']:,} (all reported), wider {seen['wider']:,}"
    )
    failed += bench_proof_4x.run(arguments.decisions, arguments.questions, arguments.seed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
