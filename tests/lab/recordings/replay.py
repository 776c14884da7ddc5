"""Replays the recorded requests against lab clusters and says where an answer differs from the recorded one.

The rule: nothing is passed over in silence.  A pair is compared, or it stands in `EXCLUDED` with its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.lab.recordings.compare import compare
from tests.lab.recordings.world import Upload, World

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Excluded:
    """A pair that is not compared: how it is recognised, and why it cannot be."""

    file: str
    url: str = ""
    note: str = ""
    method: str = ""
    reason: str = ""

    def fits(self, file: str, pair: dict[str, Any]) -> bool:
        """Whether this is one of them; empty fields fit everything, url and note are regular expressions."""
        return (
            re.fullmatch(self.file, file) is not None
            and re.search(self.url, pair["url"]) is not None
            and re.search(self.note, pair["note"]) is not None
            and self.method in {"", pair["method"]}
        )


@dataclass
class Tally:
    """What became of one file's pairs."""

    file: str
    compared: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


AS_SENT: dict[tuple[str, int], dict[str, Any]] = {
    ("C_probes_ce_5.8.9", 27): {"deny_action": "disconnect"},
    ("F_mountpoint_shared_ce_5.8.9", 0): {"mountpoint": "mp/${clientid}/"},
}
"""Bodies that the recording's script changed after it had sent them (the answers show what was sent)."""


def load(name: str) -> list[dict[str, Any]]:
    """The pairs of a recording."""
    pairs: list[dict[str, Any]] = json.loads((HERE / f"{name}.json").read_text())
    for pair in pairs:
        if (name, pair["n"]) in AS_SENT:
            pair["body"] |= AS_SENT[name, pair["n"]]
    return pairs


Before = Callable[[World, dict[str, Any]], Awaitable[None]]
Maker = Callable[[World, dict[str, Any]], Upload | None]


async def replay(
    world: World, file: str, excluded: Iterable[Excluded], make: Maker | None = None, before: Before | None = None
) -> Tally:
    """Replay one file; excluded pairs are still sent when they change something, only their answers are not compared."""
    tally = Tally(file)
    for pair in load(file):
        if before is not None:
            await before(world, pair)
        why = next((one for one in excluded if one.fits(file, pair)), None)
        upload = make(world, pair) if make is not None and "multipart" in pair.get("media", "") else None
        if why is not None and why.reason.startswith("not sent"):
            tally.excluded[why.reason] = tally.excluded.get(why.reason, 0) + 1
            continue
        response = await world.send(pair, upload)
        if upload is None and pair["method"] == "GET" and "/data/files/" in pair["url"] and response.status_code == 200:
            world.archives[pair["url"].partition("?")[0].rpartition("/")[2]] = response.content
        if why is not None:
            world.learn(pair.get("answer"), _json(response))
            tally.excluded[why.reason] = tally.excluded.get(why.reason, 0) + 1
            continue
        tally.compared += 1
        tally.differences += [
            f"{file} #{pair['n']} [{pair['note']}] {pair['method']} {pair['url']}: {one}"
            for one in compare(world, pair, response)
        ]
    return tally


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
