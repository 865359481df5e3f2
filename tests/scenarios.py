"""Scenarios: recorded pairs with a story, the questions asked of them, and the answers expected.

`python -m tests.scenarios --accept` writes every expectation anew; the diff is for reading.
"""

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path

from pve_drbd.cli.main import main

SCENARIOS = Path(__file__).parent / "scenarios"


def directories():
    """Every scenario, by name."""
    return sorted(path for path in SCENARIOS.iterdir() if path.is_dir())


def questions(scenario):
    """The questions of a scenario: a name, and the words after `pve-drbd --replay DIR`."""
    return sorted(json.loads((scenario / "question.json").read_text()).items())


def cases():
    """(scenario, question's name, words) of every question there is."""
    return [(scenario, name, words) for scenario in directories() for name, words in questions(scenario)]


def ask(scenario, words):
    """(exit code, decoded JSON answer) of one question, as a person or a script would ask it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(["--replay", str(scenario), *words, "--output-format", "json"])
    return code, json.loads(out.getvalue())


def told(code, answer):
    """What an expectation keeps of an answer: short enough to be read in a diff."""
    if "steps" in answer:
        return told_of_plan(code, answer)
    lines = []
    for each in answer["findings"]:
        subject = [each[key] for key in ("node", "resource", "volume") if key in each]
        subject += [f"guest {each['details']['vmid']}"] if "vmid" in each["details"] else []
        lines.append(" ".join([each["severity"], each["code"], *subject]))
    return {"exit": code, "answer": answer.get("answer", answer.get("health")), "findings": lines}


def told_of_plan(code, plan):
    """Who survives and why, how each guest is saved, and what is done on which node, in order."""
    groups = {
        " ".join(each["resources"]): {
            "survivor": each["survivor"],
            "because": each["why"],
            "if discarded": {
                node: cost.get("why_not", f"{cost['weighted_downtime_s']} s down, {cost['makespan_s']} s of copying")
                for node, cost in each["cost_if_victim"].items()
            },
        }
        for each in plan["groups"]
    }
    guests = {}
    for each in plan["guests"]:
        choice = each["candidates"][each["chosen"]] if each["chosen"] is not None else None
        how = f"{choice['method']} {choice['target']}, {choice['downtime_s']} s down" if choice else "none"
        guests[str(each["vmid"])] = f"on {each['node']}: {how}"
    return {
        "exit": code,
        "feasible": plan["feasible"],
        "notes": plan["findings"],
        "groups": groups,
        "guests": guests,
        "volumes": [
            f"{each['vg']}/{each['lv']}".strip("/") + f" by {each['saved_by'] or 'nothing'}" for each in plan["volumes"]
        ],
        "steps": [f"{each['id']} {each['node']}: {each['shown']}" for each in plan["steps"]],
    }


def expectation(scenario, name):
    """The file that holds what is expected."""
    return scenario / f"expect.{name}.json"


def accept():
    """Write every expectation anew, and remove those without a question."""
    for scenario in directories():
        for old in scenario.glob("expect.*.json"):
            old.unlink()
    for scenario, name, words in cases():
        expectation(scenario, name).write_text(json.dumps(told(*ask(scenario, words)), indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--accept", action="store_true", required=True)
    parser.parse_args()
    accept()
    sys.exit(0)
