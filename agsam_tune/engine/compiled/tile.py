"""Products of small matrices at the rate of a core's multipliers.

In: matrices, row after row in memory. Out: their product, written to another one. Must not
import PyTorch, Ray, Optuna or anything of this package.

Batched products of a library reach three quarters of that rate for matrices of 64×32 by
32×32, since each call looks at its shapes anew; a loop over tiles of four rows and one
vector of columns, whose sums stay in registers, reaches all of it. Each number is one chain
of fused multiply-adds in the order of the terms, whatever the machine's vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# Columns of a tile: what AVX-512 holds in one register and AVX2 in two.
LANES = 16
_ROWS = 4


def padded(columns: int) -> int:
    """The smallest multiple of `LANES` that is at least `columns`."""
    return -(-columns // LANES) * LANES


def _tile(rows: int, *, indirect: bool, accumulate: bool) -> Callable[..., None]:
    """The product of `rows` rows with `LANES` columns.

    Its arguments are those of `product`, or of `product_at`, with what begins at its rows and
    columns.
    """
    if indirect:

        @intrinsic
        def tile(_, c, c_start, c_at, a, a_start, a_at, term_at, b, b_start, b_term, terms, places):
            arguments = (c, c_start, c_at, a, a_start, a_at, term_at, b, b_start, b_term, terms)
            return types.void(*arguments, places), generate

    else:

        @intrinsic
        def tile(_, c, c_start, c_row, a, a_start, a_row, a_term, b, b_start, b_term, terms):
            arguments = (c, c_start, c_row, a, a_start, a_row, a_term, b, b_start, b_term, terms)
            return types.void(*arguments), generate

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _generate(context, builder, signature, args, rows=rows, accumulate=accumulate)

    function: Callable[..., None] = tile
    return function


def _generate(
    context: Any, builder: Any, signature: Any, args: Any, *, rows: int, accumulate: bool
) -> Any:
    """The tile's code: a loop over the terms around one multiply-add for each row."""
    element = context.get_value_type(signature.args[0].dtype)
    lanes, size = ir.VectorType(element, LANES), 4 if isinstance(element, ir.FloatType) else 8
    _, c_start, c_row, _, a_start, a_row, a_term, _, b_start, b_term, terms, *places = args

    def numbers(argument: int) -> Any:
        return context.make_array(signature.args[argument])(context, builder, args[argument]).data

    c, a, b = (numbers(argument) for argument in (0, 3, 7))

    def at(number: int) -> Any:
        return ir.Constant(terms.type, number)

    def moved(distance: Any, count: Any) -> Any:
        """By `count` steps of a fixed distance, or by what stands at that place of the table."""
        if places:
            return builder.load(builder.gep(numbers(11), [builder.add(distance, count)]))
        return builder.mul(distance, count)

    def vector(data: Any, offset: Any) -> Any:
        return builder.bitcast(builder.gep(data, [offset]), lanes.as_pointer())

    multiply_add = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(lanes, [lanes] * 3),
        f"llvm.fma.v{LANES}f{8 * size}",
    )
    undefined = ir.Constant(lanes, ir.Undefined)
    first = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    a_rows = [builder.add(a_start, moved(a_row, at(row))) for row in range(rows)]
    c_rows = [vector(c, builder.add(c_start, moved(c_row, at(row)))) for row in range(rows)]
    starts = [ir.Constant(lanes, [0.0] * LANES)] * rows
    if accumulate:
        starts = [builder.load(row, align=size) for row in c_rows]
    before = builder.block
    loop, after = (builder.append_basic_block(name) for name in ("terms", "store"))
    builder.cbranch(builder.icmp_signed(">", terms, at(0)), loop, after)

    builder.position_at_end(loop)
    term = builder.phi(terms.type)
    sums = [builder.phi(lanes) for _ in range(rows)]
    b_lanes = builder.load(vector(b, builder.add(b_start, builder.mul(term, b_term))), align=size)
    along, added = moved(a_term, term), []
    for row in range(rows):
        number = builder.load(builder.gep(a, [builder.add(a_rows[row], along)]))
        single = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        a_lanes = builder.shuffle_vector(single, undefined, first)
        added.append(builder.call(multiply_add, [a_lanes, b_lanes, sums[row]]))
    following = builder.add(term, at(1))
    phis = [(term, at(0), following), *zip(sums, starts, added, strict=True)]
    for phi, start, value in phis:
        phi.add_incoming(start, before)
        phi.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", following, terms), loop, after)

    builder.position_at_end(after)
    results = [builder.phi(lanes) for _ in range(rows)]
    for result, start, value in zip(results, starts, added, strict=True):
        result.add_incoming(start, before)
        result.add_incoming(value, loop)
    for result, row in zip(results, c_rows, strict=True):
        builder.store(result, row, align=size)
    return context.get_dummy_value()


_four_rows = _tile(_ROWS, indirect=False, accumulate=False)
_one_row = _tile(1, indirect=False, accumulate=False)
_four_rows_at = _tile(_ROWS, indirect=True, accumulate=True)
_one_row_at = _tile(1, indirect=True, accumulate=True)


@njit(boundscheck=False)
def product(c, c_row, a, a_row, a_term, b, b_term, rows, columns, terms):
    """c[i, j] ← Σ_t a[i, t] b[t, j] for i < rows, j < columns, t < terms.

    Args:
        c: receives it, a row every `c_row` numbers.
        c_row: see above.
        a: one matrix; its number at [i, t] is the one at i·a_row + t·a_term in memory, so
            that it may be a transposed one.
        a_row: see above.
        a_term: see above.
        b: the other one, a row every `b_term` numbers.
        b_term: see above.
        rows: of c.
        columns: of c, a multiple of `LANES`.
        terms: of each sum.
    """
    for j in range(0, columns, LANES):
        i = 0
        while i + _ROWS <= rows:
            _four_rows(c, i * c_row + j, c_row, a, i * a_row, a_row, a_term, b, j, b_term, terms)
            i += _ROWS
        while i < rows:
            _one_row(c, i * c_row + j, c_row, a, i * a_row, a_row, a_term, b, j, b_term, terms)
            i += 1


@njit(boundscheck=False)
def add_product_at(places, c, c_at, a, a_at, term_at, b, b_term, rows, columns, terms):
    """The same added to c, with rows of c and numbers of a wherever a table says.

    Row i of c begins at places[c_at + i], and a[i, t] is at places[a_at + i] +
    places[term_at + t]. So a may be what a kernel sees of an image.
    """
    for j in range(0, columns, LANES):
        i = 0
        while i + _ROWS <= rows:
            _four_rows_at(
                c, j, c_at + i, a, 0, a_at + i, term_at, b, j, b_term, terms, places
            )  # fmt: skip
            i += _ROWS
        while i < rows:
            _one_row_at(
                c, j, c_at + i, a, 0, a_at + i, term_at, b, j, b_term, terms, places
            )  # fmt: skip
            i += 1
