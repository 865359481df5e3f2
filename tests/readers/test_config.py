"""The configuration: one schema for service and commands, and an error that names line and key."""

import re
from pathlib import Path

import pytest

from pve_drbd.errors import ConfigInvalid
from pve_drbd.model.entry import WantedEntry
from pve_drbd.readers.config import read_config, read_entries
from pve_drbd.service.policy import read_policy

ROOT = Path(__file__).parents[2]
WHOLE = """
[gate]
view-limit-s = 1.5

[storage.drbdvg]
gate = "warn"

[resource."r 0"]
probe = "off"

[entry.drbdvg]
vg = "drbdvg"
nodes = ["pve-b", "pve-a"]
content = ["images"]

[entry.drbdvg1]
vg = "drbdvg1"
type = "lvm"
"""


def test_every_table_is_read():
    policy = read_policy(WHOLE, "config.toml")

    assert (policy.view_limit_s, policy.storage("drbdvg").gate, policy.unprobed) == (1.5, "warn", {"r 0"})
    assert read_entries(WHOLE) == (
        WantedEntry("drbdvg", "drbdvg", content=("images",), nodes=("pve-a", "pve-b")),
        WantedEntry("drbdvg1", "drbdvg1", type="lvm"),
    )


def test_an_empty_file_and_the_shipped_one_want_nothing():
    assert read_entries("") == ()
    assert read_entries((ROOT / "debian" / "config.toml").read_text()) == ()


def test_the_shipped_file_is_right_with_every_example_switched_on():
    text = (ROOT / "debian" / "config.toml").read_text()

    examples = re.sub(r"(?m)^# (?=\[|[a-z-]+ = )", "", text)

    assert len(read_config(examples)) >= 4


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[gates]\n", 1, "[gates] is not known; known are: gate, storage, resource, entry"),
        ("\n[gate]\nview-limit = 1\n", 3, "view-limit in [gate] is not known; known are: view-limit-s"),
        ("[gate]\nview-limit-s = 9\n", 2, "view-limit-s in [gate] is 9; it must be a number of seconds from 0.5 to 5"),
        ("[gate]\nview-limit-s = true\n", 2, "view-limit-s in [gate] is True"),
        ('[storage.a]\ngate = "warn"\n[storage.b]\ngate = "on"\n', 4, "gate in [storage.b] is 'on'"),
        ("[storage]\na = 1\n", 2, "[storage.a] is not a table of settings; write [storage.a]"),
        ("entry = 1\n", 1, "[entry] is not a table; write [entry.NAME]"),
        ('[entry.d1]\ncontent = ["images"]\n', 1, "[entry.d1] has no vg"),
        ('[entry.d1]\nvg = "-x"\n', 2, "vg in [entry.d1] is '-x'; it must be the name of a volume group"),
        ('[entry."../x"]\nvg = "x"\n', 1, "is not named as Proxmox VE names its entries"),
        ('[entry.d1]\nvg = "a"\ncontent = ["iso"]\n', 3, "content in [entry.d1] is ['iso']"),
        ('[entry.d1]\nvg = "a"\nnodes = []\n', 3, "nodes in [entry.d1] is []"),
        ('[entry.d1]\nvg = "a"\ntype = "lvmthin"\n', 3, 'it must be "drbdlvm" or "lvm"'),
        ('[entry.d1]\nvg = "a"\n\n[entry.d2]\nvg = "a"\n', 5, "vg in [entry.d2] is a, as in [entry.d1]"),
        ("gate.view-limit-s = 9\n", 1, "view-limit-s in [gate] is 9"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text, line, words):
    with pytest.raises(ConfigInvalid) as refusal:
        read_entries(text, "config.toml")

    assert str(refusal.value).startswith(f"config.toml line {line}: ")
    assert words in str(refusal.value)


def test_a_file_that_is_no_toml_is_refused_with_its_line():
    with pytest.raises(ConfigInvalid, match=r"config\.toml is not TOML: .*line 2"):
        read_config("[gate]\nview-limit-s =\n", "config.toml")
