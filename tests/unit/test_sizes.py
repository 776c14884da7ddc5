"""A module, a function and a provider are as long as CONTRIBUTING says at most; none is exempt."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PLACES = ("components", "lab", "policies", "tests", "tools")
MODULE_LINES, FUNCTION_LINES, PROVIDER_LINES = 300, 40, 120


def modules() -> list[Path]:
    return sorted([ROOT / "__main__.py", *(path for place in PLACES for path in (ROOT / place).rglob("*.py"))])


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Each function with its lines beside the docstring."""
    for one in ast.walk(ast.parse(text)):
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            first = one.body[0]
            told = first if ast.get_docstring(one) is not None else None
            words = 0 if told is None else (told.end_lineno or 0) - told.lineno + 1
            yield one.name, (one.end_lineno or 0) - one.lineno + 1 - words


def test_no_module_is_too_long_to_read_at_once() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert len(lines) > 900
    assert {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > MODULE_LINES} == {}


def test_no_function_is_too_long_to_read_at_once() -> None:
    found = {
        f"{path.relative_to(ROOT)} {name}": count
        for path in modules()
        for name, count in functions(path.read_text(encoding="utf-8"))
        if count > FUNCTION_LINES
    }
    assert found == {}


def test_a_provider_is_thin() -> None:
    lines = {
        path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in modules() if "resources" in path.parts
    }
    assert len(lines) > 10
    assert {name: count for name, count in lines.items() if count > PROVIDER_LINES} == {}


def test_a_docstring_and_what_is_within_a_function_are_counted_as_they_are_meant() -> None:
    text = 'def one():\n    """Two\n    lines."""\n    def two():\n        return 1\n    return two\n'
    assert dict(functions(text)) == {"one": 4, "two": 2}
