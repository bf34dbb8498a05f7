/* Axes are ranges with ticks at whole multiples of 1, 2 or 5 times a power of ten; everything is
 * drawn in pixels of a picture of fixed size. */
#include "plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "output_file.h"

enum { WIDTH = 800, HEIGHT = 480, LEFT = 76, RIGHT = 24, TOP = 48, BOTTOM = 60 };
enum { TITLE_MAXIMUM = 60 }; /* characters that fit in any font */

/* One axis: data from `low` to `high`, ticks at whole multiples of `step`, and the pixels that low
 * and high are drawn at. */
typedef struct axis {
    double low;
    double high;
    double step;
    double pixel_low;
    double pixel_high;
} axis;

static double pixel(const axis *scale, double value)
{
    double share = (value - scale->low) / (scale->high - scale->low);
    return scale->pixel_low + share * (scale->pixel_high - scale->pixel_low);
}

/* The smallest of 1, 2, 5 times a power of ten that cuts the range into at most `pieces` pieces. */
static double round_step(double range, int pieces)
{
    double rough = range / pieces;
    double power = pow(10, floor(log10(rough)));
    static const double multiples[] = {1, 2, 5, 10};
    size_t i = 0;
    while (i < 3 && multiples[i] * power < rough * (1 - 1e-9)) {
        i++;
    }
    return multiples[i] * power;
}

static void include_values(axis *scale, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (isfinite(values[i])) {
            scale->low = fmin(scale->low, values[i]);
            scale->high = fmax(scale->high, values[i]);
        }
    }
}

/* Widens the range to whole steps where `whole` is set, and never leaves it empty. */
static void settle(axis *scale, int pieces, bool whole)
{
    if (!(scale->low <= scale->high)) {
        scale->low = 0;
        scale->high = 1;
    }
    if (scale->high - scale->low < 1e-9 * fmax(1, fabs(scale->high))) {
        double around = fabs(scale->low) / 2;
        scale->high = around > 0 ? scale->low + around : 1;
        scale->low -= around;
    }
    scale->step = round_step(scale->high - scale->low, pieces);
    if (whole) {
        scale->low = floor(scale->low / scale->step + 1e-9) * scale->step;
        scale->high = ceil(scale->high / scale->step - 1e-9) * scale->step;
    }
}

/* 1500000 as 1.5M, 0.00002 as 2e-05. One axis has one unit, that of its largest tick, and as many
 * decimals as its step needs. */
static void write_tick(FILE *stream, double value, const axis *scale)
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    double largest = fmax(fabs(scale->low), fabs(scale->high));
    size_t unit = 0;
    double divisor = 1;
    for (double limit = 10000; unit < 4 && largest / divisor >= limit; limit = 1000) {
        divisor *= 1000;
        unit++;
    }
    double step = scale->step / divisor;
    double shown = value / divisor;
    int decimals = (int)fmax(0, ceil(-log10(step) - 1e-9));
    if (fabs(value) < 0.5 * scale->step) {
        fputc('0', stream);
    } else if (decimals > 4 && largest < 0.01) {
        fprintf(stream, "%g", round(value / scale->step) * scale->step);
    } else {
        fprintf(stream, "%.*f%s", decimals, shown, units[unit]);
    }
}

/* Length of the UTF-8 sequence that begins here; 0 if none does. */
static size_t sequence_length(const char *text, size_t left)
{
    unsigned char first = (unsigned char)text[0];
    size_t length = first < 0x80                    ? 1
                    : first >= 0xC2 && first < 0xE0 ? 2
                    : first >= 0xE0 && first < 0xF0 ? 3
                    : first >= 0xF0 && first < 0xF5 ? 4
                                                    : 0;
    if (length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)text[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* A path may have any bytes, a picture is UTF-8. */
static void write_text(FILE *stream, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        size_t sequence = sequence_length(text + i, length - i);
        if (sequence != 1) {
            fwrite(sequence > 0 ? text + i : "?", 1, sequence > 0 ? sequence : 1, stream);
            i += sequence > 0 ? sequence - 1 : 0;
            continue;
        }
        switch (text[i]) {
        case '&': fputs("&amp;", stream); break;
        case '<': fputs("&lt;", stream); break;
        case '>': fputs("&gt;", stream); break;
        default: fputc((unsigned char)text[i] < ' ' ? '?' : text[i], stream);
        }
    }
}

static void draw_axes(FILE *stream, const axis *x, const axis *y)
{
    fputs("<g stroke=\"#e4e4e4\" stroke-width=\"1\">\n", stream);
    for (double i = ceil(y->low / y->step - 1e-9); i * y->step <= y->high + y->step * 1e-6; i++) {
        double at = pixel(y, i * y->step);
        fprintf(stream, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", LEFT, at,
                WIDTH - RIGHT, at);
    }
    fputs("</g>\n<g fill=\"#444\" font-size=\"13\" text-anchor=\"end\">\n", stream);
    for (double i = ceil(y->low / y->step - 1e-9); i * y->step <= y->high + y->step * 1e-6; i++) {
        fprintf(stream, "<text x=\"%d\" y=\"%.1f\">", LEFT - 8, pixel(y, i * y->step) + 4.5);
        write_tick(stream, i * y->step, y);
        fputs("</text>\n", stream);
    }
    fputs("</g>\n<g fill=\"#444\" font-size=\"13\" text-anchor=\"middle\" stroke=\"none\">\n",
          stream);
    for (double i = ceil(x->low / x->step - 1e-9); i * x->step <= x->high + x->step * 1e-6; i++) {
        double at = pixel(x, i * x->step);
        fprintf(stream, "<path d=\"M%.1f %d v5\" stroke=\"#444\"/>", at, HEIGHT - BOTTOM);
        fprintf(stream, "<text x=\"%.1f\" y=\"%d\">", at, HEIGHT - BOTTOM + 20);
        write_tick(stream, i * x->step, x);
        fputs("</text>\n", stream);
    }
    fprintf(stream,
            "</g>\n<path d=\"M%d %d V%d H%d\" fill=\"none\" stroke=\"#444\" stroke-width=\"1\"/>\n",
            LEFT, TOP, HEIGHT - BOTTOM, WIDTH - RIGHT);
}

/* Bytes of a text's first characters, as many as are there up to `count`. */
static size_t bytes_of(const char *text, size_t count)
{
    size_t i = 0;
    while (text[i] != '\0' && (count > 0 || ((unsigned char)text[i] & 0xC0) == 0x80)) {
        count -= ((unsigned char)text[i] & 0xC0) != 0x80 && count > 0;
        i++;
    }
    return i;
}

/* All of it, or its beginning and end with an ellipsis between them. */
static void write_title(FILE *stream, const char *title)
{
    size_t length = 0;
    for (const char *at = title; *at != '\0'; at++) {
        length += ((unsigned char)*at & 0xC0) != 0x80;
    }
    if (length <= TITLE_MAXIMUM) {
        write_text(stream, title, strlen(title));
        return;
    }
    size_t half = TITLE_MAXIMUM / 2;
    write_text(stream, title, bytes_of(title, half));
    fputs("\xE2\x80\xA6", stream);
    const char *end = title + bytes_of(title, length - half + 1);
    write_text(stream, end, strlen(end));
}

static void draw_labels(FILE *stream, const plot *picture)
{
    int middle_x = (LEFT + WIDTH - RIGHT) / 2;
    int middle_y = (TOP + HEIGHT - BOTTOM) / 2;
    fprintf(stream,
            "<g fill=\"#222\" text-anchor=\"middle\" font-size=\"15\">\n"
            "<text x=\"%d\" y=\"28\" font-size=\"17\" font-weight=\"bold\">",
            middle_x);
    write_title(stream, picture->title);
    fprintf(stream, "</text>\n<text x=\"%d\" y=\"%d\">", middle_x, HEIGHT - 16);
    write_text(stream, picture->x_label, strlen(picture->x_label));
    fprintf(stream, "</text>\n<text transform=\"translate(22 %d) rotate(-90)\">", middle_y);
    write_text(stream, picture->y_label, strlen(picture->y_label));
    fputs("</text>\n</g>\n", stream);
}

static void draw_series(FILE *stream, const plot_series *series, const axis *x, const axis *y)
{
    fprintf(stream,
            "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%g\" stroke-opacity=\"%g\" "
            "stroke-linejoin=\"round\" points=\"",
            series->colour, series->width, series->opacity);
    for (size_t i = 0; i < series->count; i++) {
        if (isfinite(series->y[i])) {
            fprintf(stream, "%.1f,%.1f ", pixel(x, series->x[i]), pixel(y, series->y[i]));
        }
    }
    fputs("\"/>\n", stream);
    for (size_t i = 0; (series->dots || series->count == 1) && i < series->count; i++) {
        if (isfinite(series->y[i])) {
            fprintf(stream, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n",
                    pixel(x, series->x[i]), pixel(y, series->y[i]), series->colour);
        }
    }
}

/* In the upper right corner: a loss falls, so nothing is there. */
static void draw_legend(FILE *stream, const plot *picture)
{
    size_t longest = 0;
    for (size_t i = 0; i < picture->count; i++) {
        size_t length = strlen(picture->series[i].label);
        longest = length > longest ? length : longest;
    }
    int width = (int)longest * 7 + 64;
    int left = WIDTH - RIGHT - 8 - width;
    int height = (int)picture->count * 22 + 12;
    fprintf(stream,
            "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"#fff\" "
            "fill-opacity=\"0.9\" stroke=\"#ccc\"/>\n",
            left, TOP + 8, width, height);
    for (size_t i = 0; i < picture->count; i++) {
        const plot_series *series = &picture->series[i];
        int y = TOP + 8 + 17 + (int)i * 22;
        fprintf(
            stream,
            "<path d=\"M%d %d h28\" stroke=\"%s\" stroke-width=\"%g\" stroke-opacity=\"%g\"/>\n",
            left + 10, y, series->colour, series->width, series->opacity);
        if (series->dots) {
            fprintf(stream, "<circle cx=\"%d\" cy=\"%d\" r=\"3.5\" fill=\"%s\"/>\n", left + 24, y,
                    series->colour);
        }
        fprintf(stream, "<text x=\"%d\" y=\"%d\" font-size=\"13\" fill=\"#222\">", left + 46,
                y + 4);
        write_text(stream, series->label, strlen(series->label));
        fputs("</text>\n", stream);
    }
}

int plot_write(const plot *picture, const char *path)
{
    axis x = {.low = 0, .high = 0, .pixel_low = LEFT, .pixel_high = WIDTH - RIGHT};
    axis y = {.low = INFINITY, .high = -INFINITY, .pixel_low = HEIGHT - BOTTOM, .pixel_high = TOP};
    for (size_t i = 0; i < picture->count; i++) {
        include_values(&x, picture->series[i].x, picture->series[i].count);
        include_values(&y, picture->series[i].y, picture->series[i].count);
    }
    settle(&x, 8, false);
    settle(&y, 8, true);
    output_file file;
    if (output_file_open(&file, path) != 0) {
        return 1;
    }
    fprintf(file.stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_axes(file.stream, &x, &y);
    for (size_t i = 0; i < picture->count; i++) {
        draw_series(file.stream, &picture->series[i], &x, &y);
    }
    draw_labels(file.stream, picture);
    draw_legend(file.stream, picture);
    fputs("</svg>\n", file.stream);
    return output_file_commit(&file);
}
