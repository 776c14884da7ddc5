"""The command line of the conversion, and what it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.migration.__main__ import main

SAMPLES = Path(__file__).parent / "recordings/migration/samples"
OLD = Path(__file__).parent / "recordings/migration/4.2"
HOP = ("--from", "4.2.14", "--to", "4.3.22", "--edition", "ce")
TO5 = ("--from", "4.4.19", "--to", "5.8.9", "--edition", "ce", "--strategy", "two-cluster")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return status, out, err
