#include "few.h"

#include <string.h>

void few_pack(real *to, const real *weights, size_t K, size_t N)
{
    size_t column = few_column(K);
    for (size_t n = 0; n < N; n++, to += column, weights += K) {
        memcpy(to, weights, K * sizeof(real));
        memset(to + K, 0, (column - K) * sizeof(real));
    }
}
