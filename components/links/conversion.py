"""Conversion: the export and the declared configuration of a 4.x in, an archive, requests, files for nodes and the account out.

Rule: what was converted stays in the archive directory, which holds secrets; the result has names, hashes and counts. A loss that nobody
acknowledged ends here, before anything of the new colour is touched.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.errors import Refused
from components.emqx.models import MqttAccount
from components.links.archives import Archive, ArchiveDirectory
from components.links.birth import Birth, Wanted
from components.links.data_export import ExportResult
from components.links.given import apart_from, facts_of, refusing
from components.links.live_questions import clients_of, kept
from components.migration.declared import differing
from components.migration.facts import Facts
from components.migration.hop_44_5.people import KEY_FILE
from components.migration.manifest import Item
from components.migration.moving import Keys, Moving, converted
from components.migration.permissions.live import LiveQuestion, chosen
from components.migration.requests import Request, pieces
from components.run.run import Run
from components.system.memory import give_back
from components.value import Value

MANIFEST, ACCOUNT, REQUESTS, BOOTSTRAP, QUESTIONS = (
    "manifest.md",
    "manifest.json",
    "requests.json",
    "bootstrap",
    "questions.json",
)
_MOST_TOLD = 20


class Summary(Value):
    """What a person has to know of a conversion.

    ``tally`` is section -> how many items are in the source, carried, changed, dropped; ``losses`` are those that had an effect, as sentences;
    ``proof`` is the proof's.
    """

    tally: dict[str, dict[str, int]]
    not_given: tuple[str, ...]
    losses: tuple[str, ...]
    losses_left_out: int
    decisions: int
    wider: int
    narrower: int
    unknown: int
    proof: tuple[str, ...]


class ConversionResult(Summary):
    """What was made; plain data for state and journal. ``requests`` and ``inventory`` name files of the archive directory, the latter what the new colour must show; ``apart`` are settings of its nodes that are not as the old files want them; ``keys`` is the archive with keys of applications."""

    archive: Archive
    keys: Archive | None = None
    requests: str
    requests_sha256: str
    sent: int
    inventory: str
    inventory_sha256: str
    questions: str = ""
    questions_sha256: str = ""
    bootstrap: tuple[str, ...]
    apart: tuple[str, ...] = ()
    manifest: str
    seconds: float

    @property
    def archives(self) -> tuple[Archive, ...]:
        """What is imported, in this order."""
        return (self.archive, *([self.keys] if self.keys else []))


async def convert(
    run: Run,
    source: Colour,
    target: Colour,
    exported: ExportResult,
    directory: Path,
    wanted: Wanted,
    accounts: Sequence[MqttAccount] = (),
    *,
    own_key: str = "",
) -> ConversionResult:
    """Convert what was exported, prove it, keep both, choose what ``accounts`` will ask, and refuse what nobody acknowledged.

    ``own_key`` is the key by which we work on the new colour: no application of the old one replaces it.

    Raises:
        Refused: the declared configuration is not understood or not that of the old colour; or a loss is not acknowledged.

    """
    began, blue = run.clock.now(), run.clusters[source]
    store = ArchiveDirectory(directory)
    await store.check(exported.archives)
    files = [store.file(one) for one in exported.archives]
    versions = (blue.handle.version, run.clusters[target].handle.version)
    keys = Keys(imported=wanted.carry_api_keys and run.clusters[target].has_login, own=own_key)
    facts, made = await asyncio.to_thread(_converted, versions, wanted, files, began, source, keys)
    await run.checkpoint()
    await refuse_differing(blue, facts)
    born = await apart_from(run.clusters[target], Birth(versions=versions, source=source, wanted=wanted))
    for one in born:
        run.warn(f"{target}: {one}")
    asked = await asyncio.to_thread(chosen, made.before, clients_of(accounts))
    result = _kept(store, made, asked, run, began).model_copy(update={"apart": tuple(born)})
    run.record("fact", section="conversion", **result.model_dump(mode="json"))
    for line in told(result, f"all of them in {result.manifest}"):
        run.progress(line)
    if KEY_FILE in result.bootstrap:
        run.warn(f"{target}: {keys_to_enter(f'{store.path / BOOTSTRAP / KEY_FILE}')}")
    refuse_unacknowledged(result, source, wanted.acknowledge)
    return result


def _converted(
    versions: tuple[str, str], wanted: Wanted, exports: Sequence[Path], now: float, source: Colour, keys: Keys
) -> tuple[Facts, Moving]:
    with refusing(source, "the conversion"):
        give_back()
        facts = facts_of(versions, wanted, exports)
        give_back()
        proved = converted(facts, now=now, jwt_key=wanted.jwt_key or "", keys=keys)
        facts = facts.without_logins()  # of 100,000 users 100 MB, which the proof does not need
        give_back()
        return facts, proved()


async def refuse_differing(blue: Cluster, facts: Facts) -> None:
    """Refuse files that are not those of the cluster, as far as its API shows what is on.

    Raises:
        Refused: names each setting that differs, with what the files say and what the nodes show.

    """
    shown = await blue.shown()
    wrong = [] if shown is None else differing(facts, shown)
    if wrong:
        colour = blue.handle.colour
        raise Refused(
            f"reading the configuration of {colour}",
            node=colour,
            seen=f"emqx:clusters.{colour}.configuration is not what its nodes run: {'; '.join(wrong[:_MOST_TOLD])}",
            todo="give the files that the nodes have now; nothing was touched",
        )


def _kept(
    store: ArchiveDirectory, made: Moving, asked: Sequence[LiveQuestion], run: Run, began: float
) -> ConversionResult:
    """Write everything, and say where it is."""
    archive = _kept_archive(store, made.archive_name, made.archive, "converted")
    name = f"converted-{run.token[:12]}.json"
    for file, text in made.bootstrap.items():
        store.keep(f"{BOOTSTRAP}/{file}", text.encode())
    rows = made.account.json_pieces(origin=made.origin, target=made.target)
    store.keep_pieces(ACCOUNT, (piece.encode() for piece in rows))
    store.keep(MANIFEST, account_of(made).encode())
    return ConversionResult(
        archive=archive,
        keys=_kept_archive(store, *made.keys, "accounts") if made.keys else None,
        requests=REQUESTS,
        requests_sha256=store.keep_pieces(REQUESTS, pieces(made.requests)),
        sent=len(made.requests),
        inventory=name,
        inventory_sha256=store.keep_inventory(name, made.expected),
        questions=QUESTIONS,
        questions_sha256=kept(store, QUESTIONS, asked),
        bootstrap=tuple(made.bootstrap),
        **summary(made).model_dump(),
        manifest=str(store.path / MANIFEST),
        seconds=round(run.clock.now() - began, 3),
    )


def _kept_archive(store: ArchiveDirectory, name: str, content: bytes, table_set: str) -> Archive:
    sha256 = store.keep(name, content)
    archive = Archive(name=name, sha256=sha256, table_set=table_set, size=len(content), node="this machine")
    store.remember(archive)
    return archive


def account_of(made: Moving) -> str:
    """What became of each item, and the proof, for whoever reads it."""
    whole = made.account.to_markdown(origin=made.origin, target=made.target)
    return f"{whole}\n## Proof\n\n```\n{made.proof}\n```\n"


def keys_to_enter(file: str) -> str:
    """What a person does with keys that nobody may import."""
    return (
        f"keys of applications are in {file}, and not on it: give emqx:credentials a username and password of its dashboard before the import,"
        " or name the file in api_key.bootstrap_file and restart its nodes"
    )


def summary(made: Moving) -> Summary:
    """The first of its losses, and how many there are."""
    proof, losses = made.proof, tuple(islice(made.account.losses(), _MOST_TOLD))
    return Summary(
        tally=made.account.tally(),
        not_given=made.account.not_given,
        losses=tuple(map(_sentence, losses)),
        losses_left_out=max(0, sum(1 for _ in made.account.losses()) - _MOST_TOLD),
        decisions=proof.decisions,
        wider=proof.widened,
        narrower=proof.narrowed,
        unknown=proof.unknown,
        proof=tuple(str(proof).splitlines()[:_MOST_TOLD]),
    )


def _sentence(found: Item) -> str:
    todo = f" ({found.todo})" if found.todo else ""
    return f"{found.section} {found.label}: {found.verdict}, {found.how}{todo}"


def told(result: Summary, where: str) -> list[str]:
    """What a person reads of it in plan and update; ``where`` all of it stands."""
    items = sum(row["source"] for row in result.tally.values())
    by = {verdict: sum(row[verdict] for row in result.tally.values()) for verdict in ("carried", "changed", "dropped")}
    head = f"conversion: {items} items, " + ", ".join(f"{count} {verdict}" for verdict, count in by.items())
    return [
        f"{head}; {where}",
        *(f"  not given: {what}" for what in result.not_given),
        *(f"  {loss}" for loss in result.losses),
        *([f"  and {result.losses_left_out} more"] if result.losses_left_out else []),
        *(f"  proof: {line}" for line in result.proof),
    ]


def unacknowledged(result: Summary, acknowledged: Collection[str]) -> dict[str, str]:
    """What has to be acknowledged and is not, by its word."""
    found: dict[str, str] = {}
    if (result.losses or result.not_given) and "conversion" not in acknowledged:
        count = len(result.losses) + result.losses_left_out
        found["conversion"] = (
            f"{count} items that had an effect are changed or dropped, {len(result.not_given)} things were not given"
        )
    if (result.wider or result.unknown) and "permissions" not in acknowledged:
        found["permissions"] = (
            f"of {result.decisions} decisions {result.wider} are wider and {result.unknown} not known"
        )
    return found


def refuse_unacknowledged(result: ConversionResult, source: Colour, acknowledged: Collection[str]) -> None:
    """Refuse what nobody has accepted.

    Raises:
        Refused: with the losses, and the words that accept them.

    """
    missing = unacknowledged(result, acknowledged)
    if missing:
        raise Refused(
            f"the conversion of {source}",
            node=source,
            seen="\n".join([*missing.values(), *told(result, f"all of them in {result.manifest}")]),
            todo=f"read {result.manifest}; what may be so is accepted by emqx:cutover: acknowledge: [{', '.join(missing)}]",
        )


def requests_of(store: ArchiveDirectory, result: ConversionResult) -> list[Request]:
    """The requests as they were kept; Refused when they are not."""
    rows = json.loads(store.kept(result.requests, result.requests_sha256))
    return [Request(row["method"], row["path"], row["body"], row["upload"], row.get("answer")) for row in rows]
