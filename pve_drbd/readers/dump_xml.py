"""`drbdadm dump-xml all`: the configuration as drbdadm of 8.3, 8.4 or 9 understood it.

Formats: dump_*_xml of drbd-utils in user/v9/drbdadm_dump.c, user/v84/drbdadm_main.c and, until utils 9.1,
user/v83/drbdadm_main.c (8.3: no <volume>, and `protocol` as an attribute).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import Address, DrbdConfig, HostVolume, ResourceConfig, ResourceHost
from pve_drbd.readers.fields import Odd

_SOURCE = "drbdadm dump-xml"
_END_OF_RESOURCE = "</resource>"
_MOST_DIGITS = 7
_ONCE = frozenset({"common", "device", "disk", "meta-disk", "flexible-meta-disk", "address"})
_DEVICE = re.compile(r"/dev/drbd([0-9]+)")
# What drbdadm prints of a pointer it does not have: a host whose address stands in its connections only.
_NOTHING = "(null)"

Options = dict[str, dict[str, str]]
Parts = dict[str, Element]


def read_dump_xml(text: str) -> DrbdConfig:
    """The configuration, resources and hosts in drbdadm's order.

    An option without a value (a flag of 8.3) reads 'yes'; 8.3's `protocol` stands among the net options, where it is
    on 8.4 and 9. ResourceHost.node_id is None: no drbdadm prints node ids here.
    Raises Unreadable for anything but one whole document without a document type, and for a resource, host, volume,
    minor or option that stands twice.
    """
    # Only a document type can define entities, and drbdadm prints none.
    if "<!DOCTYPE" in text:
        raise Unreadable(_SOURCE, text[: text.index("<!DOCTYPE")].count("\n") + 1, "it has a document type")
    try:
        return _config(_whole_elements(text))
    except ElementTree.ParseError as err:
        raise Unreadable(_SOURCE, err.position[0], f"not well-formed XML ({err.msg})") from err
    except UnicodeEncodeError as err:
        raise Unreadable(_SOURCE, 0, "a character that is not valid XML") from err
    except Odd as err:
        raise Unreadable(_SOURCE, 0, str(err)) from err


def _whole_elements(text: str) -> Iterator[Element]:
    """Each element as soon as it is whole; the root is the last.

    One resource is parsed at a time, so that the caller can drop it before the next: with a tree of all of them,
    Python's garbage collector takes a fifth of the time.
    """
    parser: ElementTree.XMLPullParser[Element] = ElementTree.XMLPullParser(events=("end",))
    *pieces, rest = text.split(_END_OF_RESOURCE)
    for piece in (*(piece + _END_OF_RESOURCE for piece in pieces), rest):
        parser.feed(piece)
        yield from _ended(parser)
    parser.close()
    # Expat may put off what it was fed last until it is closed.
    yield from _ended(parser)


def _ended(parser: ElementTree.XMLPullParser[Element]) -> Iterator[Element]:
    for _, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
        yield element


def _config(elements: Iterator[Element]) -> DrbdConfig:
    common: list[Options] = []
    resources: dict[str, ResourceConfig] = {}
    taken: set[tuple[str, int]] = set()
    for element in elements:
        if element.tag == "common":
            common.append(_options(element))
            element.clear()
        elif element.tag == "resource":
            resource = _named_resource(element)
            used = [(host.name, each.minor) for host in resource.hosts for each in host.volumes]
            if resource.name in resources or not taken.isdisjoint(used):
                raise Odd(f"resource {resource.name}: it stands twice, or one of its minors does")
            resources[resource.name] = resource
            taken.update(used)
            element.clear()
    if element.tag != "config" or len(element.findall("resource")) != len(resources):
        raise Odd("its resources do not stand in <config>")
    if len(common) > 1 or len(element.findall("common")) != len(common):
        raise Odd("<common> does not stand once in <config>")
    return DrbdConfig(common[0] if common else {}, tuple(resources.values()))


def _named_resource(element: Element) -> ResourceConfig:
    name = _attribute(element, "name")
    try:
        return _resource(element)
    except Odd as err:
        raise Odd(f"resource {name}: {err}") from err


def _resource(element: Element) -> ResourceConfig:
    hosts = [_host(each) for each in element.findall("host")]
    if len({host.name for host in hosts}) != len(hosts):
        raise Odd("a host stands twice in it")
    paths: list[Mapping[str, Address]] = []
    nets: list[Mapping[str, str]] = []
    for connection in element.findall("connection"):
        paths.extend(_path(each) for each in connection.findall("path") or [connection])
        nets.append(_options(connection).get("net", {}))
    return ResourceConfig(
        _attribute(element, "name"),
        tuple(hosts),
        _options(element),
        tuple(paths),
        _agreed(nets) if nets else None,
    )


def _agreed(nets: list[Mapping[str, str]]) -> Mapping[str, str]:
    """The options of several connections in one; '' for what one sets otherwise than another, or not at all."""
    if len(nets) == 1:
        return nets[0]
    names = sorted({name for net in nets for name in net})
    return {name: nets[0].get(name, "") if len({net.get(name) for net in nets}) == 1 else "" for name in names}


def _host(element: Element) -> ResourceHost:
    parts = _parts(element)
    address = _address(parts)
    if "name" in element.attrib:
        name = _attribute(element, "name")
    elif element.get("floating") == "1" and address is not None:
        name = f"{address.ip}:{address.port}"
    else:
        raise Odd("a host without a name")
    volumes: dict[int, HostVolume] = {}
    for each in element.findall("volume"):
        volume = _volume(each, _parts(each), _number(each, "vnr"))
        if volume.number in volumes:
            raise Odd(f"volume {volume.number} stands twice")
        volumes[volume.number] = volume
    if not volumes and "device" in parts:
        # 8.3 knows no volumes: what would stand in <volume vnr="0"> stands in <host>.
        volumes[0] = _volume(element, parts, 0)
    in_order = volumes.values() if len(volumes) == 1 else (volumes[number] for number in sorted(volumes))
    return ResourceHost(name, None, tuple(in_order), address)


def _volume(element: Element, parts: Parts, number: int) -> HostVolume:
    device = parts.get("device")
    if device is None:
        raise Odd("a volume without a device")
    minor, name = _number(device, "minor"), _content(device)
    named = _DEVICE.fullmatch(name)
    if name == "" or (named and named[1] != str(minor)):
        raise Odd(f"the device {name!r} is not minor {minor}")
    disk = _content(parts.get("disk"))
    meta = parts.get("meta-disk", parts.get("flexible-meta-disk"))
    index = f"[{_attribute(meta, 'index')}]" if meta is not None and "index" in meta.attrib else ""
    options = _options(element).get("disk")
    return HostVolume(number, minor, name, "" if disk == "none" else disk, _content(meta) + index, options)


def _path(element: Element) -> Mapping[str, Address]:
    found: dict[str, Address] = {}
    for host in element.findall("host"):
        name, address = _attribute(host, "name"), _address(_parts(host))
        if name in found:
            raise Odd(f"the host {name} stands twice in a connection")
        if address is not None:
            found[name] = address
    if len(element.findall("host")) != 2:
        raise Odd("a path that does not lead from one host to another")
    return found


def _address(parts: Parts) -> Address | None:
    address = parts.get("address")
    if address is None:
        raise Odd("a host without an address")
    if address.text == _NOTHING:
        return None
    ip = _content(address)
    if ip == "":
        raise Odd("an address without an IP")
    return Address(_attribute(address, "family"), ip, _number(address, "port"))


def _options(element: Element) -> Options:
    found: Options = {}
    for section in element.findall("section"):
        name = _attribute(section, "name")
        if name in found:
            raise Odd(f"the section {name} stands twice")
        found[name] = _settings(section)
    if "protocol" in element.attrib:
        protocol = _attribute(element, "protocol")
        if found.setdefault("net", {}).setdefault("protocol", protocol) != protocol:
            raise Odd("the option protocol stands twice")
    return found


def _settings(section: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for option in section.findall("option"):
        name = _attribute(option, "name")
        if name in found:
            raise Odd(f"the option {name} stands twice")
        found[name] = option.get("value", "yes")
    return found


def _parts(element: Element) -> Parts:
    """The children of `element` by tag: for those of _ONCE; of others, the last."""
    parts = {child.tag: child for child in element}
    if len(parts) != len(element):
        for child in element:
            if child.tag in _ONCE and parts[child.tag] is not child:
                raise Odd(f"<{child.tag}> stands twice")
    return parts


def _content(element: Element | None) -> str:
    text = "" if element is None else element.text or ""
    return "" if text == _NOTHING else text


def _attribute(element: Element, name: str) -> str:
    value = element.get(name, "")
    if value == "":
        raise Odd(f"<{element.tag}> without {name}")
    return value


def _number(element: Element, name: str) -> int:
    digits = _attribute(element, name)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS):
        raise Odd(f"{name}={digits[:40]!r} is no number")
    return int(digits)
