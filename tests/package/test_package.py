"""The package on a fresh Debian 12 and 13 with real systemd: installed, asked, upgraded, and taken away again.

The tests of one release share a node, and run in this order: the last one purges.
"""

import json

import pytest

from pve_drbd import __version__
from tests.package.conftest import files_of

pytestmark = pytest.mark.package

PROXMOXER = {"bookworm": "1.2.0", "trixie": "2.2.0"}
ENTRY = "drbdlvm: drbdvg\n\tvgname drbdvg\n"
REPLAYED = "[Service]\nExecStart=\nExecStart=/usr/bin/pve-drbd --replay /brought/{} serve\n"
STATUS = json.dumps({"v": 1, "ask": "status", "storage": "drbdvg", "vg": "drbdvg"})


def is_running(node):
    units = ("pve-drbd.service", "pve-drbd.socket")
    return [node.run("systemctl", "is-active", unit, is_tried=True).stdout.strip() == "active" for unit in units]


def put(node, path, text):
    node.path(path).parent.mkdir(parents=True, exist_ok=True)
    node.path(path).write_text(text)


@pytest.fixture
def replaying(node):
    """Lets the service answer from a recording, and from the real node again afterwards."""
    drop_in = "/etc/systemd/system/pve-drbd.service.d/replay.conf"

    def replay(scenario):
        put(node, drop_in, REPLAYED.format(scenario))
        node.run("systemctl", "daemon-reload")
        node.run("systemctl", "restart", "pve-drbd.service")

    yield replay
    node.run("rm", "-r", "/etc/systemd/system/pve-drbd.service.d")
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "restart", "pve-drbd.service")


def test_the_command_tells_its_version(node):
    assert node.says("pve-drbd", "--version") == f"pve-drbd {__version__}"


def test_the_command_answers_from_a_recording_by_its_exit_code(node):
    def check(scenario):
        words = ("check", "migration", "100", "--to", "proxmox-106")
        return node.run("pve-drbd", "--replay", f"/brought/{scenario}", *words, is_tried=True)

    assert check("84-healthy-probed").returncode == 0
    refused = check("84-split-brain")
    assert refused.returncode == 1
    assert "DRBD-E113" in refused.stdout


def test_the_api_client_works_with_this_debians_proxmoxer(node, suite):
    program = "import pve_drbd.adapters.pve_https, proxmoxer; print(proxmoxer.__version__)"

    assert node.says("/usr/bin/python3", "-c", program) == PROXMOXER[suite]


def test_bash_completes_verbs_and_recordings(node):
    # As bash-completion does it: the file is found by the command's name and loaded from within a function.
    program = """
        . /usr/share/bash-completion/bash_completion
        if declare -F _comp_load >/dev/null; then _comp_load pve-drbd; else _completion_loader pve-drbd; fi
        COMP_WORDS=({words}) COMP_CWORD={last}
        _pve_drbd
        echo ${{COMPREPLY[*]}}
    """

    def complete(*words):
        return node.says("bash", "-c", program.format(words=" ".join(words), last=len(words) - 1))

    assert complete("pve-drbd", "check", "m") == "migration"
    assert complete("pve-drbd", "check", "migration", "100", "--t") == "--to"
    assert complete("pve-drbd", "--output-format", "json-") == "json-pretty"
    assert complete("pve-drbd", "--replay", "/brought/84-h") == "/brought/84-healthy-probed"


def test_both_man_pages_are_there(node):
    pages = node.says("sh", "-c", "dpkg -L pve-drbd | grep /man/man./")

    assert pages.split() == ["/usr/share/man/man1/pve-drbd.1.gz", "/usr/share/man/man5/pve-drbd.conf.5.gz"]


def test_systemd_finds_nothing_wrong_with_the_units(node):
    assert node.says("systemd-analyze", "verify", "--man=no", "pve-drbd.service", "pve-drbd.socket") == ""


def test_the_service_started_by_itself_and_idles_on_a_node_without_drbd(node):
    assert is_running(node) == [True, True]
    assert node.says("systemctl", "show", "--property=NRestarts", "pve-drbd") == "NRestarts=0"
    assert node.says("stat", "--format=%a %U", "/run/pve-drbd/gate.sock") == "600 root"
    answer = json.loads(node.says("python3", "/brought/ask.py", STATUS))
    assert not answer["active"]
    assert "drbdvg" in answer["line"]


def test_the_gate_lets_a_healthy_pairs_guest_go_and_holds_a_split_pairs(node, replaying):
    replaying("84-healthy-probed")
    assert json.loads(node.says("python3", "/brought/ask.py", STATUS))["answer"] == "yes"
    assert node.says("perl", "-T", "/brought/ask.pl") == "may go"

    replaying("84-split-brain")
    held = node.run("perl", "-T", "/brought/ask.pl", is_tried=True)
    assert held.returncode != 0
    assert held.stdout.startswith("pve-drbd: r0/0: proxmox-105 and proxmox-106 have each gone their own way")
    assert held.stdout.count("\n") == 1


def test_without_the_service_the_plugin_holds_every_guest(node):
    node.run("systemctl", "stop", "pve-drbd.socket", "pve-drbd.service")

    held = node.run("perl", "-T", "/brought/ask.pl", is_tried=True)
    node.run("systemctl", "start", "pve-drbd.socket", "pve-drbd.service")

    assert held.returncode != 0
    assert "was not checked: the service on pveA does not answer" in held.stdout


def test_a_bad_configuration_is_refused_and_the_service_comes_back_with_a_good_one(node):
    good = node.path("/etc/pve-drbd/config.toml").read_text()
    put(node, "/etc/pve-drbd/config.toml", "[gate]\nview-limit-s = 99\n")

    node.run("systemctl", "reload", "pve-drbd")
    assert is_running(node) == [True, True]
    node.run("systemctl", "restart", "pve-drbd", is_tried=True)
    assert is_running(node) == [False, True]
    put(node, "/etc/pve-drbd/config.toml", good)
    node.says("python3", "/brought/ask.py", STATUS)

    assert "config.toml line 2: view-limit-s" in node.says("journalctl", "--unit=pve-drbd", "--output=cat")
    assert is_running(node) == [True, True]


def test_what_the_service_may_not_do_leaves_its_commands_alone(node):
    # The unit as it is installed, but for what it starts.
    unit = node.says("systemctl", "cat", "pve-drbd.service").splitlines()
    others = ("#", "After=", "Before=", "ExecReload=", "Requires=", "Restart", "RuntimeDirectory", "Watchdog")
    kept = [line for line in unit if not line.startswith(others)]
    run = {"Type=": "Type=oneshot", "ExecStart=": "ExecStart=/bin/sh /brought/reading.sh"}
    lines = [run.get(line.partition("=")[0] + "=", line) for line in kept]
    put(node, "/etc/systemd/system/reading.service", "\n".join(lines))
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "start", "reading.service")

    said = node.says("journalctl", "--unit=reading", "--output=cat").splitlines()
    node.run("rm", "/etc/systemd/system/reading.service")
    ended = dict(line.rsplit(" ", 1) for line in said if line.startswith("may "))

    assert set(ended) > {"may ssh", "may lvs", "may ping"}
    assert {words for words, code in ended.items() if (code == "0") is words.startswith("may not ")} == set()


def test_an_upgrade_leaves_the_socket_open_and_the_administrators_configuration_alone(node):
    mine = '[storage.drbdvg]\ngate = "warn"\n'
    put(node, "/etc/pve-drbd/config.toml", mine)
    put(node, "/etc/pve/storage.cfg", ENTRY)
    before = node.says("systemctl", "show", "--property=MainPID", "pve-drbd.service")
    opened = node.says("systemctl", "show", "--property=ActiveEnterTimestamp", "pve-drbd.socket")

    told = json.loads(node.says("python3", "/brought/ask.py", "while", "dpkg", "--install", "/brought/newer.deb"))

    assert told["exit"] == 0
    assert told["answered"] > 3
    assert told["dropped"] <= 1, "only a question that is being answered may be lost, and then the shim refuses"
    assert node.says("dpkg-query", "--show", "--showformat=${Version}", "pve-drbd") == f"9.{__version__}"
    assert node.path("/etc/pve-drbd/config.toml").read_text() == mine
    assert node.says("systemctl", "show", "--property=ActiveEnterTimestamp", "pve-drbd.socket") == opened
    assert node.says("systemctl", "show", "--property=MainPID", "pve-drbd.service") != before
    assert is_running(node) == [True, True]


def refusal(node):
    removal = node.run("apt-get", "remove", "-y", "pve-drbd", is_tried=True)
    assert removal.returncode != 0, removal.stdout
    assert node.says("dpkg-query", "--show", "--showformat=${Status}", "pve-drbd") == "install ok installed"
    assert is_running(node) == [True, True]
    assert "touch /etc/pve-drbd/allow-removal" in removal.stdout
    return removal.stdout


def test_removal_is_refused_while_an_entry_needs_the_plugin(node):
    put(node, "/etc/pve/storage.cfg", f"dir: local\n\tpath /var/lib/vz\n\n{ENTRY}")

    said = refusal(node)

    assert "\ndrbdlvm: drbdvg\n" in said
    assert "pve-drbd storage release" in said


def test_removal_is_refused_while_the_clusters_files_cannot_be_read(node):
    node.run("rm", "-r", "/etc/pve")
    put(node, "/var/lib/pve-cluster/config.db", "")

    assert "systemctl start pve-cluster" in refusal(node)


def test_removal_is_refused_while_a_guest_has_the_hookscript(node):
    put(node, "/etc/pve/storage.cfg", "dir: local\n\tpath /var/lib/vz\n")
    conf = "/etc/pve/nodes/pve-b/qemu-server/100.conf"
    put(node, conf, "cores: 1\nhookscript: local:snippets/pve-drbd-hookscript\n")

    assert conf in refusal(node)


def test_the_marker_allows_one_removal(node):
    put(node, "/etc/pve/storage.cfg", ENTRY)
    put(node, "/etc/pve-drbd/allow-removal", "")

    node.run("apt-get", "remove", "-y", "pve-drbd")
    node.run("apt-get", "install", "-y", "/brought/newer.deb")

    assert is_running(node) == [True, True]
    refusal(node)


def test_a_purge_leaves_nothing(node):
    node.run("rm", "-r", "/etc/pve", "/var/lib/pve-cluster")
    put(node, "/etc/pve-drbd/token.toml", 'secret = "x"\n')

    node.run("apt-get", "purge", "-y", "pve-drbd")

    assert files_of(node) - node.files == set()
    assert node.says("systemctl", "list-unit-files", "--no-legend", "pve-drbd*") == ""
    assert node.says("systemctl", "list-units", "--state=loaded", "--plain", "--no-legend", "pve-drbd*") == ""
    assert node.says("find", "/etc", "/run", "/usr", "/var/lib", "-name", "*pve-drbd*") == ""


def test_proxmox_ve_is_told_of_every_change_of_the_plugin(node):
    # Installed, upgraded, removed, installed, purged: and each time its daemons load their plugins anew.
    assert node.path("/brought/triggered").read_text().split() == ["pve-api-updates"] * 5
