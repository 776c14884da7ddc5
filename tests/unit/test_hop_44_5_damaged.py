"""A damaged export or file is refused by name or accounted in full; never a traceback, whatever value stands wherever."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from components.migration.configs.flat import Setting, parse
from components.migration.hop_44_5 import BadSource, Options, Source, convert
from components.migration.prove import prove

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent / "recordings" / "hop_44_5"
EXPORTS = [json.loads((HERE / name).read_text()) for name in ("ee-4.4-all-kinds.json", "oss-4.4.19.json")]
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "x",
    "a b",
    "\n",
    "n" * 65536,
    "日本",
    "%u",
    "${x}",
    "{",
    [],
    [1],
    ["a"],
    {},
    {"a": 1},
    {"file": 3},
    [{}],
    [None],
)
SETTINGS = [
    one
    for path in sorted((HERE / "etc").rglob("*.conf"))
    if path.name != "acl.conf"
    for one in parse(path.name, path.read_text()).settings
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


def damaged(rng: random.Random) -> dict[str, Any]:
    export: dict[str, Any] = copy.deepcopy(rng.choice(EXPORTS))
    for _ in range(rng.randint(1, 3)):
        container, key = rng.choice(places({"e": export})[1:])
        if rng.random() < 0.3 and isinstance(container, dict):
            container.pop(key, None)
        elif not isinstance(container, dict) or key in container:
            container[key] = copy.deepcopy(rng.choice(JUNK))  # a shared one could be put into itself by a later round
    export.setdefault("version", "4.4")
    return export


def test_each_round_has_junk_of_its_own() -> None:
    """Of a shared one a later round could damage the inside: what is put where would depend on the rounds before, and it could come to hold itself."""
    shared = {id(one) for one in JUNK if isinstance(one, dict | list)}
    for seed in range(60):
        found = places(damaged(random.Random(seed)))
        assert not any(id(container[key]) in shared for container, key in found)


def refused_or_accounted(source: Source, target: str) -> None:
    options = Options(credential="username", jwt_key="hmac-based", now=1795343060.0)
    try:
        conversion = convert(source, "4.4.19", target, options)
    except BadSource as refusal:
        said = (refusal.file, refusal.seen, refusal.remedy)
    else:
        said = ("", "", "")
        for row in conversion.account.tally().values():
            assert row["carried"] + row["changed"] + row["dropped"] == row["source"]
        assert conversion.files()
    assert all(said) or not any(said)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_export(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        refused_or_accounted(Source(damaged(rng), "damaged.json"), rng.choice(("5.1.0", "5.8.11", "6.1.0")))


@pytest.mark.parametrize("seed", range(10))
def test_damaged_settings(seed: int) -> None:
    rng = random.Random(seed)
    texts = [value for value in JUNK if isinstance(value, str) and "\n" not in value]
    plugins = "".join(
        f"{{emqx_auth_{name}, {rng.choice(('true', 'false'))}}}.\n"
        for name in ("mnesia", "redis", "mysql", "pgsql", "mongo", "http", "jwt", "ldap")
    )
    for _ in range(8):
        settings = [
            Setting(one.file, one.line, one.key, rng.choice(texts) if rng.random() < 0.2 else one.value)
            for one in SETTINGS
        ]
        files = {"acl.conf": (HERE / "etc" / "acl.conf").read_text(), "loaded_plugins": plugins}
        refused_or_accounted(Source(rng.choice(EXPORTS), "e.json", settings, files), "5.8.11")


def test_a_damaged_export_is_proved_or_refused() -> None:
    rng = random.Random(3)
    for _ in range(40):
        try:
            proof = prove(
                Source(damaged(rng), "damaged.json"),
                "4.4.19",
                "5.8.11",
                options=Options(credential="username"),
                most=300,
            )
        except BadSource:
            continue
        assert proof.widened == 0
