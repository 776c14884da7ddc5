"""docs/conformance-v4.md, made from a run of the replays of 4.x; ``python -m tests.lab.recordings.old_document`` writes it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.lab.recordings.document import table
from tests.lab.recordings.old import SUBJECTS, VERSIONS, OldWorld, play
from tests.lab.recordings.old_clients import before, check
from tests.lab.recordings.old_hop import Hop
from tests.lab.recordings.replay import Tally

DOCUMENT = Path(__file__).parents[3] / "docs" / "conformance-v4.md"
KINDS = ("username", "clientid")

HEAD = """# What the lab's nodes of 4.2, 4.3 and 4.4 are held against

The recordings `V_*` are replayed against lab clusters of 4.2.14, 4.3.22 and 4.4.19 (`tests/lab/test_conformance_v4.py`): requests, and what MQTT
clients were answered between them. An entry is one of either. Compared are status, media type, challenge and body by value; by type only what is of the
moment (times, sizes, counters, random ids and salts). Of a page of clients the number of rows and the fields of one: which comes first is Erlang's table's business.
This file is made by `python -m tests.lab.recordings.old_document`; a test holds it equal to a run.

"""
TAIL = """
## Recordings that are not replayed entry by entry

| recording | why |
|---|---|
| V_*_boot_stop, V_*_boot_stop_anonymous_allowed | time lines: the order of what happens, in test_v4_nodes.py |
| V_4.3.22_rules_again_and_early_client | its rules and the early client are in test_v4_nodes.py |
| V_*_cluster_join, V_4.3.22_cluster_with_4.4.19 | command line output and a mixed cluster: test_v4_nodes.py joins 4.4 to 4.3 |

## What stands on documents only

No recording exists of these; they follow EMQX's own documents, or what the source of those versions says.

| what | where |
|---|---|
| Enterprise 4.x: evacuation from 4.4.12 on (`/load_rebalance/..`) | `lab/node/v4/evacuation.py` |
| `PUT /nodes/:node/plugins/:plugin/load`, `/unload` | `lab/node/v4/nodes.py` |
| a document without users needs a short version (read in the source; recorded is `4.2`, `4.3`, `4.4`) | `lab/node/v4/importing.py` |
| rules of a 4.3 or 4.4 export are stamped anew in an import, users keep theirs (recorded of users; rules read in the source) | `lab/node/v4/importing.py` |
| the kind of 4.2's users that an import names is remembered until the node stops; Enterprise asks for no version | `lab/node/v4/importing.py` |
| Enterprise 4.3 and 4.4: `GET`, `POST /modules` (bare rows with `id`, `type`, `config`, `enabled`, `created_at`, as in its exports), and that passwords are checked by the module `mnesia_authentication`, which no list of plugins shows | `lab/node/v4/modules.py`; `components/emqx/v4/account.py` looks there |
| exports of Enterprise have `modules`, and `schemas`, `configs`, `listeners_state`, which are always empty here | `lab/node/v4/data.py` |
| Enterprise 4.x has no rebalance, no `emqx_ctl`, no running rule engine in the lab, whose Enterprise 4.2 decides as open source does; its hop from 4.2 to 4.3 was run with an export as the published source of emqx-auth-mnesia e4.2 writes it, into a lab node (`tests/lab/test_samples_of_4x.py`) | |
| a wildcard of a subscription is selected by `+` of a rule (`a/#` by `a/+`), read in the source | `lab/node/v4/judges.py` |
| a leading wildcard of `acl.conf` reaches `$SYS`, one of a mnesia rule does not, read in the source | `lab/node/v4/judges.py` |
| rules and resources of the engine are kept and shown, none runs | `lab/node/v4/engine.py` |
"""


def render(tallies: dict[str, Tally]) -> str:
    """The document of a run."""
    return HEAD + table([(_cluster(name), tally) for name, tally in tallies.items()]) + TAIL


def _cluster(name: str) -> str:
    return "4.2 to 4.3" if "_to_" in name else f"{name.split('_')[1]}, two nodes"


async def run(directory: Path) -> dict[str, Tally]:
    """Replay everything, each version on one cluster of its own."""

    async def version(number: str) -> list[Tally]:
        async with OldWorld(directory / number, number) as world:
            return [await play(world, subject, before, check) for subject in SUBJECTS]

    async def hop(kind: str) -> list[Tally]:
        where = directory / kind
        async with OldWorld(where / "4.2", "4.2.14", (5,)) as old, OldWorld(where / "4.3", "4.3.22", (5,)) as new:
            return [await Hop(old, new, kind).play()]

    found = await asyncio.gather(*map(version, VERSIONS), *map(hop, KINDS))
    return {tally.file: tally for tallies in found for tally in tallies}


async def _main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        DOCUMENT.write_text(render(await run(Path(directory))))


if __name__ == "__main__":
    asyncio.run(_main())
