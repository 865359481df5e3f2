"""The hookscript: given to a VM that it protects, never in place of another, and found where it was put."""

import pytest

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.errors import StepStopped, Unreachable
from pve_drbd.jobs.hooks import SOURCE, carry_out, judge_scripts, plan_attach, plan_detach
from pve_drbd.jobs.survey import World
from pve_drbd.model.pve import GuestKind, StorageEntry
from pve_drbd.model.survey import NoView
from tests.jobs.standins import HandClock
from tests.pairs import A, B, codes, two_nodes

OURS = "local:snippets/pve-drbd-hookscript"
PATH = "/var/lib/vz/snippets/pve-drbd-hookscript"
LOCAL = StorageEntry("local", "dir", content=("iso", "snippets"))


class Cluster:
    """Stands for two nodes and PVE's account of guest 100: links, qm and pct; `fails` is the program that fails."""

    def __init__(self, hookscript="", links=(), fails="", packages=(A, B)):
        self.hookscript, self.links, self.fails, self.packages = hookscript, dict(links), fails, packages
        self.ran = []

    def nodes(self):
        return (A, B)

    def run(self, node, argv, timeout_s):
        if argv[0] == self.fails:
            return CommandResult(argv, 2, "", "unable to read\nVM is locked (backup)\n", 1)
        code, out = self._answer(node, argv)
        return CommandResult(argv, code, out, "", 1)

    def _answer(self, node, argv):
        match argv:
            case ("test", "-x", path):
                return int(node not in self.packages or path != SOURCE), ""
            case ("pvesm", "path", volid):
                return 0, PATH + "\n" if volid == OURS else ""
            case ("readlink", "-e", path):
                return (0, self.links[node] + "\n") if node in self.links else (1, "")
            case ("mkdir", "-p", _):
                pass
            case ("ln", "-sfn", source, _):
                self.links[node] = source
            case ("qm" | "pct", "set", "100", "--hookscript", volid):
                self.hookscript = volid
            case ("qm" | "pct", "set", "100", "--delete", "hookscript"):
                self.hookscript = ""
        self.ran.append((node, *argv))
        return 0, ""

    def close(self):
        """Nothing is open."""

    def get(self, path, /, **query):
        """PVE's account of guest 100, no more of it than a hookscript needs."""
        guest = {"type": "qemu", "id": "qemu/100", "vmid": 100, "node": A, "status": "running", "name": "guest100"}
        config = {"scsi0": "drbdvg:vm-100-disk-0", "digest": "0" * 40}
        answers = {
            "/version": {"version": "9.2.11"},
            "/cluster/resources": [guest],
            f"/nodes/{A}/qemu/100/config": config | ({"hookscript": self.hookscript} if self.hookscript else {}),
            "/cluster/ha/resources": [],
        }
        if path not in answers:
            raise Unreachable("PVE", "not asked in this test")
        return answers[path]

    @property
    def world(self):
        return World(self, lambda: self, HandClock().as_clock(), A)

    def survey(self, **guest):
        found = two_nodes().with_entry(type="lvm").with_more_entries(LOCAL)
        return found.with_config(100, hookscript=self.hookscript).with_guest(100, **guest)


def test_attaching_links_the_script_on_both_nodes_and_names_it():
    cluster = Cluster(links={B: SOURCE})

    plan = plan_attach(cluster.world, cluster.survey(), 100)
    carry_out(cluster.world, plan)

    assert plan.shown[-1] == f"{A}# qm set 100 --hookscript {OURS}"
    assert cluster.hookscript == OURS
    assert cluster.links == {A: SOURCE, B: SOURCE}
    assert not plan_attach(cluster.world, cluster.survey(), 100).is_needed


def test_a_script_that_is_missing_on_one_node_is_put_there_without_touching_the_guest():
    cluster = Cluster(OURS, links={A: SOURCE})

    plan = plan_attach(cluster.world, cluster.survey(), 100)

    assert {node for node, _ in plan.steps} == {B}
    assert not any(argv[0] == "qm" for _, argv in plan.steps)


@pytest.mark.parametrize(
    ("cluster", "guest", "words"),
    [
        (Cluster("local:snippets/notify.pl"), {}, "it has the hookscript local:snippets/notify.pl already"),
        (Cluster(), {"kind": GuestKind.CONTAINER}, "it is a container"),
        (Cluster(links={A: "/var/lib/vz/snippets/pve-drbd-hookscript"}), {}, "is another file"),
    ],
)
def test_attaching_replaces_nothing_and_promises_nothing(cluster, guest, words):
    plan = plan_attach(cluster.world, cluster.survey(**guest), 100)

    assert codes(plan.report) == ["PVE-E414"]
    assert words in plan.report.findings[0].message
    assert not plan.is_needed


def test_a_node_without_the_package_forbids():
    cluster = Cluster(packages=(A,))

    assert codes(plan_attach(cluster.world, cluster.survey(), 100).report) == ["PVE-E410"]


def test_without_a_storage_for_snippets_it_says_how_to_get_one():
    cluster = Cluster()
    bare = two_nodes().with_entry(type="lvm")

    plan = plan_attach(cluster.world, bare, 100)

    assert codes(plan.report) == ["PVE-E414"]
    assert "pvesm set local --content" in plan.report.findings[0].remedy
    assert codes(plan_attach(cluster.world, cluster.survey(), 100, "nope").report) == ["PVE-E414"]


def test_what_cannot_be_asked_leaves_it_unknown():
    cluster = Cluster(fails="pvesm")

    assert codes(plan_attach(cluster.world, cluster.survey(), 100).report) == ["VIEW-E001"]
    assert codes(plan_attach(cluster.world, two_nodes().without_pve(), 100).report) == ["VIEW-E001"]
    assert codes(plan_detach(cluster.survey(), 999).report) == ["PVE-E301"]
    unread = two_nodes().with_pve(configs={100: NoView(A, "the configuration of guest 100", "403")})
    assert codes(plan_detach(unread, 100).report) == ["VIEW-E001"]


def test_detaching_takes_only_ours():
    ours, other = Cluster(OURS), Cluster("local:snippets/notify.pl")

    carry_out(ours.world, plan_detach(ours.survey(), 100))

    assert ours.hookscript == ""
    assert not plan_detach(other.survey(), 100).is_needed


def test_a_container_can_lose_what_it_should_not_have():
    cluster = Cluster(OURS)

    plan = plan_detach(cluster.survey(kind=GuestKind.CONTAINER), 100)

    assert plan.shown == (f"{A}# pct set 100 --delete hookscript",)


def test_a_command_that_fails_is_told_in_its_own_words():
    cluster = Cluster(links={A: SOURCE, B: SOURCE})
    plan = plan_attach(cluster.world, cluster.survey(), 100)
    cluster.fails = "qm"

    with pytest.raises(StepStopped, match=r"qm set 100 .* failed: VM is locked \(backup\)"):
        carry_out(cluster.world, plan)


def test_a_command_that_ended_well_and_changed_nothing_is_told():
    cluster = Cluster(links={A: SOURCE, B: SOURCE})
    plan = plan_attach(cluster.world, cluster.survey(), 100)
    cluster._answer = lambda node, argv: (0, "")

    with pytest.raises(StepStopped, match="its configuration does not show it"):
        carry_out(cluster.world, plan)


def test_a_script_that_is_missing_where_its_guest_may_run_is_told():
    whole, partly = Cluster(OURS, links={A: SOURCE, B: SOURCE}), Cluster(OURS, links={A: SOURCE})

    assert list(judge_scripts(whole, whole.survey())) == []
    (told,) = judge_scripts(partly, partly.survey())
    assert (told.code, told.node) == ("PVE-W415", B)
    assert list(judge_scripts(Cluster(), Cluster().survey())) == []
    silent = Cluster(OURS, fails="pvesm")
    assert codes(judge_scripts(silent, silent.survey())) == ["VIEW-E001"]
