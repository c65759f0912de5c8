"""`watcher check` against the real thing: certificates, clocks, tokens, shares, forgotten files, patterns."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.agent.test_agent import watcher
from tests.conftest import SECRET, World
from tests.hook import PASSWORD, TOKEN, hook
from tests.sockets import answers, free_port, raw
from tests.wfm.test_tls import secure, tls
from watcher.commands.check import check
from watcher.commands.check_routes import MOST_SAMPLES, samples
from watcher.manual.pages import page
from watcher.settings.config import load
from watcher.wfm.jwt import claims, roles

MANUAL = page("install")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="A company of the tests")


def found(world: World, **options: Any) -> list[dict[str, str]]:
    """What check finds, as its JSON has it."""
    settings, warnings = load(world.config, {})
    said: list[str] = []
    code = check(settings, warnings, said.append, **{"offline": False, "as_data": True, **options})
    data: list[dict[str, str]] = json.loads("\n".join(said))
    assert code == int(any(item["level"] == "fault" for item in data))
    return data


def one(world: World, what: str, **options: Any) -> dict[str, str]:
    """The one finding about `what`."""
    [finding] = [item for item in found(world, **options) if item["what"].startswith(what)]
    return finding


def about(items: list[dict[str, str]], what: str) -> list[dict[str, str]]:
    return [item for item in items if item["what"].startswith(what)]


def token_answer(**more: Any) -> bytes:
    """A token endpoint's answer; `token` and `date` can be given."""
    token = more.get("token", "opaque")
    body = json.dumps({"access_token": token, "expires_in": 300}).encode()
    date = more.get("date", datetime.now(UTC))
    head = f"HTTP/1.1 200 OK\r\nDate: {format_datetime(date, usegmt=True)}\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def jwt(payload: object) -> str:
    part = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{part}.c2lnbmF0dXJl"


def points_at(world: World, url: str) -> None:
    world.settings["wfm"] |= {"api_url": url, "token_url": f"{url}/token"}


# -- the server ------------------------------------------------------------------------------------


def use_tls(world: World, authority: trustme.CA, url: str) -> None:
    points_at(world, url)
    world.settings["wfm"]["ca_file"] = "company-ca.pem"
    authority.cert_pem.write_to_path(world.path("company-ca.pem"))


def test_a_trusted_chain_is_told_with_the_days_that_are_left(world: World, authority: trustme.CA) -> None:
    ends = datetime.now(UTC) + timedelta(days=90, hours=1)
    certificate = authority.issue_cert("localhost", not_after=ends)
    with raw(tls(certificate, says=token_answer())) as running:
        use_tls(world, authority, secure(running))
        items = found(world)

    [chain], [left] = about(items, "TLS with localhost"), about(items, "certificate of localhost")
    assert chain["level"] == left["level"] == "ok"
    assert "the certificate's chain is trusted" in chain["finding"]
    assert left["finding"].startswith("ends in 90 days, on ")
    assert [item["level"] for item in about(items, "token")] == ["ok"]


def test_a_certificate_that_ends_soon_is_a_warning(world: World, authority: trustme.CA) -> None:
    certificate = authority.issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=1, hours=1))
    with raw(tls(certificate, says=token_answer())) as running:
        use_tls(world, authority, secure(running))
        left = one(world, "certificate of localhost")

    assert left["level"] == "warn"
    assert left["finding"].startswith("ends in 1 day, ")
    assert "renewal" in left["fix"]


@pytest.mark.parametrize("case", ["unknown issuer", "expired"])
def test_a_certificate_that_is_not_trusted_is_a_fault(world: World, authority: trustme.CA, case: str) -> None:
    now = datetime.now(UTC)
    expired = authority.issue_cert(
        "localhost", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1)
    )
    certificate = expired if case == "expired" else trustme.CA().issue_cert("localhost")
    with raw(tls(certificate)) as running:
        use_tls(world, authority, secure(running))
        items = found(world)

    [chain] = about(items, "TLS with localhost")
    assert chain["level"] == "fault"
    assert ("expired" if case == "expired" else "issuer") in chain["finding"]
    assert "wfm.ca_file" in chain["fix"]
    assert not about(items, "certificate")


def test_a_name_that_nobody_knows_is_told_once_per_host(world: World) -> None:
    points_at(world, "https://wfm.example.invalid")
    items = found(world)

    [name] = about(items, "name wfm.example.invalid")
    assert name["level"] == "fault"
    assert name["finding"] == "the name wfm.example.invalid cannot be resolved"
    assert not about(items, "TLS")


def test_a_port_where_nobody_listens_is_a_fault(world: World) -> None:
    points_at(world, f"http://127.0.0.1:{free_port()}")

    connection = one(world, "connection")
    assert connection["level"] == "fault"
    assert "refuses the connection" in connection["finding"]


def test_behind_a_proxy_the_hosts_are_not_probed_from_here(world: World) -> None:
    points_at(world, "https://wfm.example.com")
    world.settings["wfm"]["proxy"] = f"http://127.0.0.1:{free_port()}"

    assert "the proxy of the settings" in one(world, "host wfm.example.com")["finding"]


@pytest.mark.parametrize(("minutes", "words"), [(10, "ahead of"), (-10, "behind"), (0, "the same")])
def test_the_clock_is_compared_with_the_login_servers(world: World, minutes: int, words: str) -> None:
    date = datetime.now(UTC) - timedelta(minutes=minutes)
    with raw(answers(token_answer(date=date))) as running:
        points_at(world, running.url)
        clock = one(world, "clock")

    assert clock["level"] == ("warn" if minutes else "ok")
    assert words in clock["finding"]
    assert ("NTP" in clock["fix"]) is bool(minutes)


def test_the_roles_of_a_jwt_are_shown_and_the_token_is_not(world: World) -> None:
    token = jwt(
        {"realm_access": {"roles": ["offline_access"]}, "resource_access": {"wfm\n": {"roles": ["import"]}}}
    )
    with raw(answers(token_answer(token=token))) as running:
        points_at(world, running.url)
        items = found(world)

    [shown] = about(items, "roles")
    assert shown["finding"] == "realm: offline_access; client wfm\n: import"
    assert token.split(".")[1] not in json.dumps(items)
    assert SECRET not in json.dumps(items)


def test_a_jwt_without_roles_is_a_warning(world: World) -> None:
    with raw(answers(token_answer(token=jwt({"azp": "wfm-importer"})))) as running:
        points_at(world, running.url)
        shown = one(world, "roles")

    assert (shown["level"], "403" in shown["fix"]) == ("warn", True)


@pytest.mark.parametrize(
    "token", ["opaque", "a.b.c", "a..c", jwt([1]), jwt("x"), "a." + "W" * 9999 + ".c", "é.é.é"]
)
def test_a_token_that_is_no_jwt_has_no_claims(token: str) -> None:
    assert claims(token) is None


@pytest.mark.parametrize(
    "odd",
    [{}, {"realm_access": 1}, {"realm_access": {"roles": {}}}, {"resource_access": [1], "realm_access": []}],
)
def test_claims_of_another_shape_give_no_roles(odd: dict[str, object]) -> None:
    assert roles(odd) == {}


# -- folders ---------------------------------------------------------------------------------------


def test_old_ignored_files_in_the_drop_folder_are_named(world: World) -> None:
    for name, age in {"a.csv.part": 2, "b.tmp": 3, "new.part": 0, "Thumbs.db": 9, "good.csv": 9}.items():
        when = time.time() - age * 86_400
        os.utime(world.drop(name, "x"), (when, when))

    ignored = one(world, "ignored files", offline=True)
    assert ignored["level"] == "warn"
    assert ignored["finding"].endswith("in the drop folder: a.csv.part, b.tmp")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_state_folder_of_another_user_is_a_warning_that_names_that_one(world: World) -> None:
    os.chown(world.path("state"), 65534, -1)

    user = one(world, "user", offline=True)
    assert user["level"] == "warn"
    assert re.search(r"watcher check --as \w+ -c /\S+$", user["fix"])


def test_free_space_is_told_once_a_file_system(world: World) -> None:
    space = one(world, "space", offline=True)

    assert space["what"] == "space for drop, done, failed, state"
    assert re.fullmatch(r"[\d.,]+ GB free of [\d.,]+ GB", space["finding"])


@pytest.mark.usefixtures("may_mount")
def test_a_disk_that_is_nearly_full_is_a_warning(world: World) -> None:
    script = 'mount -t tmpfs -o size=1m tmpfs done && dd if=/dev/zero of=done/x bs=1k count=1000 && exec "$@"'
    line = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
        sys.executable,
        "-m",
        "watcher",
        "check",
        "--offline",
    ]
    checked = subprocess.run(
        [*line, "-c", str(world.config)], cwd=world.root, capture_output=True, text=True, check=False
    )

    assert re.search(r"warn  space for done: 0\.0 GB free of 0\.0 GB; make room", checked.stdout), checked


def on_a_share(world: World, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that sees the whole world as an NFS share, by a mount table of its own."""
    table = world.path("mountinfo")
    table.write_text("1 0 0:1 / / rw - ext4 /dev/x rw\n2 1 0:2 / " + str(world.root) + " rw - nfs4 s:/x rw\n")
    script = f"mount --bind '{table}' /proc/$$/mountinfo && exec \"$@\""
    line = ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-m", "watcher", *command]
    return subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def may_mount(tmp_path: Path) -> None:
    trial = ["unshare", "--mount", "sh", "-c", f"mount --bind {tmp_path} {tmp_path}"]
    if not shutil.which("unshare") or subprocess.run(trial, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")


@pytest.mark.usefixtures("may_mount")
def test_a_state_folder_on_a_network_share_is_refused_by_check_and_by_run(world: World) -> None:
    config = str(world.config)
    checked = on_a_share(world, "check", "--offline", "-c", config)
    ran = on_a_share(world, "run", "--once", "-c", config)

    assert checked.returncode == ran.returncode == 1
    assert re.search(r"FAULT folders.state: .*network share.*; put it on a local disk", checked.stdout)
    assert "the drop folder is on a network share" in checked.stdout
    assert re.search(r"folders.state .* is on a network share.*; put it on a local disk", ran.stderr)
    assert not world.files("state")


# -- patterns --------------------------------------------------------------------------------------


def patterns(world: World, *matches: Any, **more: Any) -> list[str]:
    """What check warns of, for routes with these patterns, named a, b, c, ..."""
    world.settings["routes"] = [
        {"name": name, "endpoint": "agent-events", "acd_type": "x"}
        | (match if isinstance(match, dict) else {"match": match})
        for name, match in zip("abcdefgh", matches, strict=False)
    ]
    world.settings |= more
    items = found(world, offline=True)
    assert not [item for item in items if item["level"] == "fault"]
    return [f"{item['what']}: {item['finding']}" for item in items if item["what"].startswith("route ")]


def test_a_route_whose_files_all_go_to_earlier_ones_is_a_warning(world: World) -> None:
    [warning] = patterns(world, "agent*.csv", "agent?events*.csv")

    assert re.fullmatch(r"route b: .* seems to match nothing: names such as \S+ go to a, .*", warning)


def test_patterns_that_meet_are_a_warning_with_a_name_for_which_they_do(world: World) -> None:
    [warning] = patterns(world, "agent*.csv", "*_genesis.csv")

    assert "route b: *_genesis.csv and a overlap: agent_genesis.csv goes to a" in warning


def test_a_pattern_of_ignored_names_is_a_warning(world: World) -> None:
    [warning] = patterns(world, ["*.tmp", "*.csv"])

    assert "*.tmp seems to match nothing" in warning
    assert "settle.ignore" in warning


@pytest.mark.parametrize(
    "matches",
    [
        ["agent?events*.csv", "agent*.csv", "*.csv"],  # special cases first: the usual way
        ["*.json", "*.csv"],
        [{"regex": r"x\d+\.csv"}, "*.csv"],
        ["*.csv", {"regex": r"x\d+\.json"}],
        ["[ab]*.csv", "[!ab]*.csv"],
        [["a*.csv", "b*.csv"], "*.csv"],
    ],
)
def test_patterns_that_do_what_they_look_like_are_fine(world: World, matches: list[Any]) -> None:
    assert patterns(world, *matches) == []


def test_a_glob_of_many_stars_gives_a_bounded_number_of_names() -> None:
    stars = [str(number) for number in range(20)]

    assert 2 <= len(samples("*a*b?c*d*e*f*g*h*i*.csv", stars)) <= MOST_SAMPLES
    assert samples("a*.csv", ["", "1"]) == ["a.csv", "a1.csv"]


# -- the command -----------------------------------------------------------------------------------


def test_check_notify_sends_a_test_message(world: World) -> None:
    with hook() as service:
        world.settings["notify"] = {"urls": [service.url]}
        assert one(world, "notify", offline=True)["level"] == "ok"
        assert service.messages == []

        assert one(world, "notify", offline=True, notify=True)["finding"] == "took a test message"
        assert service.titles == [f"watcher, demo on {socket.gethostname()}: a test message"]

        service.status = 500
        refused = one(world, "notify", offline=True, notify=True)
        assert (refused["level"], refused["finding"]) == ("fault", "the service answered HTTP 500")
        assert TOKEN not in str(refused)
        assert PASSWORD not in str(refused)


def test_check_notify_without_anybody_to_tell_is_a_fault(world: World) -> None:
    assert one(world, "notify", offline=True, notify=True)["fix"] == "add notify to the settings"


def test_check_prints_json_that_a_program_can_read(world: World) -> None:
    world.path("done").rmdir()
    told = watcher(world, "check", "--offline", "--json")
    items = json.loads(told.stdout)

    assert told.returncode == 1
    assert all(set(item) == {"level", "what", "finding", "fix"} for item in items)
    [done] = about(items, "folders.done")
    assert done["level"] == "fault"
    assert done["fix"].startswith("create it")


def shape(line: str, root: str = "/srv/watcher") -> str:
    """A line of check without what differs from place to place."""
    line = line.replace(root, "/srv/watcher")
    line = re.sub(r"\b(localhost|[\w.]+\.com)\b(:\d+)?(/\S*token)?", "HOST", line)
    line = re.sub(r"(?<=, on ).*", "DATE", re.sub(r"(?<=: is ).*", "ADDRESS", line))
    line = line.replace(", those of other users by events", "")  # whoever has CAP_LEASE needs none
    return re.sub(r"\d[\d.,]*", "N", line)


def test_the_manuals_sample_of_check_is_what_check_prints(world: World, authority: trustme.CA) -> None:
    (sample,) = re.findall(r"```\n(ok    settings: .*?)```", MANUAL, re.DOTALL)
    certificate = authority.issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=90))
    token = jwt({"realm_access": {"roles": ["wfm-import"]}})
    world.settings["wfm"]["tenant"] = "acme"
    world.settings["observe"] = "auto"
    taken = b"HTTP/1.1 405 No\r\nAllow: POST, OPTIONS\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with raw(tls(certificate, says=token_answer(token=token), to_get=taken)) as running:
        use_tls(world, authority, secure(running))
        world.settings["wfm"]["token_url"] = (
            f"{secure(running)}/auth/realms/{{tenant}}/protocol/openid-connect/token"
        )
        settings, warnings = load(world.config, {})
        said: list[str] = []
        check(settings, warnings, said.append, offline=False)

    here = [shape(line, str(world.root)) for line in said if " user: " not in line]
    there = [shape(line) for line in sample.splitlines() if " user: " not in line]
    assert list(dict.fromkeys(there))[:-1] == list(dict.fromkeys(here))[:-1]
    assert there[-1].startswith("all is well")
    assert here[-1].startswith("all is well")
