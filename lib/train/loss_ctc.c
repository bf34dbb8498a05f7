/* Connectionist temporal classification (Graves, Fernandez, Gomez & Schmidhuber 2006;
 * torch.nn.CTCLoss): minus the log-probability of all alignments of the S labels with the T steps
 * of a row, where an alignment may repeat a label and may say the blank between labels.
 *
 * With l the labels with a blank before, between and after them (2S+1 symbols), p_t = softmax(y_t):
 *   alpha_t(s) = p_t(l_s) (alpha_t-1(s) + alpha_t-1(s-1) + alpha_t-1(s-2))
 *   beta_t(s)  = p_t+1(l_s) beta_t+1(s) + ..(s+1) + ..(s+2)
 * the last term only where l_s is no blank and differs from l_s-2 (l_s+2). Then
 *   loss = -log (alpha_T(2S) + alpha_T(2S-1))
 *   dloss / dy_t(k) = p_t(k) - sum over s with l_s = k of alpha_t(s) beta_t(s) / exp(-loss)
 * With LRNN_REDUCTION_MEAN the loss of a row is divided by max(S, 1).
 *
 * Products of thousands of probabilities do not fit the exponent of a double, and logarithms cost
 * an exp and a log for each term. So each number is a double with a count of units of 2^512 beside
 * it (`wide`): 0, or with the double in [2^-256, 2^256), as exact as a double and as cheap as a few
 * multiplications. The count is a double too, which no logit of a float can overflow. Nothing
 * underflows. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "loss.h"

/* ---- numbers with a wide exponent ---- */

#define UNIT     0x1p512
#define UNIT_LOG 354.891356446691990 /* of UNIT, natural */

#define LEAST 0x1p-256
#define MOST  0x1p256

typedef struct wide {
    double value;
    double units; /* whole; the number is value * UNIT^units */
} wide;

static const wide wide_zero = {0, -INFINITY};

static wide wide_normal(wide x)
{
    if (x.value == 0) {
        return wide_zero;
    }
    if (x.value < LEAST) {
        x.value *= UNIT;
        x.units--;
    } else if (x.value >= MOST) {
        x.value /= UNIT;
        x.units++;
    }
    return x;
}

/* Beyond this a unit more or less is lost in the rounding of x. */
#define EXP_LIMIT 0x1p52

/* *to = exp(x). Through memory: a struct that a call returns is put together there first. */
static void wide_exp(wide *to, double x)
{
    double units = 0;
    if (fabs(x) < UNIT_LOG / 2) {
        to->value = exp(x);
    } else if (x == -INFINITY) {
        *to = wide_zero;
        return;
    } else {
        units = isnan(x) ? 0 : floor(x / UNIT_LOG + 0.5);
        to->value = fabs(x) < EXP_LIMIT ? exp(x - units * UNIT_LOG) : isnan(x) ? x : 1;
    }
    to->units = units;
}

static double wide_log(wide x)
{
    return x.value == 0 ? -INFINITY : log(x.value) + x.units * UNIT_LOG;
}

static wide wide_add(wide x, wide y)
{
    if (x.units == y.units) {
        x.value += y.value;
        return x; /* maybe above MOST: the product or the wide_normal that follows mends it */
    }
    if (x.units < y.units) {
        wide swapped = x;
        x = y;
        y = swapped;
    }
    x.value += x.units - y.units == 1 ? y.value / UNIT : 0;
    return x;
}

static wide wide_multiply(wide x, wide y)
{
    wide made = {x.value * y.value, x.units + y.units};
    return wide_normal(made);
}

/* x * y / all, which is at most 1; `inverse` is 1 / all.value. */
static double wide_share(wide x, wide y, wide all, double inverse)
{
    double units = x.units + y.units - all.units, value = x.value * y.value * inverse;
    return units == 0 ? value : units == -1 ? value / UNIT : units == 1 ? value * UNIT : 0;
}

/* ---- a row ---- */

typedef struct ctc_row {
    const int32_t *labels; /* [S] */
    size_t T, S, states;   /* 2S+1 */
    int32_t blank;
    wide *alpha;  /* [T,states] */
    wide *beta;   /* [states], of one step */
    wide *emit;   /* [T,S+1] p_t of the blank, then of each label */
    double *mass; /* [S+1] occupancy of the blank and of each label at one step */
} ctc_row;

static bool scratch(size_t *bytes, size_t T, size_t S)
{
    size_t states, alpha, emit;
    if (!size_multiply(&states, S, 2) || states > SIZE_MAX - 1 ||
        !size_multiply(&alpha, states + 1, T) || !size_multiply(&emit, S + 1, T) ||
        alpha > SIZE_MAX / 4 / sizeof(wide) || emit > SIZE_MAX / 4 / sizeof(wide)) {
        return false;
    }
    *bytes = (alpha + emit + states + 1) * sizeof(wide) + (S + 1) * sizeof(double);
    return true;
}

static size_t label_count(const lrnn_sequences *s, size_t b)
{
    return s->target_lengths == NULL ? s->target_steps : (size_t)s->target_lengths[b];
}

static ctc_row lay_out(const loss_item *item, size_t T, void *memory)
{
    const lrnn_sequences *s = item->sequences;
    ctc_row row = {.T = T, .blank = item->options->blank, .S = label_count(s, item->index)};
    row.labels = row.S == 0 ? NULL : s->targets + item->index * s->target_steps;
    row.states = 2 * row.S + 1;
    row.alpha = memory;
    row.beta = row.alpha + T * row.states;
    row.emit = row.beta + row.states;
    row.mass = (double *)(void *)(row.emit + T * (row.S + 1));
    return row;
}

/* The symbol of a state: 0 the blank, 1.. the labels. */
static size_t symbol(size_t state)
{
    return state % 2 == 0 ? 0 : state / 2 + 1;
}

/* May a path go from state - 2 to this state, past the blank between? */
static bool skips(const ctc_row *row, size_t state)
{
    return state % 2 == 1 && state >= 3 && row->labels[state / 2] != row->labels[state / 2 - 1];
}

/* Probabilities of the blank and of the row's labels at step t. */
static void emissions(const ctc_row *row, const real *y, size_t O, size_t t)
{
    wide *emit = row->emit + t * (row->S + 1);
    real greatest;
    double total;
    kernels()->max_sum_exp(y, O, &greatest, &total);
    double log_sum = (double)greatest + log(total);
    wide_exp(&emit[0], (double)y[row->blank] - log_sum);
    for (size_t i = 0; i < row->S; i++) {
        wide_exp(&emit[i + 1], (double)y[row->labels[i]] - log_sum);
    }
}

/* States from which the end can still be reached at step t are first .. end-1. */
static size_t first_state(const ctc_row *row, size_t t)
{
    size_t left = 2 * (row->T - t);
    return row->states > left ? row->states - left : 0;
}

static size_t end_state(const ctc_row *row, size_t t)
{
    size_t most = 2 * (t + 1);
    return most < row->states ? most : row->states;
}

static void forward_step(const ctc_row *row, size_t t)
{
    const wide *emit = row->emit + t * (row->S + 1), *before = row->alpha + (t - 1) * row->states;
    wide *alpha = row->alpha + t * row->states;
    size_t first = first_state(row, t), end = end_state(row, t);
    for (size_t s = 0; s < row->states; s++) {
        if (s < first || s >= end) {
            alpha[s] = wide_zero;
            continue;
        }
        wide sum = before[s];
        if (s >= 1) {
            sum = wide_add(sum, before[s - 1]);
        }
        if (skips(row, s)) {
            sum = wide_add(sum, before[s - 2]);
        }
        alpha[s] = wide_multiply(sum, emit[symbol(s)]);
    }
}

/* Probability of all alignments. */
static wide forward(const ctc_row *row)
{
    for (size_t s = 0; s < row->states; s++) {
        row->alpha[s] = s < 2 && s >= first_state(row, 0) ? row->emit[symbol(s)] : wide_zero;
    }
    for (size_t t = 1; t < row->T; t++) {
        forward_step(row, t);
    }
    const wide *last = row->alpha + (row->T - 1) * row->states;
    wide sum = last[row->states - 1];
    return row->states == 1 ? sum : wide_normal(wide_add(sum, last[row->states - 2]));
}

/* beta of step t from that of step t + 1, in place. */
static void backward_step(const ctc_row *row, size_t t)
{
    const wide *emit = row->emit + (t + 1) * (row->S + 1);
    wide *beta = row->beta;
    for (size_t s = 0; s < row->states; s++) {
        beta[s] = wide_multiply(beta[s], emit[symbol(s)]);
    }
    for (size_t s = 0; s + 1 < row->states; s++) { /* reads s and those after it */
        wide sum = wide_add(beta[s], beta[s + 1]);
        if (s + 2 < row->states && skips(row, s + 2)) {
            sum = wide_add(sum, beta[s + 2]);
        }
        beta[s] = wide_normal(sum);
    }
}

/* y, exp(y - max), becomes the gradient. */
static void gradient_step(const ctc_row *row, real *y, size_t O, size_t t, wide all, double total,
                          double amount)
{
    const wide *alpha = row->alpha + t * row->states;
    double inverse = 1 / all.value;
    memset(row->mass, 0, (row->S + 1) * sizeof *row->mass);
    for (size_t s = first_state(row, t); s < end_state(row, t); s++) {
        row->mass[symbol(s)] += wide_share(alpha[s], row->beta[s], all, inverse);
    }
    kernels()->scale(y, (real)(amount / total), O);
    y[row->blank] -= (real)(amount * row->mass[0]);
    for (size_t i = 0; i < row->S; i++) {
        y[row->labels[i]] -= (real)(amount * row->mass[i + 1]);
    }
}

static double run(const loss_item *item, real *y, size_t T, double amount, void *memory)
{
    ctc_row row = lay_out(item, T, memory);
    size_t O = item->outputs;
    double total;
    bool mean = item->options->reduction == LRNN_REDUCTION_MEAN;
    double divisor = mean && row.S > 1 ? (double)row.S : 1;
    for (size_t t = 0; t < T; t++) {
        emissions(&row, y + t * O, O, t);
    }
    wide all = forward(&row);
    double found = -wide_log(all);
    if (all.value == 0) {
        if (amount != 0) {
            memset(y, 0, T * O * sizeof(real));
        }
        return item->options->zero_infinity ? 0 : found;
    }
    if (amount == 0) {
        return found / divisor;
    }
    for (size_t s = 0; s < row.states; s++) {
        row.beta[s] = s + 2 >= row.states ? (wide){1, 0} : wide_zero;
    }
    for (size_t t = T; t-- > 0;) {
        real greatest;
        if (t + 1 < T) {
            backward_step(&row, t);
        }
        kernels()->exp_below_max(y + t * O, O, &greatest, &total);
        gradient_step(&row, y + t * O, O, t, all, total, amount / divisor);
    }
    return found / divisor;
}

/* Each label takes a step, and a blank between equal ones another. */
static lrnn_status infinite(const loss_item *item, size_t T)
{
    const lrnn_sequences *s = item->sequences;
    size_t S = label_count(s, item->index), needed = S;
    for (size_t i = 1; i < S; i++) {
        const int32_t *label = s->targets + item->index * s->target_steps + i;
        needed += label[0] == label[-1];
    }
    if (needed > T) {
        return error_set(LRNN_ERR_NUMERIC,
                         "the loss of row %zu is infinite: its %zu labels take at least %zu steps "
                         "(a blank between equal ones), and it has %zu; see zero_infinity",
                         item->index, S, needed, T);
    }
    return error_set(LRNN_ERR_NUMERIC, "the loss of row %zu is infinite: its outputs overflow",
                     item->index);
}

/* ---- options and targets ---- */

static lrnn_status check_options(const lrnn_trainer_options *o, size_t outputs)
{
    CHECK(check_choice("zero_infinity", o->zero_infinity, 1));
    CHECK(check_size("target_steps", o->target_steps, 0, INT32_MAX));
    if (o->blank < 0 || (size_t)o->blank >= outputs) {
        return error_set(LRNN_ERR_INVALID, "blank: expected 0..%zu, found %d", outputs - 1,
                         (int)o->blank);
    }
    return LRNN_OK;
}

static lrnn_status check(const loss_item *item)
{
    const lrnn_sequences *s = item->sequences;
    size_t b = item->index, S = s->target_steps;
    if (s->target_lengths != NULL) {
        if (s->target_lengths[b] < 0 || (size_t)s->target_lengths[b] > S) {
            return error_set(LRNN_ERR_INVALID, "target_lengths[%zu]: expected 0..%zu, found %d", b,
                             S, (int)s->target_lengths[b]);
        }
        S = (size_t)s->target_lengths[b];
    }
    for (size_t i = 0; i < S; i++) {
        int32_t label = s->targets[b * s->target_steps + i];
        if (label < 0 || (size_t)label >= item->outputs || label == item->options->blank) {
            return error_set(LRNN_ERR_INVALID,
                             "targets: row %zu, label %zu: expected 0..%zu and not the blank %d, "
                             "found %d",
                             b, i, item->outputs - 1, (int)item->options->blank, (int)label);
        }
    }
    return LRNN_OK;
}

static double share(const loss_item *item)
{
    (void)item;
    return 1;
}

static const sequence_loss sequence = {scratch, run, infinite};

const loss_kind loss_ctc = {
    .kind = LRNN_LOSS_CTC,
    .name = "CTC",
    .outputs = LOSS_CLASSES,
    .reads = {.target_steps = true, .blank = true, .zero_infinity = true},
    .check_options = check_options,
    .check = check,
    .share = share,
    .sequence = &sequence,
};
