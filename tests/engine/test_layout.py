"""The packages of the library: imports only point down, there is no cycle, and nothing grows too large."""

import ast
from pathlib import Path

import pytest
from clipmill.engine import syntax

LIBRARY = Path(syntax.__file__).parents[1]
MAY_USE = {
    "engine": set(),
    "videos": {"engine"},
    "clips": {"engine", "videos"},
    "captions": {"engine", "videos", "clips"},
    "plan": {"engine", "videos.sources", "videos.lists", "videos.containers", "captions.prompts", "report.marks"},
    "release": {"engine"},
    "report": {"engine", "videos", "clips.thresholds"},
    "tools": {"engine", "videos", "clips", "captions", "plan", "release", "report"},
}
"""What each package may import besides itself."""
FILES = sorted(path for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")


def modules(path: Path) -> set[str]:
    """The modules of the library that a file imports, as `package.module`."""
    names = {name.removeprefix("clipmill.") for name in syntax.imported(syntax.statements(path))}
    return {name for name in names if (LIBRARY / f"{name.replace('.', '/')}.py").is_file()}


def name(path: Path) -> str:
    return ".".join(path.relative_to(LIBRARY).with_suffix("").parts)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_only_point_down(path):
    package = path.parent.name
    for module in modules(path):
        assert module.partition(".")[0] in MAY_USE[package] | {package} or module in MAY_USE[package], (
            f"{module} is above {package}"
        )


def test_there_is_no_cycle():
    waiting = {name(path): modules(path) for path in FILES}
    while free := [module for module, needs in waiting.items() if not needs & waiting.keys()]:
        for module in free:
            del waiting[module]
    assert not waiting, f"these import each other: {sorted(waiting)}"


def test_nothing_imports_a_script():
    scripts = {path.stem for path in LIBRARY.parent.glob("*.py")}
    for path in FILES:
        assert not scripts & syntax.imported(syntax.statements(path)), path


def test_a_package_says_what_it_is_for_and_imports_nothing():
    for path in LIBRARY.rglob("__init__.py"):
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        assert len(tree.body) == 1, path


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_grows_too_large(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            assert node.end_lineno - node.lineno < 120, node.name
