"""The real nodes of a cluster, found as PVE finds them: by the member list of pmxcfs, through a real sshd."""

import re
import threading

import pytest
from throwaway_sshd import WHY_NOT, ThrowawaySshd

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.adapters.live import live_hosts
from pve_drbd.adapters.local import LocalCommands, local_node
from pve_drbd.errors import ConfigInvalid, Unreachable

PEER = local_node()

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    server = ThrowawaySshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.close()


MEMBERS = """\
{{
"nodename": "pve-a",
"version": 2,
"cluster": {{ "name": "pair", "version": 2, "nodes": 2, "quorate": 1 }},
"nodelist": {{
  "pve-a": {{ "id": 1, "online": 1, "ip": "127.0.0.1"}},
  "{peer}": {{ "id": 2, "online": 1, "ip": "127.0.0.1"}}
  }}
}}
"""


@pytest.fixture
def etc_pve(sshd, tmp_path):
    (tmp_path / ".members").write_text(MEMBERS.format(peer=PEER))
    sshd.known_hosts(PEER, tmp_path / "nodes" / PEER / "ssh_known_hosts")
    return tmp_path


def test_both_nodes_of_a_cluster_are_asked_at_once_from_two_threads(sshd, etc_pve):
    hosts = live_hosts(LocalCommands("pve-a"), etc_pve=str(etc_pve), ssh_options=sshd.options)
    answers = {}

    def ask(node):
        answers[node] = [hosts.run(node, ("sh", "-c", f"sleep 0.1; echo {n}"), 5.0) for n in range(4)]

    threads = [threading.Thread(target=ask, args=(node,)) for node in hosts.nodes()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hosts.close()
    assert set(answers) == {"pve-a", PEER}
    for results in answers.values():
        assert all(isinstance(result, CommandResult) for result in results)
        assert [result.out for result in results] == ["0\n", "1\n", "2\n", "3\n"]


def test_no_ssh_is_started_for_a_member_that_nobody_asks(sshd, etc_pve):
    before = sshd.logins
    hosts = live_hosts(LocalCommands("pve-a"), etc_pve=str(etc_pve), ssh_options=sshd.options)
    hosts.run("pve-a", ("true",), 5.0)
    hosts.close()
    assert sshd.logins == before


def test_without_pmxcfs_there_are_no_live_nodes(tmp_path):
    with pytest.raises(Unreachable, match="systemctl status pve-cluster"):
        live_hosts(LocalCommands("pve-a"), etc_pve=str(tmp_path))


def test_a_node_that_pve_knows_by_another_name_is_told(etc_pve):
    with pytest.raises(ConfigInvalid, match=r"calls itself pve-z, but PVE knows it as pve-a"):
        live_hosts(LocalCommands("pve-z"), etc_pve=str(etc_pve))


def test_a_name_of_the_peer_that_leads_back_here_is_not_taken_for_the_peer(sshd, etc_pve):
    """Debian writes `127.0.1.1 NAME` into /etc/hosts; a copied hosts file does that for the wrong node."""
    text = (etc_pve / ".members").read_text().replace(f'"{PEER}"', '"localhost"').replace(', "ip": "127.0.0.1"', "")
    (etc_pve / ".members").write_text(text)
    sshd.known_hosts("localhost", etc_pve / "nodes" / "localhost" / "ssh_known_hosts")
    hosts = live_hosts(LocalCommands("pve-a"), etc_pve=str(etc_pve), ssh_options=sshd.options)
    with pytest.raises(Unreachable, match=f"calls itself {re.escape(PEER)}"):
        hosts.run("localhost", ("true",), 5.0)
