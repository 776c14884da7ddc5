"""The conversion from 4.4 to 5.x, step by step; each step is a module, and every item of the source passes the ledger."""

from __future__ import annotations

from components.migration.hop_44_5.result import Conversion, archive_stem, hocon, write_archive
from components.migration.hop_44_5.source import Options, Source, check_export, minor
from components.migration.manifest import BadSource, Ledger


def convert(source: Source, from_version: str, to_version: str, options: Options | None = None) -> Conversion:
    """Convert what is known of a 4.4 cluster to what a cluster of ``to_version`` takes.

    Raises:
        BadSource: the source is refused: file, place and remedy are in it.

    """
    options = options or Options()
    _check_versions(from_version, to_version)
    if source.export is not None:
        check_export(source.export_name, source.export, from_version)
    ledger = Ledger()
    stem = archive_stem(options.now)
    meta = f'edition = {options.edition}\nversion = "{to_version}"\n'.encode()
    archive = write_archive(stem, {"META.hocon": meta, "cluster.hocon": hocon({})}, options.now)
    return Conversion(from_version, to_version, {}, f"{stem}.tar.gz", archive, (), {}, ledger.account())


def _check_versions(from_version: str, to_version: str) -> None:
    if minor(from_version) != (4, 4):
        raise BadSource(
            "--from", from_version[:20], "this conversion starts from 4.4", "upgrade to the newest 4.4 first"
        )
    if minor(to_version) < (5, 1):
        raise BadSource(
            "--to", to_version[:20], "this conversion leads to 5.1 and newer", "choose a supported 5.x or 6.x"
        )
