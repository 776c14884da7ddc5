"""4.4 -> 5.x: nothing opens, and users keep their hashes, salts and rights."""

from __future__ import annotations

import json

import pytest

from components.migration.hop_44_5 import BadSource
from components.migration.permissions.client import hashed
from tests.unit.hop_44_5_bed import LOADED, imported, paths, run, user, verdicts

pytestmark = pytest.mark.unit


class TestNothingOpens:
    """Where 4.4 refused, or where nobody knows, 5.x refuses."""

    def test_users_without_known_plugins_get_an_authenticator(self) -> None:
        authentication = run({"auth_mnesia": [user("a")]}).config["authentication"]
        assert [(one["backend"], one["enable"]) for one in authentication] == [("built_in_database", True)]

    def test_an_export_without_users_and_files_lets_nobody_in(self) -> None:
        assert run({"rules": []}).config["authentication"][0]["enable"]
        assert run({"rules": []}).config["authorization"]["no_match"] == "deny"

    def test_a_cluster_that_let_everybody_in_still_does_where_that_is_known(self) -> None:
        files = {"loaded_plugins": "{emqx_retainer, true}.\n", "loaded_modules": ""}
        conversion = run({}, {"allow_anonymous": "true"}, files)
        assert not any(one["enable"] for one in conversion.config["authentication"])
        assert verdicts(conversion, "emqx.conf") == ["carried"]

    def test_the_same_without_loaded_plugins_lets_nobody_in_and_says_so(self) -> None:
        conversion = run({}, {"allow_anonymous": "true"})
        assert conversion.config["authentication"][0]["enable"]
        assert verdicts(conversion, "emqx.conf") == ["changed"]

    def test_nobody_came_in_without_a_plugin_and_without_allow_anonymous(self) -> None:
        files = {"loaded_plugins": "{emqx_retainer, true}.\n"}
        assert run({}, {"allow_anonymous": "false"}, files).config["authentication"][0]["enable"]

    @pytest.mark.parametrize(("value", "no_match"), [("deny", "deny"), ("allow", "allow")])
    def test_acl_nomatch_of_the_file_is_no_match(self, value: str, no_match: str) -> None:
        conversion = run({}, {"acl_nomatch": value}, {**LOADED, "acl.conf": "{allow, all}."})
        assert conversion.config["authorization"]["no_match"] == no_match
        sent = next(request for request in conversion.requests if request.path == "/authorization/settings")
        assert sent.body["no_match"] == no_match

    def test_acl_nomatch_of_an_enterprise_hot_configuration_is_no_match(self) -> None:
        conversion = run({"modules": [], "configs": [{"name": "emqx", "confs": {"acl_nomatch": "allow", "odd": "x"}}]})
        assert conversion.config["authorization"]["no_match"] == "allow"
        assert verdicts(conversion, "configs") == ["carried", "dropped"]

    def test_greens_own_acl_file_that_allows_all_is_switched_off_where_44_had_none(self) -> None:
        sources = run({"modules": []}).config["authorization"]["sources"]
        assert {"type": "file", "enable": False, "rules": "{deny, all}.\n"} in sources

    def test_sources_are_put_into_44s_order_because_an_import_keeps_greens_file_in_front(self) -> None:
        conversion = run({}, {"acl_order": "none"}, {**LOADED, "acl.conf": "{allow, all}."})
        moves = [path for path in paths(conversion) if path.endswith("/move")]
        assert moves == ["/authorization/sources/file/move", "/authorization/sources/built_in_database/move"]
        assert [one["type"] for one in conversion.config["authorization"]["sources"]] == ["built_in_database", "file"]

    def test_behind_a_database_whose_rules_5_x_cannot_read_nothing_allows(self) -> None:
        files = {
            "loaded_plugins": "{emqx_auth_mysql, true}.\n",
            "loaded_modules": LOADED["loaded_modules"],
            "acl.conf": "{allow, all}.",
        }
        settings = {"acl_nomatch": "allow", "auth.mysql.server": "db:3306", "auth.mysql.acl_query": "select 1"}
        conversion = run({}, settings, files)
        authorization = conversion.config["authorization"]
        assert [(one["type"], one["enable"]) for one in authorization["sources"]] == [
            ("built_in_database", True),
            ("mysql", True),
            ("file", False),
        ] or [(one["type"], one["enable"]) for one in authorization["sources"]] == [
            ("mysql", True),
            ("built_in_database", False),
            ("file", False),
        ]
        assert authorization["no_match"] == "deny"
        assert "changed" in verdicts(conversion, "emqx.conf")

    def test_a_zone_that_let_people_by_does_not_any_more(self) -> None:
        settings = {
            "listener.tcp.internal": "127.0.0.1:11883",
            "listener.tcp.internal.zone": "internal",
            "zone.internal.bypass_auth_plugins": "true",
        }
        conversion = run({}, settings)
        listener = json.loads(conversion.bootstrap["base.hocon"])["listeners"]["tcp"]["internal"]
        assert listener["enable_authn"] is True
        assert "changed" in verdicts(conversion, "emqx.conf")


class TestUsers:
    """Hash and salt as they are; one type."""

    def test_a_salt_that_is_text_goes_through_the_import_api(self) -> None:
        conversion = run({"auth_mnesia": [user("a")]})
        assert imported(conversion) == [
            {
                "user_id": "a",
                "password_hash": hashed("sha256", b"salt", "secret").decode(),
                "salt": "salt",
                "is_superuser": False,
            }
        ]
        request = next(one for one in conversion.requests if "import_users" in one.path)
        assert (request.upload, request.path) == (
            "users-1.json",
            "/authentication/password_based%3Abuilt_in_database/import_users?type=hash",
        )

    def test_both_types_are_refused_until_one_is_chosen(self) -> None:
        export = {"auth_mnesia": [user("a"), user("c", "clientid")]}
        with pytest.raises(BadSource, match="1 users by username and 1 by clientid"):
            run(export)
        chosen = run(export, credential="clientid")
        assert [row["user_id"] for row in imported(chosen)] == ["c"]
        assert chosen.config["authentication"][0]["user_id_type"] == "clientid"
        assert verdicts(chosen, "auth_mnesia") == ["dropped", "carried"]

    def test_of_a_user_that_is_there_twice_the_later_row_counts_and_the_earlier_is_accounted(self) -> None:
        conversion = run({"auth_mnesia": [user("a", salt=b"old."), user("a", salt=b"new.")]})
        assert [row["salt"] for row in imported(conversion)] == ["new."]
        assert verdicts(conversion, "auth_mnesia") == ["dropped", "carried"]

    @pytest.mark.parametrize("algorithm", ["md5", "sha", "sha256", "sha512"])
    def test_the_hash_is_known_by_its_length_where_no_file_names_it(self, algorithm: str) -> None:
        conversion = run({"auth_mnesia": [user("a", algorithm=algorithm)]})
        assert conversion.config["authentication"][0]["password_hash_algorithm"] == {
            "name": algorithm,
            "salt_position": "prefix",
        }

    def test_a_hash_that_cannot_be_told_is_asked_for(self) -> None:
        with pytest.raises(BadSource, match=r"emqx_auth_mnesia\.conf"):
            run({"auth_mnesia": [user("a", algorithm="plain")]})
        known = run({"auth_mnesia": [user("a", algorithm="plain")]}, {"auth.mnesia.password_hash": "plain"})
        assert imported(known)[0]["password_hash"] == "saltsecret"

    def test_names_of_every_kind_arrive_unchanged(self) -> None:
        names = ['quo"te', "new\nline", "日本語 ü", "n" * 65536, "a,b c", "${x}"]
        conversion = run({"auth_mnesia": [user(name) for name in names]})
        assert [row["user_id"] for row in imported(conversion)] == names
        assert all("\n" not in item.label for item in conversion.account.items)
        assert json.loads(conversion.files()["requests.json"])

    def test_a_hundred_thousand_users_are_all_accounted(self) -> None:
        conversion = run({"auth_mnesia": [user(f"u{number}") for number in range(100_000)]})
        assert conversion.account.tally()["auth_mnesia"] == {
            "source": 100_000,
            "carried": 100_000,
            "changed": 0,
            "dropped": 0,
        }
        assert len(imported(conversion)) == 100_000

    def test_users_of_the_plugin_file_are_made_where_the_export_lacks_them(self) -> None:
        settings = {
            "auth.user.1.username": "joe",
            "auth.user.1.password": "pw",
            "auth.user.2.username": "a",
            "auth.user.2.password": "x",
        }
        conversion = run({"auth_mnesia": [user("a")]}, settings)
        made = [request.body["user_id"] for request in conversion.requests if request.path.endswith("/users")]
        assert made == ["joe"]
        assert verdicts(conversion, "emqx.conf") == ["carried"] * 4
