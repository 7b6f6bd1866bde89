"""Numbers in memory as kernels hold them: an address and a count, in the place of numba's arrays.

An array of numba is seven numbers: three say where it lies and how many there are, the others who owns it and how it
lies. Each is passed at each call, and taken out and put together wherever an array is used; and since an index may be
negative, each access first looks for that. Half of what numba made of a kernel was about this. A `View` is contiguous,
owned by nobody, counted from 0. `NUMBA_BOUNDSCHECK=1` checks its indices as it does those of arrays; but a kernel can
only print what is wrong, not raise it.
"""

import operator

from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import infer_getattr, lower_builtin, lower_getattr, models, register_model


class _Numbers(types.Type):
    """What views and tables have in common: `index_types`, those of the whole numbers that say which element."""

    def __init__(self, name, dtype):
        self.dtype = dtype
        super().__init__(name)

    def accepts(self, index):
        """Whether values of a type say which element."""
        parts = index if isinstance(index, types.BaseTuple) else (index,)
        return tuple(type(types.unliteral(part)) for part in parts) == self.index_types


class View(_Numbers):
    """Numbers of one type."""

    index_types = (types.Integer,)

    def __init__(self, dtype):
        super().__init__(f"View({dtype})", dtype)


class Table(_Numbers):
    """Rows of `width` numbers each, which is known when a kernel is compiled."""

    index_types = (types.Integer, types.Integer)

    def __init__(self, dtype, width):
        self.width = width
        super().__init__(f"Table({dtype}, {width})", dtype)


@register_model(View)
@register_model(Table)
class _Model(models.StructModel):
    """Fields are called as numba's array calls them; `nitems` of a table are its rows."""

    def __init__(self, manager, kind):
        super().__init__(manager, kind, [("data", types.CPointer(kind.dtype)), ("nitems", types.intp)])


def field(ctx, builder, kind, value, name):
    """`data` or `nitems` of a view, a table or one of numba's arrays."""
    return ctx.data_model_manager[kind].get(builder, value, name)


def fields(ctx, builder, kind, value):
    """(data, nitems) of the same."""
    return tuple(field(ctx, builder, kind, value, name) for name in ("data", "nitems"))


def make(builder, data, count):
    """A view or a table from its fields."""
    return cgutils.pack_struct(builder, [data, count])


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args, kws):
        view, index = args
        if isinstance(view, _Numbers) and view.accepts(index):
            return signature(view.dtype, view, index)


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args, kws):
        view, index, _ = args
        if isinstance(view, _Numbers) and view.accepts(index):
            return signature(types.void, view, index, view.dtype)


@infer_global(len)
class _Len(AbstractTemplate):
    def generic(self, args, kws):
        if len(args) == 1 and isinstance(args[0], _Numbers):
            return signature(types.intp, *args)


@infer_getattr
class _ViewAttributes(AttributeTemplate):
    key = View

    def resolve_dtype(self, view):
        return types.DType(view.dtype)

    def resolve_itemsize(self, view):
        return types.intp


def _checked(ctx, builder, index, kind, length):
    """An index of any integer type as intp."""
    index = ctx.cast(builder, index, kind, types.intp)
    if ctx.enable_boundscheck:
        cgutils.do_boundscheck(ctx, builder, index, length)
    return index


def _place(ctx, builder, kind, view, index_kind, index):
    """Pointer to the element with an index."""
    data, count = fields(ctx, builder, kind, view)
    if isinstance(kind, View):
        return builder.gep(data, [_checked(ctx, builder, index, index_kind, count)])
    width = ctx.get_constant(types.intp, kind.width)
    row, column = (
        _checked(ctx, builder, *part)
        for part in zip(cgutils.unpack_tuple(builder, index), index_kind, (count, width), strict=True)
    )
    return builder.gep(data, [builder.add(builder.mul(row, width), column)])


@lower_builtin(operator.getitem, View, types.Integer)
@lower_builtin(operator.getitem, Table, types.BaseTuple)
def _lower_getitem(ctx, builder, signature, args):
    view, index = zip(signature.args, args, strict=True)
    return builder.load(_place(ctx, builder, *view, *index))


@lower_builtin(operator.setitem, View, types.Integer, types.Number)
@lower_builtin(operator.setitem, Table, types.BaseTuple, types.Number)
def _lower_setitem(ctx, builder, signature, args):
    view, index, (_, value) = zip(signature.args, args, strict=True)
    builder.store(value, _place(ctx, builder, *view, *index))


@lower_builtin(len, _Numbers)
def _lower_len(ctx, builder, signature, args):
    return field(ctx, builder, signature.args[0], args[0], "nitems")


@lower_getattr(View, "dtype")
def _lower_dtype(ctx, builder, kind, view):
    return ctx.get_dummy_value()


@lower_getattr(View, "itemsize")
def _lower_itemsize(ctx, builder, kind, view):
    return ctx.get_constant(types.intp, kind.dtype.bitwidth // 8)
