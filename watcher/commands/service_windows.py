"""The script that makes a Windows service of this installation: PowerShell, with this machine's values in it.

What it does stands in `service_windows.ps1`, beside this module. It has not been run on Windows. Sources:
doc/xmlConfigFile.md of https://github.com/winsw/winsw, Microsoft's pages on icacls, sc.exe config, virtual
accounts and the ScheduledTasks module.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import struct
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from xml.sax.saxutils import escape

from watcher.commands.service_parts import longest_stop_seconds, other_files, source, writable_folders
from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.disk.files import replace_private
from watcher.settings.settings import Config

NAME = "watcher"
_FIRST_LINE = "#Requires -Version 5.1"
# PowerShell takes the typographic ones for the plain one, too (about_Quoting_Rules).
_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")
_XML = """\
<service>
  <id>{name}</id>
  <name>{name}</name>
  <description>Carries files from a drop folder to the WFM import API</description>
  <executable>{python}</executable>
  <arguments>{arguments}</arguments>
  <workingdirectory>{folder}</workingdirectory>
  <logpath>{logs}</logpath>
  <startmode>Automatic</startmode>
  <delayedAutoStart>true</delayedAutoStart>
  <stoptimeout>{stop} sec</stoptimeout>
  <onfailure action="restart" delay="10 sec"/>
  <onfailure action="restart" delay="1 min"/>
  <onfailure action="restart" delay="5 min"/>
  <resetfailure>1 hour</resetfailure>
  <log mode="roll-by-size">
    <sizeThreshold>10240</sizeThreshold>
    <keepFiles>10</keepFiles>
  </log>
</service>"""


def script(config: Config, settings: Path, *, variables: Sequence[str], secret: Path | None) -> str:
    """Return the script. `variables`: that the settings take from the environment; `secret`: the file of
    `client_secret_file`. Raises `ConfigError` for a path that it cannot hold."""
    folders = config.folders
    wrapper_folder = Path(sys.prefix) / "service"  # as closed to others as the program itself
    # Isolated: a file that somebody put into some folder is no module of ours.
    arguments = f'-I -u -m watcher run -c "{settings}"'
    logs = settings.parent / "logs"
    carried = (folders.drop, folders.done, folders.failed, folders.work_folder)
    values = {
        "Name": _literal(NAME),
        "ServiceSid": _literal(service_sid(NAME)),
        "Python": _literal(sys.executable),
        "BasePython": _literal(sys.base_prefix),
        "Extras": _literal(source(config).removeprefix(".")),
        "Settings": _literal(settings),
        "SettingsFolder": _literal(settings.parent),
        "IsApart": "$false" if any(settings.parent in path.parents for path in carried) else "$true",
        "Secret": _literal(secret or ""),
        "Variables": _literal(", ".join(variables)),
        "Drop": _literal(folders.drop),
        "Done": _literal(folders.done),
        "Failed": _literal(folders.failed),
        "Work": _literal(folders.work_folder),
        "State": _literal(folders.state),
        "Logs": _literal(logs),
        "LogFile": _literal(config.log.file or ""),
        "Folders": _list([path for path in writable_folders(config) if path != folders.state]),
        "Files": _list(other_files(config)),
        "WrapperFolder": _literal(wrapper_folder),
        "Arguments": _literal(arguments),
        "Xml": f"@'\n{_xml(config, arguments, wrapper_folder, logs)}\n'@",
    }
    assigned = "\n".join(f"${name} = {value}" for name, value in values.items())
    text = (files("watcher.commands") / "service_windows.ps1").read_text(encoding="utf-8")
    return text.replace("#VALUES#", assigned)


def write(text: str, path: Path) -> None:
    """Write the script as PowerShell 5 reads it: UTF-8 with a byte order mark, lines as Windows ends them.

    One that was written before is replaced. Raises `ConfigError` where something else stands there, or where
    it cannot be written.
    """
    try:
        if path.exists() and not path.read_bytes().removeprefix(codecs.BOM_UTF8).startswith(
            _FIRST_LINE.encode()
        ):
            raise ConfigError(f"{shown(str(path))}: is there, and is no script of this command; name another")
        replace_private(path, codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode())
    except OSError as error:
        raise ConfigError(f"{shown(str(path))}: cannot be written: {error.strerror}") from None


def service_sid(name: str) -> str:
    """Return the SID of a service's virtual account, which Windows makes of the name alone.

    S-1-5-80, and the SHA-1 of the name in capitals as five numbers: RtlCreateServiceSid, `sc.exe showsid`.
    """
    digest = hashlib.sha1(name.upper().encode("utf-16-le"), usedforsecurity=False).digest()
    return "-".join(map(str, ("S-1-5-80", *struct.unpack("<5I", digest))))


def _xml(config: Config, arguments: str, folder: Path, logs: Path) -> str:
    for path in (sys.executable, arguments, folder, logs):
        if re.search("%[^%]+%", str(path)):
            raise ConfigError(f"{shown(str(path))}: WinSW takes %NAME% for a variable; rename it")
    return _XML.format(
        name=NAME,
        python=escape(sys.executable),
        arguments=escape(arguments, {'"': "&quot;"}),
        folder=escape(str(folder)),
        logs=escape(str(logs)),
        stop=longest_stop_seconds(config),
    )


def _list(paths: Sequence[Path]) -> str:
    return f"@({', '.join(map(_literal, paths))})"


def _literal(value: str | Path) -> str:
    """Return text as PowerShell reads it back, whatever is in it: in single quotes, which are doubled."""
    text = str(value)
    if not text.isprintable():
        raise ConfigError(f"{shown(text)}: a script cannot hold this path; rename it")
    return f"'{_QUOTES.sub(lambda quote: quote[0] * 2, text)}'"
