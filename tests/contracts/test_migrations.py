"""Migrations expand before they contract, so that two versions can use a schema at once."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.words import PACKAGE
from tests.sql.schemas import NEXT

FOLDERS = sorted(PACKAGE.glob("*/migrations/versions"))

ADDS = {"create_table", "create_index", "add_column"}
"""Operations that leave everything that there was."""


def test_every_service_with_a_database_has_migrations() -> None:
    words = {path.parents[1].name for path in FOLDERS}
    models = (path for path in PACKAGE.rglob("models.py") if _has_tables(path))
    using = {path.relative_to(PACKAGE).parts[0] for path in models}
    assert words == using


def _has_tables(path: Path) -> bool:
    return "DeclarativeBase" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.parents[1].name)
def test_each_migration_expands_or_contracts(folder: Path) -> None:
    assert list(problems(sorted(folder.glob("r*.py")))) == []


def problems(files: list[Path]) -> Iterator[str]:
    """What is wrong with a chain of migrations."""
    before, serves = None, None
    for number, path in enumerate(files, 1):
        module = _loaded(path)
        if module.revision != f"r{number:04}" or module.down_revision != before:
            yield f"{path.name}: {module.revision} does not follow {before}"
        if before is None:
            wanted = module.revision
        else:
            taken = list(_takes_away(path))
            wanted = before if taken else serves
            if taken and module.serves != wanted:
                yield f"{path.name}: {', '.join(taken)} is a contract: serves must be {wanted}"
                continue
        if module.serves != wanted:
            yield f"{path.name}: it only adds: serves must be {wanted}"
        before, serves = module.revision, module.serves


def _takes_away(path: Path) -> Iterator[str]:
    """The operations of ``upgrade`` after which an earlier version might not work."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (upgrade,) = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
    )
    for node in ast.walk(upgrade):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "op":
            name = node.func.attr
            if name not in ADDS or (name == "add_column" and not _may_be_left_out(node)):
                yield name
            if name == "create_index" and _is(node, "unique", True):
                yield "a unique index"


def _may_be_left_out(call: ast.Call) -> bool:
    """Whether software that does not know a column can insert rows."""
    (column,) = (arg for arg in call.args if isinstance(arg, ast.Call))
    given = any(word.arg == "server_default" for word in column.keywords)
    return given or _is(column, "nullable", True)


def _is(call: ast.Call, keyword: str, value: object) -> bool:
    return any(
        word.arg == keyword and isinstance(word.value, ast.Constant) and word.value.value is value
        for word in call.keywords
    )


def _loaded(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("change", "serves", "found"),
    [
        ('op.add_column("a", sa.Column("b", sa.Integer(), nullable=True))', 1, ""),
        ('op.add_column("a", sa.Column("b", sa.Integer(), server_default="0"))', 1, ""),
        ('op.create_index("ix_a_b", "a", ["b"])', 1, ""),
        ('op.drop_column("a", "b")', 2, ""),
        ('op.drop_column("a", "b")', 1, "drop_column is a contract: serves must be r0002"),
        ('op.drop_column("a", "b")', 3, "drop_column is a contract: serves must be r0002"),
        ('op.add_column("a", sa.Column("b", sa.Integer(), nullable=False))', 1, "add_column is a"),
        ('op.alter_column("a", "b", new_column_name="c")', 1, "alter_column is a contract"),
        ('op.create_index("ix_a_b", "a", ["b"], unique=True)', 1, "a unique index is a contract"),
        ('op.execute("DELETE FROM a")', 1, "execute is a contract"),
        ('op.create_table("c")', 2, "it only adds: serves must be r0001"),
    ],
)
def test_a_migration_that_breaks_the_rule_is_found(
    change: str, serves: int, found: str, tmp_path: Path
) -> None:
    chain = [("r0001", None, "r0001"), ("r0002", "r0001", "r0001"), ("r0003", "r0002", None)]
    for revision, before, own in chain:
        text = NEXT.format(
            revision=revision,
            before=before,
            serves=own or f"r{serves:04}",
            does="Changes",
            change=change if own is None else 'op.create_table("a")',
        )
        text = text.replace('"None"', "None")
        (tmp_path / f"{revision}_a.py").write_text(text, encoding="utf-8")
    texts = list(problems(sorted(tmp_path.glob("r*.py"))))
    assert len(texts) == bool(found)
    assert not found or found in texts[0]
