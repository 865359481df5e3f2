"""Speed and memory as figures, each the median of several runs with the least and the most beside it.

`python -m tests.benchmarks.bench`. Nothing here fails for being slow: the budgets are shown, the reader judges.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pve_drbd.cli.worlds import open_world
from pve_drbd.jobs.survey import nodes_of_pair, take_survey
from pve_drbd.readers.devices import read_diskstats, read_dmsetup, read_lsblk
from pve_drbd.readers.dm_table import read_dm_table
from pve_drbd.readers.drbdsetup_json import read_show_json, read_status_json
from pve_drbd.readers.dump_xml import read_dump_xml
from pve_drbd.readers.events2 import read_events2
from pve_drbd.readers.generation_ids import read_get_gi
from pve_drbd.readers.lvm import read_lvm
from pve_drbd.readers.proc_drbd import read_proc_drbd
from pve_drbd.rules.overview import overview
from tests.benchmarks.many import NODES, many_resources, write_pair_with_guests

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "tests" / "scenarios"
START = "from pve_drbd.cli.main import run; run()"
QUESTION = ("check", "migration", "100", "--to", NODES[1])
RUNS, RESOURCES, GUESTS = 21, 1000, 500


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as scratch:
        python = Python(Path(scratch) / "bytecode")
        show_cold_start(python)
        show_imports(python)
        show_readers()
        show_guests(python, Path(scratch) / "bundle")
    if importlib.util.find_spec("tests.benchmarks.bench_assign"):
        print()
        importlib.import_module("tests.benchmarks.bench_assign").main()


class Python:
    """Fresh processes of this Python with the project's compiled bytecode at hand, as after an installation."""

    def __init__(self, bytecode: Path) -> None:
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(bytecode)}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(self, *words: str) -> tuple[float, float]:
        """(milliseconds on the wall, milliseconds of processor) of `python WORDS`."""
        began = time.perf_counter()
        with open(os.devnull, "wb") as nowhere:
            process = subprocess.Popen([sys.executable, *words], env=self._environment, stdout=nowhere, stderr=nowhere)
            _, status, usage = os.wait4(process.pid, 0)
        took_ms = (time.perf_counter() - began) * 1000
        process.returncode = os.waitstatus_to_exitcode(status)
        return took_ms, (usage.ru_utime + usage.ru_stime) * 1000

    def most_resident(self, *words: str) -> float:
        """MiB at most resident while `python -c CODE WORDS` ran.

        Told by the process itself: what wait4 tells of a child is never less than its parent had when it was started.
        """
        code = f"import atexit; atexit.register(lambda: print(open('/proc/self/status').read())); {words[1]}"
        words = (sys.executable, words[0], code, *words[2:])
        told = subprocess.run(words, env=self._environment, capture_output=True, text=True, check=False).stdout
        return int(re.findall(r"^VmHWM:\s+(\d+) kB$", told, re.MULTILINE)[-1]) / 1024

    def import_times(self, *words: str) -> list[tuple[int, int, str]]:
        """(own microseconds, those of what it imports included, module) of everything imported."""
        told = subprocess.run(
            [sys.executable, "-X", "importtime", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        ).stderr
        rows = re.findall(r"^import time: +(\d+) \| +(\d+) \| +(\S+)$", told, re.MULTILINE)
        return [(int(own), int(whole), name) for own, whole, name in rows]


def show_cold_start(python: Python) -> None:
    """One question to a fresh process, and what Python itself costs; in turn, so that all meet the same noise."""
    commands = {"python -c pass": ("-c", "pass")}
    for name in ("84-healthy", "9-healthy", "84-split-brain"):
        commands[f"check migration, {name}"] = ("-c", START, "--replay", str(SCENARIOS / name), *QUESTION)
    commands["status, 9-healthy"] = ("-c", START, "--replay", str(SCENARIOS / "9-healthy"), "status")
    commands["the same as JSON"] = (*commands["status, 9-healthy"], "--output-format", "json")
    heading("A fresh process, its bytecode compiled", "wall ms", "budget", "MiB", "budget", "processor ms")
    for words in commands.values():
        python.run(*words)
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, words in commands.items():
            seen[name].append(python.run(*words))
    for name, words in commands.items():
        walls, processor = zip(*seen[name], strict=True)
        sizes = [python.most_resident(*words) for _ in range(5)]
        budgets = ("200", "40") if name.startswith("check") else ("", "")
        row(name, noisy(walls), budgets[0], noisy(sizes), budgets[1], noisy(processor))


def show_imports(python: Python) -> None:
    """The modules that cost most to import for one question; the median of several runs of each."""
    words = ("-c", START, "--replay", str(SCENARIOS / "84-healthy"), *QUESTION)
    runs = [{name: (own, whole) for own, whole, name in python.import_times(*words)} for _ in range(RUNS // 3)]
    names = set.intersection(*(set(run) for run in runs))
    owns = {name: [run[name][0] / 1000 for run in runs] for name in names}
    slowest = sorted(names, key=lambda name: -statistics.median(owns[name]))[:10]
    heading(f"Imports for one question ({len(names)} modules), the ten slowest", "own ms", "", "with its own imports")
    for name in slowest:
        row(name, noisy(owns[name], 1), "", noisy([run[name][1] / 1000 for run in runs], 1))
    ours = [sum(own for name, (own, _) in run.items() if name.startswith("pve_drbd")) / 1000 for run in runs]
    everything = [sum(own for own, _ in run.values()) / 1000 for run in runs]
    row("all of pve_drbd", noisy(ours, 1))
    row("all", noisy(everything, 1))


def show_readers() -> None:
    """Each reader with the answer of a node that has many resources."""
    texts = many_resources(RESOURCES)
    slots = [(f"r{each}", 0) for each in range(RESOURCES)]
    readers: dict[str, Callable[[], object]] = {
        "proc-drbd": lambda: read_proc_drbd(texts["proc-drbd"]).minors,
        "events2 8.4": lambda: read_events2(texts["events2 8.4"]),
        "events2 9": lambda: read_events2(texts["events2 9"]),
        "status-json": lambda: read_status_json(texts["status-json"]),
        "show-json": lambda: read_show_json(texts["show-json"]),
        "dump-xml 8.4": lambda: read_dump_xml(texts["dump-xml 8.4"]).resources,
        "dump-xml 9": lambda: read_dump_xml(texts["dump-xml 9"]).resources,
        "get-gi": lambda: read_get_gi(texts["get-gi"], slots),
        "lvs, vgs and pvs": lambda: read_lvm(texts["lvs"], texts["vgs"], texts["pvs"]).lvs,
        "lsblk": lambda: [each for each in read_lsblk(texts["lsblk"]) if each.name.startswith("drbd")],
        "dmsetup": lambda: read_dmsetup(texts["dmsetup"]),
        "dmsetup-table": lambda: read_dm_table(texts["dmsetup-table"]),
        "diskstats": lambda: read_diskstats(texts["diskstats"]),
    }
    heading(f"{RESOURCES:,} resources through each reader", "wall ms", "budget", "processor ms", "KiB")
    for name, read in readers.items():
        if len(read()) != RESOURCES:
            raise AssertionError(f"{name} did not read {RESOURCES} resources")
        size = sum(len(texts[each]) for each in texts if each in name or each == name) // 1024
        wall, processor = timed(read)
        row(name, wall, "50", processor, f"{size:,}")


def show_guests(python: Python, bundle: Path) -> None:
    """A pair with many guests, in this process and in a fresh one."""
    write_pair_with_guests(bundle, GUESTS)

    def survey(vmids: Iterable[int] | None) -> object:
        with open_world(str(bundle)) as world:
            return take_survey(world, nodes_of_pair(world), vmids)

    everything = survey(None)
    heading(f"{GUESTS} guests on two resources, from a bundle", "wall ms", "budget", "processor ms", "MiB")
    calls: dict[str, tuple[Callable[[], object], str]] = {
        "survey of all": (lambda: survey(None), "1000"),
        "survey for one guest's question": (lambda: survey([100]), ""),
        "overview of the survey": (lambda: overview(everything), ""),
    }
    for name, (call, budget) in calls.items():
        wall, processor = timed(call, 9)
        row(name, wall, budget, processor)
    for name, words in (
        ("status", ("status",)),
        ("status as JSON", ("status", "--output-format", "json")),
        ("check migration", QUESTION),
    ):
        command = ("-c", START, "--replay", str(bundle), *words)
        walls, processor = zip(*(python.run(*command) for _ in range(7)), strict=True)
        row(f"{name}, fresh process", noisy(walls), "", noisy(processor), f"{python.most_resident(*command):.0f}")


def timed(call: Callable[[], object], runs: int = RUNS) -> tuple[str, str]:
    """Milliseconds on the wall and of processor that several calls took; the first warms up and is not counted."""
    call()
    walls, processor = [], []
    for _ in range(runs):
        began, began_processor = time.perf_counter(), time.process_time()
        call()
        processor.append((time.process_time() - began_processor) * 1000)
        walls.append((time.perf_counter() - began) * 1000)
    return noisy(walls, 1), noisy(processor, 1)


def noisy(values: Sequence[float], digits: int = 0) -> str:
    """'median (least..most)'."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:8.{digits}f} ({least:.{digits}f}..{most:.{digits}f})"


def heading(title: str, *columns: str) -> None:
    """The title of a table and its columns."""
    print()
    row(title, *columns)


def row(name: str, *cells: str) -> None:
    """One line of a table."""
    print(f"{name:52}" + "".join(f"{cell:>22}" if at % 2 == 0 else f"{cell:>8}" for at, cell in enumerate(cells)))


if __name__ == "__main__":
    main()
