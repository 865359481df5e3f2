"""What a node remembers of entries, what it has of the plugin, and what pveum says of users, roles and tokens."""

import json

import pytest

from pve_drbd.errors import Unreadable
from pve_drbd.model.entry import Daemon, KnownEntry, PluginAccount
from pve_drbd.readers.access import (
    read_acl,
    read_new_token,
    read_permissions,
    read_roles,
    read_tokens,
    read_users,
)
from pve_drbd.readers.known_entries import known_text, read_known
from pve_drbd.readers.plugin import read_daemons, read_plugin

KNOWN = (
    KnownEntry("a1", "drbdlvm", "drbdvg", True, ("pve-a", "pve-b"), ("images",), "uuid", "2026-11-20T08:00:00Z"),
    KnownEntry("b1", "lvm", "drbdvg1"),
)


def test_what_is_remembered_is_read_again_as_it_was():
    assert read_known(known_text(reversed(KNOWN))) == KNOWN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 2, "entries": []}',
        '{"format": 1}',
        '{"format": 1, "entries": [1]}',
        '{"format": 1, "entries": [{"storage": "a", "type": "lvm"}]}',
        '{"format": 1, "entries": [{"storage": "a", "type": "lvm", "vg": "v", "nodes": "x"}]}',
        known_text(KNOWN)[:-10],
    ],
)
def test_a_damaged_memory_is_unreadable(text):
    with pytest.raises(Unreadable):
        read_known(text)


def test_the_plugin_of_a_node_is_read():
    answer = json.dumps({"apiver": 15, "changed_at": 1763800000.5, "sha256": "a" * 64})

    assert read_plugin(answer, "pve-a") == PluginAccount("pve-a", "a" * 64, 1763800000.5)
    assert read_plugin('{"problem": "it did not load"}', "pve-a").problem == "it did not load"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": "x", "changed_at": 1}', '{"sha256": 1, "changed_at": 1}'])
def test_another_answer_of_the_program_is_unreadable(text):
    with pytest.raises(Unreadable):
        read_plugin(text, "pve-a")


UNITS = """Id=pvedaemon.service
LoadState=loaded
ActiveState=active
StateChangeTimestamp=Fri 2026-11-20 08:00:03.481216 UTC

Id=spiceproxy.service
LoadState=loaded
ActiveState=inactive
StateChangeTimestamp=

Id=nosuch.service
LoadState=not-found
ActiveState=inactive
StateChangeTimestamp=

Id=pveproxy.service
LoadState=loaded
ActiveState=reloading
StateChangeTimestamp=Fri 2026-11-20 08:00:03.481217 UTC
"""


def test_the_daemons_are_read_with_the_moment_at_which_they_last_loaded_plugins():
    at = 1795161603.481216

    assert read_daemons(UNITS) == (
        Daemon("pvedaemon.service", True, at),
        Daemon("pveproxy.service", True, pytest.approx(at + 1e-6, abs=1e-7)),
        Daemon("spiceproxy.service", False, 0.0),
    )


@pytest.mark.parametrize("damage", [("Id=pvedaemon.service\n", ""), ("Fri 2026-11-20 08:00:03.481216 UTC", "n/a")])
def test_units_without_a_name_or_a_time_are_unreadable(damage):
    with pytest.raises(Unreadable):
        read_daemons(UNITS.replace(*damage, 1))


def test_pveums_lists_are_read():
    users = [{"userid": "root@pam", "enable": 1}, {"userid": "pve-drbd@pve"}]
    roles = [{"roleid": "NoAccess", "privs": "", "special": 1}, {"roleid": "DrbdRead", "privs": "VM.Audit,Sys.Audit"}]
    acl = [
        {"path": "/", "type": "user", "ugid": "pve-drbd@pve", "roleid": "DrbdRead", "propagate": 1},
        {"path": "/", "type": "token", "ugid": "pve-drbd@pve!t", "roleid": "DrbdRead", "propagate": 0},
        {"path": "/vms", "type": "user", "ugid": "x@pve", "roleid": "PVEAuditor", "propagate": 1},
    ]

    assert read_users(json.dumps(users)) == {"root@pam", "pve-drbd@pve"}
    assert read_roles(json.dumps(roles)) == {"NoAccess": frozenset(), "DrbdRead": {"VM.Audit", "Sys.Audit"}}
    assert read_acl(json.dumps(acl)) == {("user", "pve-drbd@pve", "DrbdRead")}
    assert read_tokens('[{"tokenid": "drbd-pve-a", "privsep": 1, "expire": 0}]') == {"drbd-pve-a"}
    assert read_permissions('{"/": {"VM.Audit": 1}}') == {"VM.Audit"}
    assert read_permissions("{}") == frozenset()


def test_a_new_tokens_secret_is_read_and_in_no_error():
    assert read_new_token('{"full-tokenid": "u@pve!t", "info": {}, "value": "s3cret"}') == "s3cret"
    with pytest.raises(Unreadable) as refusal:
        read_new_token('{"value": ["s3cret"]}')
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (read_users, '[{"user": "x"}]'),
        (read_roles, '{"roleid": "x"}'),
        (read_acl, '[{"path": "/", "propagate": 1}]'),
        (read_tokens, "null"),
        (read_permissions, '{"/": []}'),
        (read_permissions, "[]"),
    ],
)
def test_other_answers_of_pveum_are_unreadable(reader, text):
    with pytest.raises(Unreadable):
        reader(text)
