/* Philox4x32-10 against the known answers of Random123 (kat_vectors), and the distributions made of
 * it. The seeds are fixed: the statistics below either hold or not, every time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/random.h"

#define DRAWS 200000

static void the_known_answers_of_random123_come_out(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], words[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const uint32_t *c = known[i].counter, *k = known[i].key;
        uint32_t words[4];
        random_block(words, (uint64_t)k[1] << 32 | k[0], (uint64_t)c[3] << 32 | c[2],
                     (uint64_t)c[1] << 32 | c[0]);
        assert_memory_equal(words, known[i].words, sizeof words);
    }
}

static void seed_stream_and_index_each_matter(void **state)
{
    (void)state;
    double base = random_uniform(1, 2, 3);
    assert_true(base == random_uniform(1, 2, 3));
    assert_true(base != random_uniform(2, 2, 3));
    assert_true(base != random_uniform(1, 3, 3));
    assert_true(base != random_uniform(1, 2, 4));
    assert_true(base != random_uniform(1, 2 + RANDOM_STREAM_DROPOUT, 3));
    assert_true(base != random_uniform(1, 2, 3 + ((uint64_t)1 << 32)));
    assert_true(base != random_uniform(1 + ((uint64_t)1 << 32), 2, 3));
}

static void words_become_units_in_zero_to_one(void **state)
{
    (void)state;
    assert_true(random_word_to_unit(0) == 0);
    assert_true(random_word_to_unit(0x80000000u) == 0.5);
    assert_true(random_word_to_unit(UINT32_MAX) == 1 - 1.0 / 16777216);
    assert_true((float)random_word_to_unit(UINT32_MAX) < 1);
}

/* Chi-squared of a uniform histogram of 100 bins; 99 degrees of freedom, mean 99, sd 14. */
static double chi_squared(const size_t *histogram, size_t total)
{
    double sum = 0, expected = (double)total / 100;
    for (size_t i = 0; i < 100; i++) {
        double off = (double)histogram[i] - expected;
        sum += off * off / expected;
    }
    return sum;
}

static void uniform_numbers_fill_zero_to_one_evenly(void **state)
{
    (void)state;
    size_t histogram[100] = {0}, pairs[100] = {0};
    double sum = 0, squares = 0, before = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        double u = random_uniform(42, RANDOM_STREAM_PARAMETERS, i);
        assert_true(u >= 0 && u < 1);
        histogram[(size_t)(u * 100)]++;
        if (i % 2 == 1) {
            pairs[(size_t)(before * 10) * 10 + (size_t)(u * 10)]++;
        }
        before = u;
        sum += u;
        squares += u * u;
    }
    /* Five standard deviations: of the mean sqrt(1/12/n), of the mean square sqrt(4/45/n). */
    assert_true(fabs(sum / DRAWS - 0.5) < 5 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(squares / DRAWS - 1.0 / 3) < 5 * sqrt(4.0 / 45 / DRAWS));
    double single = chi_squared(histogram, DRAWS), paired = chi_squared(pairs, DRAWS / 2);
    assert_true(single > 99 - 45 && single < 99 + 60);
    assert_true(paired > 99 - 45 && paired < 99 + 60);
}

static void normal_numbers_have_the_moments_and_the_shape_of_a_normal(void **state)
{
    (void)state;
    size_t histogram[100] = {0};
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0, together = 0, before = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        double z = random_normal(7, RANDOM_STREAM_PARAMETERS + 5, i);
        assert_true(isfinite(z));
        /* The distribution function makes it uniform. */
        double u = 0.5 * erfc(-z / sqrt(2));
        histogram[u < 1 ? (size_t)(u * 100) : 99]++;
        m1 += z;
        m2 += z * z;
        m3 += z * z * z;
        m4 += z * z * z * z;
        together += z * before;
        before = z;
    }
    /* Variances of the powers: 1, 2, 15, 96. */
    assert_true(fabs(m1 / DRAWS) < 5 * sqrt(1.0 / DRAWS));
    assert_true(fabs(m2 / DRAWS - 1) < 5 * sqrt(2.0 / DRAWS));
    assert_true(fabs(m3 / DRAWS) < 5 * sqrt(15.0 / DRAWS));
    assert_true(fabs(m4 / DRAWS - 3) < 5 * sqrt(96.0 / DRAWS));
    assert_true(fabs(together / DRAWS) < 5 * sqrt(1.0 / DRAWS));
    double shape = chi_squared(histogram, DRAWS);
    assert_true(shape > 99 - 45 && shape < 99 + 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_answers_of_random123_come_out),
        cmocka_unit_test(seed_stream_and_index_each_matter),
        cmocka_unit_test(words_become_units_in_zero_to_one),
        cmocka_unit_test(uniform_numbers_fill_zero_to_one_evenly),
        cmocka_unit_test(normal_numbers_have_the_moments_and_the_shape_of_a_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
