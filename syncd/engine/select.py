"""Looks into the SELECT of a query with sqlglot, which is imported only when a query has one."""

import logging
from typing import Any, Final

from syncd.engine.words import tokens_of
from syncd.errors import QueryError
from syncd.model.plan import Relation
from syncd.model.table import TableName

DIALECTS: Final = ("postgres", "sqlite", "mysql", "tsql")
"""Spellings in which people write a SELECT; tried in order where the source's own is not known."""


def check_select(text: str, offset: int = 0) -> None:
    """Refuse a text that is no single SELECT in any dialect that is known.

    Raises:
        QueryError: `offset` is added to the place of the mistake.
    """
    first: QueryError | None = None
    for dialect in DIALECTS:
        try:
            _parse(text, dialect, offset)
        except QueryError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def compile_select(text: str, dialect: str, offset: int = 0) -> Relation:
    """What a SELECT reads, in the source's dialect.

    Written in that dialect, the text stays as it is, but for names in brackets. Written in T-SQL (TOP, GETDATE,
    ISNULL), it is translated.

    Raises:
        QueryError: it is no single SELECT.
    """
    try:
        tree = _parse(text, dialect, offset)
        own = quote_brackets(text)
    except QueryError:
        try:
            tree = _parse(text, "tsql", offset)
        except QueryError:
            tree = None
        if tree is None:
            raise
        own = tree.sql(dialect=dialect)
    table, outputs, star = _simple(tree)
    return Relation(table=table, select=own, outputs=outputs, star=star)


def quote_brackets(text: str) -> str:
    """The text with [name] as "name". A bracket behind a name, a call or a bracket is a subscript and stays."""
    pieces: list[str] = []
    last = 0
    before_end = -1
    before_kind = ""
    for token in tokens_of(text):
        subscript = before_end == token.start and (
            before_kind in {"word", "bracket", "double"} or before_kind == ")"
        )
        if token.kind == "bracket" and not subscript:
            pieces.append(text[last : token.start])
            pieces.append('"' + token.text.replace('"', '""') + '"')
            last = token.end
        before_end = token.end
        before_kind = token.text if token.kind == "mark" else token.kind
    pieces.append(text[last:])
    return "".join(pieces)


def _parse(text: str, dialect: str, offset: int) -> Any:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError, TokenError

    # sqlglot warns about statements that it does not know; a refusal of ours says more.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    bracketed = text if dialect == "tsql" else quote_brackets(text)
    try:
        trees = [tree for tree in sqlglot.parse(bracketed, dialect=dialect) if tree is not None]
    except ParseError as error:
        detail = error.errors[0] if error.errors else {}
        near = str(detail.get("highlight") or "").strip()
        place = bracketed.find(near) if near else -1
        said = str(detail.get("description") or "").rstrip(".")
        # Descriptions that print the library's own objects help nobody.
        reason = "" if "<" in said or not said else f": {said[0].lower()}{said[1:]}"
        raise QueryError(
            f"the SELECT does not parse{f' near {near!r}' if near else ''}{reason}",
            offset=offset + max(place, 0),
        ) from error
    except TokenError as error:
        raise QueryError("the SELECT does not parse: a quote is not closed", offset=offset) from error
    if len(trees) != 1:
        raise QueryError("a query holds one single SELECT", offset=offset)
    tree = trees[0]
    if not isinstance(tree, exp.Query) or tree.find(
        exp.Into, exp.Insert, exp.Update, exp.Delete, exp.Command
    ):
        raise QueryError("a query only reads: one SELECT without INTO", offset=offset)
    if isinstance(tree, exp.Select) and not tree.expressions:
        raise QueryError("the SELECT names no columns", offset=offset)
    return tree


def _simple(tree: Any) -> tuple[TableName | None, tuple[tuple[str, str], ...], bool]:
    """The one table that a SELECT without join, group, distinct or limit reads, and which columns come out as what."""
    from sqlglot import exp

    nothing: tuple[TableName | None, tuple[tuple[str, str], ...], bool] = (None, (), False)
    if not isinstance(tree, exp.Select):
        return nothing
    # The key of the FROM clause has been spelt differently across sqlglot versions.
    clause = tree.args.get("from_") or tree.args.get("from")
    complicated = (
        "joins",
        "group",
        "distinct",
        "with_",
        "with",
        "laterals",
        "having",
        "qualify",
        "limit",
        "offset",
    )
    if (
        clause is None
        or not isinstance(clause.this, exp.Table)
        or any(tree.args.get(key) for key in complicated)
    ):
        return nothing
    if clause.this.args.get("joins") or not isinstance(clause.this.this, exp.Identifier):
        return nothing
    outputs: list[tuple[str, str]] = []
    star = False
    for item in tree.expressions:
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            star = True
        elif isinstance(item, exp.Column):
            outputs.append((item.name, item.name))
        elif isinstance(item, exp.Alias) and isinstance(item.this, exp.Column):
            outputs.append((item.this.name, item.alias))
    return TableName(clause.this.name, clause.this.db), tuple(outputs), star
