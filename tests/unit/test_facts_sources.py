"""What was given is read once or named: files in directories, links, the same file twice, and what an archive says of itself."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from components.cutover.versions import parse
from components.cutover.words import Edition
from components.migration.facts import Export, Facts, Plan, require_declared
from components.migration.loading import load
from components.migration.manifest import BadSource

pytestmark = pytest.mark.unit

EXPORT = '{"version": "4.4", "users": [{"username": "admin"}]}'


def plan(source: str = "4.4.19", edition: Edition = "ee") -> Plan:
    return Plan(parse(source), parse("5.8.11"), edition, "ee")


def write(path: Path, text: str = "a.b = c\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def archive(directory: Path, edition: str = "ee", stem: str = "emqx-export-2026-11-22-10-12-31.485") -> Path:
    file = directory / f"{stem}.tar.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as tar:
        meta = f'edition = {edition}\nversion = "5.8.9"\n'.encode()
        member = tarfile.TarInfo(f"{stem}/META.hocon")
        member.size = len(meta)
        tar.addfile(member, io.BytesIO(meta))
    return file


def names(facts: Facts) -> list[str]:
    return [Path(conf.file).name for conf in facts.confs or ()]


def test_an_export_inside_a_directory_is_read(tmp_path: Path) -> None:
    write(tmp_path / "etc/emqx.conf")
    write(tmp_path / "backup/emqx-export-1.json", EXPORT)
    facts = load(plan(), (tmp_path,))
    assert facts.export is not None
    assert facts.export.rows("users")


def test_an_archive_inside_a_directory_is_read(tmp_path: Path) -> None:
    archive(tmp_path / "data/backup")
    facts = load(plan("5.8.9"), (tmp_path,))
    assert facts.archive is not None


@pytest.mark.parametrize(("name", "text"), [("e.json", '{"version": "4.4", "us'), ("e.json", "{}"), ("e.tar.gz", "x")])
def test_a_damaged_export_or_archive_inside_a_directory_is_named(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path / "emqx.conf")
    write(tmp_path / "backup" / name, text)
    with pytest.raises(BadSource, match=rf"backup/{name}.*Remedy: "):
        load(plan(), (tmp_path,))


def test_a_second_archive_is_refused(tmp_path: Path) -> None:
    archive(tmp_path), archive(tmp_path, stem="emqx-export-2026-11-23-10-12-31.485")
    with pytest.raises(BadSource, match=r"11-23.*a second archive"):
        load(plan("5.8.9"), (tmp_path,))


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    write(tmp_path / "emqx.conf")
    (tmp_path / "acl.conf").symlink_to(tmp_path / "gone")
    with pytest.raises(BadSource, match=rf"^{tmp_path}/acl\.conf: No such file"):
        load(plan(), (tmp_path,))


def test_what_cannot_be_read_is_named_and_not_its_source(tmp_path: Path) -> None:
    write(tmp_path / "emqx.conf")
    (tmp_path / "loop.conf").symlink_to(tmp_path / "loop.conf")
    with pytest.raises(BadSource) as caught:
        load(plan(), (tmp_path,))
    assert caught.value.file == str(tmp_path / "loop.conf")


def test_a_pipe_inside_a_directory_is_named_and_never_waited_for(tmp_path: Path) -> None:
    write(tmp_path / "emqx.conf")
    os.mkfifo(tmp_path / "b.conf")
    with pytest.raises(BadSource, match=r"b\.conf: no regular file"):
        load(plan(), (tmp_path,))


def test_a_linked_directory_is_read(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/emqx_retainer.conf")
    write(tmp_path / "etc/emqx.conf")
    (tmp_path / "etc/plugins").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "etc/again").symlink_to(tmp_path / "etc")
    assert names(load(plan(), (tmp_path / "etc",))) == ["emqx.conf", "emqx_retainer.conf"]


@pytest.mark.parametrize("up", ["..", "/"])
def test_a_link_to_what_the_directory_lies_in_does_not_lead_out_of_it(tmp_path: Path, up: str) -> None:
    write(tmp_path / "node/emqx.conf")
    write(tmp_path / "other/emqx.conf")
    (tmp_path / "node/up").symlink_to(up)
    assert [conf.file for conf in load(plan(), (tmp_path / "node",)).confs or ()] == [str(tmp_path / "node/emqx.conf")]


@pytest.mark.parametrize("other", ["emqx.conf", "./sub/../emqx.conf", "link.conf", "."])
def test_a_file_that_is_given_twice_is_read_once(tmp_path: Path, other: str) -> None:
    first = write(tmp_path / "emqx.conf")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.conf").symlink_to(first)
    facts = load(plan(), (first, Path(f"{tmp_path}/{other}")))
    assert names(facts) == ["emqx.conf"]
    assert len(facts.files) == 1


def test_an_export_that_is_given_twice_is_no_second_export(tmp_path: Path) -> None:
    export = write(tmp_path / "e.json", EXPORT)
    assert load(plan(), (export, tmp_path)).export is not None


def test_of_a_file_with_several_names_the_shortest_is_kept(tmp_path: Path) -> None:
    """A mounted ConfigMap: what is seen is a link to a hidden directory."""
    write(tmp_path / "..2026_11_22/emqx.conf")
    (tmp_path / "..data").symlink_to("..2026_11_22")
    (tmp_path / "emqx.conf").symlink_to("..data/emqx.conf")
    facts = load(plan(), (tmp_path,))
    assert [conf.file for conf in facts.confs or ()] == [str(tmp_path / "emqx.conf")]


@pytest.mark.parametrize("said", ["4." + "4" * 5000, "4" * 5000 + ".4", "4.44", "4.٤"])
def test_a_version_of_any_length_is_refused_in_words(said: str) -> None:
    with pytest.raises(BadSource, match=r"e\.json, version: an export of "):
        require_declared(Export("e.json", {"version": said}), parse("4.4.19"))


@pytest.mark.parametrize(("written", "declared"), [("ce", "ee"), ("ee", "ce")])
def test_an_archive_of_another_edition_than_declared_is_refused(
    tmp_path: Path, written: Edition, declared: Edition
) -> None:
    file = archive(tmp_path, written)
    with pytest.raises(BadSource, match=rf"META\.hocon: an archive of .*declared as.*say --edition {written}"):
        load(plan("5.8.9", declared), (file,))
    assert load(plan("5.8.9", written), (file,)).archive is not None
