"""The house stands on its floors: a module imports only what lies below it, and the pure floors do no I/O."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pve_drbd"

# From the ground up; a module may import from its own floor and from those before it.
FLOORS = (
    ("data", "errors", "model", "findings"),
    ("readers",),
    ("dialects", "whole_answer", "accounts"),
    ("rules",),
    ("planner",),
    ("adapters",),
    ("jobs",),
    ("service", "cli"),
)
PURE = ("errors", "model", "findings", "readers", "dialects", "whole_answer", "accounts", "rules", "planner")
FORBIDDEN_BELOW_ADAPTERS = {"os", "subprocess", "socket", "time", "random", "logging", "pathlib", "io", "asyncio"}
ONE_IMPORTER = {
    "proxmoxer": {"adapters/pve_https.py"},
    "requests": {"adapters/pve_https.py"},
    "tenacity": {"adapters/pve_https.py"},
    "rich": {"cli/tables.py"},
}
# The gate runs inside Proxmox VE's start path, where each of these would cost more than the whole answer.
SLOW = {"proxmoxer", "requests", "tenacity", "jsonschema", "rich"}


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def floor_of(name):
    return next(number for number, floor in enumerate(FLOORS) if name in floor)


def own_part(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path, *, at_start_only=False):
    """Every imported module's dotted name; `at_start_only` leaves out those inside functions."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree)
    if at_start_only:
        inside = {id(node) for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) for node in ast.walk(each)}
        nodes = [node for node in ast.walk(tree) if id(node) not in inside]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_lies_below_it(path):
    own = floor_of(own_part(path))
    for name in imports(path):
        if name.startswith("pve_drbd."):
            assert floor_of(name.split(".")[1]) <= own, f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "path", [p for p in modules() if own_part(p) in PURE], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_words_readers_rules_and_planner_do_no_io(path):
    assert not FORBIDDEN_BELOW_ADAPTERS & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("library", ONE_IMPORTER)
def test_a_runtime_library_has_one_importer(library):
    importers = {
        str(path.relative_to(PACKAGE)) for path in modules() if library in {n.split(".")[0] for n in imports(path)}
    }

    assert importers <= ONE_IMPORTER[library]


def test_a_check_from_a_bundle_imports_nothing_slow():
    reached, todo = set(), [PACKAGE / "cli" / "main.py", PACKAGE / "adapters" / "replay.py"]
    while todo:
        path = todo.pop()
        reached.add(path)
        for name in imports(path, at_start_only=True):
            assert name.split(".")[0] not in SLOW, f"{path} imports {name}"
            if name.startswith("pve_drbd."):
                base = PACKAGE.parent / name.replace(".", "/")
                found = base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"
                todo += [found] if found not in reached else []
