"""The rows of LVM's three reports: the fields that each must have, and what each field may hold.

Formats: lvm2 lib/report/report.c and columns.h; lib/metadata/lv.c (lv_attr_dup_with_info_and_seg_status,
_format_pvsegs).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter

from pve_drbd.errors import Unreadable
from pve_drbd.readers.fields import shown
from pve_drbd.readers.strict_json import read_json

Row = Mapping[str, str]

_NAME = r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*"
_UUID = r"[A-Za-z0-9]{6}-(?:[A-Za-z0-9]{4}-){5}[A-Za-z0-9]{6}"
_COUNT = r"[0-9]{1,20}"
# The characters that udev leaves in the name of a device.
_PV = r"/[A-Za-z0-9#+.:=@_\\/-]+|\[unknown\]"
_PRINTABLE = r"[ -~]*"
_TAG = r"[A-Za-z0-9_+.\-/=!:&#@]+"

LV_FIELDS = {
    "lv_uuid": _UUID,
    "lv_name": rf"{_NAME}|\[{_NAME}\]",
    "vg_name": _NAME,
    "lv_size": _COUNT,
    "lv_attr": r"[-A-Za-z][-wrR][-cilnaCILNA][-m][-asiSIdMmcCXh][-oX][-A-Za-z][-z][-prmsRwXFMDE][-k]",
    "lv_active": r"active|",
    "lv_device_open": r"open|unknown|",
    "lv_health_status": r"[a-z_ ]*",
    "lv_host": _PRINTABLE,
    "lv_time": _PRINTABLE,
    "lv_tags": rf"(?:{_TAG}(?:,{_TAG})*)?",
    "segtype": r"[a-z0-9_+:-]+",
    "seg_start_pe": r"[0-9]{1,10}",
    "seg_pe_ranges": _PRINTABLE,
    "devices": _PRINTABLE,
    "lv_kernel_major": r"-1|[0-9]{1,7}",
    "lv_kernel_minor": r"-1|[0-9]{1,7}",
}
VG_FIELDS = {
    "vg_uuid": _UUID,
    "vg_name": _NAME,
    "vg_seqno": _COUNT,
    "vg_attr": r"[rw][-z][-x][-p][-A-Za-z][-cs][-pP]?",
    "vg_size": _COUNT,
    "vg_free": _COUNT,
    "vg_extent_size": r"[1-9][0-9]{0,19}",
    "vg_missing_pv_count": r"[0-9]{1,9}",
    "pv_name": _PV,
}
PV_FIELDS = {
    "pv_uuid": _UUID,
    "pv_name": _PV,
    "vg_name": rf"(?:{_NAME})?",
    "pv_size": _COUNT,
    "pv_free": _COUNT,
    "pv_attr": r"[-adu][-x][-m]",
    "pv_missing": r"missing|",
    "pv_duplicate": r"duplicate|",
    "pe_start": _COUNT,
}

AREA = re.compile(rf"({_PV}|{_NAME}):([0-9]{{1,10}})-([0-9]{{1,10}})")
"""One area of seg_pe_ranges: what it lies on, its first extent and its last."""

_SEPARATOR = "\x1f"
"""No field may hold it, so that fields joined by it match their grammars joined by it only one by one."""


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of one command, with the text they came from for the sake of line numbers."""

    source: str
    text: str
    rows: tuple[Row, ...]

    def refusal(self, index: int, why: str) -> Unreadable:
        """That row number `index` (from 0) cannot be; LVM writes one row a line."""
        lines = [at for at, line in enumerate(self.text.split("\n"), 1) if line.lstrip().startswith('{"')]
        return Unreadable(self.source, lines[index] if index < len(lines) else 0, why)


def lv_report(text: str) -> Report:
    """The rows of `lvs`; raises Unreadable."""
    return _report(text, "lvs", "lv", LV_FIELDS, _is_lv_row)


def vg_report(text: str) -> Report:
    """The rows of `vgs`; raises Unreadable."""
    return _report(text, "vgs", "vg", VG_FIELDS, _is_vg_row)


def pv_report(text: str) -> Report:
    """The rows of `pvs`; raises Unreadable."""
    return _report(text, "pvs", "pv", PV_FIELDS, _is_pv_row)


def _test(fields: Mapping[str, str]) -> Callable[[object], bool]:
    """Whether a row has all `fields`, as text that follows their grammars: asked at once, a row has many."""
    values = itemgetter(*fields)
    matches = re.compile(_SEPARATOR.join(f"(?:{grammar})" for grammar in fields.values())).fullmatch

    def test(row: object) -> bool:
        try:
            return isinstance(row, dict) and matches(_SEPARATOR.join(values(row))) is not None
        except (KeyError, TypeError):
            return False

    return test


_is_lv_row, _is_vg_row, _is_pv_row = _test(LV_FIELDS), _test(VG_FIELDS), _test(PV_FIELDS)


def _report(text: str, source: str, key: str, fields: Mapping[str, str], is_row: Callable[[object], bool]) -> Report:
    document = read_json(text, source)
    reports = document.get("report") if isinstance(document, dict) else None
    only = reports[0] if isinstance(reports, list) and len(reports) == 1 else None
    rows = only.get(key) if isinstance(only, dict) else None
    if not isinstance(rows, list):
        raise Unreadable(source, 0, f'it is not one report of "{key}"')
    report = Report(source, text, tuple(rows))
    for index, row in enumerate(rows):
        if not is_row(row):
            raise report.refusal(index, _wrong(row, fields))
    return report


def _wrong(row: object, fields: Mapping[str, str]) -> str:
    """The first field of `row` that is not as it must be."""
    known = row if isinstance(row, dict) else {}
    texts = {field: known[field] for field in fields if isinstance(known.get(field), str)}
    odd = next(
        (field for field, grammar in fields.items() if not re.fullmatch(grammar, texts.get(field, _SEPARATOR))), ""
    )
    return f"{odd} is {shown(texts[odd])}" if odd in texts else f"{odd} is missing"
