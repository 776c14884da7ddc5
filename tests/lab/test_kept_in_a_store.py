"""Journal and archives at a store of objects (moto's S3 over HTTP): what a runner leaves there, and one that cannot be reached."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem  # type: ignore[import-untyped]

from components.run import keeping
from components.run.journal import Journal
from components.run.keeping import ARCHIVES, JOURNAL, Places, fetch, keep
from tools import report

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

BUCKET = "journals-of-the-fleet"
PATIENCE_SECONDS = 150.0
"""A busy machine takes long to load what speaks to a store."""
PLACE = f"s3://{BUCKET}/emqx/prod"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Reached as any S3 is, by what the environment says."""
    reached(server, monkeypatch)
    monkeypatch.setattr(keeping, "SECONDS", PATIENCE_SECONDS)
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield PLACE
    names = [one["Key"] for one in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", ())]
    for name in names:
        boto3.client("s3").delete_object(Bucket=BUCKET, Key=name)
    boto3.client("s3").delete_bucket(Bucket=BUCKET)


def reached(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"ENDPOINT_URL": url, "ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "DEFAULT_REGION": "eu-central-1"}
    for name, value in names.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    S3FileSystem.clear_instance_cache()  # they are kept for as long as a process lives, whose environment never changes


def warned(line: str) -> None:
    raise AssertionError(line)


def machine(work: Path, token: str, at: float) -> Path:
    """A machine on which one run began and ended."""
    journal = Journal(work / JOURNAL, token, lambda: at)
    journal.record("run", to="green", direction="forward", clients=10, budget_per_second=5)
    journal.record("end", outcome="done", to="green")
    return work


def test_what_one_machine_leaves_there_the_next_one_goes_on_with(store: str, tmp_path: Path) -> None:
    one, two = machine(tmp_path / "one", "a", 1.0), tmp_path / "two"
    (one / ARCHIVES).mkdir()
    (one / ARCHIVES / "a.tar.gz").write_bytes(b"planted")
    asyncio.run(keep(Places(journal=store), one, warned))
    kept = [one["Key"] for one in boto3.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert kept == [f"emqx/prod/{JOURNAL}"], "archives go only where they are asked for"
    places = Places(journal=store, archives=f"{store}/secret")
    asyncio.run(keep(places, one, warned))
    asyncio.run(fetch(places, machine(two, "b", 2.0), warned))
    assert (two / ARCHIVES / "a.tar.gz").read_bytes() == b"planted"
    assert [line.split('"run": ')[1][:3] for line in (two / JOURNAL).read_text().splitlines()] == [
        '"a"',
        '"a"',
        '"b"',
        '"b"',
    ]
    asyncio.run(keep(places, two, warned))
    asyncio.run(fetch(places, one, warned))
    assert (one / JOURNAL).read_text() == (two / JOURNAL).read_text()


def test_the_report_can_be_made_on_a_machine_that_has_nothing_but_the_stack_file(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(keep(Places(journal=store), machine(tmp_path / "one", "a", 1.0), warned))
    (tmp_path / "clone" / "stacks").mkdir(parents=True)
    (tmp_path / "clone" / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": {"emqx:journal": store}}))
    monkeypatch.chdir(tmp_path / "clone")
    assert report.main(["--stack", "dev"]) == 0
    assert "no cutover was made here" not in (said := capsys.readouterr()).out
    assert "green" in said.out
    assert not said.err


def test_a_bucket_that_is_not_there_is_told_and_stops_nobody(store: str, tmp_path: Path) -> None:
    told: list[str] = []
    work = machine(tmp_path, "a", 1.0)
    asyncio.run(keep(Places(journal=store.replace(BUCKET, "mistyped")), work, told.append))
    assert len(told) == 1
    assert "could not be copied: FileNotFoundError: The specified bucket does not exist" in told[0]
    assert [one["Name"] for one in boto3.client("s3").list_buckets()["Buckets"]] == [BUCKET], "none is made"


def test_a_store_that_never_answers_keeps_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts connections and says nothing: the client of S3 itself would wait for minutes."""
    monkeypatch.setattr(keeping, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        reached(f"http://{host}:{port}", monkeypatch)
        told: list[str] = []
        asyncio.run(keep(Places(journal=PLACE), machine(tmp_path, "a", 1.0), told.append))
    assert told == ["journal and archives could not be copied: no answer in 0.2 s; the update goes on"]
