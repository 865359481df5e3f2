"""The commands on storage entries, hookscripts and tokens: what they show, refuse, and do with --yes."""

import contextlib
import json

import jsonschema
import pytest

from pve_drbd.accounts import Answer
from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.cli.hook import attach_verb
from pve_drbd.cli.main import build_parser
from pve_drbd.cli.storage import Place, ensure_verb, retype_verb, set_verb, show_verb
from pve_drbd.data import shipped_text
from pve_drbd.errors import ConfigInvalid, StepStopped
from pve_drbd.jobs.entry_files import CONFIG, NAME
from pve_drbd.jobs.plugin_account import CHECK, RETYPE
from pve_drbd.jobs.survey import World
from pve_drbd.readers.known_entries import read_known
from tests.cli.commands import command, replay
from tests.jobs.entry_cluster import EntryCluster
from tests.jobs.standins import Api, HandClock, Nodes
from tests.recorded import HERE, PEER

READY = "entry-adopt-ready"
CONFIGURED = '[entry.drbdvg]\nvg = "drbdvg"\ncontent = ["images", "rootdir"]\n'


class Pair(Nodes):
    """The recorded pair, live: its storage.cfg can be changed, by the API and by pve-drbd-retype."""

    def __init__(self, state, scenario=READY, config=CONFIGURED):
        super().__init__(scenario)
        self.state = str(state)
        api = Api(scenario)
        self.cluster = EntryCluster({each.pop("storage"): self._strings(each) for each in api.get("/storage")})
        self._api = api
        self._answers[HERE, CONFIG] = Answer(0, config)

    @staticmethod
    def _strings(settings):
        return {key: str(value) for key, value in settings.items() if key != "digest"}

    def run(self, node, argv, timeout_s):
        if argv[:2] == (RETYPE, "change"):
            question = json.loads(argv[2])
            if question["digest"] != self.cluster.digest:
                return CommandResult(argv, 3, "", "storage.cfg has changed\n", 1)
            self.cluster._retype(question)
            return CommandResult(argv, 0, json.dumps({"changed": 1, "digest": self.cluster.digest}), "", 1)
        return super().run(node, argv, timeout_s)

    def get(self, path, /, **query):
        return self.cluster.get(path) if path == "/storage" else self._api.get(path, **query)

    def post(self, path, /, **fields):
        return self.cluster.post(path, **fields)

    def put(self, path, /, **fields):
        return self.cluster.put(path, **fields)

    def delete(self, path, /, **fields):
        raise AssertionError("an entry is never removed")

    def opened(self, _replay):
        return contextlib.nullcontext(World(self, lambda: self, HandClock().as_clock(), HERE))


def do(verb, pair, *words):
    return verb(build_parser().parse_args(words), Place(pair.opened, pair.state))


def validate(schema, text):
    answer = json.loads(text)
    jsonschema.Draft7Validator(json.loads(shipped_text(f"{schema}.schema.json"))).validate(answer)
    return answer


# Without --yes nothing changes.


@pytest.mark.parametrize("words", [("adopt", "drbdvg"), ("ensure",), ("set", "drbdvg", "--disable")])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_without_yes_nothing_is_written(words, dry, capsys, tmp_path):
    pair = Pair(tmp_path, config='[entry.drbdvg]\nvg = "drbdvg"\ntype = "lvm"\nnodes = ["proxmox-105"]\n')
    verb = {"adopt": retype_verb, "ensure": ensure_verb, "set": set_verb}[words[0]]

    assert do(verb, pair, "storage", *words, *dry) == 0

    assert pair.cluster.effects == []
    assert not (tmp_path / NAME).exists()
    assert capsys.readouterr().out.endswith("Nothing was changed. To do it, add: --yes\n")


@pytest.mark.parametrize(
    "words", [("storage", "adopt", "drbdvg"), ("storage", "set", "drbdvg", "--as-it-is"), ("hook", "attach", "100")]
)
def test_a_recording_cannot_be_changed(words, capsys):
    ran = replay(capsys, READY, *words, "--yes")

    assert ran.code == 2
    assert "a recording cannot be changed" in ran.err


def test_yes_and_dry_run_exclude_each_other(capsys):
    assert command(capsys, "storage", "ensure", "--yes", "--dry-run").code == 2


# With --yes.


def test_adopt_changes_the_type_and_remembers_it(capsys, tmp_path):
    pair = Pair(tmp_path)

    assert do(retype_verb, pair, "storage", "adopt", "drbdvg", "--yes") == 0

    assert pair.cluster.cfg["drbdvg"]["type"] == "drbdlvm"
    assert pair.cluster.effects == [("retype", "drbdvg", "drbdlvm")]
    assert [each.type for each in read_known((tmp_path / NAME).read_text())] == ["drbdlvm"]
    out = capsys.readouterr().out
    assert out.startswith("drbdvg: done.\n  type: lvm -> drbdlvm\n")
    assert "PVE-W314" in out


def test_adopt_asks_every_member_for_the_plugin_and_release_asks_nobody(capsys, tmp_path):
    pair = Pair(tmp_path)
    do(retype_verb, pair, "storage", "adopt", "drbdvg", "--yes")
    assert {node for node, argv in pair.asked if argv == CHECK} == {HERE, PEER}
    pair.asked.clear()

    assert do(retype_verb, pair, "storage", "release", "drbdvg", "--yes") == 0

    assert not [argv for _, argv in pair.asked if argv == CHECK]
    assert pair.cluster.cfg["drbdvg"]["type"] == "lvm"


def test_ensure_mends_and_a_second_run_has_nothing_to_do(capsys, tmp_path):
    pair = Pair(
        tmp_path, config=CONFIGURED.replace("vg = ", 'type = "lvm"\nnodes = ["proxmox-105", "proxmox-106"]\nvg = ')
    )

    assert do(ensure_verb, pair, "storage", "ensure", "--yes") == 0
    assert do(ensure_verb, pair, "storage", "ensure", "drbdvg", "--yes") == 0

    assert pair.cluster.effects == [("put", "/storage/drbdvg")]
    assert capsys.readouterr().out.endswith("drbdvg: nothing to do, it is as it should be.\n")


def test_ensure_tells_another_type_and_leaves_it(capsys, tmp_path):
    pair = Pair(tmp_path)

    assert do(ensure_verb, pair, "storage", "ensure", "--yes") == 1

    assert pair.cluster.effects == []
    assert "PVE-E404" in capsys.readouterr().out


def test_a_dead_node_can_be_left_out_and_a_living_one_cannot(capsys, tmp_path):
    config = CONFIGURED.replace("vg = ", 'type = "lvm"\nnodes = ["proxmox-105"]\nvg = ')
    pair = Pair(tmp_path, config=config)
    with pytest.raises(ConfigInvalid, match=f"{PEER} answers"):
        do(ensure_verb, pair, "storage", "ensure", "--yes", "--without", PEER)

    pair.silence(PEER)

    assert do(ensure_verb, pair, "storage", "ensure", "--yes") == 3
    assert do(ensure_verb, pair, "storage", "ensure", "--yes", "--without", PEER) == 0
    assert pair.cluster.cfg["drbdvg"]["nodes"] == "proxmox-105"


def test_set_changes_fields_unless_the_configuration_wants_otherwise(capsys, tmp_path):
    pair = Pair(tmp_path)

    assert do(set_verb, pair, "storage", "set", "drbdvg", "--nodes", f"{PEER},{HERE}", "--yes") == 0
    assert pair.cluster.cfg["drbdvg"]["nodes"] == f"{HERE},{PEER}"
    assert do(set_verb, pair, "storage", "set", "drbdvg", "--nodes", "all", "--yes") == 0
    assert "nodes" not in pair.cluster.cfg["drbdvg"]
    with pytest.raises(ConfigInvalid, match="wants content images,rootdir"):
        do(set_verb, pair, "storage", "set", "drbdvg", "--content", "images", "--yes")


def test_what_is_taken_for_right_as_it_is_is_only_remembered(capsys, tmp_path):
    pair = Pair(tmp_path)

    assert do(set_verb, pair, "storage", "set", "drbdvg", "--as-it-is", "--yes") == 0
    assert [each.storeid for each in read_known((tmp_path / NAME).read_text())] == ["drbdvg"]
    assert do(set_verb, pair, "storage", "set", "gone", "--as-it-is", "--yes", "--output-format", "json") == 0
    assert pair.cluster.effects == []
    answer = validate("storage", capsys.readouterr().out.splitlines()[-1])
    assert answer["entries"] == [{"storage": "gone", "present": False, "done": True, "changes": []}]


def test_every_action_has_json_by_its_schema(capsys, tmp_path):
    pair = Pair(tmp_path)
    for verb, *words in (
        (show_verb, "show"),
        (ensure_verb, "ensure"),
        (retype_verb, "adopt", "drbdvg", "--yes"),
        (retype_verb, "release", "drbdvg"),
        (set_verb, "set", "drbdvg", "--disable"),
        (set_verb, "set", "drbdvg", "--as-it-is"),
    ):
        do(verb, pair, "storage", *words, "--output-format", "json")
        answer = validate("storage", capsys.readouterr().out)
        assert answer["action"] == words[0]


# What is refused before anything is looked at.


@pytest.mark.parametrize(
    "words",
    [
        ("storage",),
        ("storage", "adopt"),
        ("storage", "adopt", "../x"),
        ("storage", "set", "drbdvg", "--content", "iso"),
        ("storage", "set", "drbdvg", "--nodes", "a b"),
        ("storage", "set", "drbdvg", "--enable", "--disable"),
        ("storage", "ensure", "--without", "x/y"),
        ("hook", "attach", "x"),
        ("hook", "attach", "100", "--snippets", "-"),
        ("token", "create", "--role", "root"),
    ],
)
def test_a_word_that_makes_no_sense_is_a_usage_error(words, capsys):
    assert command(capsys, *words).code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("storage", "set", "drbdvg"), "nothing to set"),
        (("storage", "set", "drbdvg", "--nodes", "all", "--as-it-is"), "leave out the other options"),
        (("storage", "adopt", "nope"), "there is no storage entry nope; on volume groups there are: drbdvg, drbdvg1"),
        (("storage", "ensure", "nope"), "has no table [entry.nope]"),
        (("token", "create"), "leave out --replay"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_next_step(words, told, capsys):
    ran = replay(capsys, READY, *words)

    assert ran.code == 2
    assert told in ran.err


def test_without_the_api_no_entry_is_converted(capsys):
    ran = replay(capsys, "84-api-unreachable", "storage", "adopt", "drbdvg")

    assert ran.code == 4
    assert "Proxmox VE could not be asked for the entry drbdvg" in ran.err


def test_an_interrupted_change_is_not_said_to_have_changed_nothing(tmp_path):
    pair = Pair(tmp_path)

    def interrupted(question):
        raise KeyboardInterrupt

    pair.cluster._retype = interrupted

    with pytest.raises(StepStopped, match="in the middle of a change"):
        do(retype_verb, pair, "storage", "adopt", "drbdvg", "--yes")


# Text and help.


def test_a_blocked_change_is_shown_with_what_stands_against_it(capsys):
    ran = replay(capsys, "entry-adopt-not-everywhere", "storage", "adopt", "drbdvg")

    assert ran.code == 1
    assert ran.out.startswith("drbdvg: not changed, see below. It would be:\n  type: lvm -> drbdlvm\n")
    assert "systemctl reload-or-try-restart pve-ha-lrm pveproxy" in ran.out
    assert "--yes" not in ran.out


def test_nothing_on_drbd_is_said_so(capsys):
    assert "There is no storage entry on DRBD" in replay(capsys, "84-api-unreachable", "storage", "show").out


@pytest.mark.parametrize(
    "words",
    [
        ("storage",),
        *(("storage", verb) for verb in ("show", "ensure", "adopt", "release", "set")),
        ("hook",),
        *(("hook", verb) for verb in ("list", "attach", "detach")),
        ("token", "create"),
    ],
)
def test_every_help_says_what_it_does_and_fits_a_terminal(words, capsys):
    ran = command(capsys, *words, "--help")

    assert ran.code == 0
    assert max(len(line) for line in ran.out.splitlines()) <= 120
    assert len(ran.out.splitlines()) > 8


def test_hook_answers_have_json_by_their_schema(capsys):
    for words in (("list",), ("attach", "102"), ("attach", "103"), ("detach", "103"), ("attach", "999")):
        answer = validate("hook", replay(capsys, READY, "hook", *words, "--output-format", "json").out)
        assert answer["action"] == words[0]


def test_the_list_of_guests_says_what_protects_each(capsys):
    ran = replay(capsys, READY, "hook", "list")

    rows = {line.split()[0]: line for line in ran.out.splitlines() if line[:1].isdigit()}
    assert rows["103"].endswith("in live migrations, by the hookscript")
    assert rows["102"].endswith("no: it has no hookscript")
    assert "PVE-W415" in ran.out


def test_attaching_shows_its_commands_and_their_nodes(capsys):
    ran = replay(capsys, READY, "hook", "attach", "102")

    assert ran.code == 0
    assert f"  {HERE}# qm set 102 --hookscript local:snippets/pve-drbd-hookscript\n" in ran.out
    assert ran.out.endswith("Nothing was changed. To do it, add: --yes\n")


def test_a_hookscript_that_could_not_be_attached_stops_the_command(tmp_path):
    asked = build_parser().parse_args(("hook", "attach", "102", "--yes"))

    class Locked(Pair):
        def run(self, node, argv, timeout_s):
            if argv[0] in ("mkdir", "ln", "qm"):
                return CommandResult(argv, int(argv[0] == "qm"), "", "VM is locked (backup)\n", 1)
            return super().run(node, argv, timeout_s)

    with pytest.raises(StepStopped, match=r"VM is locked \(backup\)"):
        attach_verb(asked, Locked(tmp_path).opened)


def test_a_guest_that_has_the_hookscript_needs_nothing(capsys, tmp_path):
    pair = Pair(tmp_path)
    pair.put_argv(
        HERE,
        "readlink -e /var/lib/vz/snippets/pve-drbd-hookscript",
        Answer(0, "/usr/share/pve-drbd/pve-drbd-hookscript\n"),
    )

    asked = build_parser().parse_args(("hook", "attach", "103", "--yes"))

    assert attach_verb(asked, pair.opened) == 0
    assert capsys.readouterr().out == "Guest 103: nothing to do, it is as it should be.\n"


def test_a_memory_that_could_not_be_kept_is_told(capsys, tmp_path):
    (tmp_path / "file").write_text("")

    assert do(retype_verb, Pair(tmp_path / "file"), "storage", "adopt", "drbdvg", "--yes") == 0

    assert "could not be written down on this node" in capsys.readouterr().out
