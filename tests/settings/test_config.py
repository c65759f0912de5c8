"""The settings file: every problem at once, each with its line, its key and its remedy."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from watcher.core.conversation import Conversation
from watcher.core.errors import ConfigError
from watcher.core.model import Chunk, Route
from watcher.core.target import Target
from watcher.settings.cautions import is_loopback
from watcher.settings.config import find, load
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config

ENVIRON = {"WFM_CLIENT_SECRET": "hunter2-from-env"}
GOOD = """\
folders:
  drop: ./drop
  done: ./done
  failed: ./failed
  state: ./state
wfm:
  tenant: acme
  api_url: https://{tenant}.example.com
  token_url: https://sso.example.com/{tenant}/token
  client_id: importer
  client_secret: ${WFM_CLIENT_SECRET}
routes:
  - name: events
    match: "*.csv"
    endpoint: agent-events
    acd_type: genesis
"""
ROUTE = '  - name: {name}\n    match: "{name}*"\n    endpoint: historical-data\n    after: [{after}]\n'

Load = Callable[..., tuple[Config, list[str]]]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Writes a settings file (for the owner alone) and loads it."""

    def load_text(text: str | bytes, mode: int = 0o600, **environ: str) -> tuple[Config, list[str]]:
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return load(path, {**ENVIRON, **environ})

    return load_text


@pytest.fixture
def problems(loaded: Load, tmp_path: Path) -> Callable[..., list[str]]:
    """Loads settings that are wrong; returns the problems, without the folder's name."""

    def problems_of(text: str | bytes, **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loaded(text, **environ)
        return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]

    return problems_of


def test_paths_are_relative_to_the_settings_file_and_the_tenant_goes_into_the_urls(
    loaded: Load, tmp_path: Path
) -> None:
    config, warnings = loaded(GOOD)

    assert (config.folders.drop, config.folders.work_folder) == (
        tmp_path / "drop",
        tmp_path / "drop/.uploading",
    )
    assert config.wfm.api == "https://acme.example.com"
    assert config.wfm.token == "https://sso.example.com/acme/token"
    assert config.secret == "hunter2-from-env"
    assert warnings == []


def test_the_file_is_the_option_or_the_variable_or_config_yaml_here() -> None:
    assert find(Path("a.yaml"), {"WATCHER_CONFIG": "b.yaml"}) == Path("a.yaml")
    assert find(None, {"WATCHER_CONFIG": "b.yaml"}) == Path("b.yaml")
    assert find(None, {"WATCHER_CONFIG": ""}) == find(None, {}) == Path("config.yaml")


def test_all_problems_are_reported_at_once_with_line_key_and_remedy(problems: Any) -> None:
    text = GOOD.replace("tenant: acme", "tenant: 42").replace("acd_type: genesis", "acdtype: genesis")
    text += "settle:\n  quiet: soon\nupload:\n  chunk_byte: 1MB\n  lost_answer: ignore\n"

    assert problems(text) == [
        "config.yaml:7: wfm.tenant: must be text; put it in quotes (found: 42)",
        "config.yaml:13: routes[0].acd_type: is missing; agent-events needs it: set it, or name a group of a"
        " regex: '(?P<acd_type>\\w+)_.*'",
        "config.yaml:16: routes[0].acdtype: unknown key; did you mean acd_type?",
        "config.yaml:18: settle.quiet: must be a duration such as 500ms, 2s, 5m, 24h, 30d, or a number of"
        ' seconds (found: "soon")',
        "config.yaml:20: upload.chunk_byte: unknown key; did you mean chunk_bytes?",
        "config.yaml:21: upload.lost_answer: must be 'resend' or 'new_token' (found: \"ignore\")",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("tenant: acme", "tenant: no", "7: wfm.tenant: must be text; put it in quotes"),
        ("tenant: acme", "tenant: acme\n  tenant: b", "8: wfm.tenant: is there twice, first on line 7"),
        ("  tenant: acme\n", "", "6: wfm.tenant: is missing; add it"),
        ("tenant: acme", "tenant: ${NO_SUCH}", "7: wfm.tenant: the environment variable NO_SUCH is not set"),
        ("tenant: acme", "tenant: ${1}", "7: wfm.tenant: '${' begins a variable name"),
        ("folders:", "setle: {}\nfolders:", "1: setle: unknown key; did you mean settle?"),
        ("./state", "./state\n  zzz: 1", "6: folders.zzz: unknown key; the keys here are drop, done,"),
        ("client_id: importer", "client_id: {a: b}", "10: wfm.client_id: must be text"),
        ("https://{tenant}", "ftp://", "8: wfm.api_url: must be a URL such as https://host"),
        ('"*.csv"', "*.csv", "14: not YAML: "),
        ('"*.csv"', "42", "14: routes[0].match: must be a list"),
        ('"*.csv"', '["*.csv", 42]', "14: routes[0].match[1]: must be text; put it in quotes"),
        ('match: "*.csv"', "regex: '(x'", "14: routes[0].regex: is no regular expression"),
        ('match: "*.csv"', r"regex: '\p{L}'", "14: routes[0].regex: is no regular expression: bad escape"),
        ('    match: "*.csv"\n', "", "13: routes[0].match: is missing; add a glob"),
        ("agent-events", "agent-event", "15: routes[0].endpoint: must be one of event-types, "),
        ("acd_type: genesis", "acd_type: 7", "16: routes[0].acd_type: must be text"),
        ("acd_type: genesis", "acd_type: g\n    params: {a: 1}", "17: routes[0].params.a: must be text"),
        ("acd_type: genesis", "acd_type: g\n    content_type: x/csv; charset=cp1252", "17: routes[0].conten"),
        ("acd_type: genesis", "acd_type: g\n    after: [x]", "17: routes[0].after: there is no route x"),
        ("acd_type: genesis", "acd_type: g\n    after: [events]", "17: routes[0].after: events waits"),
        ("acd_type: genesis", "acd_type: g\n    parallel: true", "17: routes[0].parallel: "),
        ("acd_type: genesis", "acd_type: g\n    delimiter: ';;'", "17: routes[0].delimiter: must be one"),
        ("acd_type: genesis", "acd_type: g\n    marker: done", "17: routes[0].marker: must hold {name} or"),
        ("acd_type: genesis", "acd_type: g\n    marker: 'ok\\{name}'", "17: routes[0].marker: must hold"),
        ("acd_type: genesis", "acd_type: g\nupload: {attempts: yes}", "17: upload.attempts: "),
        ("acd_type: genesis", "acd_type: g\nupload: {attempts: 0}", "17: upload.attempts: "),
        ("acd_type: genesis", "acd_type: g\nupload: {chunk_bytes: -1}", "17: upload.chunk_bytes: must be a"),
        ("acd_type: genesis", "acd_type: g\nrescan: 0s", "17: rescan: "),
        ("acd_type: genesis", "acd_type: g\nobserve: on", "17: observe: must be 'auto', 'native' or 'poll"),
        ("./done", "./drop/../drop", "3: folders.done: is the same folder as folders.drop"),
        ("./done", '"C:\\new"', "3: folders.done: has a control character in it"),
        ("  client_secret: ${WFM_CLIENT_SECRET}\n", "", "6: wfm.client_secret: give either client_secret or"),
        (GOOD[GOOD.index("routes") :], "routes: []", "12: routes: "),
        (GOOD[GOOD.index("routes") :], "routes: all", "12: routes: must be a list"),
        (GOOD, "", "is empty; begin with a copy of config.example.yaml"),
        (GOOD, "# nothing\n", "is empty; begin with a copy of config.example.yaml"),
        (GOOD, "- a\n- b\n", "holds no `key: value` lines"),
        (GOOD, "a: &a [*a]\n", "nested too deeply"),
        ("  drop", "\tdrop", "2: not YAML: "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_its_remedy(
    old: str, new: str, expected: str, problems: Any
) -> None:
    assert old in GOOD
    found = problems(GOOD.replace(old, new, 1))

    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith("config.yaml:")


def test_what_the_agent_itself_says_in_the_query_is_not_for_params(problems: Any) -> None:
    route = Route("r", (), "http://x", "text/csv", "csv", acd_type="genesis")
    talk = Conversation(route, "t", server=Target("server", "x"), attempts=1, lost_answer="resend")
    sent = [name for name, _ in talk.request(Chunk(0, 2, b"a\n", b"a\n", last=True)).params]
    params = {other: "true" for name in sent for other in (name, name.lower(), name.upper())}

    found = problems(GOOD + "    params:\n" + "".join(f"      {name}: 'x'\n" for name in params))

    assert len(found) == len(params) == 9
    for line, (name, problem) in enumerate(zip(params, found, strict=True), start=18):
        told = f"config.yaml:{line}: routes[0].params.{name}: the agent itself sends this parameter: "
        assert problem.startswith(told)
    assert "use `acd_type` of the route" in found[sent.index("acdType") * 3]


def test_an_unquoted_glob_is_told_to_be_quoted(problems: Any) -> None:
    [found] = problems(GOOD.replace('"*.csv"', "*.csv"))

    assert found.endswith("put quotes around the value")


@pytest.mark.parametrize("value", ["{a: ${X}}", "{a: /srv/${X}}", "[${X}]", '["b", ${X}]', '["${X}", ${X}]'])
def test_a_variable_within_braces_is_told_to_be_quoted(value: str, problems: Any) -> None:
    [found] = problems(GOOD + f"settle: {value}\n")

    assert found.startswith("config.yaml:17: not YAML: ")
    assert found.endswith('put quotes around a value with ${NAME} in it: "${NAME}"')


@pytest.mark.parametrize("value", ["30D", "a month", "-1"])
def test_a_duration_that_needs_its_unit_is_not_told_to_be_a_number(value: str, problems: Any) -> None:
    [found] = problems(GOOD + f"retention:\n  done: {value}\n")

    assert found.startswith("config.yaml:18: retention.done: must be a duration with its unit, such as ")
    assert "number" not in found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rescan: 99999999999d\n", "rescan: is more than 100 years"),
        ("settle: {patience: 36501d}\n", "settle.patience: is more than 100 years"),
        ("retention: {done: 99999999999d}\n", "retention.done: is more than 100 years"),
        ("notify: {urls: [x], timeout: 100000}\n", "notify.timeout: is more than a day"),
        ("upload: {max_json: 99999TB}\n", "upload.max_json: is more than 1000TB"),
        (
            "    columns: [{name: a, from: 99999999999}]\n",
            "routes[0].columns[0].from[0]: is more than 100,000",
        ),
    ],
)
def test_a_number_beyond_all_use_is_refused(text: str, told: str, problems: Any) -> None:
    [found] = problems(GOOD + text)

    assert f":17: {told}" in found


def test_a_timeout_that_no_socket_takes_is_refused(problems: Any) -> None:
    """It ended the agent with an OverflowError."""
    for text in ("99999999999d", "25h"):
        [found] = problems(GOOD.replace("  tenant: acme\n", f"  tenant: acme\n  timeout: {text}\n"))

        assert found.startswith("config.yaml:8: wfm.timeout: is more than ")


def test_routes_that_wait_for_each_other_are_a_circle(problems: Any) -> None:
    text = GOOD + "".join(ROUTE.format(name=name, after=after) for name, after in ("ab", "bc", "ca"))

    assert problems(text) == [
        "config.yaml:20: routes[1].after: a waits for itself in the end; break the circle"
    ]


def test_two_routes_of_one_name_are_a_problem(problems: Any) -> None:
    [found] = problems(GOOD + ROUTE.format(name="events", after=""))

    assert (
        found == 'config.yaml:17: routes[1].name: routes[0] has this name; choose another (found: "events")'
    )


def test_a_file_that_cannot_be_read_is_told_with_its_name(problems: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml: there is no such file; copy config\.example\.yaml"):
        load(tmp_path / "no.yaml", ENVIRON)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, ENVIRON)
    assert problems(GOOD.replace("acme", "acm\xe9").encode("latin-1"))[0].startswith("config.yaml: not UTF-8")


def test_a_value_is_filled_in_as_it_is_and_cannot_change_the_structure(loaded: Load) -> None:
    secret = "a: b # c\n- 'd\" ${NO} 007"

    config, _ = loaded(GOOD.replace("importer", "pre-${ID}-$${ID}"), WFM_CLIENT_SECRET=secret, ID="x")

    assert (config.secret, config.wfm.client_id) == (secret, "pre-x-${ID}")


def test_what_yaml_would_take_for_odd_numbers_stays_text(loaded: Load) -> None:
    config, _ = loaded(GOOD.replace("genesis", "0123").replace("importer", "12:30:45"))

    assert (config.routes[0].acd_type, config.wfm.client_id) == ("0123", "12:30:45")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("content", ["hunter2", "hunter2\n", "hunter2\r\n", "hunter2\r\n\r\n"])
def test_the_secret_can_stand_in_a_file_of_its_own(
    content: str, encoding: str, loaded: Load, tmp_path: Path
) -> None:
    """Also as Notepad and PowerShell write it."""
    (tmp_path / "secret").write_bytes(content.encode(encoding))
    text = GOOD.replace("client_secret: ${WFM_CLIENT_SECRET}", "client_secret_file: secret")

    assert loaded(text)[0].secret == "hunter2"


def test_systemds_folder_of_credentials_goes_first(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "wfm").write_text("hunter2")
    (tmp_path / "wfm").write_text("other")
    text = GOOD.replace("client_secret: ${WFM_CLIENT_SECRET}", "client_secret_file: wfm")

    assert loaded(text, CREDENTIALS_DIRECTORY=str(tmp_path / "credentials"))[0].secret == "hunter2"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory; check the path"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b" \r\n", "is empty"),
        (b"\xff\xfe", "is empty"),  # of UTF-16, the byte order mark alone
        (b"hunter2\xe9", "no text in UTF-8; save it as UTF-8"),
        (b"\xff\xfeh", "no text in UTF-8; save it as UTF-8"),
        ("hunter2".encode("utf-16-le"), "is UTF-16 without a byte order mark"),
        (b"hunter2\nother\n", "holds several lines"),
        (b"hunter2 \r\n", "begins or ends with a blank"),
    ],
)
def test_a_secret_file_without_a_sound_secret_is_a_problem_that_names_it(
    content: bytes | None, words: str, problems: Any, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    [found] = problems(GOOD.replace("client_secret: ${WFM_CLIENT_SECRET}", "client_secret_file: secret"))

    assert found.startswith("config.yaml:11: wfm.client_secret_file: ")
    assert words in found
    assert "hunter2" not in found


def test_the_secret_in_both_places_is_a_problem(problems: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    [found] = problems(GOOD.replace("client_secret:", "client_secret_file: secret\n  client_secret:"))

    assert found == "config.yaml:12: wfm.client_secret: give either client_secret or client_secret_file"


def test_no_problem_is_told_in_the_words_of_python_or_pydantic(problems: Any) -> None:
    """Who writes settings need not know what a tuple is, nor that an item was lost in validation."""
    text = GOOD[: GOOD.index("routes")] + "routes: []\nupload: {attempts: x}\nrescan: 0s\n"

    assert not re.search(r"tuple|dict|validation|\bint|str\b|None", "\n".join(problems(text)))


def test_a_secret_is_in_no_repr(loaded: Load) -> None:
    config, _ = loaded(GOOD)

    assert "hunter2" not in repr(config) + str(config) + repr(config.wfm) + str(config.model_dump())


@pytest.mark.parametrize(
    "value",
    ["[hunter2]", "{hunter2: x}", "'hunter2", "*hunter2", "&hunter2", "!hunter2", "!hunter2!x", "@hunter2",
     "%hunter2", "hunter2: x", "|hunter2", "`hunter2", "hunter2 ${NO}", "hunter2\n  client_secret: hunter2",
     "hunter2\n  tenant: 7", "[hunter2"],
)  # fmt: skip
def test_a_secret_is_in_no_error_text_however_it_is_mistyped(value: str, problems: Any) -> None:
    """A password that begins with `*` is the classic: YAML takes it for an alias, and says its name."""
    found = problems(GOOD.replace("${WFM_CLIENT_SECRET}", value))

    assert "hunter2" not in "\n".join(found)


def test_a_url_that_is_not_encrypted_is_warned_of_unless_it_is_this_machine(loaded: Load) -> None:
    text = GOOD.replace("https://", "http://")

    _, [warning] = loaded(text)
    assert warning.startswith(
        "wfm.api_url and wfm.token_url: http://acme.example.com and http://sso.example.com/acme/token are not"
    )
    for here in ("localhost", "127.0.0.1:8080", "[::1]:8080"):
        local = re.sub(r"http://[^/\n]+", f"http://{here}", text)
        assert loaded(local)[1] == []


def test_capitals_in_a_url_change_nothing_about_its_encryption(loaded: Load) -> None:
    text = GOOD.replace("https://{tenant}", "HTTP://{tenant}")

    _, [warning] = loaded(text)
    assert warning.startswith("wfm.api_url: HTTP://acme.example.com is not encrypted: ")
    assert loaded(text.replace("{tenant}.example.com", "LocalHost:80"))[1] == []


def test_a_host_that_only_looks_like_this_machine_is_another_one() -> None:
    assert is_loopback("http://127.0.0.1/x@y")
    for url in (
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "http://1.127.0.0.1",
        "http://lo",
    ):
        assert not is_loopback(url)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
@pytest.mark.parametrize("secret", ["hunter2", "'hunt$${er2'"])
def test_a_secret_that_others_can_read_is_warned_of(secret: str, loaded: Load) -> None:
    text = GOOD.replace("${WFM_CLIENT_SECRET}", secret)

    assert loaded(text, 0o600)[1] == []
    [warning] = loaded(text, 0o640)[1]
    assert "chmod 600" in warning
    assert loaded(GOOD, 0o644)[1] == []


def test_presets_give_path_type_and_order_and_each_can_be_set(loaded: Load) -> None:
    text = GOOD + (
        '  - {name: types, match: "t*", endpoint: event-types}\n'
        '  - {name: codes, match: ["c*", "r*"], endpoint: reason-codes, path: /x/, after: []}\n'
        "  - {name: own, regex: 'o.*', path: /o, content_type: text/csv, chunk_bytes: 1kB, params: {a: b}}\n"
    )
    routes = {route.name: route for route in build_routes(loaded(text)[0])}

    assert routes["events"].url == "https://acme.example.com/_rest/scheduling/adherence/agent-events"
    assert (routes["events"].content_type, routes["events"].format) == ("text/csv", "csv")
    assert routes["events"].after == ("types", "codes")
    assert (routes["types"].content_type, routes["types"].format) == ("application/json", "json")
    assert (routes["codes"].url, routes["codes"].after) == ("https://acme.example.com/x/", ())
    assert (routes["own"].params, routes["own"].chunk_bytes) == ((("a", "b"),), 1000)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_the_advice_to_close_a_file_leaves_it_to_the_services_user(loaded: Load, tmp_path: Path) -> None:
    """The settings of root, closed to others, would keep the service from its start."""
    text = GOOD.replace("${WFM_CLIENT_SECRET}", "hunter2")
    config, [warning] = loaded(text, 0o644)
    assert "chown" not in warning
    config.folders.state.mkdir(parents=True)
    os.chown(config.folders.state, 1, 1)

    [warning] = loaded(text, 0o644)[1]

    assert re.search(r"; chown \w+ (\S+) && chmod 600 \1, or use", warning)
