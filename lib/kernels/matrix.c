/* The table of kinds of matrices. bfloat16 is the upper half of a float32: rounding takes the
 * nearest one, of two the even one, as torch.Tensor.to(torch.bfloat16) does. int8: see bytes.h. */
#include "matrix.h"

#include <string.h>

#include "base/bfloat16.h"
#include "bytes.h"

static uint32_t bits_of(real x)
{
    float value = (float)x;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

typedef uint32_t four_words __attribute__((vector_size(16)));
typedef uint16_t four_halves __attribute__((vector_size(8)));

static four_words bits_of_four(const real *x)
{
#if LRNN_REAL_IS_FLOAT
    four_words bits;
    memcpy(&bits, x, sizeof bits);
    return bits;
#else
    return (four_words){bits_of(x[0]), bits_of(x[1]), bits_of(x[2]), bits_of(x[3])};
#endif
}

/* ---- float32 ---- */

static void keep_reals(void *to, const real *from, size_t count)
{
    memcpy(to, from, count * sizeof(real));
}

static void read_reals(real *to, const void *from, size_t count)
{
    memcpy(to, from, count * sizeof(real));
}

/* ---- bfloat16 ---- */

/* Has nothing to be rounded away, as what a file of bfloat16 gives? */
static bool is_exact(const real *x, size_t count)
{
    four_words some = {0};
    uint32_t lower = 0;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        some |= bits_of_four(x + i);
    }
    for (; i < count; i++) {
        lower |= bits_of(x[i]);
    }
    lower |= some[0] | some[1] | some[2] | some[3];
    return LRNN_REAL_IS_FLOAT && (lower & 0xffff) == 0;
}

static void round_bfloat16(real *x, size_t count)
{
    for (size_t i = 0; i < count && (i > 0 || !is_exact(x, count)); i++) {
        x[i] = bfloat16_to_float(bfloat16_from_float((float)x[i]));
    }
}

static void keep_bfloat16(void *to, const real *from, size_t count)
{
    uint16_t *numbers = to;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        four_halves upper = __builtin_convertvector(bits_of_four(from + i) >> 16, four_halves);
        memcpy(numbers + i, &upper, sizeof upper);
    }
    for (; i < count; i++) {
        numbers[i] = (uint16_t)(bits_of(from[i]) >> 16);
    }
}

static void read_bfloat16(real *to, const void *from, size_t count)
{
    const uint16_t *numbers = from;
    for (size_t i = 0; i < count; i++) {
        to[i] = bfloat16_to_float(numbers[i]);
    }
}

static void pack_bfloat16(void *to, const real *from, size_t count, size_t panel)
{
    size_t half = panel / 2;
    bfloat16_pair *pairs = to;
    for (; count > 0; count -= panel, from += panel, pairs += half) {
        for (size_t i = 0; i < half; i++) {
            pairs[i] = bits_of(from[i]) >> 16 | (bits_of(from[half + i]) & 0xffff0000u);
        }
    }
}

static const matrix_kind kinds[] = {
    [LRNN_WEIGHT_FLOAT32] = {.name = "float32",
                             .bytes = sizeof(real),
                             .keep = keep_reals,
                             .read = read_reals},
    [LRNN_WEIGHT_BFLOAT16] = {.name = "bfloat16",
                              .dtype = "BF16",
                              .bytes = sizeof(uint16_t),
                              .largest = 0x1.ffp127,
                              .round = round_bfloat16,
                              .keep = keep_bfloat16,
                              .read = read_bfloat16,
                              .pack = pack_bfloat16},
    [LRNN_WEIGHT_INT8] =
        {.name = "int8", .dtype = "I8", .bytes = 1, .scaled = true, .round = bytes_round},
};

const matrix_kind *matrix_kind_find(int32_t kind)
{
    return kind >= 0 && (size_t)kind < sizeof kinds / sizeof *kinds ? &kinds[kind] : NULL;
}
