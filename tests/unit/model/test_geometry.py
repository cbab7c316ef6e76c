"""Geometries go from one form into another and back without a change."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import RowRejectedError
from syncd.model.geometry import normal, read
from syncd.model.geopackage import box_of, from_geopackage, to_geopackage
from syncd.model.wkt import NAMES, text_of

NUMBERS = st.floats(allow_nan=False)
SRIDS = st.sampled_from([0, 4326, 25832, 998999])
Z, M, SRID = 0x80000000, 0x40000000, 0x20000000


@st.composite
def geometries(draw, depth=2, dims=None):
    """A geometry as nested values: its type's number, its dimensions, and what it is made of."""
    has_z, has_m = dims or (draw(st.booleans()), draw(st.booleans()))
    width = 2 + has_z + has_m
    point = st.tuples(*[NUMBERS] * width)
    line = st.lists(point, max_size=4)
    kind = draw(st.sampled_from([1, 2, 3, 8, 17] + ([4, 5, 6, 7, 9, 10, 11, 12, 15, 16] if depth else [])))
    if kind == 1:
        made = draw(st.one_of(point, st.none()))
    elif kind in {2, 8}:
        made = draw(line)
    elif kind in {3, 17}:
        made = draw(st.lists(line, max_size=3))
    else:
        made = draw(st.lists(geometries(depth=depth - 1, dims=(has_z, has_m)), max_size=3))
    return kind, (has_z, has_m), made


def written(geometry, orders, *, iso=False, srid=0):
    """The bytes of a geometry; `orders` gives the order of bytes of each part in turn."""
    kind, (has_z, has_m), made = geometry
    order = next(orders)
    code = kind + 1000 * has_z + 2000 * has_m if iso else kind | Z * has_z | M * has_m
    head = struct.pack(f"{order}BI", order == "<", code | SRID if srid else code)
    head += struct.pack(f"{order}I", srid) if srid else b""
    width = 2 + has_z + has_m

    def points(found):
        return struct.pack(f"{order}I", len(found)) + b"".join(
            struct.pack(f"{order}{width}d", *each) for each in found
        )

    if kind == 1:
        return head + struct.pack(f"{order}{width}d", *(made or [float("nan")] * width))
    if kind in {2, 8}:
        return head + points(made)
    count = struct.pack(f"{order}I", len(made))
    if kind in {3, 17}:
        return head + count + b"".join(map(points, made))
    return head + count + b"".join(written(each, orders, iso=iso) for each in made)


def little():
    """Little endian for every part."""
    while True:
        yield "<"


@st.composite
def any_orders(draw):
    """An order of bytes for each part."""
    seed = draw(st.lists(st.sampled_from("<>"), min_size=1, max_size=8))

    def turns():
        while True:
            yield from seed

    return turns()


@given(geometries(), SRIDS, any_orders(), st.booleans())
def test_the_order_of_bytes_and_the_dialect_do_not_matter(geometry, srid, orders, iso):
    plain = written(geometry, little(), srid=srid)
    other = written(geometry, orders, iso=iso, srid=0 if iso else srid)

    assert normal(plain) == plain
    assert normal(other, srid) == plain


@given(geometries(), SRIDS)
def test_iso_there_and_back_is_the_same(geometry, srid):
    plain = written(geometry, little(), srid=srid)

    iso = read(plain, iso=True).data

    assert iso == written(geometry, little(), iso=True)
    assert normal(iso, srid) == plain


@given(geometries(), SRIDS)
def test_a_geopackage_gives_back_what_it_got(geometry, srid):
    plain = written(geometry, little(), srid=srid)

    blob = to_geopackage(plain, 77)

    assert from_geopackage(blob, {77: srid}) == plain
    assert box_of(blob) == read(plain).box


@given(geometries(), st.sampled_from([0, 1, 2, 3, 4]), st.booleans(), any_orders())
def test_the_header_of_a_blob_does_not_matter(geometry, envelope, header_is_little, orders):
    order = "<" if header_is_little else ">"
    doubles = {0: 0, 1: 4, 2: 6, 3: 6, 4: 8}[envelope]
    blob = (
        b"GP"
        + struct.pack(f"{order}BBi", 0, header_is_little | envelope << 1, 4326)
        + struct.pack(f"{order}{doubles}d", *[1.0] * doubles)
        + written(geometry, orders, iso=True)
    )

    assert from_geopackage(blob) == written(geometry, little(), srid=4326)


@given(geometries(), st.data())
def test_bytes_that_are_cut_off_or_go_on_are_refused(geometry, data):
    plain = written(geometry, little())
    cut = data.draw(st.integers(0, len(plain) - 1))

    for broken in (plain[:cut], plain + b"\0"):
        with pytest.raises(RowRejectedError, match="no geometry"):
            normal(broken)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_geometry_or_refused(data):
    made = None
    with suppress(RowRejectedError):
        made = normal(data)

    assert made is None or normal(made) == made


def test_collections_without_an_end_are_refused():
    nested = struct.pack("<BII", 1, 7, 1) * 100_000

    with pytest.raises(RowRejectedError, match="more than 200"):
        normal(nested)


@pytest.mark.parametrize("srs_id", [-1, 0])
def test_an_undefined_reference_system_is_none(srs_id):
    point = struct.pack("<BIdd", 1, 1, 1.0, 2.0)

    assert from_geopackage(b"GP\0\1" + struct.pack("<i", srs_id) + point) == point


def test_every_number_that_is_none_makes_the_same_empty_point():
    one = struct.pack("<BI", 1, 1) + bytes.fromhex("000000000000f8ff010000000000f87f")
    other = struct.pack("<BIdd", 1, 1, float("nan"), float("nan"))

    assert normal(one) == other
    assert read(one).box is None


@given(geometries(), SRIDS)
def test_every_geometry_has_a_text(geometry, srid):
    said = text_of(written(geometry, little(), srid=srid))

    assert said.startswith(f"SRID={srid};" if srid else NAMES[geometry[0]])
    assert said.count("(") == said.count(")")


def test_the_text_of_a_geometry_names_all_its_parts():
    line = (2, (True, False), [(0.0, 0.5, 1.0), (1.0, -1e-9, 2.0)])
    area = (3, (True, False), [[(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0)]])
    whole = (7, (True, False), [line, area, (1, (True, False), None), (4, (True, False), [])])

    assert text_of(written(whole, little(), srid=4326)) == (
        "SRID=4326;GEOMETRYCOLLECTION Z (LINESTRING Z (0 0.5 1, 1 -1e-09 2), POLYGON Z ((0 0 0, 1 0 0, 0 0 0)),"
        " POINT Z EMPTY, MULTIPOINT Z EMPTY)"
    )
