"""The table of built-in users is byte for byte what EMQX 5.8.11 writes, and the archive has the layout that it takes."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.hop_44_5 import Options, Source, convert
from components.migration.hop_44_5.result import read_archive
from components.migration.hop_44_5.table import (
    CLOSED_LOG,
    Atom,
    backup,
    encode,
    entry,
    read,
    read_users,
    user_row,
    users_header,
)

pytestmark = pytest.mark.unit

RECORDED = (Path(__file__).parent / "recordings" / "hop_44_5" / "emqx_authn_mnesia-5.8.11").read_bytes()


def test_a_recorded_table_is_written_again_byte_for_byte() -> None:
    assert CLOSED_LOG + b"".join(entry(encode(term)) for term in read(RECORDED)) == RECORDED


def test_users_of_a_recorded_table_are_written_again_as_the_same_rows() -> None:
    users = list(read_users(RECORDED))
    assert [login for login, _, _ in users] == ["alice", "bob", "carol", "lab"]
    rows = [term for term in read(RECORDED) if isinstance(term, tuple) and term[0] == Atom("emqx_authn_mnesia")]
    ours = [user_row(login, stored, salt) for login, salt, stored in users]
    assert [row[:4] for row in ours if isinstance(row, tuple)] == [row[:4] for row in rows]


def test_the_schema_has_the_properties_of_a_recorded_one() -> None:
    recorded = next(term for term in read(RECORDED) if isinstance(term, tuple) and term[0] == Atom("schema"))
    ours = users_header(1795343060.0)[1]
    assert isinstance(recorded, tuple)
    assert isinstance(ours, tuple)
    changing = {Atom("disc_copies"), Atom("cookie"), Atom("version")}
    fixed = [[pair for pair in schema[2] if pair[0] not in changing] for schema in (recorded, ours)]  # type: ignore[union-attr,index,operator]
    assert fixed[0] == fixed[1]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
            st.binary(max_size=8),
            st.binary(max_size=80),
        ),
        max_size=5,
    )
)
def test_every_name_salt_and_hash_comes_back(users: list[tuple[str, bytes, bytes]]) -> None:
    data = b"".join(backup(users_header(0.0), [user_row(name, stored, salt) for name, salt, stored in users]))
    assert list(read_users(data)) == users


def test_a_name_of_64_kb_comes_back() -> None:
    data = b"".join(backup(users_header(0.0), [user_row("n" * 65536, b"h", b"s")]))
    assert list(read_users(data)) == [("n" * 65536, b"s", b"h")]


def test_the_archive_is_flat_under_its_own_name_with_two_lines_of_meta() -> None:
    users = [{"login": "a", "type": "username", "password": base64.b64encode(b"\xfb\x16\x4e\x90" + b"0" * 64).decode()}]
    conversion = convert(
        Source({"version": "4.4", "auth_mnesia": users}), "4.4.19", "5.8.11", Options(now=1795342351.485)
    )
    assert conversion.archive_name == "emqx-export-2026-11-22-10-12-31.485.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(conversion.archive)) as tar:
        members = tar.getmembers()
    stem = conversion.archive_name.removesuffix(".tar.gz")
    assert [member.name for member in members] == [
        f"{stem}/META.hocon",
        f"{stem}/cluster.hocon",
        f"{stem}/mnesia/emqx_authn_mnesia",
    ]
    assert all(member.isfile() and member.uid == 0 for member in members)
    assert read_archive(conversion.archive)["META.hocon"] == b'edition = ee\nversion = "5.8.11"\n'


def test_the_same_source_at_the_same_time_gives_the_same_bytes() -> None:
    source = Source({"version": "4.4", "rules": []})
    one, two = (convert(source, "4.4.19", "5.8.11", Options(now=5.0)).files() for _ in range(2))
    assert one == two
