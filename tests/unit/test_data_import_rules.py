"""How the import judges what EMQX answered: a 204 proves nothing, a 400 proves nothing either, the inventories do."""

from __future__ import annotations

import pytest

from components.emqx.errors import Rejected
from components.emqx.v5.backup import TABLE_SETS, portions
from components.links.archives import Archive
from components.links.data_import import _Done, _judge_failures
from components.migration.inventory import Difference

pytestmark = pytest.mark.unit

ARCHIVE = Archive(name="x.tar.gz", sha256="0" * 64, table_set="builtin_authn", size=1, node="emqx@b")
MISSING = Difference("users:password_based:built_in_database", "missing", "alice", "none of these", "1 of 2")
WRITTEN = Difference("retained", "extra", "none of these", "t", "1 of 1")


def done(*failed: tuple[Archive, str]) -> _Done:
    return _Done(node="emqx@a", adopted=0, failed=list(failed))


def test_a_refused_part_is_an_error_exactly_when_something_is_not_there() -> None:
    failed = (ARCHIVE, "400 BAD_REQUEST: [error] Failed")
    with pytest.raises(Rejected) as caught:
        _judge_failures(done(failed), [MISSING, WRITTEN])
    assert "import of builtin_authn on emqx@a" in str(caught.value)
    assert "expected alice, found none of these" in str(caught.value)
    assert "\n" not in str(caught.value)
    _judge_failures(done(failed), [])
    _judge_failures(done(failed), [WRITTEN])
    _judge_failures(done(), [MISSING])


def test_many_differences_stay_one_short_line() -> None:
    with pytest.raises(Rejected, match="and 17 more") as caught:
        _judge_failures(done((ARCHIVE, "400")), [MISSING] * 20)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("accounts", [True, False])
def test_every_table_set_has_an_archive_of_its_own_and_retained_messages_come_last_of_them(accounts: bool) -> None:
    made = portions(("mqtt", "rule_engine"), accounts=accounts)
    assert made[0].tables == ()
    assert [portion.tables for portion in made[1:6]] == [(name,) for name in TABLE_SETS]
    assert made[5].tables == ("builtin_retainer",)
    assert all(portion.roots == () for portion in made[1:])
    assert [portion.label for portion in made if portion.login] == (["accounts"] if accounts else [])
