/* Walks over one or two tensors in the order of the output: rows of the last loop, and the loops that lead from one row
 * to the next. The generator has joined all loops that can be one. */
#ifndef TML_ROWS_H
#define TML_ROWS_H

#include <stdint.h>

#include "tml_specialise.h"

#define TML_LOOPS 6

/* count rows of `columns` turns; an input steps step_1 or step_2 elements in a row, and steps_1[level] or
 * steps_2[level] from row to row, 0 where it repeats and less where it runs backwards. */
struct tml_rows {
    int32_t count, loops, columns;
    int32_t step_1, step_2;
    int32_t sizes[TML_LOOPS - 1], steps_1[TML_LOOPS - 1], steps_2[TML_LOOPS - 1];
};

/* Where the present row begins in both inputs, and how often each loop has turned. */
struct tml_row {
    int32_t offset_1, offset_2;
    int32_t turns[TML_LOOPS - 1];
};

TML_PART void tml_next_row(const struct tml_rows *rows, struct tml_row *row)
{
#pragma GCC unroll 5
    for (int32_t level = rows->loops - 1; level >= 0; level--) {
        row->offset_1 += rows->steps_1[level];
        row->offset_2 += rows->steps_2[level];
        if (++row->turns[level] < rows->sizes[level]) {
            return;
        }
        row->turns[level] = 0;
        row->offset_1 -= rows->steps_1[level] * rows->sizes[level];
        row->offset_2 -= rows->steps_2[level] * rows->sizes[level];
    }
}

#endif
