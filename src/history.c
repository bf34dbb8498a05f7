/* A group of steps is one point. When there are HISTORY_MAX points, each becomes the mean of two
 * and the groups twice as large, so that any run fits and its points do not depend on where it was
 * stopped. */
#include "history.h"

#include "plot.h"

static void halve(history_points *points)
{
    for (size_t i = 0; i < HISTORY_MAX / 2; i++) {
        points->tokens[i] = points->tokens[2 * i + 1];
        points->loss[i] = (points->loss[2 * i] + points->loss[2 * i + 1]) / 2;
    }
    points->count = HISTORY_MAX / 2;
    points->group *= 2;
}

void history_add(history_points *points, double tokens, double loss)
{
    if (points->group == 0) {
        points->group = 1;
    }
    points->open_loss += loss;
    if (++points->open < points->group) {
        return;
    }
    points->tokens[points->count] = tokens;
    points->loss[points->count] = points->open_loss / (double)points->open;
    points->count++;
    points->open = 0;
    points->open_loss = 0;
    if (points->count == HISTORY_MAX) {
        halve(points);
    }
}

void history_write(const history_points *points, const char *name, FILE *stream)
{
    fprintf(stream, "history %s group %zu %zu %.17g\n", name, points->group, points->open,
            points->open_loss);
    for (size_t i = 0; i < points->count; i++) {
        fprintf(stream, "history %s at %.17g %.17g\n", name, points->tokens[i], points->loss[i]);
    }
}

int history_read(history_points *points, const char *line)
{
    double tokens;
    double loss;
    if (sscanf(line, "at %lf %lf", &tokens, &loss) == 2 && points->count < HISTORY_MAX - 1) {
        points->tokens[points->count] = tokens;
        points->loss[points->count] = loss;
        points->count++;
        return 0;
    }
    return sscanf(line, "group %zu %zu %lf", &points->group, &points->open, &points->open_loss) == 3
               ? 0
               : 1;
}

/* Moving average over about a fiftieth of the points: centred, narrower at the beginning so that
 * the steep fall there stays where it is, one-sided at the end. */
static void smooth(double *smoothed, const history_points *points)
{
    size_t reach = points->count / 100 + 1;
    for (size_t i = 0; i < points->count; i++) {
        size_t here = i < reach ? i : reach;
        size_t last = i + here < points->count ? i + here : points->count - 1;
        double sum = 0;
        for (size_t j = i - here; j <= last; j++) {
            sum += points->loss[j];
        }
        smoothed[i] = sum / (double)(last - (i - here) + 1);
    }
}

int history_plot(const history *losses, const char *path, const char *title)
{
    const history_points *training = &losses->training;
    const history_points *validation = &losses->validation;
    double smoothed[HISTORY_MAX];
    smooth(smoothed, training);
    char each[64] = "training, each step";
    if (training->group > 1) {
        snprintf(each, sizeof each, "training, each %zu steps", training->group);
    }
    plot_series series[] = {
        {.x = training->tokens,
         .y = training->loss,
         .count = training->count,
         .label = each,
         .colour = "#1f77b4",
         .width = 1,
         .opacity = 0.35},
        {.x = training->tokens,
         .y = smoothed,
         .count = training->count,
         .label = "training, smoothed",
         .colour = "#1f77b4",
         .width = 2.5,
         .opacity = 1},
        {.x = validation->tokens,
         .y = validation->loss,
         .count = validation->count,
         .label = "validation",
         .colour = "#d62728",
         .width = 2,
         .opacity = 1,
         .dots = true},
    };
    plot picture = {.title = title,
                    .x_label = "tokens seen",
                    .y_label = "loss (nats per token)",
                    .series = series,
                    .count = validation->count > 0 ? 3 : 2};
    return plot_write(&picture, path);
}
