"""Options in the vendor's form, as other_options of a job holds them."""

import pytest

from syncd.engine.optionname import OPTION_NAMES
from syncd.engine.withoption import read_other_options
from syncd.errors import QueryError
from syncd.model.options import Deletes, Interval

READ: dict[str, dict[str, object]] = {
    "": {},
    "  ": {},
    "IncrementalCheckColumns='updated,modified'": {"check_columns": ("updated", "modified")},
    "DropTable=true,BatchSize=500": {"drop": True, "batch_rows": 500},
    "DropTable , SkipDeleted=false": {"drop": True, "deletes": Deletes.HARD},
    "ReplicateInterval=2,ReplicateIntervalUnit='years'": {"interval": Interval(months=24)},
    "LookbackWindow='10 minutes',Parallel=4": {"lookback_seconds": 600.0, "parallel": 4},
    "ContinueOnError=Yes, Verbosity=4": {"continue_on_error": True, "verbosity": 5},
    "PrimaryKey='[a, b],c'": {"key": ("a, b", "c")},
    "PrimaryKey='it''s,[b'": {"key": ("it's", "[b")},
}
REFUSED: dict[str, tuple[int, str]] = {
    "Foo=1": (0, "there is no option 'Foo'"),
    "BatchSise=1": (0, "there is no option 'BatchSise'"),
    "BatchSize=1,": (12, "the name of an option is missing"),
    "BatchSize": (9, "'=' is missing after BatchSize"),
    "BatchSize=x": (10, "BatchSize must be a whole number from 1 to 10000000, not 'x'"),
    "BatchSize=1 DropTable": (12, "unexpected 'DropTable'"),
    "BatchSize=1,batch_rows=2": (12, "batch_rows is given twice"),
    "Scheduled=true,ScheduledCron='* * * * *'": (15, "ScheduledCron cannot stand here"),
    "ReplicateInterval=2": (0, "ReplicateIntervalUnit is missing: both or none"),
    "Key='a": (4, "' is opened here and never closed"),
    "LookbackWindow='-5'": (15, "LookbackWindow does not fit: '-5' is not a length of time"),
    "Verbosity=6": (10, "Verbosity must be a whole number from 1 to 5, not '6'"),
    "CacheSchema=''": (12, "CacheSchema must not be empty"),
}


@pytest.mark.parametrize("text", READ)
def test_options_are_read(text: str) -> None:
    assert read_other_options(text) == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_option_is_refused_at_its_mistake(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        read_other_options(text)

    assert (caught.value.offset, caught.value.message) == REFUSED[text]


def test_misspelt_option_is_suggested() -> None:
    with pytest.raises(QueryError) as caught:
        read_other_options("BatchSise=1")

    assert caught.value.hint == "did you mean BatchSize?"


def test_no_name_stands_twice_in_the_table() -> None:
    names = [option.vendor.lower() for option in OPTION_NAMES]

    assert len(names) == len(set(names))
