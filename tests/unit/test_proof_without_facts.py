"""What a side says that it knows is what it says with every fact given; what it cannot know is not known, and such a proof does not hold."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from components.migration import surroundings
from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import Options, Source
from components.migration.permissions.client import Action, Client
from components.migration.prove import before_of, prove
from tests.unit.hop_42_43_bed import PATIENT
from tests.unit.hop_44_5_bed import user

pytestmark = pytest.mark.unit

ON = {"loaded_plugins": "{emqx_auth_mnesia, true}.\n", "loaded_modules": "{emqx_mod_acl_internal, true}.\n"}
TOPICS = ("a", "a/b", "a/#", "+/b", "#", "b")
ASKED = tuple(product((Client("c1", "ann"), Client("c2"), Client("c3", "bob")), Action, ("a", "a/b", "b", "x")))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("username"),
            "type_value": st.sampled_from(["ann", "bob"]),
            "topic": st.sampled_from(TOPICS),
            "action": st.sampled_from(["pub", "sub"]),
            "access": st.sampled_from(["allow", "deny"]),
            "created_at": st.integers(0, 9),
        }
    ),
    max_size=4,
)
RULES = st.lists(
    st.builds(
        '{{{}, {}, {}, ["{}"]}}.\n'.format,
        st.sampled_from(["allow", "deny"]),
        st.sampled_from(["all", '{user, "ann"}']),
        st.sampled_from(["publish", "subscribe", "pubsub"]),
        st.sampled_from(TOPICS),
    ),
    max_size=3,
).map("".join)
SETTINGS = st.fixed_dictionaries(
    {"allow_anonymous": st.sampled_from(["true", "false"]), "acl_nomatch": st.sampled_from(["allow", "deny"])}
)
FACTS = ("export", "acl.conf", "emqx.conf")


def source(rows: list[dict[str, Any]], rules: str, settings: dict[str, str], given: set[str]) -> Source:
    export = {"version": "4.4", "auth_mnesia": [user("ann")], "acl_mnesia": rows}
    lines = [Setting("emqx.conf", at, key, value) for at, (key, value) in enumerate(settings.items(), 1)]
    files = ON | ({"acl.conf": rules} if "acl.conf" in given else {})
    return Source(export if "export" in given else None, "e", tuple(lines if "emqx.conf" in given else ()), files)


def wrong(rows: list[dict[str, Any]], rules: str, settings: dict[str, str], given_facts: set[str]) -> list[object]:
    """What a side without some facts says that it knows, and that is otherwise with them."""
    whole = before_of(source(rows, rules, settings, set(FACTS)))
    part = before_of(source(rows, rules, settings, given_facts))
    assert all(whole.judge(*one)[1] for one in ASKED), "with every fact every decision is known"
    answers = [(one, part.judge(*one)) for one in ASKED]
    found: list[object] = [one for one, (decision, known) in answers if known and decision is not whole.decide(*one)]
    logins = product({client for client, _, _ in ASKED}, (None, "secret", "other"))
    found += [one for one in logins if part.knows(one[0]) and part.connect(*one) is not whole.connect(*one)]
    return found


@PATIENT
@given(ROWS, RULES, SETTINGS, st.sets(st.sampled_from(FACTS)))
def test_what_is_known_without_a_fact_is_so_with_it(
    rows: list[dict[str, Any]], rules: str, settings: dict[str, str], given_facts: set[str]
) -> None:
    assert wrong(rows, rules, settings, given_facts) == []


@limits(PATIENT, max_examples=15)
@given(ROWS, RULES, SETTINGS, st.sets(st.sampled_from(FACTS), min_size=1))
def test_a_proof_holds_with_every_fact_and_never_without_one(
    rows: list[dict[str, Any]], rules: str, settings: dict[str, str], given_facts: set[str]
) -> None:
    proof = prove(
        source(rows, rules, settings, given_facts), "4.4.19", "5.8.11", options=Options(credential="username")
    )
    assert proof.holds is (given_facts == set(FACTS))
    assert (proof.widened, bool(proof.missing)) == (0, given_facts != set(FACTS))


def test_a_side_that_takes_the_default_for_an_answer_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_missing", lambda *_: ())
    assert wrong([], "", {"allow_anonymous": "true", "acl_nomatch": "allow"}, set())
