"""The mutants of a file: one small change of its syntax tree each."""

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_UNTOUCHED_CALLS = ("_log.", "log.", "suppress", "cast")
"""What is written for people, or for a type checker, has no test of its own."""

Change = Callable[[ast.AST], ast.AST]


@dataclass(frozen=True, slots=True)
class Mutant:
    """``function`` is where it is, ``before`` and ``after`` what is changed there.

    ``statement`` is the first line of the statement, ``scope`` are the lines of the function, or of
    the class.
    """

    path: str
    line: int
    statement: int
    scope: range
    function: str
    before: str
    after: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return f"{self.function}: {self.before} -> {self.after}"


def mutants_of(path: str, source: str) -> Iterator[Mutant]:
    """All mutants of a file, in the order of its lines."""
    tree = ast.parse(source)
    scopes, statements = _scopes(tree), _statements(tree)
    for place, (node, function) in enumerate(_places(tree)):
        for change in _changes(node):
            changed = deepcopy(tree)
            target = next(found for at, (found, _) in enumerate(_places(changed)) if at == place)
            after = change(target)
            _replace(changed, target, after)
            yield Mutant(
                path,
                node.lineno,
                statements[node],
                scopes[function],
                function,
                _text(node),
                _text(after),
                ast.fix_missing_locations(changed),
            )


def _places(tree: ast.Module) -> list[tuple[ast.expr | ast.stmt, str]]:
    """The nodes that may be changed, and the function in which each stands."""
    found: list[tuple[ast.expr | ast.stmt, str]] = []

    def walk(node: ast.AST, function: str) -> None:
        decorators = getattr(node, "decorator_list", ())
        for child in ast.iter_child_nodes(node):
            if child in decorators or _is_left_alone(child):
                continue
            inner = function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{function}.{child.name}".lstrip(".")
            if isinstance(child, ast.expr | ast.stmt) and function:
                found.append((child, function))
            walk(child, inner)

    without_annotations(tree)
    walk(tree, "")
    return found


def _scopes(tree: ast.Module) -> dict[str, range]:
    """The lines of each function and class."""
    found: dict[str, range] = {}

    def walk(node: ast.AST, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{function}.{child.name}".lstrip(".")
                found[inner] = range(child.lineno, (child.end_lineno or child.lineno) + 1)
            walk(child, inner)

    walk(tree, "")
    return found


def _statements(tree: ast.Module) -> dict[ast.AST, int]:
    """The first line of the statement in which each node stands."""
    found: dict[ast.AST, int] = {}
    for each in ast.walk(tree):  # outer before inner: the innermost statement stays
        if isinstance(each, ast.stmt):
            found.update(dict.fromkeys(ast.walk(each), each.lineno))
    return found


def without_annotations(tree: ast.Module) -> None:
    """Types are not what is tested; dataclasses and structs keep theirs, which they need."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        if isinstance(node.value, ast.Constant):
            return True  # a docstring
        called = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(called, ast.Call) and _text(called.func).startswith(_UNTOUCHED_CALLS):
            return True
    if isinstance(node, ast.AnnAssign):
        return True
    return isinstance(node, ast.If) and _text(node.test) == "TYPE_CHECKING"


def _changes(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARISONS:
            yield _compared_otherwise
        case ast.BoolOp():
            yield _joined_otherwise
        case ast.UnaryOp(op=ast.Not()):
            yield _operand
        case ast.BinOp(op=operator) if type(operator) in _ARITHMETIC and not _is_text(node):
            yield _reckoned_otherwise
        case ast.Constant(value=bool()):
            yield _opposite
        case ast.Constant(value=int() | float()):
            yield _one_more
        case ast.If() | ast.While() | ast.IfExp():
            if not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
                yield _turned
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.AugAssign():
            yield lambda _: ast.Pass()
        case ast.Return(value=value) if value is not None and _text(value) != "None":
            yield lambda _: ast.Return(ast.Constant(None))
        case ast.Continue():
            yield lambda _: ast.Break()


def _operand(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.UnaryOp)
    return node.operand


def _opposite(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Constant)
    return ast.Constant(not node.value)


def _one_more(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Constant)
    assert isinstance(node.value, int | float)
    return ast.Constant(node.value + 1)


def _compared_otherwise(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Compare)
    return ast.Compare(node.left, [_COMPARISONS[type(node.ops[0])]()], node.comparators)


def _joined_otherwise(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    return ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _reckoned_otherwise(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.BinOp)
    return ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)


def _turned(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.If | ast.While | ast.IfExp)
    turned = deepcopy(node)
    turned.test = ast.UnaryOp(ast.Not(), turned.test)
    return turned


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in (node.left, node.right)
    )


def _replace(tree: ast.Module, target: ast.AST, replacement: ast.AST) -> None:
    ast.copy_location(replacement, target)
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, replacement)
                return
            if isinstance(value, list) and any(each is target for each in value):
                value[:] = [replacement if each is target else each for each in value]
                return
    raise AssertionError("what is to be replaced is not in the tree")


def _text(node: ast.AST | None) -> str:
    if node is None:
        return ""
    text = ast.unparse(ast.fix_missing_locations(deepcopy(node))).split("\n")[0]
    return text if len(text) <= 100 else f"{text[:97]}..."
