"""Where the weights of a network lie in one flat vector, and the scratch memory that its kernels need."""

from functools import lru_cache
from itertools import pairwise

import numpy as np

from .kernels import layout as code


def aligned_empty(size, dtype):
    """Uninitialised array whose first element lies on a cache line."""
    return _aligned(np.empty, size, dtype)


def aligned_zeros(size, dtype):
    """The same, filled with zeros when it is first touched."""
    return _aligned(np.zeros, size, dtype)


def _aligned(allocate, size, dtype):
    itemsize = np.dtype(dtype).itemsize
    raw = allocate(size * itemsize + code.CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % code.CACHE_LINE
    return raw[start : start + size * itemsize].view(dtype)


def shapes_of(layer_units, skip=0):
    """[(fan_in, fan_out)] of each layer; the units of a skip connection are the last of the first layer's."""
    shapes = list(pairwise(layer_units))
    shapes[0] = shapes[0][0], shapes[0][1] + skip
    return shapes


def offsets(layer_units, skip=0):
    """[(coef_offset, intercept_offset)] of each layer, and the number of parameters."""
    places, at = [], 0
    for fan_in, fan_out in shapes_of(layer_units, skip):
        places.append((at, at + fan_in * fan_out))
        at += (fan_in + 1) * fan_out
    return places, at


# Vectors, each with one number a unit, that a normalised hidden layer has after all weights and intercepts.
N_VECTORS = {None: 0, "layer": 2, "batch": 5}


def norm_offsets(layer_units, normalization, skip=0):
    """Offset of each hidden layer's vectors, and the number of all parameters."""
    places, at = [], offsets(layer_units, skip)[1]
    for width in layer_units[1:-1]:
        places.append(at)
        at += N_VECTORS[normalization] * width
    return places, at


@lru_cache(maxsize=256)
def n_params_of(layer_units, normalization, skip=0):
    """Length of the flat parameters."""
    return norm_offsets(layer_units, normalization, skip)[1]


def units_of(coefs, intercepts):
    """Units of each layer, inputs first, of weights and intercepts that fit together."""
    shapes = [np.shape(coef) for coef in coefs]
    chained = all(len(shape) == 2 for shape in shapes) and all(a[1] == b[0] for a, b in pairwise(shapes))
    if not chained or [np.shape(b) for b in intercepts] != [(shape[1],) for shape in shapes]:
        raise ValueError(
            f"coefs_ and intercepts_ do not make a network: their shapes are {shapes} and "
            f"{[np.shape(b) for b in intercepts]}."
        )
    return (shapes[0][0], *(shape[1] for shape in shapes))


def _parts(coefs, intercepts, vectors):
    return [*(part for layer in zip(coefs, intercepts, strict=True) for part in layer), *vectors]


def pack(coefs, intercepts, dtype, vectors=()):
    """Flat parameters: weights and intercepts, layer by layer, then the vectors of normalisation."""
    parts = _parts(coefs, intercepts, vectors)
    params = aligned_empty(sum(part.size for part in parts), dtype)
    at = 0
    for part in parts:
        params[at : at + part.size] = part.ravel()
        at += part.size
    return params


def flat(coefs, intercepts, vectors=()):
    """The flat parameters: where they lie, if all parts are what `unpack` made, else a copy."""
    dtype, owner = coefs[0].dtype, coefs[0].base
    layers = _parts(coefs, intercepts, vectors)
    at = start = coefs[0].__array_interface__["data"][0]
    for part in layers:
        same = part.base is owner and part.dtype == dtype and part.flags.c_contiguous
        if not same or part.__array_interface__["data"][0] != at:
            return pack(coefs, intercepts, dtype, vectors)
        at += part.nbytes
    if type(owner) is not np.ndarray or owner.dtype != np.uint8 or owner.ndim != 1 or not owner.flags.c_contiguous:
        return pack(coefs, intercepts, dtype, vectors)
    start -= owner.__array_interface__["data"][0]
    return owner[start : start + sum(part.nbytes for part in layers)].view(dtype)


def unpack(params, layer_units, skip=0):
    """(coefs, intercepts) as views of the flat parameters; those of a skip connection are part of the first."""
    coefs, intercepts = [], []
    shapes = shapes_of(layer_units, skip)
    for (coef, intercept), (fan_in, fan_out) in zip(offsets(layer_units, skip)[0], shapes, strict=True):
        coefs.append(params[coef:intercept].reshape(fan_in, fan_out))
        intercepts.append(params[intercept : intercept + fan_out])
    return coefs, intercepts


def unpack_vectors(params, layer_units, normalization):
    """Of each hidden layer the list of its vectors, as views of the flat parameters."""
    starts, _ = norm_offsets(layer_units, normalization)
    return [
        [params[start + k * width : start + (k + 1) * width] for k in range(N_VECTORS[normalization])]
        for start, width in zip(starts, layer_units[1:-1], strict=True)
    ]


def multiplications(layer_units, n_rows):
    """Multiply-adds of a forward and backward pass over dense rows."""
    layers = list(pairwise(layer_units))
    return n_rows * sum(fan_in * fan_out * (2 if at == 0 else 3) for at, (fan_in, fan_out) in enumerate(layers))


def _stride(width, itemsize):
    """Elements between rows: an odd number of cache lines, lest many rows share a cache set."""
    per_line = code.CACHE_LINE // itemsize
    return (-(-width // per_line) | 1) * per_line


def has_activity(spec):
    """For each layer, whether its output is penalised."""
    return spec.penalties[:, [code.ACTIVITY_L1, code.ACTIVITY_L2]].any(axis=1)


def _is_relu_before_single_output(spec, layer):
    """Whether a layer's activations are relu's and go to a single output, without dropout."""
    is_last = layer == spec.n_layers - 2 and spec.layer_units[-1] == 1
    return is_last and spec.activations[layer] == "relu" and spec.penalties[layer + 1, code.DROPOUT] == 0


def _keeps_clean(spec, draws):
    """For each layer, whether its input is needed before dropout as well.

    For activity penalty or relu; or with `draws`, for which the first layer's outputs are used again and again.
    """
    is_needed = np.append(False, has_activity(spec)[:-1])
    if spec.dropout_kind not in ("bernoulli", "batchwise"):  # its noise does not tell what relu has set to zero
        is_needed[1:] |= np.array(spec.activations, dtype=object) == "relu"
    if draws:
        is_needed[1:2] = True
    return tuple(((spec.penalties[:, code.DROPOUT] > 0) & is_needed).tolist())


def _codes_of_input_noise(deviations):
    """What the layout says of the first layer; the address is good as long as the array lives."""
    from .kernels.noise import STAGES

    return (code.INPUT_NOISE, STAGES["added"].address(deviations.dtype)), (code.DEVIATIONS, deviations.ctypes.data)


def _stages(spec, dtype, descends, sparse, forward_only, draws):
    """For each layer ((column of the layout, address of the stage that it names), ...).

    The modules of what a network does not have are not loaded.
    """
    from .kernels.activations import activation_code

    layers = [[] for _ in range(spec.n_layers)]
    for layer, name in zip(layers, spec.activations, strict=False):
        layer.append((code.ACTIVATION, activation_code(name, dtype)))
    if sparse:
        from .kernels.csr import csr_codes

        layers[0] += csr_codes(dtype, backward=not forward_only)
    for number in np.flatnonzero(has_activity(spec)):
        from .kernels.activity import activity_codes

        is_outer = _is_relu_before_single_output(spec, number)
        layers[number] += activity_codes(dtype, is_outer, descends, forward_only)
    for number in np.flatnonzero(spec.penalties[:, code.DROPOUT]):
        from .kernels.noise import dropout_code

        # All rows of a draw have one mask, but that of the draw.
        kind = "bernoulli" if draws and spec.dropout_kind == "batchwise" else spec.dropout_kind
        kind = dropout_code(kind, dtype, sparse_inputs=sparse and number == 0)
        layers[number].append((code.NOISE, kind))
    if descends:
        for layer, prox, projection in zip(layers, spec.proxes, spec.projections, strict=True):
            layer += _descent_stages(prox, projection, dtype)
    if spec.normalization is not None:
        from .kernels.normalization import normalization_stages

        addresses = normalization_stages(spec.normalization, descends, forward_only, dtype)
        for layer in layers[:-1]:
            layer += zip((code.NORMALIZE, code.DENORMALIZE), addresses, strict=True)
    return tuple(map(tuple, layers))


def _descent_stages(prox, projection, dtype):
    """What a layer needs after each step, by the names of its stages or None."""
    if prox is not None:
        from .kernels.proximal import STAGES

        yield code.PROX, STAGES[prox].address(dtype)
    if projection is not None:
        from .kernels.projections import STAGES

        yield code.PROJECTION, STAGES[projection].address(dtype)


@lru_cache(maxsize=256)
def _make_layout(layer_units, skip, stages, keeps_clean, normalization, capacity, itemsize, sparse, forward_only):
    """(table of kernels/layout.py, elements of the workspace)."""
    n_layers, size = len(layer_units) - 1, 0
    table = np.zeros((n_layers, code.N_LAYOUT), np.int64)

    def take(stride):
        nonlocal size
        size += capacity * stride
        return size - capacity * stride

    for layer, (fan_in, fan_out) in enumerate(shapes_of(layer_units, skip)):
        row = table[layer]
        row[code.FAN_IN], row[code.FAN_OUT] = fan_in, fan_out
        row[code.COEF], row[code.INTERCEPT] = offsets(layer_units, skip)[0][layer]
        row[code.INPUT_STRIDE], row[code.OUTPUT_STRIDE] = _stride(fan_in, itemsize), _stride(fan_out, itemsize)
        row[code.SLOPE] = code.NOWHERE
        for column, address in stages[layer]:
            row[column] = address
    table[0, code.SKIP] = skip
    for layer in range(1, n_layers):  # the same for the skipping units beside them
        table[layer, code.INPUT_STRIDE] = table[layer - 1, code.OUTPUT_STRIDE]
    if not sparse:
        table[0, code.INPUT] = take(table[0, code.INPUT_STRIDE])
    for layer in range(1, n_layers):
        table[layer - 1, code.OUTPUT] = table[layer, code.INPUT] = take(table[layer, code.INPUT_STRIDE])
        if keeps_clean[layer]:
            table[layer, code.INPUT] = take(table[layer, code.INPUT_STRIDE])
    for layer in range(n_layers):
        table[layer, code.DELTA] = take(table[layer, code.OUTPUT_STRIDE])
        if not forward_only and table[layer, code.ACTIVATION] not in (code.IDENTITY, code.RELU):
            table[layer, code.SLOPE] = take(table[layer, code.OUTPUT_STRIDE])
    table[-1, code.OUTPUT] = table[-1, code.DELTA]
    if normalization is not None:
        for row, scales in zip(table[:-1], norm_offsets(layer_units, normalization)[0], strict=True):
            row[code.HAS_STATISTICS], row[code.SCALES] = normalization == "batch", scales
            row[code.NORMALIZED] = code.NOWHERE if forward_only else take(row[code.OUTPUT_STRIDE])
            row[code.NORM_SCRATCH] = size
            size += 4 * row[code.OUTPUT_STRIDE] + _stride(capacity, itemsize)
    return table, int(size)


@lru_cache(maxsize=256)
def _layout_of(spec, capacity, dtype, sparse, forward_only, descends, draws, codes):
    """`_make_layout` of a specification, which for predictions is always the same object."""
    first, *others = _stages(spec, dtype, descends, sparse, forward_only, draws)
    stages = ((*first, *codes), *others)
    return _make_layout(
        spec.layer_units, spec.skip, stages, _keeps_clean(spec, draws), spec.normalization, capacity, dtype.itemsize,
        sparse, forward_only,
    )  # fmt: skip


class Workspace:
    """Scratch memory for batches of up to `capacity` rows and the table that says what lies where.

    Attributes
    ----------
    layout : ndarray of shape (n_layers, N_LAYOUT), int64
        Shared by all workspaces of that shape: not to be written to.
    work : ndarray, the buffers of all layers
    row_terms : float64 ndarray, two numbers for each row
    panels : ndarray, scratch of the matrix product for each of `n_members` threads

    With `forward_only`, every member works on rows of its own: `work` and `row_terms` hold one part for each.
    One for `draws` is that of kernels/draws.py.
    Only a workspace that `descends` has the stages that a step of an optimizer needs, and takes the statistics
    of its batches for batch normalisation; others take the running ones. `codes` are more of what the layout
    says of the first layer, (column, number) each.
    """

    def __init__(
        self, spec, capacity, dtype, sparse, n_members=1, forward_only=False, descends=False, codes=(), draws=False
    ):
        from .kernels.matmul import panel_size

        self.capacity = capacity
        if spec.input_noise:
            self._deviations = np.broadcast_to(spec.input_noise, spec.layer_units[0]).astype(dtype)
            codes = *codes, *_codes_of_input_noise(self._deviations)
        self.layout, size = _layout_of(
            spec, capacity, np.dtype(dtype), bool(sparse), forward_only, descends, draws, tuple(codes)
        )
        n_parts = n_members if forward_only else 1
        self.work = aligned_empty(n_parts * size, dtype)
        self.row_terms = np.empty(n_parts * 2 * capacity)
        self.panels = aligned_empty(n_members * panel_size(dtype, transposed=not forward_only), dtype)


def descent_scratch(layer_units, skip, normalization, dtype, sparse, n_members, whole):
    """(gradients, shared_gradient, squares): scratch of a training step, see kernels/descent.py.

    If `whole`, both gradients are the same array, as long as the parameters.
    """
    if whole:
        gradient = aligned_zeros(n_params_of(layer_units, normalization, skip), dtype)
        sizes = [size for fan_in, fan_out in shapes_of(layer_units, skip) for size in (fan_in * fan_out, fan_out)]
        if normalization is not None:
            sizes += [2 * width for width in layer_units[1:-1]]
        return gradient, gradient, _squares_scratch(sizes)
    from .kernels.matmul import HEIGHT

    per_line = code.CACHE_LINE // np.dtype(dtype).itemsize
    shapes = shapes_of(layer_units, skip)
    shared = shapes[0][0] * shapes[0][1] if sparse else 0
    pieces = [min(HEIGHT, fan_in) * fan_out for fan_in, fan_out in shapes[1 if sparse else 0 :]]
    own = -(-max([*pieces, *layer_units[1:]]) // per_line) * per_line
    return aligned_empty(n_members * own, dtype), aligned_empty(shared, dtype), np.empty(0)


def _squares_scratch(sizes):
    from .kernels.clipping import BLOCK

    return np.empty(sum(-(-int(size) // BLOCK) for size in sizes))
