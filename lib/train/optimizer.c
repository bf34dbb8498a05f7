/* Update rules, those of torch.optim; the equations are in the header, at lrnn_optimizer. A rule
 * changes each parameter from its own gradient and moments alone, so an update may be made in
 * pieces, by several threads, with the same bits; `updates` counts whole ones. */
#include "optimizer.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "base/options.h"
#include "kernels/kernels.h"

static const lrnn_optimizer_options default_options = {
    .size = sizeof(lrnn_optimizer_options),
    .learning_rate = 0.001,
    .beta1 = 0.9,
    .beta2 = 0.999,
    .alpha = 0.99,
    .epsilon = 1e-8,
    .kind = LRNN_OPTIMIZER_ADAM,
};

lrnn_status lrnn_optimizer_options_init(lrnn_optimizer_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_optimizer_options);
}

static lrnn_status check_options(const lrnn_optimizer_options *o)
{
    CHECK(check_choice("kind", o->kind, LRNN_OPTIMIZER_ADAMW));
    CHECK(check_not_negative("learning_rate", o->learning_rate));
    CHECK(check_not_negative("weight_decay", o->weight_decay));
    CHECK(check_not_negative("momentum", o->momentum));
    CHECK(check_not_negative("dampening", o->dampening));
    CHECK(check_not_negative("epsilon", o->epsilon));
    CHECK(check_below_one("beta1", o->beta1));
    CHECK(check_below_one("beta2", o->beta2));
    CHECK(check_below_one("alpha", o->alpha));
    CHECK(check_choice("nesterov", o->nesterov, 1));
    if (o->nesterov && (o->momentum == 0 || o->dampening != 0)) {
        return error_set(LRNN_ERR_INVALID,
                         "nesterov: needs momentum above 0 and dampening 0, found %g and %g",
                         o->momentum, o->dampening);
    }
    return LRNN_OK;
}

static bool has_m(const lrnn_optimizer_options *o)
{
    switch (o->kind) {
    case LRNN_OPTIMIZER_SGD:
    case LRNN_OPTIMIZER_RMSPROP: return o->momentum > 0;
    case LRNN_OPTIMIZER_ADAGRAD: return false;
    default: return true;
    }
}

lrnn_status lrnn_optimizer_create(lrnn_optimizer **optimizer, size_t count,
                                  const lrnn_optimizer_options *options)
{
    if (optimizer == NULL) {
        return error_null("optimizer");
    }
    *optimizer = NULL;
    lrnn_optimizer_options o = default_options;
    lrnn_allocator allocator;
    if (options != NULL) {
        CHECK(OPTIONS_READ(&o, options, &default_options, lrnn_optimizer_options));
    }
    if (count == 0) {
        return error_set(LRNN_ERR_INVALID, "count: expected at least 1, found 0");
    }
    CHECK(check_options(&o));
    CHECK(allocator_read(&allocator, o.allocator));
    lrnn_optimizer *made = memory_allocate(&allocator, 1, sizeof *made, "optimizer");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    made->allocator = allocator;
    made->options = o;
    made->count = count;
    bool m = has_m(&o), v = o.kind != LRNN_OPTIMIZER_SGD;
    if (m) {
        made->m = memory_allocate(&allocator, count, sizeof(real), "optimizer: moments");
    }
    if (v) {
        made->v = memory_allocate(&allocator, count, sizeof(real), "optimizer: moments");
    }
    if ((m && made->m == NULL) || (v && made->v == NULL)) {
        lrnn_optimizer_destroy(made);
        return LRNN_ERR_MEMORY;
    }
    *optimizer = made;
    return LRNN_OK;
}

void lrnn_optimizer_destroy(lrnn_optimizer *optimizer)
{
    if (optimizer != NULL) {
        lrnn_allocator allocator = optimizer->allocator;
        memory_release(&allocator, optimizer->m);
        memory_release(&allocator, optimizer->v);
        memory_release(&allocator, optimizer);
    }
}

double lrnn_optimizer_learning_rate(const lrnn_optimizer *optimizer)
{
    return optimizer == NULL ? (double)NAN : optimizer->options.learning_rate;
}

lrnn_status lrnn_optimizer_set_learning_rate(lrnn_optimizer *optimizer, double learning_rate)
{
    if (optimizer == NULL) {
        return error_null("optimizer");
    }
    CHECK(check_not_negative("learning_rate", learning_rate));
    optimizer->options.learning_rate = learning_rate;
    return LRNN_OK;
}

uint64_t lrnn_optimizer_updates(const lrnn_optimizer *optimizer)
{
    return optimizer == NULL ? 0 : optimizer->updates;
}

/* ---- the rules ---- */

static void apply_sgd(const lrnn_optimizer *opt, real *p, const real *gradient, real *m, size_t n)
{
    const lrnn_optimizer_options *o = &opt->options;
    real lr = (real)o->learning_rate, decay = (real)o->weight_decay;
    real momentum = (real)o->momentum, fresh = opt->updates == 0 ? 1 : (real)(1 - o->dampening);
    for (size_t i = 0; i < n; i++) {
        real g = gradient[i] + decay * p[i];
        if (m != NULL) {
            m[i] = momentum * m[i] + fresh * g;
            g = o->nesterov ? g + momentum * m[i] : m[i];
        }
        p[i] -= lr * g;
    }
}

static void apply_rmsprop(const lrnn_optimizer_options *o, real *p, const real *gradient, real *m,
                          real *v, size_t n)
{
    real lr = (real)o->learning_rate, decay = (real)o->weight_decay, alpha = (real)o->alpha;
    real fresh = (real)(1 - o->alpha), epsilon = (real)o->epsilon, momentum = (real)o->momentum;
    for (size_t i = 0; i < n; i++) {
        real g = gradient[i] + decay * p[i];
        v[i] = alpha * v[i] + fresh * g * g;
        real step = g / ((real)sqrt((double)v[i]) + epsilon);
        if (m != NULL) {
            m[i] = momentum * m[i] + step;
            step = m[i];
        }
        p[i] -= lr * step;
    }
}

static void apply_adagrad(const lrnn_optimizer_options *o, real *p, const real *gradient, real *v,
                          size_t n)
{
    real lr = (real)o->learning_rate, decay = (real)o->weight_decay, epsilon = (real)o->epsilon;
    for (size_t i = 0; i < n; i++) {
        real g = gradient[i] + decay * p[i];
        v[i] += g * g;
        p[i] -= lr * g / ((real)sqrt((double)v[i]) + epsilon);
    }
}

static void apply_adam(const lrnn_optimizer *opt, real *p, const real *gradient, real *m, real *v,
                       size_t n)
{
    const lrnn_optimizer_options *o = &opt->options;
    double t = (double)opt->updates + 1;
    bool decoupled = o->kind == LRNN_OPTIMIZER_ADAMW;
    adam_step step = {
        .learning_rate = (real)(o->learning_rate / (1 - pow(o->beta1, t))),
        .beta1 = (real)o->beta1,
        .beta2 = (real)o->beta2,
        .complement1 = (real)(1 - o->beta1),
        .complement2 = (real)(1 - o->beta2),
        .epsilon = (real)o->epsilon,
        .inverse_sqrt_correction = (real)(1 / sqrt(1 - pow(o->beta2, t))),
        .weight_decay = decoupled ? 0 : (real)o->weight_decay,
        .decay_factor = decoupled ? (real)(1 - o->learning_rate * o->weight_decay) : 1,
    };
    kernels()->adam(&step, n, p, gradient, m, v);
}

void optimizer_apply(lrnn_optimizer *optimizer, real *parameters, const real *gradients,
                     size_t first, size_t count)
{
    const lrnn_optimizer_options *o = &optimizer->options;
    real *p = parameters + first;
    const real *gradient = gradients + first;
    real *m = optimizer->m == NULL ? NULL : optimizer->m + first;
    real *v = optimizer->v == NULL ? NULL : optimizer->v + first;
    switch (o->kind) {
    case LRNN_OPTIMIZER_SGD: apply_sgd(optimizer, p, gradient, m, count); break;
    case LRNN_OPTIMIZER_RMSPROP: apply_rmsprop(o, p, gradient, m, v, count); break;
    case LRNN_OPTIMIZER_ADAGRAD: apply_adagrad(o, p, gradient, v, count); break;
    default: apply_adam(optimizer, p, gradient, m, v, count); break;
    }
}

lrnn_status lrnn_optimizer_update(lrnn_optimizer *optimizer, real *parameters,
                                  const real *gradients)
{
    if (optimizer == NULL || parameters == NULL || gradients == NULL) {
        return error_null(optimizer == NULL    ? "optimizer"
                          : parameters == NULL ? "parameters"
                                               : "gradients");
    }
    for (size_t i = 0; i < optimizer->count; i++) {
        if (!isfinite(gradients[i])) {
            return error_set(LRNN_ERR_NUMERIC, "gradients[%zu] is not finite", i);
        }
    }
    fpmode mode = fpmode_enter();
    optimizer_apply(optimizer, parameters, gradients, 0, optimizer->count);
    optimizer->updates++;
    fpmode_leave(mode);
    return LRNN_OK;
}

/* ---- checkpoints ---- */

lrnn_status optimizer_save(const section_writer *to, const lrnn_optimizer *optimizer)
{
    CHECK(section_put_count(to, "kind", (uint64_t)optimizer->options.kind));
    CHECK(section_put_count(to, "updates", optimizer->updates));
    CHECK(section_put_number(to, "learning_rate", optimizer->options.learning_rate));
    CHECK(section_put_reals(to, "m", optimizer->m, optimizer->count));
    return section_put_reals(to, "v", optimizer->v, optimizer->count);
}

/* A running mean or sum of squares. */
static lrnn_status check_second_moment(const section_reader *from, const real *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (v[i] < 0) {
            return error_set(LRNN_ERR_NUMERIC, "%s: optimizer: v: value %zu is negative",
                             safetensors_name(from->file), i);
        }
    }
    return LRNN_OK;
}

lrnn_status optimizer_read(optimizer_saved *saved, const section_reader *from,
                           const lrnn_optimizer *o)
{
    uint64_t kind;
    CHECK(section_get_count(&kind, from, "kind", (uint64_t)o->options.kind));
    if (kind != (uint64_t)o->options.kind) {
        return section_mismatch(from, "another kind");
    }
    if ((o->m != NULL) != section_has_reals(from, "m") &&
        o->options.kind <= LRNN_OPTIMIZER_RMSPROP) {
        return section_mismatch(from, "other momentum");
    }
    CHECK(section_get_count(&saved->updates, from, "updates", 0));
    CHECK(
        section_get_number(&saved->learning_rate, from, "learning_rate", o->options.learning_rate));
    if (saved->learning_rate < 0) {
        return section_damaged(from, "learning_rate", "expected at least 0");
    }
    CHECK(section_get_reals(&saved->m, from, "m", o->m != NULL ? o->count : 0, &o->allocator));
    CHECK(section_get_reals(&saved->v, from, "v", o->v != NULL ? o->count : 0, &o->allocator));
    return saved->v == NULL ? LRNN_OK : check_second_moment(from, saved->v, o->count);
}

void optimizer_restore(lrnn_optimizer *optimizer, const optimizer_saved *saved)
{
    if (saved->m != NULL) {
        memcpy(optimizer->m, saved->m, optimizer->count * sizeof(real));
    }
    if (saved->v != NULL) {
        memcpy(optimizer->v, saved->v, optimizer->count * sizeof(real));
    }
    optimizer->updates = saved->updates;
    optimizer->options.learning_rate = saved->learning_rate;
}

void optimizer_saved_release(optimizer_saved *saved, const lrnn_optimizer *optimizer)
{
    memory_release(&optimizer->allocator, saved->m);
    memory_release(&optimizer->allocator, saved->v);
}
