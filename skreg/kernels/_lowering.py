"""From numba's typed statements to LLVM's instructions, with fewer of them than numba writes.

LLVM leaves out what is needless anyway, but writing, reading and simplifying it took a quarter of a first fit's time.
What is counted, checked and copied for references, errors and debuggers has no use here: kernels make no object and
raise nothing.
"""

from collections import Counter

from llvmlite.ir import Constant, IRBuilder, Undefined
from llvmlite.ir.instructions import ExtractValue, InsertValue, PhiInstr
from numba.core import ir, types
from numba.core.analysis import compute_cfg_from_blocks, compute_use_defs
from numba.core.errors import LoweringError, new_error_context
from numba.core.lowering import Lower

_PAIR = "pair_first", "pair_second"  # of what an iterator says: its next value, and whether there is one


def _variables_without_memory(blocks):
    """Names of what is assigned at one place, which all uses come after; blocks are lowered in their order."""
    graph, found = compute_cfg_from_blocks(blocks), compute_use_defs(blocks)
    n_assigned = Counter(assign.target.name for block in blocks.values() for assign in block.find_insts(ir.Assign))
    places = {name: label for label, names in found.defmap.items() for name in names if n_assigned[name] == 1}
    before = graph.dominators()
    for label, names in found.usemap.items():
        for name in names & places.keys():
            if places[name] >= label or places[name] not in before[label]:
                del places[name]
    return set(places)


class _Builder(IRBuilder):
    """Takes what has been put into an aggregate from where it was before."""

    def extract_value(self, agg, idx, name=""):
        indices = list(idx) if isinstance(idx, tuple | list) else [idx]
        whole = agg
        while isinstance(whole, InsertValue) and len(indices) == len(whole.indices) == 1:
            if whole.indices == indices:
                return whole.value
            whole = whole.aggregate
        return super().extract_value(whole, idx, name)


def _operands(instruction):
    if isinstance(instruction, PhiInstr):
        return [value for value, _ in instruction.incomings]
    return instruction.operands


def _drop_unused_aggregates(function):
    """Remove what nobody takes anything out of."""
    n_uses = Counter(
        id(operand) for block in function.blocks for each in block.instructions for operand in _operands(each)
    )
    for block in reversed(function.blocks):
        kept = []
        for each in reversed(block.instructions):
            if isinstance(each, InsertValue | ExtractValue) and not n_uses[id(each)]:
                n_uses.subtract(map(id, each.operands))
            else:
                kept.append(each)
        block.instructions[:] = reversed(kept)


class LeanLower(Lower):
    """As numba's, but for what counting references takes, and messages for each statement.

    Of a variable that gets another value the one before is not looked at, so that it needs no first one, either.
    What is assigned once needs no memory; numba keeps such a value only within one block.
    """

    def _find_singly_assigned_variable(self):
        self._singly_assigned_vars = _variables_without_memory(self.blocks)
        self._blk_local_varmap = {}

    def setup_function(self, fndesc):
        super().setup_function(fndesc)
        self.builder = _Builder(self.entry_block)
        self.call_helper = self.call_conv.init_call_helper(self.builder)

    def lower_normal_function(self, fndesc):
        super().lower_normal_function(fndesc)
        _drop_unused_aggregates(self.function)

    def alloca_lltype(self, name, lltype, datamodel=None):
        with self.builder.goto_entry_block():
            return self.builder.alloca(lltype, name=name)

    def storevar(self, value, name, argidx=None):
        if name in self._singly_assigned_vars:
            super().storevar(value, name, argidx)
        else:
            self.builder.store(value, self.getvar(name))

    def lower_expr(self, resty, expr):
        if expr.op in _PAIR:
            return self.builder.extract_value(self.loadvar(expr.value.name), _PAIR.index(expr.op))
        return super().lower_expr(resty, expr)

    def lower_block(self, block):
        self.pre_block(block)
        with new_error_context("lowering a block at {loc}", loc=block.loc, errcls_=LoweringError):
            for statement in block.body:
                self.loc = statement.loc
                self.lower_inst(statement)
        self.post_block(block)


def emit_call(ctx, builder, function, args):
    """Call a function that raises nothing: at each call numba's code looks at the ways in which it may have failed."""
    callee = ctx.declare_function(builder.module, function)
    kind = callee.function_type.args[0].pointee
    with builder.goto_entry_block():
        result = builder.alloca(kind)
    errors = builder.function.args[1]
    builder.call(callee, [result, errors, *ctx.get_arg_packer(function.argtypes).as_arguments(builder, args)])
    if function.restype == types.none:
        return Constant(kind, Undefined)
    return ctx.get_returned_value(builder, function.restype, builder.load(result))
