"""Exports that are not in the API's shape, through the real agent: what arrives, and what is told of it."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.conftest import World, answer, lose_answer, works, yaml_text
from watcher.manual.pages import page


def shape(world: World, text: str) -> None:
    """Put these lines into the settings of the route for agent events."""
    world.settings["routes"][2].update(yaml.safe_load(yaml_text(text)))


def arrived(world: World) -> str:
    """What the server has of the one file that was dropped."""
    (operation,) = world.completed()
    return operation.body.decode()


EXPORTS: dict[str, tuple[str, bytes, str]] = {
    # Cisco Unified Contact Center Express, "Agent State Detail Report" as CSV.
    "UCCX": (
        r"""
        encoding: cp1252
        header: first
        lines: {header: "^Agent Name,", footer: "^Total"}
        others: drop
        columns:
          - {name: timestamp, from: Transition Time, time: "%m/%d/%y %I:%M:%S %p", timezone: Europe/Prague}
          - {name: agent, from: Agent ID, required: true}
          - {name: event, from: Agent State, map: {Ready: READY, Not Ready: AWAY, Logged-in: LOGIN}}
          - {name: reason, from: Reason, default: "0"}
          - {name: duration, from: Duration, duration: "H:MM:SS"}
        """,
        "Agent State Detail Report\r\nFrom 1/18/19 12:00:00 AM To 1/18/19 11:59:59 PM\r\n\r\n"
        "Agent Name,Agent ID,Extension,Transition Time,Agent State,Reason,Duration\r\n"
        '"Müller, Anna",amuller,1001,1/18/19 8:00:00 AM,Logged-in,,0:00:00\r\n'
        '"Müller, Anna",amuller,1001,1/18/19 8:00:01 AM,Not Ready,32760,0:10:05\r\n'
        "Bob,bob,1002,1/18/19 1:10:05 PM,Ready,,12:00:00\r\n"
        "Total,,,,,,12:10:05\r\n".encode("cp1252"),
        "timestamp,agent,event,reason,duration\n"
        "2019-01-18T07:00:00Z,amuller,LOGIN,0,0\n"
        "2019-01-18T07:00:01Z,amuller,AWAY,32760,605\n"
        "2019-01-18T12:10:05Z,bob,READY,0,43200\n",
    ),
    # VICIdial, an export of its agent log: tabs, a header, local times, seconds.
    "VICIdial": (
        r"""
        delimiter: "\t"
        header: drop
        others: drop
        columns:
          - {name: timestamp, from: event_time, time: "%Y-%m-%d %H:%M:%S", timezone: America/New_York}
          - {name: agent, from: user}
          - {name: event, from: sub_status, map: {LUNCH: AWAY, "*": "*"}, default: READY}
          - {name: duration, from: pause_sec}
        """,
        b"agent_log_id\tuser\tevent_time\tcampaign_id\tpause_sec\tsub_status\n"
        b"1\t6666\t2019-01-18 08:00:00\tTEST\t15\tLUNCH\n"
        b"2\t6667\t2019-07-18 08:00:00\tTEST\t0\t\n"
        b'3\t6668\t2019-07-18 08:00:01\tTEST\t3\t"BREAK ""2"""\n',
        "2019-01-18T13:00:00Z,6666,AWAY,15\n"
        "2019-07-18T12:00:00Z,6667,READY,0\n"
        '2019-07-18T12:00:01Z,6668,"BREAK ""2""",3\n',
    ),
    # Genesys, as exports of its reporting databases have it: milliseconds since 1970, all in quotes.
    "Genesys": (
        r"""
        header: every
        columns:
          - {name: acd, value: genesis}
          - {name: agent, from: userId}
          - {name: event, from: systemPresence}
          - {name: start, from: startTime, time: epoch_ms}
          - {name: end, from: endTime, time: epoch_ms, optional: true}
        """,
        b'"userId","startTime","systemPresence","endTime"\n'
        b'"a-1","1547849707123","AVAILABLE","1547849708000"\n'
        b'"a-2","1547849709999","ON_QUEUE",""\n',
        "acd,agent,event,start,end\n"
        "genesis,a-1,AVAILABLE,2019-01-18T22:15:07Z,2019-01-18T22:15:08Z\n"
        "genesis,a-2,ON_QUEUE,2019-01-18T22:15:09Z,\n",
    ),
    # Asterisk's queue_log: no header, bars, seconds since 1970, as many fields as an event has.
    "Asterisk": (
        r"""
        delimiter: "|"
        quotes: none
        others: drop
        columns:
          - {name: timestamp, from: 1, time: epoch}
          - {name: agent, from: 4}
          - {name: queue, from: 3}
          - {name: event, from: 5, map: {PAUSE: AWAY, UNPAUSE: READY, "*": "*"}}
          - {name: reason, from: 6, optional: true}
        """,
        b"1547849700|NONE|NONE|NONE|QUEUESTART|\n"
        b'1547849707|1547849707.1|sales|SIP/anna|PAUSE|5" pipe\n'
        b"1547849708|1547849707.2|sales|SIP/bob|CONNECT|12|1547849707.3|5\n"
        b"1547849709|NONE|sales|SIP/anna|UNPAUSE\n",
        "2019-01-18T22:15:00Z,NONE,NONE,QUEUESTART,\n"
        '2019-01-18T22:15:07Z,SIP/anna,sales,AWAY,"5"" pipe"\n'
        "2019-01-18T22:15:08Z,SIP/bob,sales,CONNECT,12\n"
        "2019-01-18T22:15:09Z,SIP/anna,sales,READY,\n",
    ),
    # Excel of a European: semicolons, two header lines, serial times, decimal commas, comments.
    "Excel": (
        r"""
        delimiter: ";"
        lines: {header: "^Agent", header_lines: 2, comment: "#"}
        columns:
          - {name: agent, from: Agent ID}
          - {name: timestamp, from: [Start Date, Time], time: "%d.%m.%Y %H:%M", timezone: Europe/Prague}
          - {name: load, from: Load, decimal: ","}
          - {name: changed, from: Changed, time: excel, timezone: Europe/Prague, ambiguous: later}
        """,
        b"# made by hand\nAgent;Start;;Load;Changed\nID;Date;Time;;\n"
        b"7;18.01.2019;8:00;1.234,5;43483,5\n# not these\n8;18.01.2019;09:30;0,25;43765,104167\n",
        "7,2019-01-18T07:00:00Z,1234.5,2019-01-18T11:00:00Z\n"
        "8,2019-01-18T08:30:00Z,0.25,2019-10-27T01:30:00Z\n",
    ),
}


@pytest.mark.parametrize("vendor", EXPORTS)
def test_the_export_of_a_vendor_arrives_in_the_apis_shape(world: World, vendor: str) -> None:
    settings, file, arrives = EXPORTS[vendor]
    world.settings["upload"]["chunk_bytes"] = 10_000
    shape(world, settings)
    world.drop("agent_events.csv", file)

    assert world.run_once() == 0
    assert arrived(world) == arrives
    assert world.files("done") == {"agent_events.csv": file}


TITLED = """
header: first
lines: {header: "^Agent", footer: "^Total", comment: "#"}
others: drop
columns:
  - {name: at, from: At, time: "%d/%m/%Y %H:%M:%S", timezone: Europe/Prague}
  - {name: agent, from: Agent}
"""
RECORDS = [f"agent {number},18/01/2019 10:{number:02d}:00,x\n" for number in range(9)]
REPORT = (
    "title\n\nAgent,At,Note\n"
    + "# of today\n".join(("".join(RECORDS[:4]), "".join(RECORDS[4:])))
    + "Total,9\n"
)
ARRIVES = "at,agent\n" + "".join(f"2019-01-18T09:{at:02d}:00Z,agent {at}\n" for at in range(9))


def test_a_receipt_tells_what_was_left_out_and_made(world: World) -> None:
    shape(world, TITLED)
    world.drop("agent_events.csv", REPORT)

    assert world.run_once() == 0
    assert arrived(world) == ARRIVES
    (row,) = world.history()
    assert (row["records"], row["bytes"]) == (9, len(REPORT))
    assert row["note"] == (
        "left out: 1 line above the header, 1 line from the footer on, 1 comment, column Note;"
        " 2 columns made anew"
    )


def test_bad_records_are_set_aside_as_they_were_and_can_be_dropped_again(world: World) -> None:
    shape(world, TITLED + "bad_records: set_aside\n")
    world.drop("agent_events.csv", REPORT.replace(RECORDS[5], "agent 5,soon,x\n"))

    assert world.run_once() == 0
    assert arrived(world) == ARRIVES.replace("2019-01-18T09:05:00Z,agent 5\n", "")
    aside = world.files("failed")["agent_events.csv"]
    assert aside == b"title\n\nAgent,At,Note\nagent 5,soon,x\nTotal,9\n"
    report = world.report("agent_events.csv")
    assert report["lines"] == "10"
    assert "column 2 (At) as at: 'soon': is no time such as %d/%m/%Y" in report["reason"]

    world.drop("agent_events.csv", aside.replace(b"soon", b"18/01/2019 10:05:00"))
    assert world.run_once() == 0
    assert world.completed()[-1].body == b"at,agent\n2019-01-18T09:05:00Z,agent 5\n"


def test_without_that_a_bad_record_fails_the_file_with_the_line_it_stands_on(world: World) -> None:
    shape(world, TITLED)
    world.drop("agent_events.csv", REPORT.replace(RECORDS[5], "agent 5,soon,x\n"))

    assert world.run_once() == 1
    assert world.report("agent_events.csv")["reason"].startswith("line 10, column 2 (At) as at: 'soon':")
    assert world.server.pushes() == []


def test_a_file_without_its_footer_fails_before_anything_is_sent(world: World) -> None:
    shape(world, TITLED)
    world.drop("agent_events.csv", REPORT.partition("Total")[0])

    assert world.run_once() == 1
    assert "it was not written to its end" in world.report("agent_events.csv")["reason"]
    assert world.server.pushes() == []


def test_lines_of_a_chunk_that_the_server_refuses_are_those_of_the_file(world: World) -> None:
    shape(world, TITLED)
    world.settings["upload"]["chunk_bytes"] = 100
    world.server.script += [works, answer(422, "no such agent")]
    world.drop("agent_events.csv", REPORT)

    assert world.run_once() == 1
    # The header and three records of 29 bytes went before.
    assert world.report("agent_events.csv")["lines"] == "7-10"


def test_an_answer_that_is_lost_repeats_the_same_bytes(world: World) -> None:
    shape(world, TITLED)
    world.settings["upload"]["chunk_bytes"] = 100
    world.server.script += [works, lose_answer]
    world.drop("agent_events.csv", REPORT)

    assert world.run_once() == 0
    (operation,) = world.completed()
    assert b"".join(dict.fromkeys(operation.chunks)).decode() == ARRIVES


def test_a_route_that_says_nothing_of_it_sends_every_export_byte_for_byte(world: World) -> None:
    world.settings["upload"]["chunk_bytes"] = 10_000
    world.settings["routes"][2]["header"] = "first"
    for number, (_, file, _) in enumerate(EXPORTS[name] for name in ("VICIdial", "Genesys")):
        file = file.replace(b"\t", b",")
        world.drop(f"agent_events_{number}.csv", file)
        assert world.run_once() == 0
        assert world.completed()[-1].body == file


def test_the_manuals_first_recipe_does_what_it_says(world: World) -> None:
    part = page("files").split("## Cisco UCCX")[1].split("\n## ")[0]
    settings, export, arrives = re.findall(r"```(?:yaml|text)\n(.*?)```", part, re.DOTALL)
    world.settings["routes"] = yaml.safe_load(settings)
    world.settings["upload"]["chunk_bytes"] = 10_000
    world.drop("uccx_monday.csv", export.encode("cp1252"))

    assert world.run_once() == 0
    assert arrived(world) == arrives
