/* The weight of a token is exp((value - largest value of the row) / temperature), so that the
 * likeliest has weight 1. Plain sampling walks along the weights of the whole row; the filters
 * first make a list of the tokens that are left, and narrow it by quickselect: the vocabulary is
 * never sorted. */
#include "sample.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "kernels/kernels.h"

/* ---- weights of a whole row ---- */

/* In four partial sums, an order that does not depend on the machine. */
static double sum_block(const real *weights, size_t n)
{
    double a = 0, b = 0, c = 0, d = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        a += (double)weights[i];
        b += (double)weights[i + 1];
        c += (double)weights[i + 2];
        d += (double)weights[i + 3];
    }
    for (; i < n; i++) {
        a += (double)weights[i];
    }
    return a + b + (c + d);
}

static size_t block_length(size_t V, size_t block)
{
    size_t left = V - block * SAMPLE_BLOCK;
    return left < SAMPLE_BLOCK ? left : SAMPLE_BLOCK;
}

static double sum_weights(const real *weights, size_t V, double *block_sums)
{
    double sum = 0;
    for (size_t block = 0; block < SAMPLE_BLOCKS(V); block++) {
        block_sums[block] = sum_block(weights + block * SAMPLE_BLOCK, block_length(V, block));
        sum += block_sums[block];
    }
    return sum;
}

static void weigh_row(const lrnn_decoder *d, size_t row, real *weights)
{
    const real *values = d->scores.values + row * d->vocab_size;
    real maximum = d->scores.maxima[row], inverse = (real)(1 / d->options.temperature);
    for (size_t i = 0; i < d->vocab_size; i++) {
        weights[i] = (values[i] - maximum) * inverse;
    }
    kernels()->exp_shifted(weights, d->vocab_size, 0, 1);
}

/* The item at which the running sum of the weights passes `target`; the last one that weighs
 * anything where rounding lets it pass none. */
static size_t walk(const real *weights, size_t n, double target)
{
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        if (weights[i] > 0) {
            last = i;
            target -= (double)weights[i];
            if (target < 0) {
                break;
            }
        }
    }
    return last;
}

static size_t walk_blocks(const real *weights, size_t V, const double *block_sums, double target)
{
    size_t chosen = 0;
    double rest = 0;
    for (size_t block = 0; block < SAMPLE_BLOCKS(V); block++) {
        if (block_sums[block] > 0) {
            chosen = block;
            rest = target;
            target -= block_sums[block];
            if (target < 0) {
                break;
            }
        }
    }
    size_t start = chosen * SAMPLE_BLOCK;
    return start + walk(weights + start, block_length(V, chosen), rest);
}

/* ---- the list of tokens that are left ---- */

static double sum_list(const lrnn_decoder *d, size_t count, const real *weights)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)weights[d->draw.list[i].token];
    }
    return sum;
}

/* The best `count` tokens of a row, best first, and their weights. */
static size_t list_best(lrnn_decoder *d, size_t row, size_t count, real *weights)
{
    selection best = {d->draw.list, 0, count < d->vocab_size ? count : d->vocab_size};
    selection_scan(&best, d->scores.values + row * d->vocab_size, d->vocab_size,
                   decoder_slice_maxima(d, row), 0, 0);
    selection_sort(&best);
    for (size_t i = 0; i < best.count; i++) {
        double below = d->draw.list[i].value - (double)d->scores.maxima[row];
        weights[d->draw.list[i].token] = (real)exp(below / d->options.temperature);
    }
    return best.count;
}

/* Tokens that weigh at least `least`, which leaves out only such as the filters would drop. */
static size_t list_heavy(lrnn_decoder *d, size_t row, const real *weights, double least)
{
    size_t count = 0;
    const real *values = d->scores.values + row * d->vocab_size;
    for (size_t i = 0; i < d->vocab_size; i++) {
        if ((double)weights[i] >= least && weights[i] > 0) {
            d->draw.list[count++] = (candidate){(double)values[i], 0, (int32_t)i};
        }
    }
    return count;
}

static size_t apply_min_p(lrnn_decoder *d, size_t count, const real *weights)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        kept += (double)weights[d->draw.list[i].token] >= d->options.min_p;
    }
    if (kept < d->options.min_keep) {
        return candidates_keep(d->draw.list, count, weights, d->options.min_keep, 0);
    }
    kept = 0;
    for (size_t i = 0; i < count; i++) {
        if ((double)weights[d->draw.list[i].token] >= d->options.min_p) {
            d->draw.list[kept++] = d->draw.list[i];
        }
    }
    return kept;
}

/* Ranks by the distance of -log p from the entropy. */
static size_t apply_typical(lrnn_decoder *d, size_t count, const real *weights)
{
    double sum = sum_list(d, count, weights), entropy = 0;
    for (size_t i = 0; i < count; i++) {
        double p = (double)weights[d->draw.list[i].token] / sum;
        d->draw.list[i].value = p > 0 ? -log(p) : HUGE_VAL;
        entropy += p > 0 ? p * d->draw.list[i].value : 0;
    }
    for (size_t i = 0; i < count; i++) {
        d->draw.list[i].value = -fabs(d->draw.list[i].value - entropy);
    }
    return candidates_keep(d->draw.list, count, weights, d->options.min_keep,
                           d->options.typical_p * sum);
}

/* Fills the list with what top_k, top_p, min_p and typical_p leave of a row, and their weights.
 * Where none of them is asked for, 0: the weights of the whole row and their sums say it all. */
static size_t narrow(lrnn_decoder *d, size_t row, real *weights, double *block_sums, double *sum)
{
    const lrnn_decoder_options *o = &d->options;
    size_t count;
    if (o->top_k > 0) {
        count = list_best(d, row, o->top_k > o->min_keep ? o->top_k : o->min_keep, weights);
        *sum = sum_list(d, count, weights);
    } else {
        weigh_row(d, row, weights);
        *sum = sum_weights(weights, d->vocab_size, block_sums);
        if (o->top_p == 1 && o->min_p == 0 && o->typical_p == 1) {
            return 0;
        }
        /* Tokens lighter than this weigh less than 1 - top_p together. */
        double least = (1 - o->top_p) * *sum / (double)d->vocab_size;
        least = (least > o->min_p ? least : o->min_p) * 0.999;
        count = list_heavy(d, row, weights, least);
        if (count < o->min_keep) {
            count = list_best(d, row, o->min_keep, weights);
        }
    }
    if (o->top_p < 1) {
        count = candidates_keep(d->draw.list, count, weights, o->min_keep, o->top_p * *sum);
    }
    if (o->min_p > 0) {
        count = apply_min_p(d, count, weights);
    }
    return o->typical_p < 1 ? apply_typical(d, count, weights) : count;
}

/* ---- one token ---- */

int32_t sample_token(lrnn_decoder *decoder, size_t row)
{
    double sum;
    size_t count = narrow(decoder, row, decoder->draw.weights, decoder->draw.block_sums, &sum);
    const lrnn_request *request = &decoder->slots[decoder->rows.live[row].slot].request;
    double u = random_uniform(request->seed, RANDOM_STREAM_SAMPLER, decoder->step);
    if (count == 0) {
        return (int32_t)walk_blocks(decoder->draw.weights, decoder->vocab_size,
                                    decoder->draw.block_sums, u * sum);
    }
    if (decoder->options.uniform == 1) {
        size_t i = (size_t)(u * (double)count);
        return decoder->draw.list[i < count ? i : count - 1].token;
    }
    double target = u * sum_list(decoder, count, decoder->draw.weights);
    for (size_t i = 0; i + 1 < count; i++) {
        target -= (double)decoder->draw.weights[decoder->draw.list[i].token];
        if (target < 0) {
            return decoder->draw.list[i].token;
        }
    }
    return decoder->draw.list[count - 1].token;
}

/* ---- continuations of several rows ---- */

/* Weights of what is left of a row, zero elsewhere; returns their sum. */
static double weigh_left(lrnn_decoder *d, size_t row, real *weights, double *block_sums)
{
    double sum;
    size_t count = narrow(d, row, weights, block_sums, &sum);
    if (count == 0) {
        return sum;
    }
    for (size_t i = 0; i < count; i++) {
        d->draw.list[i].value = (double)weights[d->draw.list[i].token];
    }
    memset(weights, 0, d->vocab_size * sizeof(real));
    for (size_t i = 0; i < count; i++) {
        weights[d->draw.list[i].token] = (real)d->draw.list[i].value;
    }
    return sum_weights(weights, d->vocab_size, block_sums);
}

/* A weight of row `row` times this is exp(sum of x) up to a constant of the request. */
static double row_level(const lrnn_decoder *d, size_t row)
{
    return d->rows.live[row].sum +
           ((double)d->scores.maxima[row] - d->scores.shifts[row]) / d->options.temperature;
}

/* Draws one continuation and takes its weight away; false if none is left that weighs anything. */
static bool draw(lrnn_decoder *d, size_t first, size_t rows, const double *factors, double u)
{
    size_t V = d->vocab_size, chosen = 0;
    double total = 0, rest = 0;
    for (size_t i = 0; i < rows; i++) {
        total += d->draw.row_sums[i] * factors[i];
    }
    if (!(total > 0)) {
        return false;
    }
    double target = u * total;
    for (size_t i = 0; i < rows; i++) {
        double mass = d->draw.row_sums[i] * factors[i];
        if (mass > 0) {
            chosen = i;
            rest = target / factors[i];
            target -= mass;
            if (target < 0) {
                break;
            }
        }
    }
    real *weights = d->draw.weights + chosen * V;
    double *block_sums = d->draw.block_sums + chosen * SAMPLE_BLOCKS(V);
    size_t token = walk_blocks(weights, V, block_sums, rest);
    weights[token] = 0;
    d->draw.row_sums[chosen] = sum_weights(weights, V, block_sums);
    size_t row = first + chosen;
    double x = decoder_x(d, row, (int32_t)token);
    d->best.items[d->best.count++] =
        (candidate){d->rows.live[row].sum + x, (int32_t)row, (int32_t)token};
    return true;
}

void sample_continuations(lrnn_decoder *decoder, size_t first, size_t rows, size_t count)
{
    size_t V = decoder->vocab_size;
    double highest = -HUGE_VAL;
    for (size_t i = 0; i < rows; i++) {
        decoder->draw.row_sums[i] =
            decoder->scores.stuck[first + i]
                ? 0
                : weigh_left(decoder, first + i, decoder->draw.weights + i * V,
                             decoder->draw.block_sums + i * SAMPLE_BLOCKS(V));
        if (decoder->draw.row_sums[i] > 0) {
            double level = row_level(decoder, first + i);
            highest = level > highest ? level : highest;
        }
    }
    for (size_t i = 0; i < rows; i++) {
        decoder->draw.row_factors[i] =
            decoder->draw.row_sums[i] > 0 ? exp(row_level(decoder, first + i) - highest) : 0;
    }
    const lrnn_request *request = &decoder->slots[decoder->rows.live[first].slot].request;
    decoder->best.count = 0;
    for (size_t i = 0; i < count; i++) {
        /* A stream of its own, of 2^32 numbers for every step. */
        double u = random_uniform(request->seed, RANDOM_STREAM_SAMPLER + 1,
                                  (uint64_t)decoder->step << 32 | i);
        if (!draw(decoder, first, rows, decoder->draw.row_factors, u)) {
            break;
        }
    }
}
