"""`drbdadm dump-xml all`: the configuration as drbdadm of 8.3, 8.4 or 9 understood it.

Formats: dump_*_xml of drbd-utils in user/v9/drbdadm_dump.c, user/v84/drbdadm_main.c and, until utils 9.1,
user/v83/drbdadm_main.c (8.3: no <volume>, and `protocol` as an attribute).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import Address, DrbdConfig, HostVolume, ResourceConfig, ResourceHost

_SOURCE = "drbdadm dump-xml"
_MOST_DIGITS = 7
_DEVICE = re.compile(r"/dev/drbd([0-9]+)")
# What drbdadm prints of a pointer it does not have: a host whose address stands in its connections only.
_NOTHING = "(null)"

Options = dict[str, dict[str, str]]
Children = dict[str, list[Element]]


class _Odd(ValueError):
    """The text is XML, but `element` does not say what it has to."""

    def __init__(self, element: Element, why: str) -> None:
        super().__init__(why)
        self.element = element


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
        root = ElementTree.fromstring(text)  # noqa: S314 - without a document type there are no entities
        return _config(root)
    except ElementTree.ParseError as err:
        raise Unreadable(_SOURCE, err.position[0], f"not well-formed XML ({err.msg})") from err
    except _Odd as err:
        raise Unreadable(_SOURCE, _line_of(text, root, err.element), str(err)) from err
    except UnicodeEncodeError as err:
        raise Unreadable(_SOURCE, 0, "a character that is not valid XML") from err


def _config(root: Element) -> DrbdConfig:
    if root.tag != "config":
        _refuse(root, "it does not begin with <config>")
    children = _children(root)
    common = _only(children, "common")
    resources: dict[str, ResourceConfig] = {}
    taken: set[tuple[str, int]] = set()
    for element in children.get("resource", ()):
        resource = _resource(element)
        used = [(host.name, each.minor) for host in resource.hosts for each in host.volumes]
        if resource.name in resources or not taken.isdisjoint(used):
            _refuse(element, f"the resource {resource.name}, or one of its minors, stands twice")
        resources[resource.name] = resource
        taken.update(used)
    return DrbdConfig({} if common is None else _options(common, _children(common)), tuple(resources.values()))


def _resource(element: Element) -> ResourceConfig:
    children = _children(element)
    hosts = [_host(each) for each in children.get("host", ())]
    if len({host.name for host in hosts}) != len(hosts):
        _refuse(element, "a host stands twice in it")
    paths: list[Mapping[str, Address]] = []
    nets: list[Mapping[str, str]] = []
    for connection in children.get("connection", ()):
        inner = _children(connection)
        paths.extend(_path(_children(path)) for path in inner.get("path", ()))
        if "path" not in inner:
            paths.append(_path(inner))
        nets.append(_options(connection, inner).get("net", {}))
    return ResourceConfig(
        _attribute(element, "name"),
        tuple(hosts),
        _options(element, children),
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
    children = _children(element)
    address = _address(children)
    if "name" in element.attrib:
        name = _attribute(element, "name")
    elif element.get("floating") == "1" and address is not None:
        name = f"{address.ip}:{address.port}"
    else:
        _refuse(element, "a host without a name")
    volumes: dict[int, HostVolume] = {}
    for each in children.get("volume", ()):
        volume = _volume(each, _children(each), _number(each, "vnr"))
        if volume.number in volumes:
            _refuse(each, f"volume {volume.number} stands twice")
        volumes[volume.number] = volume
    if not volumes and "device" in children:
        # 8.3 knows no volumes: what would stand in <volume vnr="0"> stands in <host>.
        volumes[0] = _volume(element, children, 0)
    in_order = volumes.values() if len(volumes) == 1 else (volumes[number] for number in sorted(volumes))
    return ResourceHost(name, None, tuple(in_order), address)


def _volume(element: Element, children: Children, number: int) -> HostVolume:
    device = _only(children, "device")
    if device is None:
        _refuse(element, "a volume without a device")
    minor, name = _number(device, "minor"), _content(device)
    named = _DEVICE.fullmatch(name)
    if name == "" or (named and named[1] != str(minor)):
        _refuse(device, f"the device {name!r} is not minor {minor}")
    disk = _content(_only(children, "disk"))
    meta = _only(children, "flexible-meta-disk" if "flexible-meta-disk" in children else "meta-disk")
    index = f"[{_attribute(meta, 'index')}]" if meta is not None and "index" in meta.attrib else ""
    return HostVolume(number, minor, name, "" if disk == "none" else disk, _content(meta) + index)


def _path(children: Children) -> Mapping[str, Address]:
    found: dict[str, Address] = {}
    for host in children.get("host", ()):
        name, address = _attribute(host, "name"), _address(_children(host))
        if name in found:
            _refuse(host, f"the host {name} stands twice in a connection")
        if address is not None:
            found[name] = address
    return found


def _address(children: Children) -> Address | None:
    address = _only(children, "address")
    if address is None or address.text == _NOTHING:
        return None
    ip = _content(address)
    if ip == "":
        _refuse(address, "an address without an IP")
    return Address(_attribute(address, "family"), ip, _number(address, "port"))


def _options(element: Element, children: Children) -> Options:
    found: Options = {}
    for section in children.get("section", ()):
        name = _attribute(section, "name")
        if name in found:
            _refuse(section, f"the section {name} stands twice")
        found[name] = _settings(section)
    if "protocol" in element.attrib:
        protocol = _attribute(element, "protocol")
        if found.setdefault("net", {}).setdefault("protocol", protocol) != protocol:
            _refuse(element, "the option protocol stands twice")
    return found


def _settings(section: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for option in _children(section).get("option", ()):
        name = _attribute(option, "name")
        if name in found:
            _refuse(option, f"the option {name} stands twice")
        found[name] = option.get("value", "yes")
    return found


def _children(element: Element) -> Children:
    found: Children = {}
    for child in element:
        found.setdefault(child.tag, []).append(child)
    return found


def _only(children: Children, tag: str) -> Element | None:
    found = children.get(tag)
    if found is None:
        return None
    if len(found) > 1:
        _refuse(found[1], f"<{tag}> stands twice")
    return found[0]


def _content(element: Element | None) -> str:
    text = "" if element is None else element.text or ""
    return "" if text == _NOTHING else text


def _attribute(element: Element, name: str) -> str:
    value = element.get(name, "")
    if value == "":
        _refuse(element, f"<{element.tag}> without {name}")
    return value


def _number(element: Element, name: str) -> int:
    digits = _attribute(element, name)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS):
        _refuse(element, f"{name}={digits[:40]!r} is no number")
    return int(digits)


def _refuse(element: Element, why: str) -> NoReturn:
    raise _Odd(element, why)


def _line_of(text: str, root: Element, element: Element) -> int:
    """The line on which `element` begins, from a second reading that counts the elements by line."""
    index = next(number for number, each in enumerate(root.iter()) if each is element)
    parser: ElementTree.XMLPullParser[Element] = ElementTree.XMLPullParser(events=("start",))
    seen = 0
    lines = iter(text.split("\n"))
    while seen <= index:
        parser.feed(next(lines) + "\n")
        seen += sum(1 for _ in parser.read_events())
    return text.count("\n") + 1 - sum(1 for _ in lines)
