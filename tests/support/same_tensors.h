/* Two files of tensors that are to be the same. For use behind <cmocka.h>. */
#ifndef SUPPORT_SAME_TENSORS_H
#define SUPPORT_SAME_TENSORS_H

#include <string.h>

#include "format/safetensors.h"

/* Both files have the same tensors: names, shapes and, as floats, values. */
static inline void same_tensors(const char *left, const char *right)
{
    safetensors *a, *b;
    assert_int_equal(safetensors_open(&a, NULL, left), LRNN_OK);
    assert_int_equal(safetensors_open(&b, NULL, right), LRNN_OK);
    assert_int_equal(safetensors_count(a), safetensors_count(b));
    for (size_t i = 0; i < safetensors_count(a); i++) {
        const tensor_view *x = safetensors_tensor(a, i), *y = safetensors_find(b, x->name);
        float value[2];
        assert_non_null(y);
        assert_int_equal(x->rank, y->rank);
        assert_memory_equal(x->shape, y->shape, x->rank * sizeof x->shape[0]);
        for (size_t k = 0; k < x->count; k++) {
            assert_int_equal(tensor_read(&value[0], x, k, 1), LRNN_OK);
            assert_int_equal(tensor_read(&value[1], y, k, 1), LRNN_OK);
            assert_true(value[0] == value[1]);
        }
    }
    safetensors_destroy(a);
    safetensors_destroy(b);
}

#endif
