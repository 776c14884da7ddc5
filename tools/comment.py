"""Puts a plan into a pull request as one comment for each stack (`python -m tools.comment --stack dev`), and updates it in place.

The rule: a comment of ours is known by its first line, never by who wrote it; where a plan is empty nothing is written. From the environment:
GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN, PULL_REQUEST.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

PAGE = 100
MOST_PAGES = 30
MOST_CHARACTERS = 65_536


def main(arguments: list[str] | None = None) -> int:
    """Write or update the comment; 1 with one line where GitHub does not take it."""
    parser = argparse.ArgumentParser(prog="python -m tools.comment", description=__doc__)
    parser.add_argument("--stack", required=True)
    stack = parser.parse_args(arguments).stack
    try:
        text = (Path("plan") / f"{stack}.md").read_text(encoding="utf-8")
        place = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}"
        number, token = os.environ["PULL_REQUEST"], os.environ["GITHUB_TOKEN"]
    except (OSError, KeyError) as missing:
        sys.stderr.write(
            f"comment: {missing} is missing: `make preview STACK={stack}` writes the plan, a workflow sets the rest\n"
        )
        return 1
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    try:
        with httpx.Client(headers=headers, timeout=30) as api:
            put(api, place, number, stack, text)
    except httpx.HTTPError as failed:
        sys.stderr.write(f"comment: GitHub did not take the plan of {stack}: {failed}\n")
        return 1
    return 0


def put(api: httpx.Client, place: str, number: str, stack: str, text: str) -> None:
    """The plan of this stack, where it stands already or as a new comment.

    Raises:
        httpx.HTTPError: GitHub refuses it, or cannot be reached.

    """
    mark = f"<!-- emqx-plan: {stack} -->"
    body = {"body": f"{mark}\n### Stack `{stack}`\n\n{text}"[:MOST_CHARACTERS]}
    for comment in _comments(api, f"{place}/issues/{number}/comments"):
        if str(comment.get("body", "")).startswith(mark):
            api.patch(f"{place}/issues/comments/{comment['id']}", json=body).raise_for_status()
            return
    api.post(f"{place}/issues/{number}/comments", json=body).raise_for_status()


def _comments(api: httpx.Client, url: str) -> Iterator[dict[str, Any]]:
    for page in range(1, MOST_PAGES + 1):
        found = api.get(url, params={"per_page": PAGE, "page": page}).raise_for_status().json()
        yield from found
        if len(found) < PAGE:
            return


if __name__ == "__main__":
    sys.exit(main())
