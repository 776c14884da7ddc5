"""Files that are replaced at once and are for their owner only; locks that fall, are waited for with a bound, and can be left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.versions import Version, leading, parse
from components.system.files import own_directory, replace, replacing
from components.system.locks import held
from components.system.sizes import in_bytes

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _open_to_all() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


class BusyError(Exception):
    pass


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_is_private_from_its_first_byte_and_in_place_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    path.chmod(0o644)
    with replacing(path) as draft:
        draft.write(b"half")
        draft.flush()
        assert path.read_text() == "before"
        assert [mode(one) for one in tmp_path.iterdir() if one != path] == [0o600]
    assert path.read_text() == "half"
    assert mode(path) == 0o600
    replace(path, "text\u00e9", mode=0o755)
    assert path.read_bytes() == b"text\xc3\xa9"
    assert mode(path) == 0o755


def test_what_fails_in_the_middle_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    replace(tmp_path / "file", "before")

    def fail() -> None:
        with replacing(tmp_path / "file") as draft:
            draft.write(b"half")
            raise BusyError

    with pytest.raises(BusyError):
        fail()
    assert [one.read_text() for one in tmp_path.iterdir()] == ["before"]


def test_directories_are_made_private_and_an_open_one_is_closed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    own_directory(theirs / "a" / "b")
    assert [mode(one) for one in (theirs, theirs / "a", theirs / "a" / "b")] == [0o755, 0o700, 0o700]
    (theirs / "a" / "b").chmod(0o755)
    own_directory(theirs / "a" / "b")
    assert mode(theirs / "a" / "b") == 0o700


def test_a_lock_is_had_by_one_at_a_time_and_not_waited_for_without_end(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with held(lock, 0.0, BusyError()):
        assert mode(lock) == 0o600
        with pytest.raises(BusyError), held(lock, 0.05, BusyError()):
            pytest.fail("there are two of them")
    with held(lock, 0.0, BusyError()):
        pass


def test_a_wait_for_a_lock_can_be_interrupted(tmp_path: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with (
        held(tmp_path / "lock", 0.0, BusyError()),
        pytest.raises(KeyboardInterrupt),
        held(tmp_path / "lock", 60.0, BusyError(), interrupted),
    ):
        pytest.fail("there are two of them")


@given(
    st.sampled_from(["", "v", "e"]),
    *[st.integers(0, 999)] * 3,
    st.sampled_from(["", "-rc.1", "+g12ab", ".4", "-", " x", "\n"]),
)
def test_the_version_that_a_text_begins_with_is_read_whatever_follows(
    letter: str, major: int, minor: int, patch: int, rest: str
) -> None:
    said = leading(f"{letter}{major}.{minor}.{patch}{rest}")
    assert said is not None
    assert tuple(said) == (major, minor, patch, rest)
    assert said.is_build == (rest in {"-rc.1", "+g12ab", ".4"})
    assert leading(f"{letter}{major}.{minor}") == (major, minor, None, "")
    assert parse(f"{letter}{major}.{minor}.{patch}") == Version(major, minor, patch)


@pytest.mark.parametrize("text", ["", "5", "5.", "x5.8", "5.8888", "5.x", "latest"])
def test_what_begins_with_no_version_is_none(text: str) -> None:
    assert leading(text) is None


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("1024", 1024),
        ("1KB", 1024),
        ("1 kb", 1024),
        ("512MiB", 512 * 1024**2),
        ("3.75G", 15 * 1024**3 // 4),
        ("2TB", 2 * 1024**4),
        ("7B", 7),
    ],
)
def test_an_amount_of_bytes_is_read_however_it_is_written(text: str, amount: int) -> None:
    assert in_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "1.MB", "1XB", "1MBs", "infinity", "\u0661MB"])
def test_what_is_no_amount_of_bytes_is_none(text: str) -> None:
    assert in_bytes(text) is None
