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
    IDENTITIES,
    KEYS,
    USERS,
    Atom,
    Key,
    Table,
    backup,
    encode,
    entry,
    header,
    key_row,
    read,
    read_users,
    user_row,
)

pytestmark = pytest.mark.unit

SAMPLES = Path(__file__).parent / "recordings" / "migration" / "samples"
RECORDED = (Path(__file__).parent / "recordings" / "hop_44_5" / "emqx_authn_mnesia-5.8.11").read_bytes()


def test_a_recorded_table_is_written_again_byte_for_byte() -> None:
    assert CLOSED_LOG + b"".join(entry(encode(term)) for term in read(RECORDED)) == RECORDED


def test_users_of_a_recorded_table_are_written_again_as_the_same_rows() -> None:
    users = list(read_users(RECORDED))
    assert [login for login, _, _ in users] == ["alice", "bob", "carol", "lab"]
    rows = [term for term in read(RECORDED) if isinstance(term, tuple) and term[0] == Atom("emqx_authn_mnesia")]
    ours = [user_row(login, stored, salt) for login, salt, stored in users]
    assert [row[:4] for row in ours if isinstance(row, tuple)] == [row[:4] for row in rows]


def recorded_table(name: str) -> bytes:
    """Of the archive that EMQX 5.8.10 wrote for somebody who had logged in."""
    with tarfile.open(SAMPLES / "export-by-token.tar.gz") as tar:
        (member,) = (one for one in tar.getmembers() if one.name.endswith(f"/mnesia/{name}"))
        file = tar.extractfile(member)
        assert file is not None
        return file.read()


@pytest.mark.parametrize("table", [IDENTITIES, KEYS], ids=lambda table: table.name)
def test_tables_of_an_archive_are_written_again_byte_for_byte(table: Table) -> None:
    whole = recorded_table(table.name)
    assert CLOSED_LOG + b"".join(entry(encode(term)) for term in read(whole)) == whole


def test_a_key_is_written_as_emqx_writes_the_one_of_a_bootstrap_file() -> None:
    rows = [term for term in read(recorded_table(KEYS.name)) if isinstance(term, tuple) and term[0] == Atom(KEYS.name)]
    ours = key_row(Key("lab", "lab-secret-lab-secret"), 1795342281.0)
    assert isinstance(ours, tuple)
    assert (ours[1], ours[2], ours[4], ours[6]) == (rows[0][1], rows[0][2], rows[0][4], rows[0][6])
    assert [type(part) for part in ours] == [type(part) for part in rows[0]]
    assert [list(part) for part in (ours[5], rows[0][5]) if isinstance(part, dict)] == [
        [Atom("desc"), Atom("role")]
    ] * 2


@pytest.mark.parametrize("table", [USERS, IDENTITIES, KEYS], ids=lambda table: table.name)
def test_the_schema_has_the_properties_of_a_recorded_one(table: Table) -> None:
    whole = RECORDED if table is USERS else recorded_table(table.name)
    recorded = next(term for term in read(whole) if isinstance(term, tuple) and term[0] == Atom("schema"))
    ours = header(table, 1795343060.0)[1]
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
    data = b"".join(backup(header(USERS, 0.0), [user_row(name, stored, salt) for name, salt, stored in users]))
    assert list(read_users(data)) == users


def test_a_name_of_64_kb_comes_back() -> None:
    data = b"".join(backup(header(USERS, 0.0), [user_row("n" * 65536, b"h", b"s")]))
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
