"""The lists of PVE's API: guests, cluster, storage entries, HA resources, version."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from damaged_text import sample, truncated, with_strange_bytes
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.pve import (
    Cluster,
    ClusterNode,
    Guest,
    GuestKind,
    GuestState,
    HaResource,
    StorageEntry,
)
from pve_drbd.readers.pve_lists import read_cluster, read_guests, read_ha, read_storages, read_version
from pve_drbd.readers.storage_cfg import read_storage_cfg
from pve_drbd.readers.strict_json import read_json

DIGEST = "40560ec38b0deb326b8a3e4e3e9abf3e97b4c6b1"
READERS: dict[str, Callable[[object], object]] = {
    "pve-lists/9.2.11-cluster-resources-vm.json": lambda answer: read_guests(answer, ()),
    "pve-lists/9.2.11-cluster-resources-all.json": lambda answer: read_guests(answer, ()),
    "pve-lists/9.2.11-cluster-status.json": read_cluster,
    "pve-lists/9.2.11-storage.json": read_storages,
    "pve-lists/9.2.11-ha-resources.json": read_ha,
    "pve-lists/9.2.11-ha-resources-none.json": read_ha,
    "pve-lists/9.2.11-version.json": read_version,
}


def answer(name: str) -> object:
    return json.loads(sample(f"pve-lists/9.2.11-{name}.json"))


def guest(**changed: object) -> dict[str, object]:
    entry: dict[str, object] = {"type": "qemu", "vmid": 100, "id": "qemu/100", "node": "pve1", "status": "running"}
    entry |= changed
    return {key: value for key, value in entry.items() if value is not None}


def entry(**changed: object) -> dict[str, object]:
    found: dict[str, object] = {"storage": "d0", "type": "drbdlvm", "vgname": "drbdvg", "digest": DIGEST, **changed}
    return {key: value for key, value in found.items() if value is not None}


def refusal(reader: Callable[[object], object], value: object) -> str:
    with pytest.raises(Unreadable) as refused:
        reader(value)
    return str(refused.value)


def guests(value: object) -> tuple[Guest, ...]:
    return read_guests(value, ())


def test_a_real_list_of_guests_is_read():
    expected = (Guest(100, GuestKind.VM, "pve1", "t100", GuestState.RUNNING),)
    assert read_guests(answer("cluster-resources-vm"), ()) == expected
    assert read_guests(answer("cluster-resources-all"), ()) == expected


def test_a_guest_of_a_node_that_does_not_report_is_unknown():
    assert guests([guest(status="unknown")])[0] == Guest(100, GuestKind.VM, "pve1", "", GuestState.UNKNOWN)


def test_everything_that_pve_tells_of_a_guest_is_read():
    told = guest(type="lxc", id="lxc/100", name="web", lock="backup", template=1, hastate="error", tags="a;b")
    assert guests([told]) == (
        Guest(
            *(100, GuestKind.CONTAINER, "pve1", "web", GuestState.RUNNING),
            lock="backup",
            is_template=True,
            ha_state="error",
            tags=("a", "b"),
        ),
    )


def test_what_ha_was_asked_for_comes_before_what_pve_shows():
    ha = (HaResource(100, "ignored"), HaResource(7, "started"))
    assert read_guests([guest(hastate="started")], ha)[0].ha_state == "ignored"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("stopped", GuestState.STOPPED),
        ("paused", GuestState.PAUSED),
        ("suspended", GuestState.SUSPENDED),
        ("prelaunch", GuestState.PAUSED),
        ("io-error", GuestState.PAUSED),
    ],
)
def test_qemus_own_run_states_are_those_of_a_guest_that_holds_its_disks(status, state):
    assert guests([guest(status=status)])[0].state is state


def test_guests_are_sorted_by_number():
    assert [each.vmid for each in guests([guest(vmid=900, id="qemu/900"), guest()])] == [100, 900]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({}, "the answer is not a list"),
        ([1], "the answer holds 1"),
        ([guest(type="openvz")], "type is 'openvz'"),
        ([guest(vmid=101)], "guest 101 has the id 'qemu/100'"),
        ([guest(vmid=99, id="qemu/99")], "guest 99 has the id"),
        ([guest(vmid=None)], "vmid is missing"),
        ([guest(node=None)], "node is missing"),
        ([guest(status="dreaming")], "status is 'dreaming'"),
        ([guest(status=None)], "status is missing"),
        ([guest(template=7)], "template is 7"),
        ([guest(**{"te%plate": 1})], "'te%plate' is not a key"),
        ([guest(), guest(node="pve2")], "guest 100 stands twice"),
    ],
)
def test_an_odd_list_of_guests_is_refused(value, why):
    assert f"/cluster/resources is unreadable: {why}" in refusal(guests, value)


def test_a_real_cluster_is_read():
    assert read_cluster(answer("cluster-status")) == Cluster(
        name="proto",
        is_quorate=True,
        nodes=(
            ClusterNode("pve1", is_online=True, is_local=True, ip="10.99.0.1"),
            ClusterNode("pve2", is_online=True, is_local=False, ip="10.99.0.2"),
        ),
    )


NODE = {"type": "node", "id": "node/pve1", "name": "pve1", "local": 1, "online": 1, "ip": "192.0.2.1"}
OTHER = {**NODE, "id": "node/pve2", "name": "pve2", "local": 0, "online": 0}
PAIR = {"type": "cluster", "id": "cluster", "name": "pair", "nodes": 2, "quorate": 0}


def test_a_node_outside_any_cluster_is_a_cluster_of_one():
    only = ClusterNode("pve1", is_online=True, is_local=True, ip="")
    assert read_cluster([{**NODE, "ip": None}]) == Cluster("", is_quorate=True, nodes=(only,))


def test_a_cluster_without_a_quorum_and_a_node_that_is_offline_are_told():
    cluster = read_cluster([PAIR, NODE, {key: value for key, value in OTHER.items() if key != "ip"}])
    assert not cluster.is_quorate
    assert cluster.nodes[1] == ClusterNode("pve2", is_online=False, is_local=False, ip="")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "it shows 0 nodes in 0 clusters"),
        ([NODE, OTHER], "it shows 2 nodes in 0 clusters, of 1"),
        ([PAIR, NODE], "it shows 1 nodes in 1 clusters, of 2"),
        ([PAIR, PAIR, NODE, OTHER], "it shows 2 nodes in 2 clusters"),
        ([PAIR, NODE, NODE], "node pve1 stands twice"),
        ([PAIR, NODE, {**OTHER, "local": 1}], "it does not tell which node answered"),
        ([{**NODE, "id": "node/pve2"}], "node pve1 has the id 'node/pve2'"),
        ([{**NODE, "type": "quorum"}], "type is 'quorum'"),
        ([{**NODE, "online": None}], "online is None"),
        ([{**PAIR, "quorate": "perhaps"}, NODE, OTHER], "quorate is 'perhaps'"),
        ([{key: value for key, value in PAIR.items() if key != "quorate"}, NODE, OTHER], "quorate is missing"),
        ([{**NODE, "ip": "somewhere"}], "ip is 'somewhere'"),
    ],
)
def test_an_odd_cluster_is_refused(value, why):
    assert why in refusal(read_cluster, value)


def test_real_entries_are_read_and_agree_with_the_file():
    told = read_storages(answer("storage"))
    assert told[0] == StorageEntry(
        storeid="d0",
        type="drbdlvm",
        vgname="drbdpool",
        is_shared=True,
        content=("images", "rootdir"),
        digest=DIGEST,
        options={},
    )
    in_file = read_storage_cfg(sample("storage-cfg/written-drbdlvm-and-lvm.cfg"))

    def comparable(entries):
        return sorted(
            (each.storeid, each.type, each.vgname, each.is_shared, each.nodes, each.content, each.options)
            for each in entries
        )

    assert comparable(in_file) == comparable(told)


def test_flags_and_lists_of_an_entry_are_read_in_every_spelling():
    found = read_storages([entry(disable="1", nodes="pve2,pve1", content="rootdir,images", saferemove=1)])[0]
    assert found == StorageEntry(
        storeid="d0",
        type="drbdlvm",
        vgname="drbdvg",
        is_shared=True,
        is_disabled=True,
        nodes=("pve1", "pve2"),
        content=("images", "rootdir"),
        digest=DIGEST,
        options={"saferemove": "1"},
    )


@pytest.mark.parametrize(
    ("kind", "is_shared"), [("lvm", False), ("drbdlvm", True), ("nfs", True), ("dir", False), ("new", False)]
)
def test_some_types_are_shared_whatever_the_entry_says(kind, is_shared):
    assert read_storages([entry(type=kind, shared=0)])[0].is_shared is is_shared


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([entry(vgname=None)], "vgname is missing"),
        ([entry(type="lvm", vgname="")], "vgname is ''"),
        ([entry(storage="d")], "storage is 'd'"),
        ([entry(type=None)], "type is missing"),
        ([entry(shared="yes please")], "shared is 'yes please'"),
        ([entry(nodes="")], "nodes is empty"),
        ([entry(nodes="pve1,-")], "nodes holds '-'"),
        ([entry(content="images,7")], "content holds '7'"),
        ([entry(), entry()], "entry d0 stands twice"),
        ([entry(), entry(storage="d1", digest="0" * 40)], "do not have one digest"),
        ([entry(**{"disabl%": 1})], "'disabl%' is not a key"),
    ],
)
def test_an_odd_entry_is_refused(value, why):
    assert why in refusal(read_storages, value)


def test_real_ha_resources_are_read():
    assert read_ha(answer("ha-resources")) == (HaResource(100, "started"),)
    assert read_ha(answer("ha-resources-none")) == ()


def test_an_ha_resource_is_started_unless_told():
    told = [{"sid": "ct:101", "group": "both"}, {"sid": "vm:100", "state": "enabled"}]
    assert read_ha(told) == (HaResource(100, "started"), HaResource(101, "started", "both"))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([{"sid": "service:x"}], "sid is 'service:x'"),
        ([{"sid": "vm:100", "type": "ct"}], "resource vm:100 is of type 'ct'"),
        ([{"sid": "vm:100", "state": "frozen"}], "state is 'frozen'"),
        ([{"sid": "vm:100"}, {"sid": "ct:100"}], "resource 100 stands twice"),
    ],
)
def test_odd_ha_resources_are_refused(value, why):
    assert why in refusal(read_ha, value)


def test_the_version_is_read():
    assert read_version(answer("version")) == "9.2.11"
    for odd in ({}, [], {"version": "new"}, {"version": 9}):
        assert refusal(read_version, odd).startswith("/version is unreadable: version is")


@pytest.mark.parametrize("name", READERS)
def test_damage_on_the_way_is_refused_or_changes_nothing_that_is_held_against_something_else(name):
    text = sample(name)
    whole = READERS[name](json.loads(text))
    for damaged in (*truncated(text, 2000), *with_strange_bytes(text, 2000)):
        try:
            found = READERS[name](read_json(damaged, name))
        except Unreadable:
            continue
        if isinstance(whole, tuple):
            assert len(found) == len(whole)  # type: ignore[arg-type]
        if isinstance(whole, Cluster):
            assert found.nodes == whole.nodes  # type: ignore[attr-defined]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: (
        st.lists(each, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "id", "vmid", "name", "sid", "storage"]) | st.text(), each, max_size=5
        )
    ),
)


@given(st.sampled_from(sorted(READERS)), JSON | st.lists(st.builds(guest, name=JSON, type=JSON)) | st.lists(JSON))
def test_no_answer_at_all_ends_in_anything_but_a_value_or_a_refusal(name, value):
    with suppress(Unreadable):
        READERS[name](value)
