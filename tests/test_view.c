/* Tests of examples/support/view.h: the text it prints, read back cell by cell. */
#include "../examples/support/system.h"

#include "../examples/support/view.h"
#include "test.h"

static const double levels[9] = {-5, -4.5, -4, -3.5, -3, -2.5, -2, -1.5, -1};
static double values[VIEW_COLUMNS * 2 * VIEW_LINES];
static char text[200000];

static void draw(const plot_field *f, int colors)
{
    FILE *file = tmpfile();
    if (!CHECK(file != NULL)) return;
    view_draw(file, f, levels, 9, colors);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
}

/* Brighter to the right; the first row of the field is the last line; NaN and -inf are dark. */
static void plain(void)
{
    plot_field f = {values, VIEW_COLUMNS, 2 * VIEW_LINES, -3, 3, -3, 3};
    size_t lines = 0;
    for (int j = 0; j < f.ny; j++)
        for (int i = 0; i < f.nx; i++) values[j * f.nx + i] = j < 2 ? -5.1 + 4.2 * i / (f.nx - 1) : -9;
    values[(f.ny - 1) * f.nx] = NAN, values[(f.ny - 1) * f.nx + 1] = -INFINITY;
    values[(f.ny - 1) * f.nx + 2] = -2.9;
    draw(&f, 0);
    for (const char *at = text; *at; lines++) {
        size_t n = strcspn(at, "\n");
        CHECK(n == VIEW_COLUMNS);
        if (lines == 0) CHECK(strncmp(at, "  +  ", 5) == 0);
        if (lines > 0 && lines < VIEW_LINES - 1) CHECK(strspn(at, " ") == VIEW_COLUMNS);
        if (lines == VIEW_LINES - 1) {
            CHECK(at[0] == ' ' && at[VIEW_COLUMNS - 1] == '@');
            for (size_t i = 1; i < n; i++)
                CHECK(strchr(" .:-=+*#%@", at[i]) >= strchr(" .:-=+*#%@", at[i - 1]));
        }
        at += n + 1;
    }
    CHECK(lines == VIEW_LINES);
    for (const char *at = text; *at; at++) CHECK(*at == '\n' || (*at >= 32 && *at < 127));
}

/* Two cells a character: the upper one is the colour of the letter, the lower one that of the paper. */
static void colored(void)
{
    plot_field f = {values, VIEW_COLUMNS, 2 * VIEW_LINES, -3, 3, -3, 3};
    const char *at = text;
    for (int k = 0; k < f.nx * f.ny; k++) values[k] = -9;
    values[(f.ny - 2) * f.nx] = 0; /* second row from the top */
    draw(&f, 1);
    for (int line = 0; line < VIEW_LINES; line++) {
        for (int column = 0; column < VIEW_COLUMNS; column++) {
            int upper = 0, lower = 0, length = 0;
            if (!CHECK(sscanf(at, "\033[38;5;%d;48;5;%dm%n", &upper, &lower, &length) == 2 && length)) return;
            CHECK(upper == 53); /* #5f005f, the nearest to viridis' #440154 */
            CHECK(lower == (line == 0 && column == 0 ? 220 : 53)); /* #ffd700, the nearest to #fde725 */
            CHECK(strncmp(at + length, "\xe2\x96\x80", 3) == 0);
            at += length + 3;
        }
        CHECK(strncmp(at, "\033[0m\n", 5) == 0);
        at += 5;
    }
    CHECK(*at == '\0');
}

/* A fine field: no cell is left out, so that one bright point always shows; a coarse one: cells repeat. */
static void any_grid(void)
{
    static double fine[200 * 200], coarse[4] = {-9, -9, -9, 0};
    plot_field f = {fine, 200, 200, -3, 3, -3, 3}, g = {coarse, 2, 2, -3, 3, -3, 3};
    for (int k = 0; k < 200 * 200; k++) fine[k] = -9;
    for (int k = 0; k < 200 * 200; k += 777) {
        fine[k] = 0;
        draw(&f, 0);
        CHECK(strspn(text, " \n") + 1 + strspn(strchr(text, '@') ? strchr(text, '@') + 1 : text, " \n") ==
              VIEW_LINES * (VIEW_COLUMNS + 1));
        fine[k] = -9;
    }
    draw(&g, 0);
    CHECK(strspn(text, " ") == VIEW_COLUMNS / 2);
    CHECK(strspn(text + VIEW_COLUMNS / 2, "@") == VIEW_COLUMNS / 2);
    CHECK(strspn(text + VIEW_LINES / 2 * (VIEW_COLUMNS + 1), " \n") == VIEW_LINES / 2 * (VIEW_COLUMNS + 1));
}

/* Against every one of the 216 colours. */
static void nearest_colors(void)
{
    static const int steps[6] = {0, 95, 135, 175, 215, 255};
    for (int band = 0; band <= 9; band++) {
        plot_color c = plot_band_color(band - 1, 9, PLOT_BELOW_DARK);
        int best = 0;
        double least = 1e9;
        for (int k = 0; k < 216; k++) {
            double r = 255 * c.r - steps[k / 36], g = 255 * c.g - steps[k / 6 % 6],
                   b = 255 * c.b - steps[k % 6];
            if (r * r + g * g + b * b < least) least = r * r + g * g + b * b, best = 16 + k;
        }
        CHECK(view_color(band, 9) == best);
    }
}

int main(void)
{
    RUN(plain);
    RUN(colored);
    RUN(any_grid);
    RUN(nearest_colors);
    return test_report();
}
