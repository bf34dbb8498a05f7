/* For printed_lines.c: lines of text as a printer and a scanner would give them. FreeType draws the
 * letters, in one of several fonts, larger or smaller, wider or narrower, upright or leaning; then
 * the ink is blurred, fades and is covered with noise. */
#ifndef PRINTED_H
#define PRINTED_H

#include "labels.h"
#include <ft2build.h>
#include FT_FREETYPE_H
#include <math.h>

enum {
    HEIGHT = 24,  /* pixels of a line */
    COLUMNS = 2,  /* of pixels that the net reads at a time */
    LONGEST = 28, /* letters of a line */
    MARGIN = 6,
    WIDTH = 2 * MARGIN + 20 * LONGEST,
    INK = 3,       /* what a dark pixel is; paper is 0 */
    BASELINE = 17, /* where letters stand, pixels from the top */
    FONTS = 8
};

/* What Debian has in fonts-dejavu-core, fonts-liberation and fonts-freefont-ttf. */
static const char *const font_names[FONTS] = {
    "dejavu/DejaVuSans.ttf",
    "dejavu/DejaVuSansMono.ttf",
    "dejavu/DejaVuSerif.ttf",
    "liberation/LiberationSans-Regular.ttf",
    "liberation/LiberationSerif-Regular.ttf",
    "liberation/LiberationSerif-Italic.ttf",
    "freefont/FreeSansOblique.ttf",
    "freefont/FreeSerifBold.ttf",
};

static FT_Library freetype;
static FT_Face fonts[FONTS];
static size_t font_count;
static uint32_t random_state = 1;

static double uniform(void) /* 0 <= x < 1 */
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) / 16777216.0;
}

static double between(double least, double most)
{
    return least + (most - least) * uniform();
}

static size_t below(size_t n)
{
    return (size_t)(uniform() * (double)n);
}

static double normal(void) /* nearly: the sum of four that are even, with variance 1 */
{
    return (uniform() + uniform() + uniform() + uniform() - 2) * 1.7320508;
}

static void drawn(FT_Error error, const char *what)
{
    if (error != 0) {
        fprintf(stderr, "FreeType cannot %s: error %d\n", what, (int)error);
        exit(1);
    }
}

/* Opens at most `most` of the fonts that are in the folder. */
static void open_fonts(const char *folder, size_t most)
{
    char path[4096];
    drawn(FT_Init_FreeType(&freetype), "start");
    for (size_t i = 0; i < FONTS && font_count < most; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, font_names[i]);
        font_count += FT_New_Face(freetype, path, 0, &fonts[font_count]) == 0;
    }
}

static void close_fonts(void)
{
    while (font_count > 0) {
        drawn(FT_Done_Face(fonts[--font_count]), "close a font");
    }
    drawn(FT_Done_FreeType(freetype), "end");
}

/* ---- a line ---- */

typedef struct picture {
    size_t width;
    float ink[WIDTH][HEIGHT]; /* column by column */
} picture;

static void add_glyph(picture *p, const FT_GlyphSlot glyph, FT_Pos x)
{
    const FT_Bitmap *from = &glyph->bitmap;
    for (int row = 0; row < (int)from->rows; row++) {
        for (int column = 0; column < (int)from->width; column++) {
            int to_x = (int)(x >> 6) + glyph->bitmap_left + column, to_y = row - glyph->bitmap_top;
            if (to_x >= 0 && to_x < WIDTH && to_y >= 0 && to_y < HEIGHT) {
                float *ink = &p->ink[to_x][to_y];
                *ink = fminf(1, *ink + (float)from->buffer[row * from->pitch + column] / 255);
            }
        }
    }
}

/* Letters of 15.5 to 18 pixels, leaning by -6 to 11 degrees. Places are in 1/64 pixel. */
static void write_letters(picture *p, const char *line)
{
    FT_Face font = fonts[below(font_count)];
    double size = between(15.5, 18), wide = size * between(0.95, 1.1);
    FT_Matrix lean = {0x10000, (FT_Fixed)(between(-0.1, 0.2) * 0x10000), 0, 0x10000};
    FT_Pos x = (FT_Pos)(64 * between(2, MARGIN)), y = (FT_Pos)(64 * between(-1.5, 1));
    drawn(FT_Set_Char_Size(font, (FT_F26Dot6)(64 * wide), (FT_F26Dot6)(64 * size), 72, 72),
          "set the size");
    for (; *line != '\0'; line++) {
        FT_Vector shift = {x & 63, y - 64 * BASELINE};
        FT_Set_Transform(font, &lean, &shift);
        drawn(FT_Load_Char(font, (FT_ULong)*line, FT_LOAD_RENDER | FT_LOAD_NO_HINTING),
              "draw a letter");
        add_glyph(p, font->glyph, x);
        x += font->glyph->advance.x;
    }
    p->width = (size_t)(x >> 6) + MARGIN;
    p->width = p->width < WIDTH ? p->width : WIDTH;
}

/* Each pixel gives `share` of its ink to those on either side, along the columns and then along the
 * rows. */
static void blur(picture *p, float share)
{
    static picture before;
    for (int along = 0; along < 2; along++) {
        size_t dx = along == 0, dy = along == 1;
        before = *p;
        for (size_t x = dx; x + dx < p->width; x++) {
            for (size_t y = dy; y + dy < HEIGHT; y++) {
                float sides = before.ink[x - dx][y - dy] + before.ink[x + dx][y + dy];
                p->ink[x][y] = (1 - 2 * share) * before.ink[x][y] + share * sides;
            }
        }
    }
}

/* rough: 0 as printed, 1 hardly to be read. */
static void draw(picture *p, const char *line, double rough)
{
    memset(p, 0, sizeof *p);
    write_letters(p, line);
    double loudness = rough * between(0.08, 0.24), fade = 1 - rough * between(0, 0.3);
    for (int times = 0; times < 2; times++) {
        blur(p, (float)(rough * between(0.1, 0.25)));
    }
    for (size_t x = 0; x < p->width; x++) {
        for (size_t y = 0; y < HEIGHT; y++) {
            double ink = fade * (double)p->ink[x][y] + loudness * normal();
            p->ink[x][y] = (float)(INK * ink);
        }
    }
}

/* ---- what a reader sees ---- */

/* A frame is one character of the terminal, a block of Braille dots for 2 x 4 pixels. */
static void print_picture(const float *steps, size_t count)
{
    static const int bit[COLUMNS][4] = {{0, 1, 2, 6}, {3, 4, 5, 7}};
    for (size_t row = 0; row < HEIGHT; row += 4) {
        printf("  ");
        for (size_t t = 0; t < count; t++) {
            int dots = 0;
            for (size_t x = 0; x < COLUMNS; x++) {
                for (size_t y = 0; y < 4; y++) {
                    int dark = steps[(t * COLUMNS + x) * HEIGHT + row + y] > INK / 2.0f;
                    dots |= dark << bit[x][y];
                }
            }
            printf("\xe2%c%c", 0xa0 + (dots >> 6), 0x80 + (dots & 63)); /* U+2800 + dots, UTF-8 */
        }
        puts("");
    }
}

/* A grey picture (PGM) of one line below the other, with a mark under each frame in which a letter
 * was read. */
typedef struct sheet {
    unsigned char *pixels; /* [height, WIDTH], of which the first `width` are used */
    size_t height, width;
} sheet;

static void add_to_sheet(sheet *s, const float *steps, size_t count, const int32_t *read_at,
                         size_t letters)
{
    enum { MARK = 4, ROWS = HEIGHT + 2 * MARK };
    s->pixels = realloc(s->pixels, (s->height + ROWS) * WIDTH);
    if (s->pixels == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    unsigned char *to = s->pixels + s->height * WIDTH;
    memset(to, 255, (size_t)ROWS * WIDTH);
    for (size_t x = 0; x < count * COLUMNS; x++) {
        for (size_t y = 0; y < HEIGHT; y++) {
            float paper = fminf(1, fmaxf(0, 1 - steps[x * HEIGHT + y] / INK));
            to[y * WIDTH + x] = (unsigned char)(255 * paper);
        }
    }
    for (size_t i = 0; i < letters * MARK; i++) {
        to[(HEIGHT + i % MARK) * WIDTH + COLUMNS * (size_t)read_at[i / MARK]] = 0;
    }
    s->height += ROWS;
    s->width = count * COLUMNS > s->width ? count * COLUMNS : s->width;
}

static void write_sheet(const char *path, const sheet *s)
{
    FILE *file = fopen(path, "wb");
    if (file != NULL) {
        fprintf(file, "P5\n%zu %zu\n255\n", s->width, s->height);
    }
    for (size_t y = 0; file != NULL && y < s->height; y++) {
        fwrite(s->pixels + y * WIDTH, 1, s->width, file);
    }
    if (file == NULL || fclose(file) != 0) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(1);
    }
}

#endif
