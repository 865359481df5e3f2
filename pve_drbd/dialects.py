"""The one table from a DRBD series (8.3, 8.4, 9) to its commands, readers, verbs and default options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from pve_drbd.errors import ConfigInvalid, Unreadable
from pve_drbd.model.drbd import HostVolume, Version

# A reading command was seen to take 40 to 340 ms on emulated nodes. Ten times the slowest is about 4 s: what takes
# longer hangs (LVM on suspended I/O, in D state), and a gate that waits for two of them has 10 s in all.
_READING_TIMEOUT_S = 4
# Two echo requests 0.2 s apart, the second one waited for 1 s: ping itself ends within 1.2 s.
_PING_TIMEOUT_S = 2
# The bitmap has 32 MiB a TiB: 30 s are enough to read that of 64 TiB from a slow disk. No gate waits for it.
_DUMP_TIMEOUT_S = 30
_DEBUGFS = "/sys/kernel/debug/drbd/resources"


@dataclass(frozen=True, slots=True)
class Command:
    """A reading command: its name in a bundle, its argv, and the module of pve_drbd.readers for its answer.

    `reader` is '' where no reader is needed.
    """

    name: str
    argv: tuple[str, ...]
    timeout_s: int
    reader: str


class Verb(Enum):
    """What a plan, or an operator who follows it, does to a resource."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    DISCONNECT = "disconnect"
    CONNECT = "connect"
    CONNECT_DISCARDING = "connect, discarding this node's changes"
    VERIFY = "verify"
    ADJUST_DRY_RUN = "adjust, dry run"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One DRBD series: how it is read, how it is acted on, and what its options default to.

    `cannot_answer` names the reading commands to which this series has no answer. `may_act` is false where its verbs
    are only shown, never run. `net_defaults` includes `fencing`, wherever the series configures it:
    `fencing_section` names that section. `metadata_format` is drbdmeta's name for the metadata on the disk.
    """

    series: str
    commands: tuple[Command, ...]
    cannot_answer: frozenset[str]
    may_act: bool
    verbs: Mapping[Verb, tuple[str, ...]]
    net_defaults: Mapping[str, str]
    fencing_section: str
    metadata_format: str

    @property
    def answered(self) -> tuple[Command, ...]:
        """The reading commands that this series answers, in the order in which they are run."""
        return tuple(each for each in self.commands if each.name not in self.cannot_answer)

    def changes_commands(self, resource: str, volume: HostVolume) -> tuple[Command, Command, Command]:
        """What tells which blocks of `volume` a node has changed since the split, in the order to ask it.

        First the activity log, then the bitmap on the disk, then the log again: what a write adds in between stands in
        one of the three. All of them only read. A command that is asked twice has two forms, so that a recording keeps
        both answers; EVENTS_AGAIN comes after those of all volumes.
        Raises ConfigInvalid where no command can be made of the names.
        """
        name, number = f"{resource}-{volume.number}", volume.number
        log = f"{_DEBUGFS}/{_checked(resource)}/volumes/{number}/act_log_extents"
        # `-` takes no lock and asks no kernel; --force stands for the question whether to read a disk that is in use.
        dump = ("drbdmeta", "--force", "-", self.metadata_format, *_metadata_of(volume), "dump-md")
        return (
            Command(f"act-log-{name}", ("cat", log), _READING_TIMEOUT_S, "act_log"),
            Command(f"dump-md-{name}", dump, _DUMP_TIMEOUT_S, "metadata_dump"),
            Command(f"act-log-again-{name}", ("cat", "--", log), _READING_TIMEOUT_S, "act_log"),
        )

    def argv(self, verb: Verb, resource: str) -> tuple[str, ...]:
        """The exact command of `verb` on `resource` ('all' is drbdadm's own word for every resource)."""
        return (*self.verbs[verb], _checked(resource))


def _checked(resource: str) -> str:
    is_path = "/" in resource or resource in (".", "..")
    if not resource or resource.startswith("-") or not resource.isprintable() or " " in resource or is_path:
        raise ConfigInvalid(f"{resource!r} is not the name of a DRBD resource")
    return resource


def _metadata_of(volume: HostVolume) -> tuple[str, str]:
    """The device that holds the volume's metadata, and where on it, as drbdmeta wants it.

    Source: drbd-utils user/v9/drbdadm_main.c, _adm_drbdmeta; dump-xml leaves out the word for flexible metadata.
    """
    device, bracket, index = volume.meta_disk.removesuffix("]").partition("[")
    found = (volume.disk, "internal") if volume.meta_disk == "internal" else (device, index or "flex-external")
    if not found[0].startswith("/") or not found[0].isprintable() or (bracket and not index.isdecimal()):
        raise ConfigInvalid(f"{volume.device} has its metadata on {volume.meta_disk!r} of {volume.disk!r}: not a disk")
    return found


def _reading(name: str, argv: str, reader: str) -> Command:
    return Command(name, tuple(argv.split(" ")), _READING_TIMEOUT_S, reader)


DRBD_COMMANDS = (
    _reading("drbdadm-version", "drbdadm --version", "versions"),
    _reading("proc-drbd", "cat /proc/drbd", "proc_drbd"),
    _reading("events2", "drbdsetup events2 --now --statistics --timestamps", "events2"),
    _reading("status-json", "drbdsetup status --json", "drbdsetup_json"),
    _reading("show-json", "drbdsetup show --json --show-defaults", "drbdsetup_json"),
    _reading("dump-xml", "drbdadm dump-xml all", "dump_xml"),
    _reading("get-gi", "drbdadm get-gi all", "generation_ids"),
)
"""What is asked of every node about DRBD, in this order; a series answers `Dialect.answered` of it."""

ADJUST_DRY_RUN = _reading("adjust-dry-run", "drbdadm -d adjust all", "")
"""What a tool that runs adjust would do, asked only of a node with a StandAlone resource; -d changes nothing."""

EVENTS_AGAIN = _reading("events2-again", "drbdsetup events2 --now --statistics", "events2")
"""Out-of-sync after the bitmaps were read: are they all of it; asked only after them."""

COMMON_COMMANDS = (
    _reading(
        "lvs",
        "lvs -a --reportformat json --units b --nosuffix -o lv_uuid,lv_name,vg_name,lv_size,lv_attr,lv_active,"
        "lv_device_open,lv_health_status,lv_host,lv_time,lv_tags,segtype,seg_start_pe,seg_pe_ranges,devices,"
        "lv_kernel_major,lv_kernel_minor",
        "lvm",
    ),
    _reading(
        "vgs",
        "vgs --reportformat json --units b --nosuffix -o vg_uuid,vg_name,vg_seqno,vg_attr,vg_size,vg_free,"
        "vg_extent_size,vg_missing_pv_count,pv_name",
        "lvm",
    ),
    _reading(
        "pvs",
        "pvs --reportformat json --units b --nosuffix -o pv_uuid,pv_name,vg_name,pv_size,pv_free,pv_attr,pv_missing,"
        "pv_duplicate,pe_start",
        "lvm",
    ),
    _reading("lvmconfig", "lvmconfig --typeconfig full devices", "lvm_filters"),
    _reading("lsblk", "lsblk --json --bytes -o NAME,KNAME,PKNAME,MAJ:MIN,TYPE,SIZE,FSTYPE,MOUNTPOINTS", "devices"),
    _reading("dmsetup", "dmsetup info -c --noheadings --separator : -o name,major,minor,open,uuid", "devices"),
    _reading("dmsetup-table", "dmsetup table", "dm_table"),
    _reading("diskstats", "cat /proc/diskstats", "devices"),
    _reading("uname", "uname -n", ""),
    _reading("ip-address", "ip -json address show", "addresses"),
)
"""What is asked of every node after DRBD, in this order: with I/O suspended, LVM hangs and DRBD does not."""

READING_NAMES: Mapping[tuple[str, ...], str] = MappingProxyType(
    {each.argv: each.name for each in (*DRBD_COMMANDS, ADJUST_DRY_RUN, *COMMON_COMMANDS, EVENTS_AGAIN)}
)
"""The names of the reading commands in a bundle, by argv."""


def get_gi_command(name: str, resource: str, volume: int) -> Command:
    """The generation identifiers of one volume alone, for where the lines of `get-gi` for all cannot be assigned."""
    return Command(name, ("drbdadm", "get-gi", f"{_checked(resource)}/{volume}"), _READING_TIMEOUT_S, "generation_ids")


def ping_argv(interface: str, own: str, peer: str) -> tuple[str, ...]:
    """ICMP from our replication address `own`, held by `interface`, to the peer's: a gateway cannot answer for it."""
    return ("ping", "-n", "-q", "-c", "2", "-i", "0.2", "-W", "1", "-I", interface, "-I", own, peer)


def ping_command(interface: str, own: str, peer: str) -> Command:
    """The ping of `ping_argv` as a command of the reading set."""
    return Command("ping", ping_argv(interface, own, peer), _PING_TIMEOUT_S, "addresses")


# Sources: UG 8.4 troubleshooting, UG 9 drbd-troubleshooting; 8.3: the old Proxmox VE wiki page on DRBD (facts 8.1).
_VERBS: Mapping[Verb, tuple[str, ...]] = MappingProxyType(
    {
        Verb.PRIMARY: ("drbdadm", "primary"),
        Verb.SECONDARY: ("drbdadm", "secondary"),
        Verb.DISCONNECT: ("drbdadm", "disconnect"),
        Verb.CONNECT: ("drbdadm", "connect"),
        Verb.CONNECT_DISCARDING: ("drbdadm", "connect", "--discard-my-data"),
        Verb.VERIFY: ("drbdadm", "verify"),
        # Only with -d: a real adjust reconnects StandAlone resources, and with them starts a resync nobody chose.
        Verb.ADJUST_DRY_RUN: ("drbdadm", "-d", "adjust"),
    }
)

# Sources: drbd_limits.h of drbd-8.4.11 and of drbd-headers for 9 (DRBD_*_DEF; timeout and ping-timeout in 0.1 s,
# ping-int and connect-int in s). 8.3.2 and 8.3.16 differ in ko-count, and had no default protocol: it must be set.
_NET_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "protocol": "C",
        "allow-two-primaries": "no",
        "after-sb-0pri": "disconnect",
        "after-sb-1pri": "disconnect",
        "after-sb-2pri": "disconnect",
        "always-asbp": "no",
        "rr-conflict": "disconnect",
        "fencing": "dont-care",
        "timeout": "60",
        "ko-count": "7",
        "ping-int": "10",
        "ping-timeout": "5",
        "connect-int": "10",
        "verify-alg": "",
        "data-integrity-alg": "",
        "cram-hmac-alg": "",
    }
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        each.series: each
        for each in (
            Dialect(
                series="8.3",
                commands=DRBD_COMMANDS,
                cannot_answer=frozenset({"events2", "status-json", "show-json"}),
                may_act=False,
                verbs=MappingProxyType(
                    {**_VERBS, Verb.CONNECT_DISCARDING: ("drbdadm", "--", "--discard-my-data", "connect")}
                ),
                net_defaults=MappingProxyType({**_NET_DEFAULTS, "protocol": "", "ko-count": "0"}),
                fencing_section="disk",
                metadata_format="v08",
            ),
            Dialect(
                series="8.4",
                commands=DRBD_COMMANDS,
                cannot_answer=frozenset({"status-json", "show-json"}),
                may_act=True,
                verbs=_VERBS,
                net_defaults=_NET_DEFAULTS,
                fencing_section="disk",
                metadata_format="v08",
            ),
            Dialect(
                series="9",
                commands=DRBD_COMMANDS,
                cannot_answer=frozenset(),
                may_act=True,
                verbs=_VERBS,
                net_defaults=_NET_DEFAULTS,
                fencing_section="net",
                metadata_format="v09",
            ),
        )
    }
)


def dialect_for(version: Version) -> Dialect:
    """The dialect of `version`; raises Unreadable for a series without one, and for 0.0.0 (no module is loaded)."""
    dialect = DIALECTS.get(version.series)
    if dialect is None:
        why = f"{version} is none of the series that are known: {', '.join(sorted(DIALECTS))}"
        raise Unreadable("the DRBD version", 0, "no module is loaded" if version == Version(0, 0, 0) else why)
    return dialect
