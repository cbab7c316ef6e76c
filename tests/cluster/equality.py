"""Do all nodes of a cluster hold the same, whatever their products?"""

from syncd.engine.canonical import canonicals
from syncd.model.batch import Format, tuples_of
from syncd.model.exchange import TableCounts
from syncd.model.table import TableName


def differences(world, tables, names=None):
    """What a child has that the parent has not, and the other way round, in the form that all products share."""
    found = []
    for name in names or world.children:
        for table in tables:
            ours, theirs = (contents(world, "P", table, name), contents(world, name, table, name))
            found += [f"{table}: only at P: {row}" for row in sorted(ours - theirs)]
            found += [f"{table}: only at {name}: {row}" for row in sorted(theirs - ours)]
    return found


def contents(world, node, table, child):
    """The rows of a node's table, each column as the parent and the child both spell it."""
    stores = [world.port(name).store for name in ("P", child, node)]
    sides = [store.table(TableName(table)) for store in stores]
    names = [column.name for column in sides[0].columns]
    spell = canonicals(sides[0], sides[1], names)
    columns = ", ".join(stores[2].quote(name) for name in names)
    select = f"SELECT {columns} FROM {stores[2].text_of(sides[2].name)}"
    picked = [next(column for column in sides[2].columns if column.name == name) for name in names]
    rows = [
        row
        for batch in stores[2].extract(select, picked, Format.ROWS, lambda: None)
        for row in tuples_of(batch)
    ]
    stores[2].rollback()
    return {
        tuple("NULL" if value is None else form(value) for form, value in zip(spell, row, strict=True))
        for row in rows
    }


def moved(members):
    """How many rows a run has brought anywhere."""
    return sum(
        counts.received + counts.inserted + counts.updated + counts.deleted
        for member in members
        for counts in (member.up, member.down)
        if counts != TableCounts()
    )
