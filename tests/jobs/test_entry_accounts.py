"""What is asked of nodes for a storage entry: the plugin and its daemons, the configuration, what was last known."""

import json

import pytest

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.errors import ConfigInvalid, NotRecorded, Unreachable
from pve_drbd.jobs.entry_files import CONFIG, KNOWN, NAME, EntryMemory, known_entries, wanted_entries
from pve_drbd.jobs.plugin_account import CHECK, DAEMONS, gather_plugins
from pve_drbd.model.entry import KnownEntry, PluginAccount
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import NoView
from pve_drbd.readers.known_entries import known_text, read_known

A, B = "pve-a", "pve-b"
SEEN = json.dumps({"apiver": 15, "changed_at": 5.0, "sha256": "a" * 64})
UNIT = "Id=pvedaemon.service\nLoadState=loaded\nActiveState=active\nStateChangeTimestamp="
ENTRY = StorageEntry("drbdvg", "drbdlvm", "drbdvg", is_shared=True, content=("images",))


class Answers:
    """Stands for nodes: each command has one answer, a text or an exception; it runs nothing."""

    def __init__(self, answers):
        self._answers = answers

    def nodes(self):
        return (A, B)

    def run(self, node, argv, timeout_s):
        answer = self._answers.get((node, argv), self._answers.get(argv, NotRecorded(node, "nobody asked")))
        if isinstance(answer, Exception):
            raise answer
        code, out, err = answer if isinstance(answer, tuple) else (0, answer, "")
        return CommandResult(argv, code, out, err, 1)

    def close(self):
        """Nothing is open."""


def test_the_plugin_of_every_node_is_asked_for():
    daemons = f"{UNIT}Fri 2026-11-20 08:00:03.000000 UTC\n"
    seen = gather_plugins(Answers({CHECK: SEEN, DAEMONS: daemons}), (A, B))

    assert sorted(seen) == [A, B]
    assert seen[A].sha256 == "a" * 64
    assert [each.unit for each in seen[B].daemons] == ["pvedaemon.service"]
    assert gather_plugins(Answers({}), ()) == {}


@pytest.mark.parametrize(
    ("answer", "words"),
    [((127, "", "not found\n"), "not installed"), (json.dumps({"problem": "it did not load"}), "did not load")],
)
def test_a_node_without_the_plugin_says_so(answer, words):
    seen = gather_plugins(Answers({CHECK: SEEN, DAEMONS: "", (B, CHECK): answer}), (A, B))

    assert isinstance(seen[B], PluginAccount)
    assert words in seen[B].problem


@pytest.mark.parametrize(
    ("answers", "is_damaged"),
    [
        ({CHECK: Unreachable(A, "no route to host")}, False),
        ({CHECK: (1, "", "Can't locate PVE/Storage.pm\n")}, True),
        ({CHECK: "garbage"}, True),
        ({CHECK: SEEN, DAEMONS: f"{UNIT}yesterday\n"}, True),
        ({CHECK: SEEN, DAEMONS: (1, "", "Failed to connect to bus\n")}, True),
    ],
)
def test_what_cannot_be_found_out_is_no_plugin(answers, is_damaged):
    seen = gather_plugins(Answers(answers), (A,))

    assert isinstance(seen[A], NoView)
    assert seen[A].is_damaged is is_damaged


def test_wanted_entries_come_from_the_configuration():
    assert wanted_entries(Answers({CONFIG: '[entry.drbdvg]\nvg = "drbdvg"\n'}), A)[0].storeid == "drbdvg"
    assert wanted_entries(Answers({CONFIG: (1, "", "cat: /etc/...: No such file or directory\n")}), A) == ()
    assert wanted_entries(Answers({}), A) == ()


@pytest.mark.parametrize("answer", [(1, "", "Permission denied\n"), Unreachable(A, "it hangs"), "[entry.x\n"])
def test_a_configuration_that_cannot_be_read_is_refused(answer):
    with pytest.raises(ConfigInvalid):
        wanted_entries(Answers({CONFIG: answer}), A)


def test_a_memory_is_read_and_a_missing_one_is_empty():
    known = (KnownEntry("drbdvg", "drbdlvm", "drbdvg"),)

    assert known_entries(Answers({KNOWN: known_text(known)}), A) == known
    assert known_entries(Answers({KNOWN: (1, "", "No such file")}), A) == ()
    assert known_entries(Answers({}), A) == ()
    assert isinstance(known_entries(Answers({KNOWN: "{"}), A), NoView)
    assert isinstance(known_entries(Answers({KNOWN: Unreachable(A, "it hangs")}), A), NoView)


def test_a_damaged_memory_is_replaced_and_an_entry_can_be_forgotten(tmp_path):
    (tmp_path / NAME).write_text("{")
    memory = EntryMemory(Answers({}), A, str(tmp_path))

    assert memory.keep(ENTRY, "uuid", "now")
    assert [each.vg_uuid for each in read_known((tmp_path / NAME).read_text())] == ["uuid"]
    assert memory.forget("drbdvg")
    assert read_known((tmp_path / NAME).read_text()) == ()
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_memory_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")

    assert not EntryMemory(Answers({}), A, str(tmp_path / "file")).keep(ENTRY, "", "now")
