from __future__ import annotations

import re
from dataclasses import replace

import pytest
from drbd_samples import sample

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import Address, DrbdConfig, HostVolume, ResourceConfig, ResourceHost
from pve_drbd.readers.dump_xml import read_dump_xml


def lab_host(node: int, minor: int, disk: str) -> ResourceHost:
    volume = HostVolume(0, minor, f"/dev/drbd{minor}", disk, "internal")
    return ResourceHost(f"proxmox-{node}", None, (volume,), Address("ipv4", f"10.0.7.{node}", 7788 + minor))


def lab_resource(name: str, minor: int, disk: str) -> ResourceConfig:
    return ResourceConfig(name, (lab_host(105, minor, disk), lab_host(106, minor, disk)), {})


def with_connection(resource: ResourceConfig) -> ResourceConfig:
    path = {host.name: host.address for host in resource.hosts if host.address}
    return replace(resource, paths=(path,), connection_options={})


NET = {
    "protocol": "C",
    "cram-hmac-alg": "sha1",
    "shared-secret": "my-secret",
    "allow-two-primaries": "yes",
    "after-sb-0pri": "discard-zero-changes",
    "after-sb-1pri": "discard-secondary",
    "after-sb-2pri": "disconnect",
    "verify-alg": "md5",
}
LAB = (lab_resource("r0", 0, "/dev/vdb"), lab_resource("r1", 1, "/dev/vdc"))


def test_the_configuration_reads_with_84():
    found = read_dump_xml(sample("dump-xml", "8.4.11-healthy-105"))
    assert found.resources == LAB
    assert found.common["net"] == NET
    assert found.common["disk"] == {"disk-barrier": "no", "disk-flushes": "no"}
    assert found.common["startup"] == {"wfc-timeout": "0", "degr-wfc-timeout": "60", "become-primary-on": "both"}
    assert found.common["handlers"]["split-brain"] == "/usr/local/sbin/drbd-hook split-brain"


def test_the_configuration_reads_with_9_and_its_connections():
    found = read_dump_xml(sample("dump-xml", "9.2.18-healthy-105"))
    assert found.resources == tuple(with_connection(each) for each in LAB)
    assert found.common["net"] == NET


def test_a_third_resource_reads():
    found = read_dump_xml(sample("dump-xml", "8.4.11-vg-over-two-resources-105"))
    assert [each.name for each in found.resources] == ["r0", "r1", "r2"]
    assert found.resource("r2") == found.resources[2]


def test_the_form_of_83_reads_without_volumes_and_with_its_protocol_among_the_net_options():
    found = read_dump_xml(sample("dump-xml", "8.3-from-source"))
    assert found.common == {"syncer": {"rate": "30M"}, "net": {"protocol": "C"}}
    (resource,) = found.resources
    assert resource.host("proxmox-106") == ResourceHost(
        "proxmox-106",
        None,
        (HostVolume(0, 0, "/dev/drbd0", "/dev/sdb1", "/dev/sdc1"),),
        Address("ipv4", "10.0.7.106", 7788),
    )
    assert resource.options["net"] == {"allow-two-primaries": "yes", "after-sb-0pri": "discard-zero-changes"}


def test_stacked_and_floating_hosts_and_diskless_volumes_are_read():
    found = read_dump_xml(sample("dump-xml", "8.4-from-source-stacked"))
    lower, upper = found.resources
    assert lower.hosts[0].volumes == (
        HostVolume(0, 0, "/dev/drbd0", "/dev/sda6", "/dev/sdb1[0]"),
        HostVolume(1, 1, "/dev/drbd_two", "", "internal"),
    )
    assert lower.options == {"startup": {"stacked-timeouts": "yes"}, "proxy": {"memlimit": "100M"}}
    assert [host.name for host in upper.hosts] == ["alice bob", "192.168.42.2:7789"]
    assert upper.hosts[0].volumes == (HostVolume(0, 10, "/dev/drbd10", "/dev/drbd0", ""),)
    assert found.common == {}


def test_several_connections_of_9_keep_every_path_and_only_the_options_they_share():
    (found,) = read_dump_xml(sample("dump-xml", "9-from-source-three-nodes")).resources
    assert [host.address for host in found.hosts] == [None, None, None]
    assert [sorted(path) for path in found.paths] == [["pve1", "pve2"], ["pve1", "pve2"], ["backup", "pve1"]]
    assert found.paths[1]["pve2"] == Address("ipv4", "10.1.0.2", 7788)
    assert found.connection_options == {"allow-two-primaries": "", "protocol": "", "verify-alg": "crc32c"}
    assert found.options == {"options": {"quorum": "majority"}}


def test_a_host_without_an_address_is_left_out_of_its_path():
    text = sample("dump-xml", "9.2.18-healthy-105")
    nowhere = '<host name="proxmox-106"><address family="(null)" port="(null)">(null)</address></host>'
    known = '<host name="proxmox-106"><address family="ipv4" port="7788">10.0.7.106</address></host>'
    found = read_dump_xml(text.replace(known, nowhere)).resources[0]
    assert [list(path) for path in found.paths] == [["proxmox-105"]]


def test_a_configuration_without_resources_reads():
    assert read_dump_xml('<config file="/etc/drbd.conf">\n<!-- none -->\n</config>\n') == DrbdConfig({}, ())


HOST = """
  <host name="a">
    <volume vnr="0">
      <device minor="0">/dev/drbd0</device>
      <disk>/dev/sdb</disk>
      <meta-disk>internal</meta-disk>
    </volume>
    <address family="ipv4" port="7788">10.0.0.1</address>
  </host>"""
OTHER = HOST.replace('name="a"', 'name="b"')
SECTION = '\n  <section name="net">\n    <option name="protocol" value="C"/>\n  </section>'


def resource(*parts: str, name: str = "r0") -> str:
    return f'\n <resource name="{name}">{"".join(parts)}\n </resource>'


def config(*parts: str) -> str:
    return f'<config file="x">{"".join(parts)}\n</config>\n'


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "not well-formed"),
        ("<config>", 1, "not well-formed"),
        (config() + config(), 3, "not well-formed"),
        (config(resource(HOST), resource(OTHER, name="r1").replace("</host>", "")), 21, "not well-formed"),
        ('<!DOCTYPE config [<!ENTITY x "y">]>\n<config>&x;</config>\n', 1, "document type"),
        ('\n<!DOCTYPE config SYSTEM "file:///etc/passwd">\n<config/>\n', 2, "document type"),
        ("<config>&x;</config>\n", 1, "not well-formed"),
        ('<?xml version="1.0" encoding="nonsense"?>\n<drbd/>\n', 0, "<config>"),
        ("<config>\ud800</config>\n", 0, "not valid XML"),
        ("<resources/>\n", 0, "<config>"),
        ("<drbd>" + config() + "</drbd>", 0, "<config>"),
        (config("<x>", resource(HOST), "</x>"), 0, "do not stand in <config>"),
        (config(resource(HOST, resource(OTHER, name="r1"))), 0, "do not stand in <config>"),
        (config("<x><common/></x>"), 0, "<common> does not stand once"),
        (config("\n <common/>", "\n <common/>"), 0, "<common> does not stand once"),
        (config("\n <common>", SECTION, SECTION, "\n </common>"), 0, "section net stands twice"),
        (config(resource(HOST, SECTION.replace("<option", '<option name="protocol"/><option'))), 0, "option protocol"),
        (config(resource(HOST, SECTION.replace(' name="protocol"', ""))), 0, "<option> without name"),
        (config(resource(HOST).replace('name="r0"', 'name="r0" protocol="A"').replace("</res", SECTION + "</res")),
         0, "r0: the option protocol stands twice"),
        (config(resource(HOST).replace(' name="r0"', "")), 0, "<resource> without name"),
        (config(resource(HOST), resource(OTHER)), 0, "resource r0: it stands twice"),
        (config(resource(HOST), resource(HOST, name="r1")), 0, "resource r1: it stands twice, or one of its minors"),
        (config(resource(HOST, HOST)), 0, "r0: a host stands twice"),
        (config(resource(HOST.replace(' name="a"', ""))), 0, "r0: a host without a name"),
        (config(resource(HOST.replace('name="a"', 'floating="0"'))), 0, "r0: a host without a name"),
        (config(resource(HOST.replace(' vnr="0"', ""))), 0, "r0: <volume> without vnr"),
        (config(resource(HOST.replace("</host>", "<volume vnr='0'><device minor='1'>d</device></volume></host>"))),
         0, "r0: volume 0 stands twice"),
        (config(resource(HOST.replace('<device minor="0">/dev/drbd0</device>', ""))), 0, "r0: a volume without a dev"),
        (config(resource(HOST.replace(' minor="0"', ""))), 0, "r0: <device> without minor"),
        (config(resource(HOST.replace('minor="0"', 'minor="1"'))), 0, "r0: the device '/dev/drbd0' is not minor 1"),
        (config(resource(HOST.replace("/dev/drbd0", ""))), 0, "r0: the device '' is not minor 0"),
        (config(resource(HOST.replace('minor="0"', 'minor="-1"'))), 0, "r0: minor='-1' is no number"),
        (config(resource(HOST.replace("<disk>", "<disk>y</disk><disk>"))), 0, "r0: <disk> stands twice"),
        (config(resource(HOST.replace("10.0.0.1", ""))), 0, "r0: an address without an IP"),
        (config(resource(re.sub(r"<address.*</address>", "", HOST))), 0, "r0: a host without an address"),
        (config(resource(HOST.replace('port="7788"', 'port="x"'))), 0, "r0: port='x' is no number"),
        (config(resource(HOST.replace('family="ipv4" ', ""))), 0, "r0: <address> without family"),
        (config(resource(HOST, "\n<connection>", HOST, HOST, "\n</connection>")), 0, "r0: the host a stands twice"),
        (config(resource(HOST, "\n<connection>", HOST, "\n</connection>")), 0, "r0: a path that does not lead"),
    ],
)  # fmt: skip
def test_anything_but_one_whole_configuration_is_refused_with_its_place(text: str, line: int, why: str):
    with pytest.raises(Unreadable, match=why) as caught:
        read_dump_xml(text)
    assert (caught.value.source, caught.value.line) == ("drbdadm dump-xml", line)
