"""Metadata filters to SQL, so that every index has the same ones and none of its own.

``{"field": {"$eq": v}}`` with ``$eq $ne $gt $gte $lt $lte $in $nin $exists`` on fields and
``$and $or $not`` around them; ``{"field": v}`` is short for ``$eq``. Fields are top-level
keys of the document's metadata, or ``document_id``, ``name`` and ``media_type`` of the
document itself. A comparison matches only values of the operand's own type.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from rag.catalog import schema as t
from rag.errors import InvalidFilter

MAX_DEPTH = 8
_MOST_CONDITIONS = 200
_MOST_VALUES = 1_000
# Within what SQLite compiles: expressions up to 1,000 levels deep, 32,766 values.
_OWN = {
    "document_id": t.documents.c.id,
    "name": t.documents.c.name,
    "media_type": t.documents.c.media_type,
}
FIELD_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
}
"""What a collection's metadata schema can declare a field to be."""
_ESCAPED = {'"', "\\", *map(chr, range(32))}
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "$in": lambda value, operands: value.in_(operands),
    "$eq": operator.eq,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


class json_type_of(GenericFunction[str]):
    """Type of a top-level metadata value: string, number, boolean, null; SQL NULL if absent."""

    type = sa.Text()
    inherit_cache = True


class _Number(sa.types.TypeDecorator[float]):
    """Integers and decimal fractions, compared as exactly as they are written."""

    impl = sa.Float
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        # To SQLAlchemy's Float, SQLite's numbers are all floats: larger integers would be rounded.
        kind = sa.Numeric() if dialect.name == "postgresql" else sa.types.NullType()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return Decimal(repr(value)) if dialect.name == "postgresql" else value


class json_number(GenericFunction[float]):
    """A metadata value that is a number."""

    type = _Number()
    inherit_cache = True


class json_string(GenericFunction[str]):
    """A metadata value that is a string, ordered by its code points."""

    type = sa.Text()
    inherit_cache = True


class by_code_points(GenericFunction[str]):
    """Text as it is, compared by code points whatever the database's language."""

    type = sa.Text()
    inherit_cache = True


@compiles(json_type_of, "sqlite")
def _sqlite_type(element: Any, compiler: Any, **kw: Any) -> str:
    name = f"json_type({_sqlite_place(element, compiler, **kw)})"
    return (
        f"CASE {name} WHEN 'text' THEN 'string' WHEN 'integer' THEN 'number' "
        f"WHEN 'real' THEN 'number' WHEN 'true' THEN 'boolean' WHEN 'false' THEN 'boolean' "
        f"ELSE {name} END"
    )


@compiles(json_number, "sqlite")
@compiles(json_string, "sqlite")
def _sqlite_value(element: Any, compiler: Any, **kw: Any) -> str:
    return f"json_extract({_sqlite_place(element, compiler, **kw)})"


@compiles(by_code_points, "sqlite")
def _sqlite_text(element: Any, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clause_expr, **kw))


def _sqlite_place(element: Any, compiler: Any, **kw: Any) -> str:
    column, key = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"""{column}, '$."' || {key} || '"'"""


@compiles(json_type_of, "postgresql")
def _postgresql_type(element: Any, compiler: Any, **kw: Any) -> str:
    return f"jsonb_typeof({_postgresql_place('->', element, compiler, **kw)})"


@compiles(json_number, "postgresql")
def _postgresql_number(element: Any, compiler: Any, **kw: Any) -> str:
    return f"CAST({_postgresql_place('->', element, compiler, **kw)} AS NUMERIC)"


@compiles(json_string, "postgresql")
def _postgresql_string(element: Any, compiler: Any, **kw: Any) -> str:
    return f"""(({_postgresql_place("->>", element, compiler, **kw)}) COLLATE "C")"""


@compiles(by_code_points, "postgresql")
def _postgresql_text(element: Any, compiler: Any, **kw: Any) -> str:
    return f"""({compiler.process(element.clause_expr, **kw)} COLLATE "C")"""


def _postgresql_place(arrow: str, element: Any, compiler: Any, **kw: Any) -> str:
    column, key = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} {arrow} CAST({key} AS TEXT)"


def is_field_name(name: str) -> bool:
    """Whether metadata can have a field of this name: JSON writes it without escapes."""
    return (
        bool(name) and not name.startswith("$") and not set(name) & _ESCAPED and is_storable(name)
    )


def is_storable(text: str) -> bool:
    """Whether SQL can hold the text: no NUL, no unpaired surrogate."""
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


def document_condition(
    filter: Mapping[str, Any], schema: Mapping[str, Any]
) -> sa.ColumnElement[bool]:
    """The SQL condition on ``documents`` that a filter stands for.

    Raises:
        InvalidFilter: unknown operator, wrong type or too large; the message names the place.
    """
    _check_size(filter)
    return _group(filter, schema, "filter", 1)


def _check_size(filter: Mapping[str, Any]) -> None:
    conditions = values = 0
    pending: list[Any] = [filter]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            conditions += len(node)
            pending.extend(node.values())
        elif isinstance(node, Sequence) and not isinstance(node, str):
            values += len(node)
            pending.extend(node)
    if conditions > _MOST_CONDITIONS or values > _MOST_VALUES:
        raise InvalidFilter(
            f"filter: more than {_MOST_CONDITIONS} conditions or {_MOST_VALUES:,} listed values.",
            param="filter",
        )


def _group(node: Any, schema: Mapping[str, Any], place: str, depth: int) -> sa.ColumnElement[bool]:
    if depth > MAX_DEPTH:
        raise InvalidFilter(f"{place}: nested deeper than {MAX_DEPTH} levels.", param=place)
    if not isinstance(node, Mapping):
        raise InvalidFilter(f"{place}: expected an object, got {_kind(node)}.", param=place)
    parts = []
    for key, value in node.items():
        here = f"{place}.{key}"
        if key in ("$and", "$or"):
            parts.append(_combine(key, value, schema, here, depth))
        elif key == "$not":
            parts.append(sa.not_(_group(value, schema, here, depth + 1)))
        elif str(key).startswith("$"):
            raise InvalidFilter(f"{here}: unknown operator.", param=here)
        else:
            parts.append(_field(str(key), value, schema, here))
    return sa.and_(sa.true(), *parts)


def _combine(
    key: str, value: Any, schema: Mapping[str, Any], place: str, depth: int
) -> sa.ColumnElement[bool]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise InvalidFilter(f"{place}: expected a non-empty list of conditions.", param=place)
    parts = [
        _group(item, schema, f"{place}[{index}]", depth + 1) for index, item in enumerate(value)
    ]
    return sa.and_(*parts) if key == "$and" else sa.or_(*parts)


def _field(field: str, value: Any, schema: Mapping[str, Any], place: str) -> sa.ColumnElement[bool]:
    if not is_field_name(field):
        raise InvalidFilter(f"{place}: not a name that a field can have.", param=place)
    operators = value if isinstance(value, Mapping) else {"$eq": value}
    if not operators:
        raise InvalidFilter(f"{place}: no operator given.", param=place)
    declared = "string" if field in _OWN else schema.get(field)
    return sa.and_(
        *(
            _operator(field, op, operand, declared, f"{place}.{op}")
            for op, operand in operators.items()
        )
    )


def _operator(
    field: str, op: str, operand: Any, declared: str | None, place: str
) -> sa.ColumnElement[bool]:
    if op == "$exists":
        if not isinstance(operand, bool):
            raise InvalidFilter(f"{place}: expected true or false.", param=place)
        return _exists(field) if operand else sa.not_(_exists(field))
    if op in ("$in", "$nin"):
        if not isinstance(operand, Sequence) or isinstance(operand, str):
            raise InvalidFilter(f"{place}: expected a list.", param=place)
        for index, item in enumerate(operand):
            _check(item, declared, f"{place}[{index}]")
        found = _one_of(field, operand)
        return found if op == "$in" else sa.not_(found)
    if op != "$ne" and op not in _OPERATORS:
        raise InvalidFilter(f"{place}: unknown operator.", param=place)
    _check(operand, declared, place)
    if op not in ("$eq", "$ne") and (operand is None or isinstance(operand, bool)):
        raise InvalidFilter(f"{place}: {_kind(operand)} has no order.", param=place)
    if op == "$ne":
        return sa.not_(_compare(field, "$eq", operand))
    return _compare(field, op, operand)


def _check(operand: Any, declared: str | None, place: str) -> None:
    if operand is not None and not isinstance(operand, (str, int, float)):
        raise InvalidFilter(
            f"{place}: expected a string, number, boolean or null, got {_kind(operand)}.",
            param=place,
        )
    if isinstance(operand, str) and not is_storable(operand):
        raise InvalidFilter(f"{place}: contains a NUL or half a surrogate pair.", param=place)
    if isinstance(operand, float) and not math.isfinite(operand):
        raise InvalidFilter(f"{place}: not a finite number.", param=place)
    if isinstance(operand, int) and not -(2**63) <= operand < 2**63:
        raise InvalidFilter(f"{place}: the number does not fit into 64 bits.", param=place)
    if declared is None or operand is None:
        return
    fits = isinstance(operand, FIELD_TYPES[declared])
    if not fits or (isinstance(operand, bool) and declared != "boolean"):
        raise InvalidFilter(
            f"{place}: the field is a {declared}, the value a {_kind(operand)}.", param=place
        )


def _exists(field: str) -> sa.ColumnElement[bool]:
    if field in _OWN:
        return sa.true()
    return _type(field).is_not(None)


def _compare(field: str, op: str, operand: Any) -> sa.ColumnElement[bool]:
    """A comparison that is false, never NULL, where the value is absent or of another type.

    The operand of ``$in`` is a list of values of one type.
    """
    sample = operand[0] if op == "$in" else operand
    if field in _OWN:
        own = by_code_points(_OWN[field])
        return _apply(own, op, operand) if isinstance(sample, str) else sa.false()
    kind = sa.func.coalesce(_type(field), "")
    if sample is None:
        return kind == "null"
    typed: sa.ColumnElement[Any]
    if isinstance(sample, bool):
        same, typed = kind == "boolean", t.documents.c.metadata[field].as_boolean()
    elif isinstance(sample, str):
        same, typed = kind == "string", json_string(t.documents.c.metadata, field)
    else:
        same, typed = kind == "number", json_number(t.documents.c.metadata, field)
    # Of AND both sides may be computed, and PostgreSQL fails on a string taken for a number.
    return sa.case((same, _apply(typed, op, operand)), else_=sa.false())


def _one_of(field: str, operands: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Equal to one of the values: one condition for each type among them."""
    by_kind: dict[str, list[Any]] = {}
    for operand in operands:
        by_kind.setdefault(_kind(operand), []).append(operand)
    return sa.or_(sa.false(), *(_compare(field, "$in", same) for same in by_kind.values()))


def _apply(value: Any, op: str, operand: Any) -> sa.ColumnElement[bool]:
    condition: sa.ColumnElement[bool] = _OPERATORS[op](value, operand)
    return condition


def _type(field: str) -> sa.ColumnElement[Any]:
    return json_type_of(t.documents.c.metadata, field)


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}
    return names.get(type(value), "list" if isinstance(value, (list, tuple)) else "object")
