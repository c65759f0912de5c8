"""`watcher init`: settings by four questions or by options, that `check` finds nothing wrong with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.forked import run
from tests.sockets import free_port
from watcher.commands.init_answers import Answers, client, folders, server, usual_token_url
from watcher.commands.init_text import settings_text
from watcher.sandbox.server import Sandbox
from watcher.settings.config import load
from watcher.settings.presets import PRESETS, build_routes

FLAGS = {
    "--tenant": "acme",
    "--api-url": "https://acme.example.com",
    "--token-url": "https://sso.example.com/auth/realms/{tenant}/protocol/openid-connect/token",
    "--client-id": "wfm-importer",
    "--folders": ".",
}


def flags(**changed: str) -> list[str]:
    both = FLAGS | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    return [part for pair in both.items() for part in pair]


def typed(folder: Path, *lines: str, options: Sequence[str] = ()) -> tuple[int, str]:
    """Run `watcher init` on a terminal and type these lines; returns its exit code and what it says."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "watcher", "init", *options],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, "".join(f"{line}\n" for line in lines).encode())
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:  # EIO: Linux's word for a terminal that nobody has open any more
        pass
    finally:
        os.close(ours)
    return process.wait(timeout=30), said.decode().replace("\r\n", "\n")


def test_by_options_settings_are_written_that_are_sound_and_hold_no_secret(tmp_path: Path) -> None:
    done = run("init", *flags(), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    path = tmp_path / "config.yaml"
    config, warnings = load(path, {"WFM_CLIENT_SECRET": "of the test"})
    assert warnings == []
    assert (config.wfm.tenant, config.wfm.api) == ("acme", "https://acme.example.com")
    assert config.wfm.token == "https://sso.example.com/auth/realms/acme/protocol/openid-connect/token"
    assert config.secret == "of the test"
    assert path.read_text().startswith("# yaml-language-server: $schema=")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]  # no folder that nobody asked for


def test_the_routes_are_those_of_the_presets_in_their_order(tmp_path: Path) -> None:
    assert run("init", *flags(), cwd=tmp_path).returncode == 0

    config, _ = load(tmp_path / "config.yaml", {}, secrets=False)
    adherence = [name for name, preset in PRESETS.items() if "/adherence/" in preset.path]
    assert [route.endpoint for route in config.routes] == adherence
    assert [route.url.removeprefix(config.wfm.api) for route in build_routes(config)] == [
        PRESETS[name].path for name in adherence
    ]


def test_the_commented_route_is_one_too(tmp_path: Path) -> None:
    assert run("init", *flags(), cwd=tmp_path).returncode == 0

    path = tmp_path / "config.yaml"
    path.write_text(re.sub("(?m)^  # ", "  ", path.read_text()))
    config, _ = load(path, {}, secrets=False)
    assert [route.endpoint for route in config.routes] == list(PRESETS)


def test_without_a_terminal_what_is_missing_is_named(tmp_path: Path) -> None:
    done = run("init", "--tenant", "acme", "--folders", ".", cwd=tmp_path)

    assert done.returncode == 2
    assert "--api-url, --token-url, --client-id (" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["a file", "a link to nowhere"])
def test_nothing_is_ever_written_over(tmp_path: Path, there: str) -> None:
    path = tmp_path / "config.yaml"
    if there == "a file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")

    done = run("init", *flags(), cwd=tmp_path)

    assert done.returncode == 2
    assert "config.yaml is there" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert there != "a file" or path.read_text() == "mine"


def test_from_init_to_a_delivered_file_against_the_stand_in(tmp_path: Path) -> None:
    port = free_port()
    done = run("init", "--sandbox", str(port), "--make-folders", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"sandbox --port {port}" in done.stdout

    with Sandbox(port=port) as wfm:
        checked = run("check", cwd=tmp_path)
        assert checked.returncode == 0, checked.stdout
        (tmp_path / "drop" / "event_types.json").write_text("[]")
        assert run("run", "--once", cwd=tmp_path).returncode == 0
        assert [operation.completed for operation in wfm.operations()] == [True]
    assert (tmp_path / "done" / "event_types.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_settings_that_hold_the_stand_ins_secret_are_for_us_alone_and_others_can_be_read_by_the_service(
    tmp_path: Path,
) -> None:
    run("init", "--sandbox", "8080", "-c", str(tmp_path / "a.yaml"))
    run("init", *flags(), "-c", str(tmp_path / "b.yaml"))

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    before = os.umask(0)
    os.umask(before)
    assert modes == {"a.yaml": 0o600, "b.yaml": 0o666 & ~before}


@pytest.mark.skipif(sys.platform != "linux", reason="types on a pseudo terminal")
def test_on_a_terminal_four_questions_are_asked_and_a_wrong_answer_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "wfm-secret").write_text("of the test\n")

    code, said = typed(
        tmp_path,
        "acme.example.com",  # no URL
        "https://acme.example.com",
        "",  # where the vendor has the token endpoint
        "importer s3cr3t-typed-by-mistake",
        "importer wfm-secret",
        "a,a/b,c,d",
        "there",
        "y",
    )

    assert code == 0, said
    assert "must be a URL such as https://host" in said
    assert "never the secret itself" in said
    assert "folders.done is inside folders.drop" in said
    text = (tmp_path / "config.yaml").read_text()
    assert "s3cr3t" not in text
    config, _ = load(tmp_path / "config.yaml", {})
    assert (config.wfm.tenant, config.wfm.client_id, config.secret) == ("acme", "importer", "of the test")
    assert config.wfm.token == "https://sso.example.com/auth/realms/acme/protocol/openid-connect/token"
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["done", "drop", "failed", "state"]


@pytest.mark.skipif(sys.platform != "linux", reason="types on a pseudo terminal")
def test_what_is_given_by_an_option_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    code, said = typed(tmp_path, ".", "there", "n", options=flags()[:-2])

    assert code == 0, said
    assert "1 of 4" not in said
    assert "folders.state ./state is a file" in said
    assert not (tmp_path / "there").exists()
    assert "mkdir -p" in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("one,two", "give one folder, or four"),
        ("~/wfm", "write the whole path"),
        (".,done,failed,state", "which would be taken"),
        ("drop,done,done,state", "the same as"),
        ("drop,done,failed,drop/state", "inside folders.drop"),
        ("", "must be a path"),
    ],
)
def test_folders_that_would_not_work_are_refused_with_the_reason(
    tmp_path: Path, answer: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        folders(answer, tmp_path / "config.yaml")


@pytest.mark.parametrize("secret", ["hunter2", "aGVsbG8=", "a b"])
def test_a_secret_in_the_place_of_its_file_is_refused_and_not_shown(tmp_path: Path, secret: str) -> None:
    with pytest.raises(ValueError, match="never the secret itself") as raised:
        client(f"importer {secret}", tmp_path / "config.yaml")

    assert secret not in str(raised.value)


def test_the_tenant_is_seen_in_an_address_as_the_vendor_has_it_and_nowhere_else() -> None:
    assert server("https://acme.example.com:8443") == ("acme", "https://acme.example.com:8443")
    assert server("other https://10.0.0.1") == ("other", "https://10.0.0.1")
    for unclear in ("https://10.0.0.1", "https://localhost:8080", "https://example.com"):
        with pytest.raises(ValueError, match="put it before"):
            server(unclear)
    assert usual_token_url("acme", "https://wfm.example.com") == ""


@pytest.mark.parametrize("odd", ["12", "true", "a: b", "# c", 'x"y', "${HOME}", "1e3", "é", "-", "{a}", "*"])
def test_whatever_an_answer_is_it_comes_out_of_the_settings_as_it_was_given(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "config.yaml"
    places = {name: f"./{odd}/{name}" for name in ("drop", "done", "failed", "state")}
    tenant = odd if odd.isascii() else "t"
    url = "https://acme.example.com"
    path.write_text(settings_text(Answers(tenant, url, url, odd, f"./{odd}", places, odd)), encoding="utf-8")

    config, _ = load(path, {}, secrets=False)

    assert (config.wfm.tenant, config.wfm.client_id, config.routes[2].acd_type) == (tenant, odd, odd)
    assert config.folders.drop == tmp_path / odd / "drop"
    assert config.wfm.client_secret_file is not None
