"""Every fact that is cited is in the house: file and heading of a document, name of a recording; nothing outside is cited."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
FACTS = ROOT / "docs" / "emqx"
PLACES = ("components", "lab", "policies", "tests", "tools", "stacks", "docs")
KINDS = ("*.py", "*.md", "*.c", "*.hocon", "*.yaml", "own-rules.json")

CITATION = re.compile(r"(?<![\w/])(docs/[\w./-]+?\.md)(?:#([\w-]+))?")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
NAME = r"(?:\d\d[a-z]?(?:_[\w.*-]+)?|(?:[A-K]\d?[a-z]?|V|Z|evac)_[\w.*-]+)"
RECORDINGS = re.compile(rf"\b[Rr]ecordings?\s+({NAME}(?:(?:,\s+|\s+and\s+){NAME})*)")
BRACKETS = re.compile(rf"\[({NAME}(?:[,;]\s+{NAME})*)\]")
SECTION = re.compile(r"\bsections? [A-K]\b")
ELSEWHERE = re.compile(
    r"\bbehaviour\.md|\bbackup-layout\.md|\bdesign\.md|\bbreaking-changes\.md|\bconverter\.md"
    r"|(?<![\w/])(?:two-cluster|same-cluster|v4|clients)\.md (?:section|[A-K]\b)|\bcontract(?: |/)[\w.*-]+\.(?:md|json|gz)\b"
    r"|\bcontract/|(?<![\w/.])raw/\w|\bdesign,? section|\bsection \w of two-cluster\.md",
    re.IGNORECASE,
)
"""Documents that the readers of this repository do not have, and forms that name no heading."""


def texts() -> list[Path]:
    """What people write here; recordings are others' words, and this file names what it refuses."""
    found = {path for place in PLACES for kind in KINDS for path in (ROOT / place).rglob(kind)}
    found |= {ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")}
    return sorted(
        path for path in found if path != Path(__file__) and not (path.suffix != ".py" and "recordings" in path.parts)
    )


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings of a document."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    }


@cache
def _anchors_of(path: Path) -> set[str]:
    return anchors(path.read_text())


@cache
def _recorded() -> frozenset[str]:
    return frozenset(re.findall(r"^\| (\S+) \|", (FACTS / "recordings.md").read_text(), re.MULTILINE))


def unresolved(text: str, place: Path) -> list[str]:
    """What a text cites that is not there: documents, headings, recordings, and documents of elsewhere."""
    cited = [(ROOT / file, heading, file) for file, heading in CITATION.findall(text)]
    if place.suffix == ".md":
        links = LINK.findall(text)
        cited += [(place.parent / file if file else place, heading, file or place.name) for file, heading in links]
    wrong = [
        f"{name}#{heading}" if heading else name
        for file, heading, name in cited
        if not file.exists() or (heading and heading not in _anchors_of(file.resolve()))
    ]
    lists = RECORDINGS.findall(text) + (BRACKETS.findall(text) if place.parent == FACTS else [])
    names = [name.rstrip(".") for one in lists for name in re.findall(NAME, one)]
    wrong += [name for name in names if not any(fnmatch(known, f"{name}*") for known in _recorded())]
    refused = ELSEWHERE.findall(text) + (SECTION.findall(text) if place.suffix != ".md" else [])
    return wrong + refused


def test_what_is_cited_is_there() -> None:
    found = {str(path.relative_to(ROOT)): unresolved(path.read_text(), path) for path in texts()}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    assert len(found) > 500  # all of them were read


@pytest.mark.parametrize(
    "text",
    [
        "the rule (docs/emqx/evacuations.md)",
        "the rule (docs/emqx/evacuation.md#phase)",
        "see behaviour.md section 7",
        "see two-cluster.md section A",
        "see two-cluster.md D, E",
        "in the order that section D of two-cluster.md found",
        "in 0.2..5 ms (section C)",
        "two-cluster.md\nsections G and H",
        "the layout of backup-layout.md",
        "as design.md says",
        "Answers as in contract/raw/04",
        "that below data (contract v4.md)",
        "the shape of raw/04b_evacuation_run.json",
        "Answers as in recordings 01, 04 and 99",
        "what recording A_setup_blue_ee_5.9.0 set up",
    ],
)
def test_a_citation_that_leads_nowhere_is_found(text: str) -> None:
    assert unresolved(text, ROOT / "components" / "any.py") != []


@pytest.mark.parametrize(
    "text",
    [
        "the rule (docs/emqx/evacuation.md#all-nodes-at-once), held by docs/two-cluster.md",
        "Answers as in recordings 01, 04 and A_setup_blue_ce_5.8.9; the rest is free",
        "Sources: recordings 05_data_backup and A_*.",
        "MQTT 5 section 4.7 and rule 51-01 of breaking-changes.json",
    ],
)
def test_a_citation_that_leads_somewhere_is_let_be(text: str) -> None:
    assert unresolved(text, ROOT / "components" / "any.py") == []


def test_a_link_to_a_heading_that_is_gone_is_found() -> None:
    here = FACTS / "README.md"
    assert unresolved("see [cluster.md](cluster.md#ready) and [below](#the-licence)", here) == []
    assert unresolved("see [cluster.md](cluster.md#readiness)", here) == ["cluster.md#readiness"]
    assert unresolved("see [below](#licences) [A_roots]", here) == ["README.md#licences", "A_roots"]


def test_headings_in_blocks_of_code_are_none() -> None:
    assert anchors("# A `b`, c!\n```\n# no\n```\n## 4.2 to 4.3\n") == {"a-b-c", "42-to-43"}


@pytest.mark.parametrize("path", sorted(FACTS.glob("*.md")), ids=lambda path: path.name)
def test_a_page_of_facts_is_told_and_fits_a_screen(path: Path) -> None:
    assert path.name == "README.md" or f"]({path.name})" in (FACTS / "README.md").read_text()
    assert [line for line in path.read_text().splitlines() if len(line) > 160] == []
