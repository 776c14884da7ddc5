"""Authentication: the chain's order and the reason codes of docs/emqx/probes.md#connack; hashes really computed."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from random import Random
from typing import Any

import pytest

from lab.node.kept.store import PASSWORD_ID, SCRAM_ID, Store
from lab.node.rules.authn import Authenticator, Credentials, authenticator_id
from lab.node.rules.passwords import hash_password, new_scram_user, new_user, secret_fits, secret_hash, verify
from lab.node.rules.scram import Exchange

pytestmark = pytest.mark.unit

SHA256 = {"name": "sha256", "salt_position": "suffix"}
PASSWORD = {"mechanism": "password_based", "backend": "built_in_database", "password_hash_algorithm": SHA256}
ALGORITHMS: list[dict[str, Any]] = [
    {"name": "plain"},
    {"name": "md5", "salt_position": "prefix"},
    {"name": "sha", "salt_position": "suffix"},
    {"name": "sha256", "salt_position": "disable"},
    {"name": "sha512", "salt_position": "prefix"},
    {"name": "pbkdf2", "mac_fun": "sha256", "iterations": 10, "dk_length": 20},
    {"name": "bcrypt", "salt_rounds": 4},
]


def chain(*entries: dict[str, Any], superuser: bool = False) -> Authenticator:
    store = Store()
    store.put("authentication", list(entries))
    store.authn_users[PASSWORD_ID] = {"alice": new_user(SHA256, "alice", "alicepw", superuser, Random(1))}
    return Authenticator(store)


@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        ("alice", b"alicepw", 0),
        ("alice", b"wrong", 0x86),
        ("nobody", b"x", 0x87),
        (None, None, 0x86),
        ("alice", None, 0x86),
        (None, b"x", 0x87),
    ],
)
def test_the_password_authenticator_answers_as_recorded(
    username: str | None, password: bytes | None, reason: int
) -> None:
    assert chain(PASSWORD).check(Credentials("c", username, password)).reason == reason


def test_without_an_enabled_authenticator_everybody_may_in() -> None:
    assert chain().check(Credentials("c", None, None)).anonymous
    assert chain({**PASSWORD, "enable": False}).check(Credentials("c", None, None)).anonymous


def test_an_authenticator_that_does_not_know_the_client_leaves_it_to_the_next() -> None:
    elsewhere = {"mechanism": "password_based", "backend": "http"}
    assert chain(elsewhere, PASSWORD).check(Credentials("c", "alice", b"alicepw")).reason == 0
    assert chain(elsewhere).check(Credentials("c", "alice", b"alicepw")).reason == 0x87


def test_the_user_may_be_the_client_id_and_a_superuser_is_one() -> None:
    by_client = {**PASSWORD, "user_id_type": "clientid"}
    verdict = chain(by_client, superuser=True).check(Credentials("alice", "other", b"alicepw"))
    assert (verdict.reason, verdict.is_superuser) == (0, True)


def test_ids_are_those_of_the_api() -> None:
    assert authenticator_id(PASSWORD) == PASSWORD_ID
    assert authenticator_id({"mechanism": "scram", "backend": "built_in_database"}) == SCRAM_ID
    assert authenticator_id({"mechanism": "jwt"}) == "jwt"


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda one: one["name"])
def test_a_password_fits_its_own_hash_only(algorithm: dict[str, Any]) -> None:
    user = new_user(algorithm, "u", "right", False, Random(2))
    assert verify(algorithm, user, b"right")
    assert not verify(algorithm, user, b"wrong")
    assert algorithm["name"] == "plain" or "right" not in user.password_hash


def test_the_salt_stands_where_the_configuration_says() -> None:
    assert (
        hash_password({"name": "sha256", "salt_position": "prefix"}, b"pw", "s") == hashlib.sha256(b"spw").hexdigest()
    )
    assert (
        hash_password({"name": "sha256", "salt_position": "suffix"}, b"pw", "s") == hashlib.sha256(b"pws").hexdigest()
    )


def test_a_hash_of_the_old_algorithm_no_longer_fits_after_the_algorithm_changed() -> None:
    user = new_user(SHA256, "u", "right", False, Random(3))
    assert not verify({"name": "bcrypt"}, user, b"right")


def test_secrets_are_kept_as_salted_hashes() -> None:
    kept = secret_hash("s3cret", Random(4))
    assert "s3cret" not in kept
    assert secret_fits("s3cret", kept)
    assert not secret_fits("other", kept)


def proof(password: str, spoken: bytes, salt: bytes, iterations: int) -> bytes:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), spoken, "sha256")
    return b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))


@pytest.mark.parametrize("password", ["pencil", "wrong"])
def test_scram_lets_in_who_proves_the_password_and_nobody_else(password: str) -> None:
    users = {"user": new_scram_user("sha256", 4096, "user", "pencil", False, Random(5))}
    exchange = Exchange({"algorithm": "sha256", "iteration_count": 4096}, users, Random(6), None)
    said = exchange.first(b"n,,n=user,r=abc")
    assert said is not None
    fields = dict(part.split("=", 1) for part in said.decode().split(","))
    without_proof = f"c=biws,r={fields['r']}"
    spoken = f"n=user,r=abc,{said.decode()},{without_proof}".encode()
    made = proof(password, spoken, b64decode(fields["s"]), int(fields["i"]))
    answer = exchange.last(without_proof.encode() + b",p=" + made)
    assert (answer is not None) == (password == "pencil")


def test_scram_does_not_know_strangers() -> None:
    assert Exchange({"algorithm": "sha256"}, {}, Random(7), None).first(b"n,,n=user,r=abc") is None
