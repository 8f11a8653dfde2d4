"""The parts of a Python file that can change a result: not what is only said, nor the models that are not chosen."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

OTHERS = "*"
"""The entry of a table of models for every name that has no entry of its own."""
LOGS = {"log", "logger", "logging", "warnings"}


@cache
def statements(path: Path) -> tuple[ast.stmt, ...]:
    """The statements of a file, one per imported name, without docstrings, comments and what is only said."""
    tree = _Silenced().visit(ast.parse(path.read_text(encoding="utf-8")))
    return tuple(part for statement in tree.body for part in _one_name_each(statement))


def tables(path: Path, model: str | None) -> dict[int, tuple[str, set[str]]]:
    """The tables of models of a file that have an entry for `model`: (class chosen, other classes) by the number of
    the statement.

    A table of models is a dict in capitals from names to classes that this file defines or imports.
    """
    found = {}
    for number, statement in enumerate(statements(path) if model else ()):
        entries = _entries(statement)
        mine = entries.get(model, entries.get(OTHERS))
        if mine:
            found[number] = mine, set(entries.values()) - {mine}
    return found


def chosen(path: Path, model: str, used_elsewhere: frozenset[str]) -> list[ast.stmt]:
    """The statements of a file that count where the step's model is `model`.

    The classes that its tables hold for other models are left out, with all that only they use; `used_elsewhere`
    names what other files use.
    """
    kept, others = list(statements(path)), set()
    for number, (mine, rest) in tables(path, model).items():
        kept[number] = ast.Expr(ast.Name(mine))
        others |= rest
    defined: dict[str, list[ast.stmt]] = {}
    for statement in kept:
        for name in _defines(statement):
            defined.setdefault(name, []).append(statement)
    theirs = _reach(others, defined)
    ours = [statement for statement in kept if not (names := _defines(statement)) or names - theirs]
    needed = _reach({name for statement in ours for name in _used(statement)} | used_elsewhere, defined)
    left_out = theirs - needed
    return [statement for statement in kept if not (names := _defines(statement)) or names - left_out]


def imported(nodes: Iterable[ast.stmt]) -> set[str]:
    """The dotted names of the modules that statements import, at any depth; some may name no module."""
    found = set()
    for node in (part for statement in nodes for part in ast.walk(statement)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def names_abroad(statement: ast.stmt) -> set[str]:
    """The names by which a statement may use what another file defines: attributes, and names that it imports."""
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def _one_name_each(statement: ast.stmt) -> list[ast.stmt]:
    if not isinstance(statement, ast.ImportFrom):
        return [statement]
    return [ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names]


def _defines(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement binds; none for one that acts."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign):
        return {node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return set()


def _used(statement: ast.stmt) -> set[str]:
    """The names of its own file that a statement uses, and some that are not its own."""
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _entries(statement: ast.stmt) -> dict[str, str]:
    """The entries of a table of models: model -> class; empty for any other statement."""
    if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict)):
        return {}
    (target, *_), table = statement.targets, statement.value
    if not (isinstance(target, ast.Name) and target.id.isupper()):
        return {}
    if not all(isinstance(key, ast.Constant) for key in table.keys):
        return {}
    if not all(isinstance(value, ast.Name) for value in table.values):
        return {}
    return {key.value: value.id for key, value in zip(table.keys, table.values, strict=True)}


def _reach(names: set[str], defined: dict[str, list[ast.stmt]]) -> set[str]:
    """Of the names that are defined, those that `names` lead to."""
    reached: set[str] = set()
    todo = [name for name in names if name in defined]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += [used for statement in defined[name] for used in _used(statement) if used in defined]
    return reached


class _Silenced(ast.NodeTransformer):
    """Removes docstrings, and the words of errors, prints, logs and help texts. Reasons of rejects stay: they are
    results."""

    def generic_visit(self, node):
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)] or [ast.Pass()]
        return node

    def visit_Raise(self, node):
        self.generic_visit(node)
        if isinstance(node.exc, ast.Call) and _name(node.exc.func) != "Reject":
            node.exc = node.exc.func
        return node

    def visit_Assert(self, node):
        self.generic_visit(node)
        node.msg = None
        return node

    def visit_Call(self, node):
        self.generic_visit(node)
        if _is_said(node):
            return ast.Call(node.func, [], [])
        if _name(node.func) == "add_argument":
            node.keywords = [word for word in node.keywords if word.arg != "help"]
        return node


def _is_said(call: ast.Call) -> bool:
    """Whether the arguments of a call are words for a person, and nothing else."""
    name = _name(call.func)
    if name == "print":
        files = [ast.unparse(word.value) for word in call.keywords if word.arg == "file"]
        return files in ([], ["sys.stderr"], ["sys.stdout"])
    if isinstance(call.func, ast.Attribute):
        return _name(call.func.value) in LOGS or ast.unparse(call.func) == "sys.exit"
    return name.endswith(("Error", "Exit"))


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
