"""PostgreSQL's errors as ours, without row values and passwords."""

import re
from collections.abc import Mapping
from typing import Final

import psycopg

from syncd.errors import (
    FatalError,
    NotFoundError,
    RowRejectedError,
    SyncdError,
    TransientError,
)

TRANSIENT: Final = ("08", "40", "57P", "53300", "55P03", "55006", "25P03", "58030")
"""Prefixes of SQLSTATE that may pass by themselves: connection lost, deadlock, shutdown, too many connections."""

_QUOTED: Final = re.compile(r'\bvalue ".*"', re.DOTALL)

REFUSALS: Final = (
    ("password authentication failed", "password rejected", "check `user` and `password`"),
    ("no password supplied", "a password is needed", "set `password`"),
    (
        "no pg_hba.conf entry",
        "the server does not let us in from here",
        "ask its administrator for a pg_hba.conf line",
    ),
    ("certificate verify failed", "the server's certificate is not trusted", "check `sslrootcert`"),
    (
        "server does not support ssl",
        "the server offers no TLS",
        "set `sslmode`, or switch TLS on at the server",
    ),
    (
        "root certificate file",
        "there is no certificate of an authority to check the server with",
        "set `sslrootcert`",
    ),
    ("could not load private key", "our own key cannot be read", "check `sslkey`"),
    ("certificate file", "our own certificate cannot be read", "check `sslcert`"),
)
"""Words of a refused connection -> what it means, what to try."""


def place_of(parameters: Mapping[str, str]) -> str:
    """The server and database, for messages: ``host:port/database``."""
    merged = dict(parameters)
    if "url" in merged:
        try:
            merged = {**psycopg.conninfo.conninfo_to_dict(merged.pop("url")), **merged}  # type: ignore[dict-item] # texts
        except psycopg.Error:
            return "the given url"
    host = merged.get("host") or "local socket"
    return f"{host}:{merged.get('port') or 5432}/{merged.get('dbname') or merged.get('user') or ''}"


def connecting(error: psycopg.Error, parameters: Mapping[str, str]) -> SyncdError:
    """Why a connection could not be opened."""
    place = place_of(parameters)
    text = mask(str(error), parameters)
    low = text.lower()
    for words, meaning, hint in REFUSALS:
        if words in low:
            return FatalError(f"cannot connect to {place}: {meaning}", hint=hint, code="connection_refused")
    if "does not exist" in low and "fatal" in low:
        said = text.rpartition("FATAL:")[2].strip()
        return FatalError(
            f"cannot connect to {place}: {said}", hint="check `database` and `user`", code="not_found"
        )
    if 'missing "="' in low or "invalid integer value" in low:
        return FatalError(f"cannot connect to {place}: the url is not well-formed", hint="check `url`")
    if "invalid" in low and ("connection option" in low or "uri" in low or "percent-encoded" in low):
        return FatalError(f"cannot connect to {place}: the url is not well-formed", hint="check `url`")
    reason = "it does not answer"
    for words, meaning in (
        ("connection refused", "connection refused"),
        ("could not translate host name", "no such host name"),
        ("failed to resolve host", "no such host name"),
        ("timeout", "no answer in time"),
        ("no such file", "no server listens on that socket"),
        ("starting up", "the server is starting up"),
        ("too many", "the server has too many connections"),
    ):
        if words in low:
            reason = meaning
            break
    return TransientError(
        f"cannot connect to {place}: {reason}", hint="check `host` and `port`, and that the server runs"
    )


def running(error: psycopg.Error, place: str) -> SyncdError:
    """Why a statement failed."""
    diagnosis = error.diag
    state = error.sqlstate or ""
    said = (diagnosis.message_primary or str(error).partition("\n")[0]).strip()
    if state == "57014":
        # A stop of ours is known before it comes to this.
        return TransientError(
            f"{place}: somebody cancelled the statement at the server", hint="it is tried again"
        )
    if state == "55P03":
        return TransientError(
            f"{place}: a transaction of somebody else holds rows that are needed",
            hint="end it (pg_locks and pg_stat_activity show it); it is tried again",
            code="row_locked",
        )
    if state == "42P07":
        return TransientError(f"{place}: {said}", hint="somebody else has just created it; it is tried again")
    if not state and isinstance(error, psycopg.DataError):
        return RowRejectedError(
            f"{place}: {said}", hint="mend the value, or leave the column out with a SELECT"
        )
    if not state and isinstance(error, psycopg.ProgrammingError | psycopg.NotSupportedError):
        return FatalError(f"{place}: {said}", hint="check the query")
    if not state or state.startswith(TRANSIENT):
        return TransientError(f"{place}: {said or 'the connection was lost'}", hint="it is tried again")
    if state in {"44000", "54000"} or state.startswith(("21", "22", "23", "P0")):
        return _of_a_row(said, state, diagnosis, place)
    if state == "XX000" and (diagnosis.context or "").startswith("COPY ") and "." in _where(diagnosis):
        # What an extension's type says of a value that it cannot read.
        return _of_a_row(said, state, diagnosis, place)
    return _of_a_statement(said, state, diagnosis, place)


def timed_out(place: str, seconds: float) -> TransientError:
    """What to say when a statement went on for so long without any progress."""
    return TransientError(
        f"{place}: a statement made no progress for {seconds:g} seconds",
        hint="it is tried again; give a longer command_timeout if the server needs more time",
        code="timeout",
    )


def _of_a_statement(said: str, state: str, diagnosis: psycopg.errors.Diagnostic, place: str) -> SyncdError:
    """What is wrong with a statement, or with what the server has for it."""
    if state in {"42P01", "3F000"}:
        return NotFoundError(f"{place}: {said}", hint="check the name and the schema")
    if state == "2BP01":
        users = (diagnosis.message_detail or "").partition("\n")[0]
        return FatalError(
            f"{place}: {said}" + (f": {users}" if users else ""),
            hint="drop what stands on it first",
            code="table_in_use",
        )
    if state == "42501":
        return FatalError(
            f"{place}: {said}", hint="grant the role that right, or set `schema`", code="forbidden"
        )
    if state == "53100":
        return FatalError(f"{place}: {said}", hint="free space at the server and run again", code="disk_full")
    hint = (diagnosis.message_hint or "").strip()
    return FatalError(
        f"{place}: {said}", hint=hint or "check the query and the table", where=_where(diagnosis)
    )


def _of_a_row(said: str, state: str, diagnosis: psycopg.errors.Diagnostic, place: str) -> SyncdError:
    """What is wrong with a row, without its values."""
    where = _where(diagnosis)
    if state == "23505":
        hint = "a unique rule of the destination forbids a row"
        return FatalError(f"{place}: {said}", where=where, hint=hint, code="key_exists")
    if state == "21000":
        return FatalError(
            f"{place}: the query gives the same key more than once",
            hint="a row of the destination can take only one of them: add a condition or GROUP BY",
            code="duplicate_key",
        )
    if state == "23502":
        hint = "give that column of the destination a default, allow NULL there, or mend the row"
        return RowRejectedError(f"{place}: {said}", where=where, hint=hint)
    if state == "44000" or state.startswith("P0"):
        # What a trigger says may hold the values of its row.
        name = _function(diagnosis)
        said = "a trigger, a function or a view's condition refuses it" + (f" ({name})" if name else "")
        return RowRejectedError(f"{place}: {said}", where=where, hint="mend the row, or change the rule")
    if state == "54000":
        said = "a row or its key is larger than the server can keep"
        hint = "leave the column out, or drop the index on it"
        return RowRejectedError(f"{place}: {said}", where=where, hint=hint)
    hint = "mend the value, or give the column a type that takes it"
    return RowRejectedError(f"{place}: {_without_values(said, state)}", where=where, hint=hint)


def mask(text: str, parameters: Mapping[str, str]) -> str:
    """The text without the password, in whichever parameter it stood."""
    hidden = {parameters.get("password", "")}
    url = parameters.get("url", "")
    if url:
        text = text.replace(url, "***")
        hidden.add(url.partition("://")[2].rpartition("@")[0].partition(":")[2])
    for secret in hidden - {""}:
        text = text.replace(secret, "***")
    return text


def _where(diagnosis: psycopg.errors.Diagnostic) -> str:
    """Table and column, from the diagnosis or from COPY's context line."""
    table, column = diagnosis.table_name or "", diagnosis.column_name or ""
    context = diagnosis.context or ""
    if not column and "column " in context:
        column = context.partition("column ")[2].partition(":")[0].partition(",")[0].strip()
    if not table and context.startswith("COPY "):
        table = context[5:].partition(",")[0]
    return ".".join(part for part in (table, column) if part)


def _function(diagnosis: psycopg.errors.Diagnostic) -> str:
    """The function that raised, from the context line."""
    context = diagnosis.context or ""
    return context.partition("(")[0].strip() if context.startswith("PL/pgSQL function ") else ""


def _without_values(said: str, state: str) -> str:
    # Class 22 quotes the offending value: 'invalid input syntax for type integer: "abc"'.
    # and 22003 puts it first: 'value "123" is out of range for type smallint'.
    return _QUOTED.sub("a value", said.partition(': "')[0]) if state.startswith("22") else said
