"""Every option by its names: the vendor's spelling, our place for it in a job's YAML, and how its value is read.

Source: Job Management API, the options of a job, OtherCacheOptions and the WITH of a query.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from syncd.engine.optionvalue import (
    Reader,
    bound,
    choice,
    interval,
    names,
    number,
    seconds,
    truth,
    whole,
    words,
)
from syncd.errors import QueryError
from syncd.model.options import Deletes, Verify, Write

Settings = Mapping[str, object]
"""Fields of Options (and, for a whole job, of Replication) with the values that somebody gave them."""

INTERVAL_COUNT: Final = "interval_count"
INTERVAL_UNIT: Final = "interval_unit"
"""What ReplicateInterval and ReplicateIntervalUnit set until both are known."""

FIELDS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "check_columns": names,
        "lookback_seconds": seconds(31_536_000),
        "start": bound,
        "interval": interval,
        "window_rows": whole(0, 1_000_000_000),
        "batch_rows": whole(0, 10_000_000),
        "batch_bytes": whole(0, 1_073_741_824),
        "command_timeout_seconds": seconds(31_536_000),
        "write": choice(Write),
        "truncate": truth,
        "drop": truth,
        "truncate_strings": truth,
        "alter_schema": truth,
        "quarantine": truth,
        "utc_times": truth,
        "deletes": choice(Deletes),
        "max_delete_percent": number(0, 100),
        "allow_empty": truth,
        "verify": choice(Verify),
        "destination_schema": words,
        "table_prefix": words,
        "key": names,
    }
)
"""The fields of Options, each with the reader of its text; under these names they may stand in WITH as well."""

OF_THE_JOB: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "continue_on_error": truth,
        "parallel": whole(1, 64),
        "verbosity": lambda text: {4: 5}.get(found := whole(1, 5)(text), found),
        "enabled": truth,
        "exclude": names,
    }
)
"""Fields of a job that hold for all its queries at once: they may stand in other_options, and not in WITH."""


@dataclass(frozen=True, slots=True)
class OptionName:
    """A name of the vendor's and its home in a job's YAML, for example ``schedule.cron``.

    `reads` makes settings of a text; None for what is no setting of a query or job, which its home describes. Where
    `home` is empty syncd does not offer the option, and `reason` says why and what to do instead. A `flag` may stand
    without a value, which means true.
    """

    vendor: str
    home: str = ""
    reads: Callable[[str], Settings] | None = None
    flag: bool = False
    reason: str = ""


def _sets(vendor: str, home: str, reader: Reader | None = None) -> OptionName:
    """An option that gives a field its value."""
    field = "check_columns" if home == "check_column" else home
    read = reader or FIELDS.get(field) or OF_THE_JOB[field]
    return OptionName(vendor, home, lambda text: {field: read(text)}, flag=read is truth)


def _part(vendor: str, field: str, reader: Reader) -> OptionName:
    """One of the two options that make an interval."""
    return OptionName(vendor, "interval", lambda text: {field: reader(text)})


def _skip_deleted(text: str) -> Settings:
    return {"deletes": Deletes.OFF if truth(text) else Deletes.HARD}


def _history_mode(text: str) -> Settings:
    return {"write": Write.HISTORY if truth(text) else Write.MERGE}


def _merge_mode(text: str) -> Settings:
    if text.strip().lower() == "replace":
        return {"truncate": True}
    return {"write": choice(Write, upsert=Write.MERGE)(text)}


def _unit(text: str) -> str:
    plain = text.strip().lower().removesuffix("s")
    if plain not in {"minute", "hour", "day", "week", "month", "year"}:
        raise QueryError(f"must be one of minutes, hours, days, weeks, months, years, not '{text[:60]}'")
    return f"{plain}s"


def _columns_by_time(text: str) -> Settings:
    if "=" in text:
        raise QueryError(
            "cannot name a column for each table",
            hint="put WITH IncrementalCheckColumns='...' into each query",
        )
    return {"check_columns": names(text)}


OPTION_NAMES: Final[tuple[OptionName, ...]] = (
    _sets("Scheduled", "enabled"),
    OptionName("ScheduledCron", "schedule.cron"),
    OptionName("NotifyWindowsEvent", reason="there is no such log here; errors go to syncd's own, see logs"),
    OptionName("SendEmailNotification", "email"),
    OptionName("NotifyEmailTo", "email.to"),
    OptionName("NotifyEmailSubject", "email.subject"),
    OptionName("EmailErrorOnly", "email.only_errors"),
    _sets("Verbosity", "verbosity"),
    _sets("TableNamePrefix", "table_prefix"),
    _sets("UseGmtDateTime", "utc_times"),
    _sets("TruncateTableData", "truncate"),
    _sets("TruncateTable", "truncate"),
    _sets("DropTable", "drop"),
    _sets("AutoTruncateStrings", "truncate_strings"),
    _sets("ContinueOnError", "continue_on_error"),
    _sets("AlterSchema", "alter_schema"),
    _part("ReplicateInterval", INTERVAL_COUNT, whole(1, 1_000_000)),
    _part("ReplicateIntervalUnit", INTERVAL_UNIT, _unit),
    _sets("ReplicateStartDate", "start"),
    _sets("ReplicateStartValue", "start"),
    _sets("BatchSize", "batch_rows", whole(1, 10_000_000)),
    _sets("CommandTimeout", "command_timeout_seconds"),
    OptionName("SkipDeleted", "deletes", _skip_deleted, flag=True),
    OptionName("OtherCacheOptions", "other_options"),
    _sets("CacheSchema", "destination_schema"),
    OptionName("PreJob", "events.pre"),
    OptionName("PostJob", "events.post"),
    OptionName("Type", reason="the queries say what kind of job it is"),
    _sets("IncrementalCheckColumns", "check_column"),
    OptionName("ReplicateTimeCheckColumns", "check_column", _columns_by_time),
    _sets("DeleteMode", "deletes"),
    OptionName("DeletedColumn", reason="the column that marks a deleted row has one name everywhere"),
    OptionName("HistoryMode", "write", _history_mode, flag=True),
    OptionName("MergeMode", "write", _merge_mode),
    _sets("PrimaryKey", "key"),
    _sets("TransactionSize", "window_rows", whole(1, 1_000_000_000)),
    _sets("Parallel", "parallel"),
    _sets("LookbackWindow", "lookback_seconds"),
    OptionName("NullCursor", reason="rows without a value in the check column are read by every run"),
    OptionName("MaxRows", reason="give the query a SELECT with a LIMIT"),
    _sets("MaxDeletePercent", "max_delete_percent"),
    _sets("Verify", "verify"),
)
"""Every option of the vendor's, once."""


def _folded(name: str) -> str:
    return name.lower().replace("_", "")


_BY_NAME: Final[Mapping[str, OptionName]] = {
    **{_folded(field): _sets(field, field) for field in (*FIELDS, *OF_THE_JOB)},
    _folded("check_column"): _sets("check_column", "check_column"),
    **{_folded(option.vendor): option for option in OPTION_NAMES},
}


def find_option(name: str) -> OptionName | None:
    """The option of that name, the vendor's or ours, in any case; None when there is none."""
    return _BY_NAME.get(_folded(name))


def takes_names(option: OptionName) -> bool:
    """Is its value a list of names, so that brackets around one of them mean something?"""
    return option.home in {"check_column", "key", "exclude"}


def option_of(name: str, *, for_query: bool) -> OptionName:
    """The option of that name; `for_query` refuses what belongs to a whole job.

    Raises:
        QueryError: there is no such option here.
    """
    option = find_option(name)
    if option is None:
        raise QueryError(f"there is no option '{name[:60]}'", hint=_suggestion(name, for_query))
    if not option.home:
        raise QueryError(f"{option.vendor} is not offered", hint=option.reason)
    if option.reads is None or (for_query and option.home in OF_THE_JOB):
        here = "is an option of the job, not of a query" if for_query else "cannot stand here"
        raise QueryError(f"{option.vendor} {here}", hint=f"write {option.home} into the job")
    return option


def read_option(option: OptionName, text: str | None) -> Settings:
    """What an option with this value sets; None is no value.

    Raises:
        QueryError: the value does not fit.
    """
    if option.reads is None:
        return {}
    if text is None and not option.flag:
        raise QueryError(f"'=' is missing after {option.vendor}", hint=f"write {option.vendor}=...")
    try:
        return option.reads("true" if text is None else text)
    except QueryError as error:
        raise QueryError(f"{option.vendor} {error.message}", hint=error.hint) from error


def joined(settings: Settings) -> Settings:
    """The settings with both parts of an interval made one.

    Raises:
        QueryError: one part is missing.
    """
    count, unit = settings.get(INTERVAL_COUNT), settings.get(INTERVAL_UNIT)
    if count is None and unit is None:
        return settings
    if count is None or unit is None:
        missing = "ReplicateInterval" if count is None else "ReplicateIntervalUnit"
        raise QueryError(f"{missing} is missing: both or none", hint="write interval='180 days' instead")
    rest = {key: value for key, value in settings.items() if key not in {INTERVAL_COUNT, INTERVAL_UNIT}}
    return {**rest, "interval": interval(f"{count} {unit}")}


def _suggestion(name: str, for_query: bool) -> str:
    fitting = {
        folded: option.vendor
        for folded, option in _BY_NAME.items()
        if option.reads is not None and not (for_query and option.home in OF_THE_JOB)
    }
    near = get_close_matches(_folded(name), list(fitting), 1, 0.7)
    return f"did you mean {fitting[near[0]]}?" if near else "the reference lists all options"
