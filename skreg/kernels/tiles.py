"""Tiles of a matrix product: what is computed in registers, and the end of a product while it is there.

A tile function walks over rows of C, some at a time. What it sums and how is the caller's: the tiles of matmul.py
and those of narrow.py differ in nothing else.
"""

from ._jit import intrinsic
from ._lazy import types
from .simd import (
    BOOL,
    HAS_QUICK_MASKED_STORES,
    INT64,
    N_REGISTERS,
    Vectors,
    as_flag,
    element,
    emit_prefetch,
    emit_sums,
    ir,
    opaque,
)

VECTORS = 2  # of a whole tile, and of a panel of B
TILE_ROWS = 8 if N_REGISTERS == 32 else 6  # see matmul.py
LOW_TILE_ROWS = 4  # of a tile for what is left
UNBROKEN = 62  # shift for a matrix whose rows are all in one group
# Steps of k after which what a tile asks for is needed: some 60 cycles, four times what the second-level cache takes.
_STEPS_AHEAD = 8


def emit_products(builder, vec, a, a_rows, a_col, b, b_row, depth, masks, ahead=None, below=None):
    """The sums of a tile, row by row; B is masked where a tile has but one row.

    `ahead`, if given, is (a pointer, how far it moves with each step of k): what is there is asked for on the way, and
    so is the first row of A. Where A is transposed or copied, all rows lie there, and no processor looks ahead.
    `below`, if given, is how far the rows of the next tile are: their first one is asked for on the way.
    """
    vectors = len(masks)
    if len(a_rows) > 1:
        masks = [None] * vectors

    def add_terms(k, places, sums):
        a_at, b_at, *ahead_at = places
        first = builder.gep(a, [a_at])
        if ahead is not None:
            emit_prefetch(builder, builder.gep(ahead[0], ahead_at), to_write=False, level=2)
            soon = builder.mul(a_col, ir.Constant(a_col.type, _STEPS_AHEAD))
            emit_prefetch(builder, builder.gep(first, [soon]), to_write=False)
        if below is not None:
            emit_prefetch(builder, builder.gep(first, [below]), to_write=False)
        shifts = [ir.Constant(depth.type, v * vec.lanes) for v in range(vectors)]
        starts = [builder.gep(b, [builder.add(b_at, shift)]) for shift in shifts]
        right = [vec.load(start, mask) for start, mask in zip(starts, masks, strict=True)]
        after = []
        for r, a_row in enumerate(a_rows):
            left = vec.broadcast(builder.load(builder.gep(a, [builder.add(a_at, a_row)])))
            after += [vec.fma(left, right[v], sums[r * vectors + v]) for v in range(vectors)]
        return after

    strides = [a_col, b_row] if ahead is None else [a_col, b_row, ahead[1]]
    return emit_sums(vec, depth, 1, strides, len(a_rows) * vectors, add_terms, unrolls=False)


def emit_change(builder, wanted, values, change):
    """`change(values)` if that is wanted, else the values."""
    before = builder.block
    with builder.if_then(wanted):
        changed = change(values)
        changing = builder.block
    joined = [builder.phi(value.type) for value in values]
    for phi, value, other in zip(joined, values, changed, strict=True):
        phi.add_incoming(value, before)
        phi.add_incoming(other, changing)
    return joined


def _emit_epilogue(builder, vec, sums, c, c_rows, shifts, counts, add, bounds, terms, floor, gate, factors):
    """From the sums of a tile to elements of C, as `product` says; `gate` is (whether there is one, pointer).

    `counts` are the columns that vectors have, None for all. `bounds` says whether there are `terms` to add, or the
    `floor` of a relu. All is read before anything is written: rows that are there twice are then written twice alike.
    """
    vectors = len(shifts)
    masks = [count if count is None else vec.first_lanes(count) for count in counts]
    places = [(row, shift, mask) for row in c_rows for shift, mask in zip(shifts, masks, strict=True)]

    def pointer(start, row, shift):
        return builder.gep(builder.gep(start, [row]), [shift])

    def load(start, place):
        return vec.load(pointer(start, *place[:2]), place[2])

    def added(totals):
        return [builder.fadd(total, load(c, place)) for total, place in zip(totals, places, strict=True)]

    def bounded(totals):
        return [vec.at_least(floor, builder.fadd(total, terms[at % vectors])) for at, total in enumerate(totals)]

    def gated(totals):
        opened = [builder.fcmp_ordered(">", load(gate[1], place), vec.zero) for place in places]
        return [
            builder.select(is_open, builder.fmul(total, factors), vec.zero)
            for is_open, total in zip(opened, totals, strict=True)
        ]

    totals = emit_change(builder, add, sums, added)
    totals = emit_change(builder, bounds, totals, bounded)
    totals = emit_change(builder, gate[0], totals, gated)
    for at, (total, (row, shift, _)) in enumerate(zip(totals, places, strict=True)):
        vec.store(total, pointer(c, row, shift), counts[at % vectors])


def _lines_of(builder, number, line, step, n_asking, between, near):
    """(where the first cache line is that tile `number` asks for, step to the next); the last ask for what is near."""
    asks = builder.icmp_signed("<", number, n_asking)
    first = builder.select(asks, builder.gep(line, [builder.mul(number, between)]), near)
    return first, builder.select(asks, step, ir.Constant(step.type, 0))


def _emit_rounds(builder, rows, n_rows, prepare, emit_tile):
    """Tiles of `n_rows` rows follow each other in a loop, so that the processor begins one before the last has ended.

    The rest of the rows makes a second round of the same code: its missing rows repeat the last one. `prepare(row)`,
    with the numbers of a tile's rows, emits what all tiles of a round share; `emit_tile(at, shared)` that of row `at`.
    """

    def constant(value):
        return ir.Constant(rows.type, value)

    rest = builder.srem(rows, constant(n_rows))
    has_whole = builder.icmp_signed(">=", rows, constant(n_rows))
    first_height = builder.select(has_whole, constant(n_rows), rest)
    first_stop = builder.select(has_whole, builder.sub(rows, rest), rows)

    entry = builder.block
    round_, one_tile, done, over = (builder.append_basic_block(name) for name in ("round", "tile", "done", "over"))
    builder.branch(round_)
    builder.position_at_end(round_)
    height, start, stop = (builder.phi(rows.type) for _ in range(3))  # of its tiles, and its rows
    last = builder.sub(height, constant(1))
    row = [builder.select(builder.icmp_signed("<", constant(r), last), constant(r), last) for r in range(n_rows)]
    shared = prepare(row)
    builder.branch(one_tile)

    builder.position_at_end(one_tile)
    at = builder.phi(rows.type)  # row of the tile's first
    emit_tile(at, shared)
    following = builder.add(at, constant(n_rows))
    at.add_incoming(start, round_)
    at.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, stop), one_tile, done)

    builder.position_at_end(done)
    for phi, in_first, in_second in (
        (height, first_height, rest), (start, constant(0), following), (stop, first_stop, rows)
    ):  # fmt: skip
        phi.add_incoming(in_first, entry)
        phi.add_incoming(in_second, done)
    builder.cbranch(builder.icmp_signed("<", following, rows), round_, over)
    builder.position_at_end(over)


def _emit_tiles(builder, vec, tile, arguments):
    """Body of a tile function; see `Tile` for the arguments."""
    a, a_row, a_col, a_shift, a_gap, b, b_row, c, c_row, depth, rows, columns, add = arguments[:13]
    intercepts, has_intercepts, rectified, gate, has_gate, factor, *ahead = arguments[13:]

    def constant(value):
        return ir.Constant(depth.type, value)

    n_rows, vectors = tile.n_rows, tile.vectors
    shifts = [constant(v * vec.lanes) for v in range(vectors)]
    counts = [builder.sub(columns, shift) for shift in shifts]
    masks = [vec.first_lanes(count) for count in counts]
    # What is not wanted is not loaded, so that its pointers need not be valid.
    terms = [
        vec.load(builder.gep(intercepts, [shift]), builder.select(has_intercepts, mask, ir.Constant(mask.type, None)))
        for shift, mask in zip(shifts, masks, strict=True)
    ]
    if n_rows > 1:
        counts[:-1] = [None] * (vectors - 1)
    floor = vec.broadcast(builder.select(rectified, vec.scalar(0), vec.scalar(float("-inf"))))
    factors = vec.broadcast(factor)
    gate = builder.select(has_gate, gate, c)

    def prepare(row):
        return [[builder.mul(step, at) for at in row] for step in (a_row, c_row)]

    def emit_tile(at, places):
        a_rows, c_rows = places
        a_at, c_at, gate_at = (builder.gep(matrix, [builder.mul(step, at)])
                               for matrix, step in ((a, a_row), (c, c_row), (gate, c_row)))  # fmt: skip
        number = builder.udiv(at, constant(n_rows))
        a_at = opaque(builder, builder.gep(a_at, [builder.mul(builder.ashr(number, a_shift), a_gap)]))
        options = {}
        if tile.asks_ahead:
            options["ahead"] = _lines_of(builder, number, *ahead, b)
        if tile.asks_below:
            options["below"] = builder.mul(a_row, constant(n_rows))
        sums = tile.emit(builder, vec, a_at, a_rows, a_col, b, b_row, depth, masks, **options)

        def finish(counts):
            bounds = builder.or_(has_intercepts, rectified)
            _emit_epilogue(builder, vec, sums, c_at, c_rows, shifts, counts, add, bounds, terms, floor,
                           (has_gate, gate_at), factors)  # fmt: skip

        if HAS_QUICK_MASKED_STORES:
            finish(counts)
            return
        is_full = builder.icmp_signed(">=", columns, constant(vectors * vec.lanes))
        with builder.if_else(is_full) as (whole, part):
            with whole:
                finish([None] * vectors)
            with part:
                finish(counts)

    _emit_rounds(builder, rows, n_rows, prepare, emit_tile)
    builder.ret_void()


def make_function(module, name, kinds, emit):
    """A function of the module, made once: inlined at each use it would be compiled many times.

    `emit(builder, arguments)` makes its body.
    """
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    emit(ir.IRBuilder(function.append_basic_block("entry")), function.args)
    return function


class Tile:
    """How some rows of C are computed at a time.

    Parameters
    ----------
    name : str
        Unique among all tiles.
    n_rows, vectors : int
        What it covers of C.
    emit : function
        `emit(builder, vec, a, a_rows, a_col, b, b_row, depth, masks)` returns the sums, row by row: a vector for each
        of the `masks` of columns. `a_rows` are the places of the tile's rows in A, the last one again for those that
        are missing.
    lanes : function
        From the lanes of a register to those of the vectors that rows of C have here; less than 2: no such tile.
    asks_ahead : bool
        Whether cache lines that are needed later are asked for with each step of k. It then has four arguments more:
        the address of the first of these lines, how far the next is from it, how many tiles ask, and how much further
        on the lines of the next tile are.
    asks_below : bool
        Whether the first row of the next tile is asked for while this one is computed. For tiles that are alone with
        their rows: where A is transposed each step of k is on another page.
    """

    def __init__(
        self, name, n_rows, vectors, emit=emit_products, lanes=lambda lanes: lanes, asks_ahead=False, asks_below=False
    ):
        self.name, self.n_rows, self.vectors, self.emit = name, n_rows, vectors, emit
        self._lanes, self.asks_ahead, self.asks_below = lanes, asks_ahead, asks_below

    def vectors_of(self, builder, numba_dtype):
        """Vectors for rows of C; None where registers are too short for this tile."""
        lanes = self._lanes(Vectors(builder, numba_dtype).lanes)
        return Vectors(builder, numba_dtype, lanes) if lanes > 1 else None

    def function(self, module, vec):
        """The tile as a function of the module."""
        pointer = vec.element.as_pointer()
        kinds = [pointer, INT64, INT64, INT64, INT64, pointer, INT64, pointer, INT64, INT64, INT64, INT64, BOOL]
        kinds += [pointer, BOOL, BOOL, pointer, BOOL, vec.element]
        kinds += [pointer, INT64, INT64, INT64] if self.asks_ahead else []
        return make_function(module, f"skreg_tile_{self.name}x{vec.lanes}_f{vec.bits}", kinds,
                             lambda builder, arguments: _emit_tiles(
                                 builder, self.vectors_of(builder, vec.numba_dtype), self, arguments))  # fmt: skip


def make_tile(*arguments, **options):
    """Intrinsic C[rows, columns] = or += A[rows, depth] B[depth, columns], as a `Tile` with these arguments does it.

    `columns` <= vectors * lanes: missing ones are masked. B must be readable for the whole width, and all vectors but
    the last full, except where a tile has but one row. depth > 0. Rows of A are `a_row` apart, and `a_gap` more after
    each group of 2 ** a_shift tiles; UNBROKEN for none. The epilogue's arguments are those of `product`; `intercept`
    and `gate` are places in `others` and in `c`.
    """
    shape = Tile(*arguments, **options)

    def emit(ctx, builder, signature, args):
        def pointer(array, at):
            return element(ctx, builder, signature, args, array, at)

        def is_wanted(at):
            return builder.icmp_signed(">=", at, ir.Constant(at.type, 0))

        vec = shape.vectors_of(builder, signature.args[0].dtype)
        intercept, rectified, gate, factor, *lines = args[17:]
        if vec is not None:
            lines[:1] = [builder.inttoptr(line, vec.element.as_pointer()) for line in lines[:1]]
            builder.call(
                shape.function(builder.module, vec),
                [pointer(0, args[1]), *args[2:6], pointer(6, args[7]), args[8], pointer(9, args[10]), *args[11:15],
                 as_flag(builder, args[15]), pointer(16, intercept), is_wanted(intercept),
                 as_flag(builder, rectified), pointer(9, gate), is_wanted(gate), factor, *lines],
            )  # fmt: skip
        return ctx.get_dummy_value()

    def signature(a, b, c, others, *more):
        i, flag = types.intp, types.boolean
        return types.void(a, i, i, i, i, i, b, i, i, c, i, i, i, i, i, flag, others, i, flag, i, a.dtype, *more)

    def tile(
        context, a, a_start, a_row, a_col, a_shift, a_gap, b, b_start, b_row, c, c_start, c_row, depth, rows, columns,
        add, others, intercept, rectified, gate, factor
    ):  # fmt: skip
        return signature(a, b, c, others), emit

    def tile_that_asks_ahead(
        context, a, a_start, a_row, a_col, a_shift, a_gap, b, b_start, b_row, c, c_start, c_row, depth, rows, columns,
        add, others, intercept, rectified, gate, factor, line, next_line, n_asking, next_tile
    ):  # fmt: skip
        return signature(a, b, c, others, *[types.intp] * 4), emit

    return intrinsic(tile_that_asks_ahead if shape.asks_ahead else tile)
