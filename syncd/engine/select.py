"""Looks into the SELECT of a query with sqlglot, which is imported only when a query has one."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from syncd.engine.foreign import with_own_functions
from syncd.engine.placeholder import check_placeholders, fill, for_parser, quote_variables
from syncd.engine.statement import Query
from syncd.engine.words import Token, tokens_of
from syncd.errors import QueryError
from syncd.model.plan import Relation
from syncd.model.table import TableName

DIALECTS: Final = ("postgres", "sqlite", "mysql", "tsql")
"""Spellings in which people write a SELECT; tried in order where the source's own is not known."""


def check_select(text: str, offset: int = 0) -> Any:
    """Refuse a text that is no single SELECT in any dialect that is known; else its syntax tree.

    Raises:
        QueryError: `offset` is added to the place of the mistake.
    """
    check_placeholders(text, offset)
    first: QueryError | None = None
    for dialect in DIALECTS:
        try:
            return _parse(for_parser(text), dialect, offset)
        except QueryError as error:
            first = first or error
    raise first or QueryError("the SELECT does not parse", offset=offset)


def compile_select(
    text: str, dialect: str, offset: int = 0, variables: Mapping[str, str] = MappingProxyType({})
) -> Relation:
    """What a SELECT reads, in the source's dialect, with marks and the values of variables in it.

    Written in that dialect, the text stays as it is, but for names in brackets and calls of GETDATE, ISNULL, NVL and
    IFNULL. What only T-SQL takes (TOP), is translated as a whole.

    Raises:
        QueryError: it is no single SELECT, or a variable is not set.
    """
    tree, own = _own(text, dialect, offset)
    table, outputs, star = _simple(tree)
    return Relation(table=table, select=fill(own, variables, dialect, offset), outputs=outputs, star=star)


def compile_query(
    query: Query, dialect: str, variables: Mapping[str, str] = MappingProxyType({})
) -> Relation:
    """What a REPLICATE statement with a SELECT reads.

    Raises:
        QueryError: as for `compile_select`, or it defines a column that the SELECT does not give.
    """
    text = query.select or ""
    refuse_unknown_columns(query, _own(text, dialect, query.select_offset)[0])
    relation = compile_select(text, dialect, query.select_offset, variables)
    return replace(relation, include=query.include, exclude=query.exclude)


def refuse_unknown_columns(query: Query, tree: Any) -> None:
    """Hold the columns that the head names against those that the SELECT lists.

    Raises:
        QueryError: one is not among them, or INCLUDE or EXCLUDE stands before a list; at the name or that word.
    """
    given = _listed_columns(tree)
    for word in ("INCLUDE", "EXCLUDE"):
        if word in query.places and not all(_is_star(item) for item in tree.selects):
            raise QueryError(
                f"{word} chooses among all columns, and the SELECT lists its own",
                offset=query.places[word],
                hint="leave one of them out",
            )
    if given is None:
        return
    for name in (*(column.name for column in query.columns), *query.key):
        if name.lower() not in given:
            near = get_close_matches(name.lower(), list(given), 1)
            raise QueryError(
                f"column '{name}' is not among those that the SELECT gives",
                offset=query.places[name.lower()],
                hint=f"did you mean '{given[near[0]]}'?"
                if near
                else f"it gives: {', '.join(given.values())}",
            )


def quote_brackets(text: str, dialect: str = "") -> str:
    """The text with [name] as "name" (`name` in MySQL). A bracket behind a name, a call or a bracket is a subscript and stays."""
    quote = "`" if dialect == "mysql" else '"'
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
            pieces.append(quote + token.text.replace(quote, quote * 2) + quote)
            last = token.end
        # A blank may stand between ARRAY and its bracket.
        before_end = text.find("[", token.end) if _opens_array(text, token) else token.end
        before_kind = token.text if token.kind == "mark" else token.kind
    pieces.append(text[last:])
    return "".join(pieces)


def _own(text: str, dialect: str, offset: int) -> tuple[Any, str]:
    """The syntax tree of a SELECT, and its text in the source's dialect; its placeholders are still in it."""
    try:
        return _parse(for_parser(text), dialect, offset), quote_brackets(
            with_own_functions(text, dialect), dialect
        )
    except QueryError:
        try:
            tree = _parse(quote_variables(text), "tsql", offset)
        except QueryError:
            tree = None
        if tree is None:
            raise
        return tree, tree.sql(dialect=dialect)


def _listed_columns(tree: Any) -> dict[str, str] | None:
    """The names of the columns that a SELECT lists, by their lower case; None when some have no name yet."""
    items = tree.selects
    if any(_is_star(item) or not item.output_name for item in items):
        return None
    return {item.output_name.lower(): item.output_name for item in items}


def _is_star(item: Any) -> bool:
    from sqlglot import exp

    return isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))


def _opens_array(text: str, token: Token) -> bool:
    return token.keyword == "ARRAY" and text[token.end :].lstrip().startswith("[")


def trees_of(text: str, dialect: str, offset: int, what: str) -> list[Any]:
    """The syntax trees of the statements in a text; `what` names it in messages.

    Raises:
        QueryError: it does not parse; `offset` is added to the place of the mistake.
    """
    import sqlglot
    from sqlglot.errors import ParseError, TokenError

    # sqlglot warns about statements that it does not know; a refusal of ours says more.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    bracketed = text if dialect == "tsql" else quote_brackets(text, dialect)
    try:
        return [tree for tree in sqlglot.parse(bracketed, dialect=dialect) if tree is not None]
    except ParseError as error:
        detail = error.errors[0] if error.errors else {}
        near = str(detail.get("highlight") or "").strip()
        place = bracketed.find(near) if near else -1
        said = str(detail.get("description") or "").rstrip(".")
        # Descriptions that print the library's own objects help nobody.
        reason = "" if "<" in said or not said else f": {said[0].lower()}{said[1:]}"
        raise QueryError(
            f"{what} does not parse{f' near {near!r}' if near else ''}{reason}",
            offset=offset + max(place, 0),
        ) from error
    except TokenError as error:
        raise QueryError(f"{what} does not parse: a quote is not closed", offset=max(offset, 0)) from error


def _parse(text: str, dialect: str, offset: int) -> Any:
    from sqlglot import exp

    trees = trees_of(text, dialect, offset, "the SELECT")
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
        if _is_star(item):
            star = True
        elif isinstance(item, exp.Column):
            outputs.append((item.name, item.name))
        elif isinstance(item, exp.Alias) and isinstance(item.this, exp.Column):
            outputs.append((item.this.name, item.alias))
    return TableName(clause.this.name, clause.this.db), tuple(outputs), star
