"""The settings that `watcher init` writes: short, with comments, and the routes of the presets."""

from __future__ import annotations

from collections.abc import Iterator

from watcher.commands.init_answers import FOLDERS, Answers
from watcher.settings.presets import PRESETS
from watcher.settings.strict_yaml import scalar

SCHEMA = "watcher.schema.json"
SECRET_VARIABLE = "WFM_CLIENT_SECRET"
# No secret: the stand-in has it in its own words.
_OF_THE_SANDBOX = "sandbox-secret"
_WHAT_FOR = {
    "drop": "watched; not its subfolders",
    "done": "delivered files",
    "failed": "files with a fault of their own, each with NAME.error.txt beside it",
    "state": "journal and lock; on a local disk, for the agent alone",
}
_HEAD = """\
# yaml-language-server: $schema={schema}
# Settings of watcher, begun by `watcher init`. All keys: watcher manual settings. For help in an editor:
# watcher manual --schema > {schema}
# Relative paths are relative to this file. ${{NAME}} is the environment variable NAME.
"""


def settings_text(answers: Answers) -> str:
    """Return the text of the settings file."""
    parts = [*_folders(answers), "", *_wfm(answers), "", *_routes(answers)]
    return "\n".join([_HEAD.format(schema=SCHEMA), *parts])


def _folders(answers: Answers) -> Iterator[str]:
    yield "folders:"
    for name in FOLDERS:
        yield f"  {name}: {scalar(answers.folders[name])}   # {_WHAT_FOR[name]}"


def _wfm(answers: Answers) -> Iterator[str]:
    yield "wfm:"
    yield f"  tenant: {scalar(answers.tenant)}   # goes into Tenant-ID and, as {{tenant}}, into the URLs"
    yield f"  api_url: {scalar(answers.api_url)}"
    yield f"  token_url: {scalar(answers.token_url)}   # the login server"
    yield f"  client_id: {scalar(answers.client_id)}"
    if answers.sandbox is not None:
        yield f"  client_secret: {_OF_THE_SANDBOX}   # of the stand-in; a real one never stands in this file"
    elif answers.secret_file is not None:
        yield f"  client_secret_file: {scalar(answers.secret_file)}   # holds the secret and nothing else"
    else:
        yield f"  client_secret: ${{{SECRET_VARIABLE}}}   # or client_secret_file: FILE"


def _routes(answers: Answers) -> Iterator[str]:
    """Yield a route for each preset; the one of the other family as a comment."""
    yield "routes:   # the first that matches wins; files of routes that build on others wait for theirs"
    for name, preset in PRESETS.items():
        ending = "json" if "json" in preset.content_type else "csv"
        lines = [
            f"  - name: {name}",
            f'    match: "{name.replace("-", "?")}*.{ending}"   # on the file\'s name, case ignored',
            f"    endpoint: {name}",
        ]
        if preset.needs_acd_type:
            lines.append(f"    acd_type: {scalar(answers.acd_type)}   # as in your event types")
        is_other = "/adherence/" not in preset.path
        yield from (line.replace("  ", "  # ", 1) if is_other else line for line in lines)
    yield ""
