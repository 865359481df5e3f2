"""The service's configuration: every mistake is refused with its line and key, and a good one stays in force."""

import logging

import pytest

from pve_drbd.errors import ConfigInvalid
from pve_drbd.service.daemon import Configuration
from pve_drbd.service.policy import Policy, StoragePolicy, load_policy, read_policy
from tests.service.parts import ROOT

GOOD = """\
[gate]
view-limit-s = 1.5
answer-limit-s = 6

[storage.drbdvg]
gate = "warn"
start = "enforce"

[storage."drbd.two"]
gate = "off"

[resource.r0]
probe = "off"

[resource.r1]
probe = "ping"
"""


def test_no_file_is_the_safe_default(tmp_path):
    assert load_policy(tmp_path / "none.toml") == Policy()
    assert Policy().storage("anything") == StoragePolicy("enforce", "warn")


def test_the_packaged_file_changes_nothing():
    assert load_policy(ROOT / "debian" / "config.toml") == Policy()


def test_every_setting_is_taken():
    policy = read_policy(GOOD, "x")

    assert (policy.view_limit_s, policy.answer_limit_s) == (1.5, 6.0)
    assert policy.storage("drbdvg") == StoragePolicy("warn", "enforce")
    assert policy.storage("drbd.two") == StoragePolicy("off", "warn")
    assert policy.storage("other") == StoragePolicy()
    assert policy.unprobed == {"r0"}


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ('[gate]\nview-limit-s = "2"\n', 2, "view-limit-s"),
        ("[gate]\n\nview-limit-s = true\n", 3, "view-limit-s"),
        ("[gate]\nview-limit-s = 0.4\n", 2, "view-limit-s"),
        ("[gate]\nview-limit-s = 6\n", 2, "view-limit-s"),
        ("[gate]\nview-limit-s = nan\n", 2, "view-limit-s"),
        ("[gate]\nanswer-limit-s = 0\n", 2, "answer-limit-s"),
        ("[gate]\nanswer-limit-s = 10\n", 2, "answer-limit-s"),
        ("[gate]\nanswer-limit-s = inf\n", 2, "answer-limit-s"),
        ("[gate]\nanswer-limit-s = [1]\n", 2, "answer-limit-s"),
        ("[gate]\nview_limit_s = 2\n", 2, "view_limit_s"),
        ('# first\n\n[storage.drbdvg]\ngate = "Enforce"\n', 4, "gate"),
        ('[storage.drbdvg]\ngate = "of"\n', 2, "gate"),
        ("[storage.drbdvg]\ngate = false\n", 2, "gate"),
        ('[storage.a]\ngate = "off"\n[storage.b]\ngate = "none"\n', 4, "gate"),
        ('[storage.drbdvg]\nstart = "off"\n', 2, "start"),
        ('[storage.drbdvg]\nstrat = "warn"\n', 2, "strat"),
        ('[resource.r0]\nprobe = "icmp"\n', 2, "probe"),
        ('[resource.r0]\nprobes = "off"\n', 2, "probes"),
        ('[storages.drbdvg]\ngate = "off"\n', 1, "storages"),
        ('storage = "drbdvg"\n', 1, "storage"),
        ("gate = 5\n", 1, "gate"),
        ("[storage]\ndrbdvg = 5\n", 2, "drbdvg"),
        ("[resource]\nr0 = []\n", 2, "r0"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(text, line, key):
    with pytest.raises(ConfigInvalid) as told:
        read_policy(text, "config.toml")

    assert f"config.toml line {line}: " in str(told.value)
    assert key in str(told.value)


@pytest.mark.parametrize("text", ["[gate", "[gate]\nx = \n", "[gate]\n[gate]\n", "a = 1\na = 2\n", "\x00"])
def test_what_is_no_toml_is_told_with_its_place(text):
    with pytest.raises(ConfigInvalid, match=r"config.toml.*(line|end of)"):
        read_policy(text, "config.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe[gate]\n", None])
def test_a_file_that_cannot_be_read_is_told(tmp_path, content):
    path = tmp_path / "config.toml"
    path.mkdir() if content is None else path.write_bytes(content)

    with pytest.raises(ConfigInvalid, match=r"config.toml cannot be read"):
        load_policy(path)


def test_a_bad_file_is_refused_at_start(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[storage.drbdvg]\ngate = "of"\n')

    with pytest.raises(ConfigInvalid, match="line 2"):
        Configuration(path)


def test_a_reload_takes_a_good_file_and_leaves_the_last_good_one_in_force_otherwise(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = tmp_path / "config.toml"
    path.write_text(GOOD)
    configuration = Configuration(path)

    path.write_text(GOOD.replace('"warn"', '"off"', 1))
    configuration.reload()
    assert configuration.current().storage("drbdvg").gate == "off"

    for bad in ("[gate", '[storage.drbdvg]\ngate = "of"\n', "[gate]\nanswer-limit-s = 60\n"):
        path.write_text(bad)
        configuration.reload()
        assert configuration.current().storage("drbdvg").gate == "off"
    refused = [each.getMessage() for each in caplog.records if "reload-refused" in each.getMessage()]
    assert len(refused) == 3
    assert "line 2" in refused[1]

    path.unlink()
    configuration.reload()
    assert configuration.current() == Policy()
