"""One edit planted in the lines that ``derive`` writes: what ``check`` makes of the gradients that come of it."""

import ast

import numpy as np

import minigrad as mg

check = eval("lambda *args, **options: mg.check(*args, **options)", {"mg": mg})  # whose source is not looked for

_TRIES = 30  # edits of one program
_SEEN = {np.float32: 1e-3, np.float64: 1e-6}  # how far an edit moves its gradient, relative, at least


def edits(statement, names):
    """Yield (parent, field, other): what stands where, to change one part of the right side of a statement."""
    for parent in [statement, *ast.walk(statement.value)]:
        for field, child in ast.iter_fields(parent):
            if isinstance(child, ast.expr) and not isinstance(parent, ast.keyword | ast.Attribute):
                for other in _changes(child, names):
                    yield parent, field, other


def _changes(e, names):
    yield ast.UnaryOp(ast.USub(), e)
    match e:
        case ast.BinOp(left=a, op=op, right=b):
            yield from (a, b)
            yield from (ast.BinOp(a, other(), b) for other in (ast.Add, ast.Mult) if not isinstance(op, other))
        case ast.Attribute(value=a, attr="T") | ast.Call(args=[a, *_]):
            yield a
        case ast.Name(id=name) if name != "np":
            yield from (ast.Name(other, ast.Load()) for other in names if other != name)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)


def _run(statement, space):
    exec(compile(ast.fix_missing_locations(ast.Module([statement], [])), "<derivation>", "exec"), space)


def planted(program, rng):
    """Return the report on the gradients with one edit, its node and its statement; None where nothing can go wrong."""
    J, terms, leaves, derivation = program.derived
    body = ast.parse(derivation.numpy()).body
    right, before = {**derivation.inputs, **derivation.constants}, []
    for statement in body:
        before.append(dict(right))
        _run(statement, right)
    wanted = {name: node for node, name in derivation.gradients.items() if name in right}
    dtype = leaves[0].dtype.type
    made = [
        (i, name, edit)
        for i, s in enumerate(body)
        if isinstance(s, ast.Assign) and (name := ast.unparse(s.targets[0])) in wanted
        for edit in edits(s, [*wanted, *derivation.inputs])
    ]
    for k in rng.permutation(len(made))[:_TRIES]:
        i, name, (parent, field, other) = made[k]
        as_written, wrong = getattr(parent, field), dict(before[i])
        setattr(parent, field, other)
        text = ast.unparse(body[i])
        try:
            for statement in body[i:]:
                _run(statement, wrong)
            given = {f"d{node}": np.asarray(wrong[gradient], dtype) for gradient, node in wanted.items()}
        except Exception:  # the edit does not run
            continue
        finally:
            setattr(parent, field, as_written)
        size = np.max(np.abs(right[name]), initial=0)
        moved = np.shape(right[name]) != np.shape(wrong[name]) or np.any(
            np.abs(wrong[name] - right[name]) > _SEEN[dtype] * max(size, 1e-3)
        )
        if moved and all(np.all(np.abs(a) < 1e6) for a in given.values()):
            return check(J, given, terms=terms), wanted[name], text
    return None


def outcome(program, rng):
    """Return what becomes of one edit: whether it is called right, and else whether its place and kind are found."""
    found = planted(program, rng)
    if found is None:
        return "nothing planted"
    report, node, statement = found
    if report.ok:
        said = [word for word in ("kink", "convention") if any(word in note for note in report.notes)]
        return f"right, with a note on a {said[0]}" if said else f"called right: {statement}"
    first = report.mistakes[0]
    place = "right place" if first.node == node else "another place"
    return f"{place}, kind unknown" if first.kind == "unknown" else place
