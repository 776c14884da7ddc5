"""The effective configurations: what differs is named by its path, and no value is ever shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from components.cutover.words import Colour
from components.emqx.effective import compare_effective, compare_texts, hashes_of
from components.emqx.errors import NotNow
from components.emqx.models import Credentials
from components.emqx.v5.cluster import ClusterApi
from tests.handles import cluster_at

pytestmark = pytest.mark.unit

RECORDED = next(
    row["body"]
    for row in json.loads((Path(__file__).parent / "recordings/emqx/02_nodes_cluster_stats.json").read_text())
    if isinstance(row["body"], str) and row["url"].endswith("/configs")
)


def api(text: str, colour: Colour) -> ClusterApi:
    def serve(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept"] == "text/plain"
        return httpx.Response(200, text=text)

    return ClusterApi(
        cluster_at("a", colour=colour), Credentials(api_key="k", api_secret="s"), transport=httpx.MockTransport(serve)
    )


async def compared(blue: str, green: str) -> dict[str, str]:
    found = await compare_effective(api(blue, "blue"), api(green, "green"))
    assert found is not None
    return {path: one.said("blue", "green") for one in found for path in one.paths}


async def test_the_recorded_configuration_is_read_and_equals_itself() -> None:
    hashes = hashes_of(RECORDED)
    assert hashes is not None
    assert ("mqtt", "max_packet_size") in hashes
    assert await compared(RECORDED, RECORDED) == {}


async def test_each_cluster_has_its_own_node_cookie_addresses_and_times() -> None:
    hashes = hashes_of(RECORDED)
    assert hashes is not None
    assert not any(path[0] in {"node", "cluster", "dashboard", "api_key"} for path in hashes)
    assert not any(path[-1] == "bind" for path in hashes)


async def test_what_stands_only_in_the_sources_emqx_conf_is_named_by_path() -> None:
    blue = RECORDED.replace('max_packet_size = "1MB"', 'max_packet_size = "2MB"').replace(
        "authentication = []", "authentication = [{mechanism = jwt, secret = planted-s3cret}]"
    )
    found = await compared(blue, RECORDED)
    assert found["mqtt.max_packet_size"] == "limit mqtt.max_packet_size: different on both"
    assert found["authentication.jwt.secret"] == "authenticator jwt: only on blue (2 settings)"
    assert "planted" not in json.dumps(found)


async def test_the_rules_of_a_file_source_are_compared_as_text() -> None:
    blue = 'authorization {sources = [{type = file, rules = """~\n  {allow, all}.\n~"""}]}'
    green = blue.replace("allow", "deny")
    assert await compared(blue, green) == {"authorization.sources.file.rules": "authorization file: different on both"}


async def test_a_file_source_under_another_path_is_no_difference() -> None:
    """Every import rewrites it, with the same content (docs/emqx/config.md#the-effective-configuration)."""
    blue = 'authorization {sources = [{type = file, enable = true, path = "/opt/emqx/etc/acl.conf"}]}'
    assert await compared(blue, blue.replace("/opt/emqx/etc/acl.conf", "/opt/emqx/data/authz/acl.conf")) == {}


async def test_a_colour_that_does_not_show_its_configuration_is_not_called_equal() -> None:
    class Shy(ClusterApi):
        async def configs_text(self, _node: str) -> str | None:
            return None

    shy = Shy(cluster_at("a", colour="green"), Credentials(api_key="k", api_secret="s"))
    assert await compare_effective(api(RECORDED, "blue"), shy) is None


def test_two_texts_of_which_one_is_missing_or_no_configuration_are_not_called_equal() -> None:
    assert compare_texts(RECORDED, RECORDED) == ()
    assert [compare_texts(*pair) for pair in ((RECORDED, None), (None, RECORDED), (RECORDED, "<html>{{{"))] == [
        None
    ] * 3


@pytest.mark.parametrize("text", ["", "<html>{{{", 'password = "planted-s3cret', "\x00"])
async def test_what_cannot_be_read_is_an_error_without_its_text(text: str) -> None:
    with pytest.raises(NotNow, match="no configuration") as caught:
        await compared(text, RECORDED)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    "include",
    ['include "FILE"', 'a { include file("FILE") }', 'a { include "FILE*" }', 'a = [{include url("file://FILE")}]'],
)
def test_nothing_that_a_cluster_names_is_opened_whatever_was_imported_before(tmp_path: Path, include: str) -> None:
    """In a process of its own: the guard must come with this module, not with another one that was imported first."""
    (tmp_path / "secret.conf").write_text("planted = s3cret\n", encoding="utf-8")
    program = (
        "import sys, components.emqx.effective as effective\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(args[0]) if event in ('open', 'glob.glob') else None)\n"
        "assert effective.hashes_of(sys.argv[1]) is None\n"
        "assert not any('secret.conf' in str(one) for one in opened), opened\n"
    )
    text = include.replace("FILE", str(tmp_path / "secret.conf"))
    done = subprocess.run([sys.executable, "-c", program, text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_text_that_speaks_of_includes_is_no_include() -> None:
    assert hashes_of('authorization {sources = [{type = file, rules = """~\n  include "x"\n~"""}]}') is not None
