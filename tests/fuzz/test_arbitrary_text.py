"""Arbitrary text and values, and samples with arbitrary pieces put in: every reader gives a value or raises Unreadable.

A quarter of FUZZ_INPUTS is shared out among the readers, at least 40 to each; the same number gives the same inputs.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import os
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pve_drbd import readers
from pve_drbd.adapters.bundle import read_about
from pve_drbd.adapters.replay import read_commands
from pve_drbd.errors import ConfigInvalid, PveDrbdError, Unreadable
from pve_drbd.model.pve import GuestKind

SAMPLES = Path(__file__).parents[1] / "samples"
SLOTS = (("r0", 0), ("r1", 0))


def _samples(pattern: str) -> list[str]:
    found = [path.read_bytes().decode("utf-8", "surrogateescape") for path in sorted(SAMPLES.glob(pattern))]
    assert found, f"no sample is called {pattern}"
    return found


_pieces = st.one_of(
    st.text(max_size=8),
    st.text(st.characters(min_codepoint=0, max_codepoint=0x7F), max_size=8),
    st.text(st.characters(categories=["Cs"]), min_size=1, max_size=2),
    st.sampled_from(
        ["\n", "\r\n", "\t", "", '"', "\\", "{}", "[]", "null", "-1", "1e400", "9" * 5000, "\u0660", "\x85"]
    ),
)


@st.composite
def _near(draw: st.DrawFn, samples: list[str]) -> str:
    """A sample in which some pieces are others."""
    text = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 1, 3, 20, 200])))
        text = text[:start] + draw(_pieces) + text[end:]
    return text


def _written(*samples: str) -> st.SearchStrategy[str]:
    return st.one_of(st.text(), _near(list(samples)), _near(list(samples)))


def _texts(pattern: str) -> st.SearchStrategy[str]:
    return _written(*_samples(pattern))


_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


@st.composite
def _near_value(draw: st.DrawFn, samples: list[str]) -> object:
    """A decoded answer in which one part, however deep, is another."""
    return _with_another(draw, json.loads(draw(st.sampled_from(samples))))


def _with_another(draw: st.DrawFn, value: object) -> object:
    if value and isinstance(value, list) and draw(st.integers(0, 9)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], _with_another(draw, value[at]), *value[at + 1 :]]
    if value and isinstance(value, dict) and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        changed = {draw(st.just(key) | st.text(max_size=8)): _with_another(draw, value[key])}
        return {**{name: each for name, each in value.items() if name != key}, **changed}
    return draw(_values)


def _answers(pattern: str) -> st.SearchStrategy[object]:
    return st.one_of(_values, _near_value(_samples(pattern)), _near_value(_samples(pattern)))


_kinds = st.sampled_from(GuestKind)

GIVEN: Mapping[str, Iterable[st.SearchStrategy[object]]] = {
    "read_addresses": (_texts("ip-address/*"),),
    "read_cluster": (_answers("pve-lists/*cluster-status*"),),
    "read_commands": (_texts("bundles/*/nodes/*/commands.tsv"), st.just("commands.tsv")),
    "read_config": (_written('[entry.drbdvg]\nvg = "drbdvg"\nstart = "warn"\n'),),
    "read_daemons": (_written("Id=pvestatd.service\nLoadState=loaded\nActiveState=active\n\n"),),
    "read_diskstats": (_texts("diskstats/*"),),
    "read_dm_table": (_written("drbdvg-vm--100--disk--0: 0 32768 linear 147:0 2048\n"),),
    "read_dmsetup": (_texts("dmsetup/*"),),
    "read_drbdadm_version": (_texts("drbdadm-version/*"),),
    "read_dump_xml": (_texts("dump-xml/*"),),
    "read_entries": (_written('[entry.drbdvg]\nvg = "drbdvg"\nstart = "warn"\n'),),
    "read_event": (_written(*(line for text in _samples("events2-stream/*") for line in text.splitlines(True))),),
    "read_events2": (_texts("events2/*"),),
    "read_filters": (_texts("lvmconfig/*"),),
    "read_get_gi": (_texts("get-gi/*"), st.sampled_from([(), SLOTS[:1], SLOTS, SLOTS * 2])),
    "read_guest_conf": (_kinds, _texts("guest-conf/*"), st.just("100.conf")),
    "read_guest_config": (
        _kinds,
        _answers("guest-config/*current*"),
        st.none() | _answers("guest-config/*merged*"),
        st.just("config"),
    ),
    "read_guests": (_answers("pve-lists/*resources-vm*"), st.just(())),
    "read_ha": (_answers("pve-lists/*ha-resources.json"),),
    "read_json": (_texts("status-json/*"), st.just("json")),
    "read_lsblk": (_texts("lsblk/*"),),
    "read_lvm": tuple(_texts(f"lvm/*.{each}.json") for each in ("lvs", "vgs", "pvs")),
    "read_members": (_written('{"nodename": "a", "nodelist": {"a": {"online": 1, "ip": "10.0.0.1"}}}'),),
    "read_ping": (_texts("ping/*"), st.integers(0, 255)),
    "read_plugin": (_written('{"problem": "", "sha256": "00", "changed_at": 1.5}'), st.just("a")),
    "read_proc_drbd": (_texts("proc-drbd/*"),),
    "read_show_json": (_texts("show-json/*"),),
    "read_status_json": (_texts("status-json/*"),),
    "read_storage_cfg": (_texts("storage-cfg/*"),),
    "read_storages": (_answers("pve-lists/*storage*"),),
    "read_version": (_answers("pve-lists/*version*"),),
}
"""What each reader is given; one that is not here gets any text or value."""

REFUSALS = {"read_config": ConfigInvalid, "read_entries": ConfigInvalid}
"""What an administrator wrote is refused in his own words; anything else is Unreadable."""

INNER = {"read_key", "read_raw_lxc", "read_property_string"}
"""Parts of read_guest_config and read_guest_conf, which give their refusals a source."""


def _readers() -> Mapping[str, Callable[..., object]]:
    """Every reader there is, by name."""
    modules = [
        importlib.import_module(f"{readers.__name__}.{each.name}") for each in pkgutil.iter_modules(readers.__path__)
    ]
    found = {name: each for module in modules for name, each in vars(module).items() if name.startswith("read_")}
    return {**{name: each for name, each in sorted(found.items()) if name not in INNER}, "read_commands": read_commands}


def _given_to(name: str) -> st.SearchStrategy[tuple[object, ...]]:
    if name in GIVEN:
        return st.tuples(*GIVEN[name])
    needed = [each for each in inspect.signature(READERS[name]).parameters.values() if each.default is each.empty]
    told = {"source": st.just("a source"), "node": st.just("a")}
    by_type = {"str": st.text(), "object": _values, "int": st.integers()}
    strange = [each for each in needed if each.name not in told and each.annotation not in by_type]
    assert not strange, f"say in GIVEN what {name} is to be given"
    return st.tuples(*(told.get(each.name, by_type[each.annotation]) for each in needed))


READERS = _readers()
EACH = max(40, int(os.environ.get("FUZZ_INPUTS", "2000")) // 4 // len(READERS))


any_number = settings(
    max_examples=EACH, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_gives_a_value_or_says_what_is_unreadable(name):
    @any_number
    @given(_given_to(name))
    def read(arguments):
        with contextlib.suppress(REFUSALS.get(name, Unreadable)):
            READERS[name](*arguments)

    read()


def test_a_bundles_frame_is_read_or_refused(tmp_path):
    @settings(
        max_examples=EACH, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(_near(_samples("bundles/*/bundle.json")))
    def read(text):
        (tmp_path / "bundle.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        with contextlib.suppress(PveDrbdError):
            read_about(tmp_path)

    read()
