"""What the service costs, as figures: time of an answer, memory after many, wake-ups while idle.

    python -m tests.benchmarks.bench_service [--questions 10000] [--idle-s 60]

Answers come from a recorded pair. Nothing here is asserted: the limits of the design stand beside the figures.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.service.parts import MIGRATION, ROOT, ask
from tests.service.process import started

STATUS = {"v": 1, "ask": "status", "storage": "drbdvg", "vg": "drbdvg"}
ROUNDS = 200

PERL = """
use strict;
use warnings;
use JSON;
use Time::HiRes qw(CLOCK_MONOTONIC clock_gettime);
use ShimTest qw($GATE entry);
entry();
$PVE::Storage::Custom::DrbdLvmPlugin::SOCKET = shift(@ARGV);
my %more = %{ JSON->new->decode(shift(@ARGV)) };
my ($ask, $storage, $vg) = delete @more{qw(ask storage vg)};
for (1 .. shift(@ARGV)) {
    my $began = clock_gettime(CLOCK_MONOTONIC);
    my $reply = $GATE->can('ask')->($ask, $storage, { vgname => $vg }, %more);
    printf("%.6f %s\\n", clock_gettime(CLOCK_MONOTONIC) - $began, $reply->{answer});
}
"""


def from_python(path, question, rounds=ROUNDS):
    """Seconds of each question, and the answers there were."""
    took, words = [], set()
    for _ in range(rounds):
        began = time.monotonic()
        words.add(ask(path, question))
        took.append(time.monotonic() - began)
    return took, words


def from_perl(path, question, rounds=ROUNDS):
    """As `from_python`, asked by the storage plugin's own code on stand-ins of PVE's classes."""
    told = subprocess.run(
        ["perl", f"-I{ROOT / 'perl-shim' / 't' / 'lib'}", "-e", PERL, str(path), json.dumps(question), str(rounds)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line.split() for line in told.stdout.splitlines()]
    return [float(took) for took, _ in lines], {word for _, word in lines}


def show_times(path):
    print(f"one answer over the real socket, {ROUNDS} questions each (limit: median 50 ms):")
    for name, question in (("migration", MIGRATION), ("status", STATUS)):
        for language, asker in (("Python", from_python), ("Perl", from_perl)):
            took, words = asker(path, question)
            low, middle, high = min(took) * 1000, statistics.median(took) * 1000, max(took) * 1000
            answers = "/".join(sorted(words))
            print(f"  {name:9} {language:6} {answers:3} median {middle:6.1f} ms  ({low:.1f} to {high:.1f})")


def show_memory(service, questions):
    print(f"resident memory (limit 40 MiB, no growth), {questions} questions, migration and status in turn:")
    marks = sorted({1, questions // 10, questions // 4, questions // 2, questions})
    asked = 0
    for mark in marks:
        while asked < mark:
            ask(service.path, MIGRATION if asked % 2 else STATUS)
            asked += 1
        print(f"  after {asked:6}: {service.status('VmRSS') / 1024:5.1f} MiB, {service.status('Threads')} threads")


def show_idle(folder, idle_s):
    command = [sys.executable, "-m", "tests.service.idle_service", str(folder)]
    with started(folder, watchdog_s=60, command=command) as service:
        ask(service.path, MIGRATION)
        time.sleep(2)
        before = service.wake_ups()
        time.sleep(idle_s)
        woken = service.wake_ups() - before
        rate = woken * 10 / idle_s
        print(f"idle for {idle_s} s, with watcher and watchdog: {woken} wake-ups, {rate:.2f} per 10 s (limit 1)")
        print(f"  {service.status('VmRSS') / 1024:.1f} MiB, {service.status('Threads')} threads")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--idle-s", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, started(folder) as service:
        show_times(service.path)
        show_memory(service, arguments.questions)
    with tempfile.TemporaryDirectory() as folder:
        show_idle(Path(folder), arguments.idle_s)


if __name__ == "__main__":
    main()
