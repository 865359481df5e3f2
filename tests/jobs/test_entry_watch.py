"""The service's look at storage.cfg: what vanished or changed is told once, and again when it happens again."""

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.jobs.entry_files import KNOWN, NAME, EntryMemory
from pve_drbd.jobs.entry_watch import EntryWatch
from pve_drbd.readers.known_entries import read_known

HERE = "pve-a"
OURS = "drbdlvm: drbdvg\n\tvgname drbdvg\n\tcontent images\n\tshared 1\n\n"
OTHER = "dir: local\n\tpath /var/lib/vz\n\tcontent iso\n\n"


class Node:
    """Stands for this node: storage.cfg, and the file of known entries; it runs nothing."""

    def __init__(self, directory, cfg=OURS + OTHER):
        self.directory, self.cfg = directory, cfg

    def nodes(self):
        return (HERE,)

    def run(self, node, argv, timeout_s):
        file = self.directory / NAME
        if argv == KNOWN:
            return CommandResult(argv, int(not file.exists()), file.read_text() if file.exists() else "", "", 1)
        if self.cfg is None:
            return CommandResult(argv, 1, "", "cat: /etc/pve/storage.cfg: Transport endpoint is not connected\n", 1)
        return CommandResult(argv, 0, self.cfg, "", 1)

    def close(self):
        """Nothing is open."""

    def watch(self):
        return EntryWatch(self, HERE, EntryMemory(self, HERE, str(self.directory)))


def codes(findings):
    return [each.code for each in findings]


def test_our_entries_are_remembered_as_they_are_first_seen(tmp_path):
    assert Node(tmp_path).watch().look("now") == ()

    (known,) = read_known((tmp_path / NAME).read_text())
    assert (known.storeid, known.content, known.seen_at) == ("drbdvg", ("images",), "now")


def test_an_entry_that_vanishes_is_told_once_and_again_if_it_vanishes_again(tmp_path):
    node = Node(tmp_path)
    watch = node.watch()
    looks = []
    for cfg in (OURS, "", "", OURS, ""):
        node.cfg = cfg
        looks.append(codes(watch.look("now")))

    assert looks == [[], ["PVE-E401"], [], [], ["PVE-E401"]]


def test_a_change_is_told_with_what_it_was_and_not_taken_for_right(tmp_path):
    node = Node(tmp_path)
    watch = node.watch()
    watch.look("then")
    node.cfg = OURS.replace("\tshared 1\n", "\tshared 1\n\tnodes pve-a\n")

    (told,) = watch.look("now")

    assert told.message == (
        "nodes of the entry drbdvg is pve-a; when it was last known to be right (then) it was any node."
    )
    assert codes(node.watch().look("later")) == ["PVE-W402"]


def test_a_storage_cfg_that_cannot_be_read_says_nothing_of_its_entries(tmp_path):
    node = Node(tmp_path)
    watch = node.watch()
    watch.look("then")
    node.cfg = None
    assert watch.look("now") == ()

    node.cfg = ""
    assert codes(watch.look("later")) == ["PVE-E401"]
