"""Parts of a tensor in another order, which are copied block by block or are found where they already lie."""

from collections.abc import Sequence

from compiler.graph import Node, Tensor
from compiler.layer import IN_PLACE, Layer
from compiler.operators.loops import Loop, merged, row_parameters


def gather_layer(node: Node, source: Tensor, sizes: Sequence[int], steps: Sequence[int], start: int) -> Layer:
    """The output's bytes, in its order, from `start` of the source and `steps` on along each dimension of `sizes`.

    No code at all where they lie together. A small part is copied all the same: it does not keep a large tensor alive.
    """
    loops = merged([Loop(size, (step, 0)) for size, step in zip(sizes, steps, strict=True)])
    block = 1
    if loops[-1].steps[0] == 1:
        block = loops.pop().size
        if not loops and source.data is None and 2 * block >= source.elements:
            return Layer(None, "", (), (), (source,), node.output, offsets=(start,))
    return Layer(
        kernel="tml_copy_blocks",
        struct="tml_blocks_layer",
        parameters=(*row_parameters(loops or [Loop(1, (0, 0))]), ("start", start), ("block", block)),
        constants=(),
        inputs=(source,),
        output=node.output,
        header="tml_move.h",
        # Going forward, nothing is read that lies before what was written.
        overlaps=(IN_PLACE if _forward(loops, block) else None,),
    )


def _forward(loops: Sequence[Loop], block: int) -> bool:
    """Whether each block lies after the one before: every loop steps over all that the loops inside it read."""
    reach = block
    for loop in reversed(loops):
        step = loop.steps[0]
        if step < reach:
            return False
        reach += step * (loop.size - 1)
    return True
