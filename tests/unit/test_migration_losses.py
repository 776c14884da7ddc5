"""What an archive silently lacks is in the check as a loss, and blocks nothing that works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.migration.__main__ import main

pytestmark = pytest.mark.unit
SAMPLES = Path(__file__).parent / "recordings/migration/samples"


def checked(capsys: pytest.CaptureFixture[str], name: str, origin: str, *more: str) -> dict[str, list[str]]:
    options = ("--from", origin, "--to", "5.8.11", "--strategy", "two-cluster", "--json", *more)
    main(["check", str(SAMPLES / name), *options])
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("caller", ["api-key", "token", "command-line", ""])
def test_an_archive_that_a_key_wrote_loses_dashboard_users_and_keys_and_says_so(
    capsys: pytest.CaptureFixture[str], caller: str
) -> None:
    said = ("--caller", caller) if caller else ()
    report = checked(capsys, "export-by-apikey.tar.gz", "5.8.11", *said)
    lost = [loss for loss in report["losses"] if "export-by-apikey.tar.gz" in loss]
    assert [loss.split(": ")[1].split(" (")[0] for loss in lost] == ["dashboard users", "API keys"]
    assert all("with a dashboard token" in loss for loss in lost)
    assert "BK-02" not in report["blocking"]


def test_an_archive_that_holds_them_loses_neither(capsys: pytest.CaptureFixture[str]) -> None:
    report = checked(capsys, "export-by-token.tar.gz", "5.8.11", "--caller", "token")
    assert not [loss for loss in report["losses"] if "export-by-token.tar.gz" in loss]
