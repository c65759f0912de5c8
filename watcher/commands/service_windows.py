"""The steps that make a Windows service of this installation, by WinSW: its XML file and the commands.

WinSW sends Ctrl-C, which the agent takes as the wish to stop, waits, and restarts it after a failure:
https://github.com/winsw/winsw (docs/xml-config-file.md).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from watcher.core.names import shown
from watcher.settings.settings import Config

_XML = """\
<service>
  <id>watcher</id>
  <name>watcher</name>
  <description>Carries files from a drop folder to the WFM import API</description>
  <executable>{python}</executable>
  <arguments>-m watcher run -c &quot;{settings}&quot;</arguments>
  <workingdirectory>{folder}</workingdirectory>
  <env name="PYTHONUNBUFFERED" value="1"/>
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


def steps(config: Config, settings: Path, *, variables: Sequence[str]) -> str:
    """Return the steps as text. `variables`: that the settings take from the environment."""
    folder = settings.parent
    xml = _XML.format(
        python=escape(sys.executable),
        settings=escape(str(settings), {'"': "&quot;"}),
        folder=escape(str(folder)),
        stop=math.ceil(config.wfm.timeout * 2) + 30,
    )
    here = shown(str(folder))
    lines = [
        *(
            []
            if sys.platform == "win32"
            else ["(The paths are those of this machine; run it on the Windows one.)"]
        ),
        "1. Take WinSW-x64.exe, version 2.12 or a later 2.x, from the releases of winsw/winsw on GitHub, and",
        f"   save it as watcher-service.exe in {here}.",
        "",
        "2. Save this beside it as watcher-service.xml:",
        "",
        xml,
        "",
        "3. Give the settings, and the secret's file, to the service and to administrators alone:",
        f'     icacls "{shown(str(settings))}" /inheritance:r /grant Administrators:F SYSTEM:F',
        *_secret(variables),
        "",
        "4. In a command prompt run as administrator:",
        f'     cd /d "{here}"',
        "     watcher-service.exe install",
        "     watcher-service.exe start",
        "",
        "5. Look: `watcher status` says what it does; its log is watcher-service.err.log, in that folder.",
        "",
        "Folders on a share: a service sees no mapped drive letters, so write \\\\server\\share\\folder into",
        "the settings, and let the service run as a user who may write there (services.msc, Log On).",
        "That user needs full control of the state folder and read access to the settings.",
        "After a change of the settings: watcher-service.exe restart. There is no reload on Windows; a",
        "restart loses nothing, and files under way go on where they were.",
    ]
    return "\n".join(lines)


def _secret(variables: Sequence[str]) -> list[str]:
    if not variables:
        return []
    return [
        f"   The settings take {', '.join(variables)} from the environment, which a service does not have.",
        "   Put the secret into a file in that folder, and write client_secret_file: NAME for client_secret.",
    ]
