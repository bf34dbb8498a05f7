/* Digits spoken one after the other, written down: nobody says where in the recording one ends and
 * the next begins, or how many there are. An LSTM in each direction reads the sound's spectrum 40
 * times a second, is trained with CTC, and says which digit it has just heard, or nothing new.
 *
 *     digits [-s SEED] [-p PASSES] [-u SPEAKER] [-e FILE] [FOLDER]
 *
 * FOLDER holds the Free Spoken Digit Dataset, files D_sN_I.wav: digit D, speaker N, 1 to 5, index
 * I. Strings of 3 to 7 digits of one speaker are put together from them with pauses and a little
 * noise. Indexes 0 to 4 are for testing, or with -u all recordings of one speaker, who is left out
 * of training. -e: writes the sequences to a file instead, for the same training elsewhere. Without
 * FOLDER it listens to a telephone: each key is the sum of two tones. */
#include "labels.h"
#include <complex.h>
#include <math.h>

enum {
    SPEAKERS = 5,
    INDEXES = 50,
    RATE = 8000,        /* samples a second */
    WINDOW = 256,       /* samples of a frame: 32 ms */
    HOP = 200,          /* from one frame to the next: 25 ms */
    BANDS = 24,         /* of the spectrum, by pitch */
    BLANK = 10,         /* after the digits 0 to 9 */
    LONGEST = 3 * RATE, /* samples of a recording */
    SAMPLES = 30 * RATE /* of a string */
};

static const double pi = 3.14159265358979323846;

/* ---- sound ---- */

typedef struct recording {
    int16_t *samples;
    size_t count;
    int speaker, index;
} recording;

static recording recordings[10][SPEAKERS * INDEXES];
static size_t recording_count; /* of each digit */

static uint32_t random_state = 1;

static double uniform(void) /* 0 <= x < 1 */
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) / 16777216.0;
}

static size_t below(size_t n)
{
    return (size_t)(uniform() * (double)n);
}

/* Of a RIFF file, little-endian: chunks of a name, a length and so many bytes. "fmt " says what the
 * samples are, "data" are they. */
static void read_wav(recording *r, const char *path)
{
    unsigned char head[16];
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(head, 1, 12, file) != 12 || memcmp(head + 8, "WAVE", 4) != 0) {
        fprintf(stderr, "%s: cannot be read as a WAV file\n", path);
        exit(1);
    }
    while (fread(head, 1, 8, file) == 8) {
        size_t length = head[4] + 256u * head[5] + 65536u * head[6];
        if (memcmp(head, "data", 4) == 0) {
            r->samples = room(NULL, 0, length + 2);
            r->count = fread(r->samples, 2, length / 2, file);
            break;
        }
        if (memcmp(head, "fmt ", 4) == 0 && length >= 16 && fread(head, 1, 16, file) == 16) {
            length -= 16; /* 1: linear; then channels, samples a second, and at 14 bits a sample */
            if (head[0] != 1 || head[2] != 1 || head[4] + 256 * head[5] != RATE || head[14] != 16) {
                fprintf(stderr, "%s: not 16 bits, mono, 8 kHz\n", path);
                exit(1);
            }
        }
        fseek(file, (long)(length + length % 2), SEEK_CUR);
    }
    fclose(file);
    if (r->count < WINDOW || r->count > LONGEST) {
        fprintf(stderr, "%s: %zu samples, not %d to %d\n", path, r->count, WINDOW, LONGEST);
        exit(1);
    }
}

static void read_folder(const char *folder)
{
    char path[4096];
    for (int digit = 0; digit < 10; digit++) {
        recording *r = recordings[digit];
        for (int i = 0; i < SPEAKERS * INDEXES; i++, r++) {
            r->speaker = 1 + i / INDEXES;
            r->index = i % INDEXES;
            snprintf(path, sizeof path, "%s/%d_s%d_%d.wav", folder, digit, r->speaker, r->index);
            read_wav(r, path);
        }
    }
    recording_count = SPEAKERS * INDEXES;
}

/* The keys of a telephone: a low tone for the row, a high one for the column. */
static void dial(void)
{
    static const double rows[] = {697, 770, 852, 941}, columns[] = {1209, 1336, 1477};
    for (int digit = 0; digit < 10; digit++) {
        double low = rows[digit == 0 ? 3 : (digit - 1) / 3];
        double high = columns[digit == 0 ? 1 : (digit - 1) % 3];
        for (int i = 0; i < 12; i++) {
            recording *r = &recordings[digit][i];
            r->speaker = 1;
            r->index = i;
            r->count = 600 + below(600);
            r->samples = room(NULL, 0, r->count * sizeof *r->samples);
            for (size_t t = 0; t < r->count; t++) {
                double at = 2 * pi * (double)t / RATE;
                r->samples[t] = (int16_t)(2000 * (sin(low * at) + sin(high * at)));
            }
        }
    }
    recording_count = 12;
}

/* ---- the spectrum ---- */

static double complex roots[WINDOW / 2]; /* exp(-2 pi i k / WINDOW) */
static double hann[WINDOW];
static double filters[BANDS][WINDOW / 2 + 1]; /* weight of each frequency in each band */

/* The discrete Fourier transform of n = 2^k numbers: that of the even ones and that of the odd
 * ones, put together (Cooley & Tukey 1965). */
static void fourier(double complex *to, const double *from, size_t n, size_t stride)
{
    if (n == 1) {
        *to = *from;
        return;
    }
    fourier(to, from, n / 2, 2 * stride);
    fourier(to + n / 2, from + stride, n / 2, 2 * stride);
    for (size_t k = 0; k < n / 2; k++) {
        double complex odd = roots[k * stride] * to[n / 2 + k];
        to[n / 2 + k] = to[k] - odd;
        to[k] += odd;
    }
}

/* The bands are triangles that overlap by half, evenly wide on the mel scale of pitch,
 * 1127 ln(1 + f / 700 Hz). */
static void make_tables(void)
{
    double top = log1p(RATE / 2 / 700.0), wide = top / (BANDS + 1);
    for (size_t k = 0; k < WINDOW; k++) {
        hann[k] = 0.5 - 0.5 * cos(2 * pi * (double)k / WINDOW);
        if (k < WINDOW / 2) {
            roots[k] = cexp(-2 * pi * I * (double)k / WINDOW);
        }
    }
    for (size_t band = 0; band < BANDS; band++) {
        for (size_t k = 0; k <= WINDOW / 2; k++) {
            double mel = log1p((double)k * RATE / WINDOW / 700);
            filters[band][k] = fmax(0, 1 - fabs(mel / wide - 1 - (double)band));
        }
    }
}

/* Of WINDOW samples, the logarithm of the energy in each band. */
static void hear(float *frame, const double *samples)
{
    double windowed[WINDOW], energy[WINDOW / 2 + 1];
    double complex spectrum[WINDOW];
    for (size_t i = 0; i < WINDOW; i++) {
        windowed[i] = samples[i] * hann[i];
    }
    fourier(spectrum, windowed, WINDOW, 1);
    for (size_t k = 0; k <= WINDOW / 2; k++) {
        energy[k] = creal(spectrum[k] * conj(spectrum[k]));
    }
    for (size_t band = 0; band < BANDS; band++) {
        double sum = 1;
        for (size_t k = 0; k <= WINDOW / 2; k++) {
            sum += filters[band][k] * energy[k];
        }
        frame[band] = (float)log(sum);
    }
}

/* Takes from each band its mean over the string, so that neither loudness nor the microphone's
 * colour matters, and makes its variance 1. */
static void normalize(float *frames, size_t count)
{
    for (size_t band = 0; band < BANDS; band++) {
        double sum = 0, squares = 0, n = (double)count;
        for (size_t t = 0; t < count; t++) {
            double value = (double)frames[t * BANDS + band];
            sum += value;
            squares += value * value;
        }
        double mean = sum / n, deviation = sqrt(fmax(squares / n - mean * mean, 1e-6));
        for (size_t t = 0; t < count; t++) {
            float *value = &frames[t * BANDS + band];
            *value = (float)(((double)*value - mean) / deviation);
        }
    }
}

/* ---- strings of digits ---- */

static const char *folder, *sequences_to; /* -e */
static int left_out;                      /* -u */

static int is_for_testing(const recording *r)
{
    return left_out > 0 ? r->speaker == left_out : r->index < 5;
}

/* Between one digit and the next, and around them: 0.05 to 0.4 seconds. */
static size_t silence(double *samples)
{
    size_t count = RATE / 20 + below(RATE * 35 / 100);
    memset(samples, 0, count * sizeof *samples);
    return count;
}

/* A recording played faster or slower is also higher or lower, as if somebody smaller or taller had
 * spoken. Returns the number of samples. */
static size_t play(double *samples, const recording *r, double speed)
{
    size_t count = (size_t)((double)(r->count - 1) / speed);
    for (size_t i = 0; i < count; i++) {
        double at = (double)i * speed, part = at - floor(at);
        const int16_t *from = r->samples + (size_t)at;
        samples[i] = (1 - part) * from[0] + part * from[1];
    }
    return count;
}

/* Speaks 3 to 7 digits; noise, with a loudness of its own, is in the whole of it. */
static void speak(sequences *s, int testing)
{
    static double samples[SAMPLES];
    double loudness = 3 * pow(10, uniform());
    size_t digits = 3 + below(5), length = silence(samples);
    int speaker = 0;
    for (size_t k = 0; k < digits;) {
        size_t digit = below(10);
        const recording *r = &recordings[digit][below(recording_count)];
        if (is_for_testing(r) != testing || (speaker > 0 && r->speaker != speaker)) {
            continue;
        }
        double speed = testing || folder == NULL ? 1 : 0.85 + 0.3 * uniform();
        length += play(samples + length, r, speed);
        length += silence(samples + length);
        speaker = r->speaker;
        add_label(s, (int32_t)digit);
        k++;
    }
    for (size_t i = 0; i < length; i++) {
        samples[i] += loudness * (uniform() + uniform() + uniform() + uniform() - 2);
    }
    size_t first = s->step_count;
    for (size_t at = 0; at + WINDOW <= length; at += HOP) {
        float frame[BANDS];
        hear(frame, samples + at);
        add_step(s, frame);
    }
    normalize((float *)s->steps + first * BANDS, s->step_count - first);
    end_sequence(s);
}

static void show(const lrnn_ctc_result *found, const int32_t *right, size_t count)
{
    printf("  said");
    for (size_t i = 0; i < count; i++) {
        printf(" %d", (int)right[i]);
    }
    printf(", heard");
    for (size_t i = 0; i < found->count; i++) {
        printf(" %d (%.2f s)", (int)found->tokens[i],
               ((double)found->frames[i] * HOP + WINDOW / 2.0) / RATE);
    }
    puts("");
}

/* ---- the program ---- */

static training how = {.batch = 16, .bucket = 8, .learning_rate = 0.004, .blank = BLANK, .seed = 1};

static void usage(void)
{
    fprintf(stderr, "usage: digits [-s SEED] [-p PASSES] [-u SPEAKER] [-e FILE] [FOLDER]\n"
                    "-u needs FOLDER\n");
    exit(2);
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int number = i + 1 < argc ? atoi(argv[i + 1]) : 0;
        if (argv[i][0] != '-') {
            folder = argv[i];
        } else if (argv[i][1] == 'e' && i + 1 < argc) {
            sequences_to = argv[++i];
        } else if (number < 1 || strchr("spu", argv[i][1]) == NULL ||
                   (argv[i][1] == 'u' && number > SPEAKERS)) {
            usage();
        } else {
            how.seed = argv[i][1] == 's' ? (uint64_t)number : how.seed;
            how.passes = argv[i][1] == 'p' ? number : how.passes;
            left_out = argv[i][1] == 'u' ? number : left_out;
            i++;
        }
    }
    if (left_out > 0 && folder == NULL) {
        usage();
    }
}

int main(int argc, char **argv)
{
    sequences learn = {.width = BANDS}, test = {.width = BANDS};
    read_options(argc, argv);
    if (folder != NULL) {
        read_folder(folder);
    } else {
        dial();
        how.learning_rate = 0.01;
    }
    how.passes = how.passes > 0 ? how.passes : folder != NULL ? 16 : 40;
    make_tables();
    for (int i = 0; i < (folder != NULL ? 4800 : 240); i++) {
        speak(i % 6 == 0 ? &test : &learn, i % 6 == 0);
    }
    printf("%zu strings to learn from, %zu to test with, %zu frames\n", learn.count, test.count,
           learn.step_count + test.step_count);
    if (sequences_to != NULL) {
        write_sequences(sequences_to, (const sequences *const[]){&learn, &test}, 2);
        return 0;
    }
    lrnn_model_options shape;
    must(lrnn_model_options_init(&shape));
    shape.feature_size = BANDS;
    shape.hidden_size = folder != NULL ? 64 : 24;
    shape.bidirectional = 1;
    shape.output_size = BLANK + 1;
    shape.seed = how.seed;
    lrnn_model *model = train(&learn, &shape, &how);
    reader best_path = make_reader(model, &test, BLANK, 0);
    reader beam = make_reader(model, &test, BLANK, 16);
    double wrong = error_rate(&beam, &test, show);
    printf("wrong digits: best path %.2f %%, beam search %.2f %%\n",
           100 * error_rate(&best_path, &test, NULL), 100 * wrong);
    drop_reader(&best_path);
    drop_reader(&beam);
    lrnn_model_destroy(model);
    drop_sequences(&learn);
    drop_sequences(&test);
    for (size_t i = 0; i < 10 * recording_count; i++) {
        free(recordings[i / recording_count][i % recording_count].samples);
    }
    return folder == NULL && wrong > 0.1;
}
