"""docs/conformance.md, made from a run of the replay; ``python -m tests.lab.recordings.document`` writes it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.lab.recordings.excluded import NOT_REPLAYED
from tests.lab.recordings.replay import Tally
from tests.lab.recordings.runs import RUNS, SKIPPED_RUNS
from tests.lab.recordings.scenarios import SCENARIOS, run

DOCUMENT = Path(__file__).parents[3] / "docs" / "conformance.md"

HEAD = """# What the lab node is held against

The recordings of real clusters are replayed against lab clusters (`tests/lab/test_conformance.py`). A pair is one request and its
answer. Compared are status, media type, body: the same keys, the same JSON types, the same values; names of nodes, tokens, files and
message ids are mapped. By type only: times, sizes, ids, counters, load, and what else stands in `FREE` of `tests/lab/recordings/compare.py`.
Where openapi.stripped.json describes an answer it is held against that too (`tests/lab/test_conformance_openapi.py`).
What each recording shows: [emqx/recordings.md](emqx/recordings.md); the facts themselves are the other pages there.
Nodes of 4.2, 4.3 and 4.4: [conformance-v4.md](conformance-v4.md).
Nothing is held against a recording of durable storage, of which there is none: the `ds` API stands on documents only ([emqx/durable-storage.md](emqx/durable-storage.md)).
This file is made by `python -m tests.lab.recordings.document`; a test holds it equal to what a run really compares and skips.

"""


def render(tallies: dict[tuple[str, str], Tally]) -> str:
    """The document of a run."""
    lines = [HEAD, table([(scenario, tally) for (scenario, _), tally in tallies.items()])]
    lines.append(
        "\n## Runs of evacuations\n\nDriven through the state machine with a clock of the test's own (`tests/unit/test_evacuation_runs.py`): "
    )
    lines.append(f"{', '.join(RUNS)}. 04b_evacuation_run is replayed in a time of its own too.\n\n")
    lines += [f"- {name}: {reason}\n" for name, reason in SKIPPED_RUNS.items()]
    lines.append("\n## Recordings that are not replayed as pairs\n\n| recording | why |\n|---|---|\n")
    lines += [f"| {name} | {_cell(reason)} |\n" for name, reason in NOT_REPLAYED.items()]
    return "".join(lines)


def table(tallies: Sequence[tuple[str, Tally]]) -> str:
    """How many pairs were compared, and why the others were not; each tally with its scenario."""
    lines = ["| recording | clusters | pairs | compared | equal | excluded |\n|---|---|---|---|---|---|\n"]
    totals = [0, 0, 0, 0]
    for scenario, tally in tallies:
        left = sum(tally.excluded.values())
        numbers = [tally.compared + left, tally.compared, tally.compared - _unequal(tally), left]
        totals = [a + b for a, b in zip(totals, numbers, strict=True)]
        lines.append(f"| {tally.file} | {scenario} | {' | '.join(str(number) for number in numbers)} |\n")
    lines.append(f"| **all** | | {' | '.join(str(number) for number in totals)} |\n")
    lines.append("\n## Pairs that are not compared, and why\n\n| recording | pairs | why |\n|---|---|---|\n")
    for scenario, tally in tallies:
        lines += [
            f"| {tally.file} ({scenario}) | {count} | {_cell(reason)} |\n" for reason, count in tally.excluded.items()
        ]
    return "".join(lines)


def _unequal(tally: Tally) -> int:
    return len({one.partition("]")[0] for one in tally.differences})


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


async def _main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        tallies: dict[tuple[str, str], Tally] = {}
        for number, scenario in enumerate(SCENARIOS):
            where = Path(directory) / str(number)
            where.mkdir()
            tallies |= {(scenario.name, tally.file): tally for tally in await run(scenario, where)}
    DOCUMENT.write_text(render(tallies))


if __name__ == "__main__":
    asyncio.run(_main())
