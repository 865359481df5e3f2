"""What the tests of jobs put at the seams: nodes that answer as recorded, a clock set by hand, an API that refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pve_drbd.accounts import Answer
from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.adapters.pve_recorded import ReplayPve, request_line
from pve_drbd.dialects import READING_NAMES
from pve_drbd.errors import NotRecorded, Unreachable
from pve_drbd.jobs.survey import Clock, World, take_survey
from pve_drbd.model.survey import Survey
from tests.recorded import HERE, OLD, PEER, SCENARIOS, commands_of

ARGV = {name: argv for argv, name in READING_NAMES.items()}
Words = tuple[str, ...]


@dataclass
class HandClock:
    """Stands for the clock: it goes only when it is told to, or slept on. It knows no other time than seconds."""

    now_s: float = 1000.0
    slept: list[float] = field(default_factory=list)
    when_slept: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        self.when_slept()

    def as_clock(self) -> Clock:
        return Clock(lambda: self.now_s, self.sleep, lambda: "2026-11-22T12:00:00Z")


class Nodes:
    """Stands for the nodes of a pair: each answers what a scenario recorded of it, or what the story puts there.

    It keeps what was asked, in order. It runs nothing, knows no ssh, and takes no time but `took_s` on `clock`.
    """

    def __init__(self, scenario: str, clock: HandClock | None = None, took_s: float = 0.0) -> None:
        self.asked: list[tuple[str, Words]] = []
        self.is_closed = False
        self._clock, self._took_s = clock or HandClock(), took_s
        self._answers: dict[tuple[str, Words], Answer | Exception] = {
            (node, each.argv): answer for node in (HERE, PEER) for each, answer in commands_of(scenario, node)
        }

    def nodes(self) -> tuple[str, ...]:
        return tuple(sorted({node for node, _ in self._answers}))

    def run(self, node: str, argv: Words, timeout_s: float) -> CommandResult:
        self.asked.append((node, argv))
        self._clock.now_s += self._took_s
        answer = self._answers.get((node, argv), NotRecorded(node, f"`{' '.join(argv)}` was not asked"))
        if isinstance(answer, Exception):
            raise answer
        return CommandResult(argv, answer.exit_code, answer.out, answer.err, 100)

    def close(self) -> None:
        self.is_closed = True

    def put(self, node: str, name: str, answer: Answer | Exception | str) -> Nodes:
        """`node` answers the command `name` so; a text is an answer that went well."""
        self._answers[node, ARGV[name]] = Answer(0, answer) if isinstance(answer, str) else answer
        return self

    def edit(self, node: str, name: str, old: str, new: str) -> Nodes:
        """`node` answers the command `name` as before, with every `old` made `new`."""
        before = self._answers[node, ARGV[name]]
        assert isinstance(before, Answer)
        assert old in before.out
        return self.put(node, name, before.out.replace(old, new))

    def put_argv(self, node: str, argv: str, answer: Answer | Exception) -> Nodes:
        """`node` answers a command that has no name of its own."""
        self._answers[node, tuple(argv.split())] = answer
        return self

    def silence(self, node: str) -> Nodes:
        """`node` does not answer any more."""
        for asked in self._answers:
            if asked[0] == node:
                self._answers[asked] = Unreachable(node, "no route to host")
        return self

    def names(self, node: str) -> list[str]:
        """The names of the commands that `node` was asked, in order; of others the program."""
        return [READING_NAMES.get(argv, argv[0]) for asked, argv in self.asked if asked == node]


class Api:
    """Stands for the API: answers what a scenario recorded, and raises what the story puts for a request."""

    def __init__(self, scenario: str, refusals: Mapping[str, Exception] | None = None) -> None:
        self.asked: list[str] = []
        self._recorded = ReplayPve(SCENARIOS / scenario)
        self._refusals = dict(refusals or {})

    def get(self, path: str, /, **query: str | int) -> object:
        self.asked.append(request_line(path, query))
        if path in self._refusals:
            raise self._refusals[path]
        return self._recorded.get(path, **query)


class Story:
    """A live pair that answers as a scenario recorded it, until the story changes that."""

    def __init__(
        self, scenario: str = OLD, took_s: float = 0.0, refusals: Mapping[str, Exception] | None = None
    ) -> None:
        self.clock = HandClock()
        self.nodes = Nodes(scenario, self.clock, took_s)
        self.api = Api(scenario, refusals)

    @property
    def world(self) -> World:
        return World(self.nodes, lambda: self.api, self.clock.as_clock(), HERE)

    def survey(self, vmids: Iterable[int] | None = (100,), **changes: object) -> Survey:
        """The survey of both nodes; `changes` are of the world."""
        return take_survey(replace(self.world, **changes), (HERE, PEER), vmids)


def with_garbled_get_gi(story: Story, node: str = HERE) -> Story:
    """`get-gi all` of `node` cannot be read, that of each volume can."""
    story.nodes.put(node, "get-gi", "garbled\n")
    for name, current in (("r0", "01FA6E92067D269B"), ("r1", "C08748B947D23021")):
        line = f"{current}:0000000000000000:9F72D056F2E754A7:0000000000000004:1:1:1:1:0:0:0\n"
        story.nodes.put_argv(node, f"drbdadm get-gi {name}/0", Answer(0, line))
    return story
