"""UPIDs as Proxmox VE writes them, and everything that only looks like one."""

import pytest

from pve_drbd.errors import Unreadable
from pve_drbd.readers.upid import read_upid

REAL = "UPID:pve-a:00003199:00069250:6B02BF51:qmigrate:100:root@pam:"


def test_a_upid_names_the_worker_and_the_guest():
    found = read_upid(REAL)

    assert (found.node, found.pid, found.started_ticks, found.started_at) == ("pve-a", 0x3199, 0x69250, 0x6B02BF51)
    assert (found.type, found.subject, found.user, found.text) == ("qmigrate", "100", "root@pam", REAL)


def test_a_node_that_is_up_for_years_has_a_ninth_digit():
    assert read_upid(REAL.replace("00069250", "123456789")).started_ticks == 0x123456789


def test_a_token_s_task_and_one_without_a_subject_are_tasks_too():
    assert read_upid(REAL.replace("root@pam", "pve-drbd@pve!read")).user == "pve-drbd@pve!read"
    assert read_upid(REAL.replace(":100:", "::")).subject == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        REAL[:-1],
        f"{REAL}\n",
        f" {REAL}",
        f"{REAL}{REAL}",
        REAL.replace("00003199", "3199"),
        REAL.replace("00003199", "0000319G"),
        REAL.replace("00003199", "00000000"),
        REAL.replace("00003199", "00000001"),
        REAL.replace("00069250", "1234567890"),
        REAL.replace("pve-a", "-a"),
        REAL.replace("pve-a", ""),
        REAL.replace("100", "1/0"),
        REAL.replace("3199", "３１９９"),
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(Unreadable, match="the UPID"):
        read_upid(text)
