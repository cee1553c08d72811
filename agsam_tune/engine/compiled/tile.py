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


def _tile(rows: int) -> Callable[..., None]:
    """The product of `rows` rows with `LANES` columns; see `product`, which has its arguments."""

    @intrinsic
    def tile(_, c, c_start, a, a_start, a_row, a_term, b, b_start, terms):
        arguments = (c, c_start, a, a_start, a_row, a_term, b, b_start, terms)
        return types.void(*arguments), lambda *generating: _generate(rows, *generating)

    function: Callable[..., None] = tile
    return function


def _generate(rows: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """The tile's code: a loop over the terms around one multiply-add for each row."""
    element = context.get_value_type(signature.args[0].dtype)
    lanes, size = ir.VectorType(element, LANES), 4 if isinstance(element, ir.FloatType) else 8
    c, a, b = (context.make_array(signature.args[n])(context, builder, args[n]) for n in (0, 2, 6))
    c_row, b_term = (cgutils.unpack_tuple(builder, matrix.shape)[1] for matrix in (c, b))
    _, c_start, _, a_start, a_row, a_term, _, b_start, terms = args
    multiply_add = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(lanes, [lanes] * 3),
        f"llvm.fma.v{LANES}f{8 * size}",
    )
    zero, undefined = ir.Constant(lanes, [0.0] * LANES), ir.Constant(lanes, ir.Undefined)
    first = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)

    def at(number: int) -> Any:
        return ir.Constant(terms.type, number)

    def vector(data: Any, offset: Any) -> Any:
        return builder.bitcast(builder.gep(data, [offset]), lanes.as_pointer())

    a_rows = [builder.add(a_start, builder.mul(at(row), a_row)) for row in range(rows)]
    before = builder.block
    loop, after = (builder.append_basic_block(name) for name in ("terms", "store"))
    builder.cbranch(builder.icmp_signed(">", terms, at(0)), loop, after)

    builder.position_at_end(loop)
    term = builder.phi(terms.type)
    sums = [builder.phi(lanes) for _ in range(rows)]
    b_at = vector(b.data, builder.add(b_start, builder.mul(term, b_term)))
    b_lanes, moved, added = builder.load(b_at, align=size), builder.mul(term, a_term), []
    for row in range(rows):
        number = builder.load(builder.gep(a.data, [builder.add(a_rows[row], moved)]))
        single = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        a_lanes = builder.shuffle_vector(single, undefined, first)
        added.append(builder.call(multiply_add, [a_lanes, b_lanes, sums[row]]))
    following = builder.add(term, at(1))
    loops = [(term, at(0), following)]
    loops += [(total, zero, value) for total, value in zip(sums, added, strict=True)]
    for phi, start, value in loops:
        phi.add_incoming(start, before)
        phi.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", following, terms), loop, after)

    builder.position_at_end(after)
    results = [builder.phi(lanes) for _ in range(rows)]
    for result, value in zip(results, added, strict=True):
        result.add_incoming(zero, before)
        result.add_incoming(value, loop)
    for row, result in enumerate(results):
        offset = builder.add(c_start, builder.mul(at(row), c_row))
        builder.store(result, vector(c.data, offset), align=size)
    return context.get_dummy_value()


_four_rows, _one_row = _tile(_ROWS), _tile(1)


@njit(boundscheck=False)
def product(c, a, a_row, a_term, b, rows, columns, terms):
    """c[i, j] ← Σ_t a[i, t] b[t, j] for i < rows, j < columns, t < terms.

    Args:
        c: receives it.
        a: one matrix; its number at [i, t] is the one at i·a_row + t·a_term in memory, so
            that it may be a transposed one.
        a_row: see above.
        a_term: see above.
        b: the other one.
        rows: of c.
        columns: of c, a multiple of `LANES`.
        terms: of each sum.
    """
    width = c.shape[1]
    for j in range(0, columns, LANES):
        i = 0
        while i + _ROWS <= rows:
            _four_rows(c, i * width + j, a, i * a_row, a_row, a_term, b, j, terms)
            i += _ROWS
        while i < rows:
            _one_row(c, i * width + j, a, i * a_row, a_row, a_term, b, j, terms)
            i += 1
