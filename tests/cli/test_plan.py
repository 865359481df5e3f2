"""`plan evacuation` and `plan explain`: exit codes, files, words, and the page in a real browser."""

from __future__ import annotations

import html.parser
import json
import shutil
import subprocess

import jsonschema
import pytest

from pve_drbd.data import shipped_text
from tests.cli.commands import ROOT, replay

SCHEMA = jsonschema.Draft7Validator(json.loads(shipped_text("plan.schema.json")))
SPLIT, HEALTHY, HIDDEN, RESYNC = "84-split-brain", "84-healthy", "84-victim-secondary", "84-resync-after-discard"
PLAN = ("plan", "evacuation")
ARTEFACTS = ROOT / "tests" / "artefacts"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# A cold start on a loaded machine was seen to take 20 s; one that takes a minute hangs.
BROWSER_TIMEOUT_S = 60


@pytest.mark.parametrize(
    ("scenario", "code", "line"),
    [
        (SPLIT, 0, "READY: 3 guests to save first, no downtime, about 3 s of copying."),
        ("9-split-brain", 0, "READY: 3 guests to save first, no downtime, about 3 s of copying."),
        (HEALTHY, 0, "NOTHING TO PLAN: no resource is in a split brain."),
        (HIDDEN, 1, "NO PLAN FITS: something must be decided or added first."),
        ("84-split-peer-unreachable", 3, "NOT KNOWN: nobody can tell whether r0, r1 is in a split brain."),
        ("84-split-api-unreachable", 1, "NO PLAN FITS: something must be decided or added first."),
    ],
)
def test_the_exit_code_and_the_first_line_are_the_verdict(capsys, scenario, code, line):
    ran = replay(capsys, scenario, *PLAN)

    assert ran.code == code
    assert ran.out.splitlines()[0] == line
    assert ran.err == ""


def test_a_recovery_that_was_begun_by_hand_is_told_where_it_is(capsys):
    words = " ".join(replay(capsys, HIDDEN, *PLAN).out.split())

    assert "r1 is Secondary on proxmox-106, which hides what lies on it" in words
    assert "make it Primary again while both sides are StandAlone (drbdadm primary r1), then plan again" in words
    assert "r1: split brain, one side is Secondary already: a discard was begun by hand" in words


def test_a_resync_that_runs_is_told_with_what_remains(capsys):
    words = " ".join(replay(capsys, RESYNC, *PLAN).out.split())

    assert "r1: resync running: the decision was made; wait for its end, then make the target Primary" in words
    assert "drbdadm connect --discard-my-data r1" not in words


def test_a_pair_that_is_no_split_brain_is_told_what_it_is(capsys):
    assert "r0: healthy: connected, Primary and UpToDate on both nodes" in replay(capsys, HEALTHY, *PLAN).out


def test_the_survivor_can_be_overridden_for_all_and_for_one(capsys):
    ran = replay(
        capsys, SPLIT, *PLAN, "--survivor", "proxmox-105", "--survivor", "r1=proxmox-106", "--output-format", "json"
    )

    groups = json.loads(ran.out)["groups"]
    assert [(each["resources"], each["survivor"]) for each in groups] == [
        (["r0"], "proxmox-105"),
        (["r1"], "proxmox-106"),
    ]
    assert [each["why"] for each in groups] == ["you said so", "you said so"]


def test_both_files_are_written_and_the_plan_is_the_one_that_is_printed(capsys, tmp_path):
    out, page = tmp_path / "plan.json", tmp_path / "plan.html"
    ran = replay(capsys, SPLIT, *PLAN, "--out", str(out), "--html", str(page), "--output-format", "json")

    told = json.loads(out.read_text())
    SCHEMA.validate(told)
    assert told == json.loads(ran.out)
    assert page.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("option", ["--out", "--html"])
def test_a_file_that_cannot_be_written_is_told(capsys, tmp_path, option):
    ran = replay(capsys, SPLIT, *PLAN, option, str(tmp_path / "none" / "plan"))

    assert ran.code == 2
    assert "plan cannot be written: No such file or directory" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--side", "x"), "'x' is not of the form KEY=VALUE"),
        (("--side", "x=proxmox-105"), "'x' is not a whole number"),
        (("--side", "100="), "'100=' is not of the form KEY=VALUE"),
        (("--side", "100=nobody"), "nobody is no side of the split"),
        (("--side", "999=proxmox-105"), "there is no guest 999"),
        (("--priority", "100"), "'100' is not of the form KEY=VALUE"),
        (("--priority", "100=-1"), "'-1' is not a whole number"),
        (("--priority", "100=\u0661"), "is not a whole number"),
        (("--survivor", "nobody"), "nobody is no side of the split: proxmox-105 or proxmox-106"),
        (("--survivor", "r9=proxmox-105"), "r9 is not split: r0, r1"),
        (("--survivor", "r0="), "'r0=' is not of the form KEY=VALUE"),
        (("--abandon", "999"), "there is no guest 999"),
        (("--abandon", "x"), "'x' is not a guest's number"),
    ],
)
def test_a_wrong_wish_is_a_usage_error_that_names_it(capsys, words, why):
    ran = replay(capsys, SPLIT, *PLAN, *words)

    assert ran.code == 2
    assert why in ran.err
    assert ran.out == ""


def test_a_guest_is_explained_with_what_else_there_was(capsys):
    ran = replay(capsys, SPLIT, "plan", "explain", "100")

    assert ran.code == 0
    assert ran.out.startswith("Guest 100 guest100 on proxmox-105, priority ")
    for part in ("Chosen: move-disk to local, no downtime.", "Next best: ", "Ruled out:", "Its volumes:"):
        assert part in ran.out


def test_a_guest_is_explained_as_json_too(capsys):
    ran = replay(capsys, SPLIT, "plan", "explain", "100", "--output-format", "json")

    guest = json.loads(ran.out)["guest"]
    assert guest["candidates"][guest["chosen"]]["method"] == "move-disk"


def test_a_guest_that_is_not_in_the_plan_cannot_be_explained(capsys):
    ran = replay(capsys, SPLIT, "plan", "explain", "999")

    assert ran.code == 2
    assert "guest 999 is not in the plan" in ran.err


# The page.


class Outline(html.parser.HTMLParser):
    """Every tag with its attributes, and whether all that were opened are closed."""

    def __init__(self):
        super().__init__()
        self.tags, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page(capsys, tmp_path):
    path = tmp_path / "plan.html"
    replay(capsys, SPLIT, *PLAN, "--html", str(path))
    return path


def test_the_page_needs_nothing_from_anywhere(page):
    text, outline = page.read_text(), Outline()
    outline.feed(text)

    assert outline.open == []
    assert not {tag for tag, _ in outline.tags} & {"script", "link", "img", "iframe", "object", "a", "base", "form"}
    assert not [each for _, each in outline.tags if {"src", "href", "srcset", "onload", "onclick"} & set(each)]
    for word in ("http:", "https:", "url(", "@import", "javascript:"):
        assert word not in text


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt install chromium")
def test_a_browser_shows_the_page_as_it_was_written(page, tmp_path):
    shown = browser(tmp_path, "--dump-dom", page.as_uri())

    assert '<p class="verdict">READY: 3 guests to save first' in shown
    assert shown.count("<tr>") == page.read_text().count("<tr>")
    assert 'aria-label="proxmox-106 survives"' in shown
    assert "drbdadm connect --discard-my-data r0" in shown


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt install chromium")
@pytest.mark.parametrize(("name", "size"), [("phone", "390,3000"), ("desk", "1280,2400")])
def test_a_picture_of_the_page_is_kept(page, tmp_path, name, size):
    ARTEFACTS.mkdir(exist_ok=True)
    picture = ARTEFACTS / f"plan-{name}.png"
    picture.unlink(missing_ok=True)

    browser(tmp_path, f"--screenshot={picture}", f"--window-size={size}", page.as_uri())

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000


def browser(directory, *words):
    """What Chromium prints; it is given a profile of its own and no network."""
    profile = f"--user-data-dir={directory / 'profile'}"
    ran = subprocess.run(
        [CHROMIUM, *FLAGS, profile, *words], capture_output=True, text=True, timeout=BROWSER_TIMEOUT_S, check=True
    )
    return ran.stdout
