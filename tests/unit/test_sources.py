"""What each spelling holds besides plain values: files beside it, defaults, other containers, and what is not known here, with its reason."""

from __future__ import annotations

import pytest

from components.migration.manifest import BadSource
from components.migration.sources import registry
from components.migration.sources.base import Document, Variable
from components.migration.sources.registry import Environment

pytestmark = pytest.mark.unit

A, B = "EMQX_MQTT__MAX_QOS_ALLOWED", "EMQX_ACL_NOMATCH"


def read(**files: str) -> Environment:
    """Files by name; two underscores are a dot, a capital D a slash."""
    return registry.read(
        tuple(Document(name.replace("__", ".").replace("D_", "/"), text) for name, text in files.items())
    )


def values(**files: str) -> dict[str, str | None]:
    return {one.name: one.value for one in read(**files).variables}


def unknown(**files: str) -> list[Variable]:
    return [one for one in read(**files).variables if one.value is None]


COMPOSE = "services:\n  broker:\n    image: emqx/emqx:4.4.19\n"


def test_dot_env_fills_a_compose_file_in_and_no_container_gets_it() -> None:
    compose = COMPOSE + f"    environment:\n      {A}: ${{Q}}\n      {B}:\n"
    assert values(docker_compose__yml=compose, __env=f"Q=1\n{B}=deny\nEMQX_OTHER=x\n") == {A: "1", B: "deny"}
    assert registry.read((Document(".env", "EMQX_A=1\n"),)).variables[0].value == "1"


def test_an_env_file_is_below_environment_and_read_as_compose_reads_it() -> None:
    compose = COMPOSE + f"    env_file: [./conf/broker.env]\n    environment: [{A}=2]\n"
    found = read(c__yml=compose, confD_broker__env=f"{A}=1\n{B}='deny' # c\n")
    assert {one.name: one.value for one in found.variables} == {A: "2", B: "deny"}
    assert [one.file for one in found.variables] == ["conf/broker.env", "conf/broker.env", "c.yml"]
    (missing,) = unknown(c__yml=compose)
    assert (missing.line, missing.name) == (4, "")
    assert "broker.env, which is not given" in missing.why


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${X:-a}", "a"),
        ("${X-a}", "a"),
        ("${X:-${Y:-b}}", "b"),
        ("$$X", "$X"),
        ("${X}", None),
        ("${X:?no}", None),
        ("a${G}b", "a1b"),
        ("${G:+c}", "c"),
        ("$G", "1"),
        ("${G:-a}", "1"),
        ("${E:-a}", "a"),
        ("${E-a}", ""),
    ],
)
def test_what_compose_puts_in(text: str, value: str | None) -> None:
    assert values(c__yml=COMPOSE + f"    environment: ['{A}={text}']\n", __env="G=1\nE=\n") == {A: value}


@pytest.mark.parametrize(
    ("written", "value"),
    [("5.10", "5.1"), ("5.0", "5"), ("True", "true"), ("off", "off"), ("1_000", "1000"), ("0x10", "16"), ("'5.10'", "5.10"), ("1e3", None), ("1:30", "1:30"), ("2026-11-22", None), ("010", None), ("!!str 5.10", "5.10"), ("!x 1", None)],
)  # fmt: skip
def test_a_value_without_quotes_has_the_type_that_yaml_gives_it(written: str, value: str | None) -> None:
    assert values(c__yml=COMPOSE + f"    environment: {{{A}: {written}}}\n") == {A: value}


def test_helm_takes_more_words_for_truth_and_kubernetes_takes_text_only() -> None:
    assert values(v__yaml=f"emqxConfig:\n  {A}: off\n  {B}: 5.10\n") == {A: "false", B: "5.1"}
    for written in ("off", "5", "true"):
        with pytest.raises(BadSource, match=r"line 5: EMQX_ACL_NOMATCH is no text: .*Remedy: write it in quotes"):
            read(
                p__yaml=f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - env: [{{name: {B}, value: {written}}}]\n"
            )


@pytest.mark.parametrize("written", ["0012", "1e3", "2026-11-29", "!vault x"])
def test_what_readers_of_yaml_make_different_things_of_is_not_known_in_values_of_the_chart(written: str) -> None:
    (one,) = unknown(values__yaml=f"emqxConfig:\n  {A}: {written}\n")
    assert (one.name, one.todo) == (A, "write it in quotes as the container gets it")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"export {A}=1; export {B}=deny", {A: None}),
        (f"{A}=1; export {B}=deny", {A: None}),
        (f"{A}=a;b", {A: "a;b"}),
        (f"export {A}='a; export b'", {A: "a; export b"}),
        (f'{A}="a;b"', {A: "a;b"}),
    ],
)
def test_two_commands_in_a_line_are_not_one_value(line: str, expected: dict[str, str | None]) -> None:
    assert {
        name: value for name, value in values(broker__env=f"{line}\nEMQX_X=1\n").items() if name in (A, B)
    } == expected


def test_a_secret_that_is_not_given_is_not_known_and_one_beside_it_is() -> None:
    pod = f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: b\n    envFrom: [{{secretRef: {{name: s}}}}]\n    env:\n    - name: {A}\n      valueFrom: {{secretKeyRef: {{name: s, key: k}}}}\n"
    every, one = unknown(p__yaml=pod)
    assert (every.name, every.line) == ("", 6)
    assert "all of Secret s" in every.why
    assert (one.name, one.why) == (A, "it stands in Secret s, which is not given")
    given = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{k: MQ==}}\nstringData: {{{B}: deny}}\n"
    assert values(p__yaml=pod, s__yaml=given) == {A: "1", B: "deny"}


def test_files_of_emqx_in_a_config_map_are_files() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  acl.conf: |\n    {allow, all}.\n  nginx.conf: x\n"
    assert read(m__yaml=text).files == (Document("m.yaml#acl.conf", "{allow, all}.\n"),)


def test_values_of_the_chart_hold_files_and_variables_under_the_name_of_a_parent() -> None:
    text = "emqx:\n  emqxAclConfig: |\n    {deny, all}.\n  emqxConfig:\n    mqtt.max_qos_allowed: 1\n    x: '{{ .Release.Name }}'\n  extraEnv:\n  - {name: EMQX_B, value: c}\n"
    found = read(values__yaml=text)
    assert {one.name: one.value for one in found.variables} == {A: "1", "EMQX_X": None, "EMQX_B": "c"}
    assert found.files == (Document("values.yaml#acl.conf", "{deny, all}.\n"),)


def test_the_hocon_of_a_resource_of_5x_is_a_file() -> None:
    text = "apiVersion: apps.emqx.io/v2beta1\nkind: EMQX\nmetadata: {name: e}\nspec:\n  config:\n    data: |\n      mqtt.max_qos_allowed = 1\n"
    assert read(e__yaml=text).files == (Document("e.yaml#e/emqx.conf", "mqtt.max_qos_allowed = 1\n"),)


def test_modules_and_old_rules_of_a_resource_are_read_or_named() -> None:
    text = "apiVersion: apps.emqx.io/v1beta2\nkind: EmqxEnterprise\nspec:\n  emqxTemplate:\n    acl: [{permission: allow}]\n    modules: [{name: retainer, enable: true, configs: {storage_type: ram}}]\n"
    found = read(e__yaml=text)
    assert found.files[0].text == '[{"name": "retainer", "enable": true}]'
    assert sorted(one.why for one in found.variables) == [
        "retainer: the settings of a module are not read from here",
        "rules in a form of the Operator's that is not read",
    ]


def test_files_that_take_over_others_are_said_to_be_incomplete() -> None:
    text = "include: [base.yml]\n" + COMPOSE + "    extends: {file: base.yml, service: b}\n"
    assert [one.why for one in unknown(c__yml=text)] == [
        "the file takes over what another file says (include)",
        "broker takes over what another file says (extends)",
    ]


def test_only_the_services_of_emqx_count_where_one_is_named_so() -> None:
    text = COMPOSE + f"    environment: [{A}=1]\n  app:\n    image: mine\n    environment: [{A}=2]\n"
    assert [(one.value, one.why) for one in read(c__yml=text).variables] == [
        ("1", ""),
        (None, "it is of another service than EMQX"),
    ]


def test_nodes_may_differ_in_what_is_their_own_and_in_nothing_else() -> None:
    def two(name: str) -> str:
        return COMPOSE + f"    environment: [{name}=1]\n  second:\n    image: emqx\n    environment: [{name}=2]\n"

    assert [one.value for one in read(c__yml=two("EMQX_NODE__NAME")).variables] == ["1", "2"]
    with pytest.raises(BadSource, match="EMQX_ACL_NOMATCH is set otherwise in second than in broker"):
        read(c__yml=two(B))
    with pytest.raises(BadSource, match="is set otherwise in command 2 than in command 1"):
        read(run__sh=f"docker run -e {B}=deny emqx\ndocker run -e {B}=allow emqx\n")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (f"docker run -e {A}=1 emqx", "1"),
        (f"docker run --env={A}=1 emqx", "1"),
        (f"docker run -e{A}=1 emqx", "1"),
        (f"docker run -ite {A}=1 emqx", "1"),
        (f"docker run -e '{A}=1 2' emqx", "1 2"),
        (f'docker run -e "{A}=$X" emqx', None),
        (f'X=1; docker run -e "{A}=$X" emqx', "1"),
        (f"docker run -e {A} emqx", None),
        (f"export {A}=1; docker run -e {A} emqx", "1"),
        (f"docker run -e {A}=$(cat f) emqx", None),
        (f"docker run -e {A}=a#b emqx # -e {A}=2", "a#b"),
        (f"set {A}=1", "1"),
        (f"sudo {A}=1 emqx start", "1"),
        (f"cat > x <<EOF\n{A}=1\nEOF", "1"),
    ],
)
def test_what_a_script_sets(line: str, value: str | None) -> None:
    assert values(run__sh=line + "\n") == {A: value}


def test_a_word_that_sets_nothing_is_named() -> None:
    found = read(run__sh=f"docker run emqx\necho '{A}=1' >> other\n").variables
    assert [(one.line, one.name, one.value) for one in found] == [(2, "", None)]


def test_docker_takes_the_quotes_of_its_env_file_for_letters_and_flags_override_it() -> None:
    files = {"run__sh": f"docker run -e {A}=2 --env-file ./b.env emqx\n", "b__env": f'{A}=1\n{B}="deny" # c\n'}
    assert values(**files) == {A: "2", B: '"deny" # c'}
    (missing,) = unknown(run__sh=files["run__sh"])
    assert "b.env, which is not given" in missing.why


def test_a_makefile_has_variables_of_its_own() -> None:
    text = f"Q = 1\nexport {B} = deny\nrun:\n\t@docker run -e {A}=$(Q) -e EMQX_C=$$HOME -e EMQX_D=$(OTHER) emqx\n"
    assert values(Makefile=text) == {A: "1", B: "deny", "EMQX_C": None, "EMQX_D": None}


def test_an_image_has_what_its_arguments_have_by_default() -> None:
    text = f'# c\nARG Q=1\nFROM emqx\nENV {A}=$Q \\\n# c\n  {B}="de\\"ny"\nENV EMQX_C a  b\'c\'\nARG NONE\nENV EMQX_D=$NONE\n'
    assert values(Dockerfile=text) == {A: "1", B: 'de"ny', "EMQX_C": "a  bc", "EMQX_D": None}


def test_what_starts_a_container_is_above_its_image_and_above_plain_files() -> None:
    files = {
        "c__yml": COMPOSE + f"    environment: [{A}=3]\n",
        "Dockerfile": f"FROM emqx\nENV {A}=1 {B}=deny\n",
        "x__env": f"{A}=2\n",
    }
    assert [one.value for one in read(**files).variables if one.name == A] == ["1", "2", "3"]
    assert values(**files)[B] == "deny"


def test_a_unit_reads_its_files_last_and_drops_what_it_unsets() -> None:
    text = f'[Service]\nEnvironment=EMQX_GONE=1 "{A}=1 %% $x" \\\n  EMQX_C=%i\nUnsetEnvironment=EMQX_GONE\nPassEnvironment=EMQX_P\nEnvironmentFile=-/etc/emqx/b.env\n'
    assert values(emqx__service=text, etcD_emqxD_b__env=f'{A}="2"\n; c\n') == {A: "2", "EMQX_C": None, "EMQX_P": None}
    assert values(emqx__service=text)[A] == "1 % $x"
    assert [one.why for one in unknown(emqx__service=text) if not one.name] == [
        "it reads /etc/emqx/b.env, which is not given"
    ]


def test_variables_in_other_programs_files_are_found_by_their_form() -> None:
    ansible = (
        f"- hosts: all\n  tasks:\n  - docker_container:\n      name: b\n      env: {{{A}: '1', {B}: '{{{{ x }}}}'}}\n"
    )
    assert values(play__yml=ansible) == {A: "1", B: None}
    assert values(inspect__json=f'[{{"Config": {{"Env": ["PATH=/bin", "{A}=1"]}}}}]') == {A: "1"}
    task = f'{{"containerDefinitions": [{{"environment": [{{"name": "{A}", "value": "1"}}], "secrets": [{{"name": "{B}", "valueFrom": "arn:x"}}]}}]}}'
    assert values(task__json=task) == {A: "1", B: None}


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 2\nEMQX_A: 1\n",
        "a: &x [*x]\nEMQX_A: 1\n",
        "a: " + "[" * 200 + "]" * 200 + "\nEMQX_A: 1\n",
        "\tEMQX_A: 1\n",
    ],
)
def test_yaml_that_cannot_be_read_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadSource, match="no YAML"):
        read(x__yml=text)


def test_aliases_that_grow_without_end_are_refused() -> None:
    lines = ["a0: &a0 [EMQX_A=1, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(BadSource, match="no YAML that a person wrote"):
        read(x__yml="\n".join(lines))
