"""The documents show commands that exist, and screens that the commands print."""

import re
import shlex
import string
from pathlib import Path

import pytest

from pve_drbd.cli.main import build_parser, main
from pve_drbd.findings import catalogue

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACEHOLDERS = {
    "VMID": "100",
    "NODE": "pveB",
    "CODE": "DRBD-E102",
    "DIR": "bundle",
    "STORAGE": "drbdvg",
    "FILE": "file",
}
BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
FILLED = {"vmid": "100", "target": "pveB", "storage": "drbdvg", "verb": "ensure"}
# "on" follows the name of the package, not of the command.
TOLD = re.compile(r"\bpve-drbd (?!on )((?:[\w/-]+ ?)+)")
SPAN = re.compile(r"`(pve-drbd [^`\n]+)`")


def blocks(page):
    return [match[1] for match in BLOCK.finditer(page.read_text())]


def shown_in_blocks():
    """(page, command line) of each line of a code block that runs the command."""
    lines = ((page.name, line.strip()) for page in PAGES for block in blocks(page) for line in block.splitlines())
    typed = ((name, line.removeprefix("$ ").removeprefix("# ")) for name, line in lines)
    return [(name, line) for name, line in typed if line.startswith("pve-drbd ")]


def shown_in_text():
    """(page, command line) of each `pve-drbd ...` in a sentence, placeholders and all."""
    texts = ((page.name, BLOCK.sub("", page.read_text())) for page in PAGES)
    return [(name, match[1]) for name, text in texts for match in SPAN.finditer(text)]


def told_by_findings():
    """(code, the words that follow `pve-drbd` in the sentence) of each remedy that names the command."""
    found = []
    for code, entry in catalogue().items():
        names = {name for _, name, _, _ in string.Formatter().parse(entry.remedy) if name}
        remedy = entry.remedy.format_map({**dict.fromkeys(names, "name"), **FILLED})
        found += [(code, match[1].split()) for match in TOLD.finditer(remedy)]
    return found


def words_of(line):
    _, *words = shlex.split(line, comments=True)
    return [PLACEHOLDERS.get(word, word) for word in words]


def is_understood(words):
    try:
        build_parser().parse_args(words)
    except SystemExit as err:
        return err.code == 0
    return True


def exists(words):
    """It is a command, or what is left out of it are only its operands."""
    has_options = any(word.startswith("--") for word in words)
    return is_understood(words) or (not has_options and is_understood([*words, "--help"]))


@pytest.mark.parametrize(("page", "line"), shown_in_blocks())
def test_a_command_in_a_code_block_can_be_typed_as_it_stands(page, line):
    assert is_understood(words_of(line))


@pytest.mark.parametrize(("page", "line"), shown_in_text())
def test_a_command_in_a_sentence_exists(page, line):
    """A sentence may leave out what the command also needs."""
    assert exists(words_of(line))


@pytest.mark.parametrize(("code", "words"), told_by_findings())
def test_a_command_in_a_remedy_can_be_typed(code, words):
    """What follows it in the sentence is not part of it, as long as that has no option."""
    whole = next(count for count in range(len(words), 0, -1) if exists(words[:count]))

    assert not any(word.startswith("--") for word in words[whole:])


def test_a_command_that_does_not_exist_would_be_noticed():
    assert not exists(words_of("pve-drbd migrate VMID"))
    assert not exists(words_of("pve-drbd check --nonsense"))


def test_the_screen_in_the_readme_is_what_the_command_prints(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    block = next(block for block in blocks(ROOT / "README.md") if block.startswith("$ "))
    command, *shown = block.splitlines()

    main(words_of(command.removeprefix("$ ")))

    assert capsys.readouterr().out.splitlines()[: len(shown)] == shown


def test_every_page_that_a_document_points_to_exists():
    for page in PAGES:
        for name in re.findall(r"`(docs/[a-z-]+\.md)`|\((docs/[a-z-]+\.md)[)#]", page.read_text()):
            assert (ROOT / "".join(name)).exists(), f"{page.name} names {name}"
