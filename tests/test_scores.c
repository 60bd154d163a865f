/* Scores of rows, the split of a table, tables that are written, and the options of a run that goes on. */
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

#include "../examples/support/rows.h"
#include "../examples/support/same_run.h"
#include "../examples/support/scores.h"
#include "test.h"

enum { N = 200, D = 2 };

static float points[N * D];

static void make_points(uint64_t seed)
{
    itd_rng rng = itd_rng_make(seed, 0);
    itd_rng_normal_fill(&rng, N * D, points);
    for (size_t i = 0; i < N; i++) points[2 * i] = 3 * points[2 * i] + 5, points[2 * i + 1] += points[2 * i];
}

/* A network that puts out nothing: the model is the Gaussian of its data. */
static itd_model *make_model(void)
{
    itd_model_desc d = itd_model_desc_default(D);
    itd_model *m = NULL;
    d.mlp.hidden = 8, d.mlp.layers = 2;
    make_points(1);
    CHECK_OK(itd_model_create(&d, 1, &m));
    CHECK_OK(itd_model_fit(m, points, N));
    return m;
}

/* ---- scores ---- */

static void scores_of_a_gaussian(void)
{
    itd_model *m = make_model();
    itd_nll_desc d = itd_model_nll_desc(m);
    scores s;
    double mean = 0, square = 0;
    make_points(2);
    scores_begin(&s, N);
    scores_add(&s, m, NULL, points, &d);
    scores_end(&s);
    for (size_t i = 0; i < N; i++) {
        double nll = itd_gaussian_nll(m->gaussian, points + D * i);
        CHECK_CLOSE(s.gaussian.row[i], nll, 1e-12);
        CHECK_CLOSE(s.model.row[i], nll, 1e-4);
        mean += nll / N;
    }
    for (size_t i = 0; i < N; i++) square += pow(s.model.row[i] - s.model.nll, 2);
    CHECK_CLOSE(s.gaussian.nll, mean, 1e-12);
    CHECK_CLOSE(s.std_error_data, sqrt(square / (N - 1) / N), 1e-12);
    CHECK(s.kde.row == NULL && isnan(s.kde.nll));
    CHECK(!strcmp(scores_best(&s), "model")); /* equal but for rounding */
    scores_free(&s);
    itd_model_free(m);
}

/* Draws of noise: each row's mean and the standard error of it, written out. */
static void scores_of_several_draws(void)
{
    enum { DRAWS = 3 };
    itd_model *m = make_model();
    itd_nll_desc d = itd_model_nll_desc(m);
    scores s, one[DRAWS];
    double all = 0;
    scores_begin(&s, N);
    for (uint64_t k = 0; k < DRAWS; k++) {
        make_points(10 + k);
        scores_begin(&one[k], N);
        scores_add(&one[k], m, NULL, points, &d), scores_add(&s, m, NULL, points, &d);
        scores_end(&one[k]);
    }
    scores_end(&s);
    for (size_t i = 0; i < N; i++) {
        double a = one[0].model.row[i], b = one[1].model.row[i], c = one[2].model.row[i];
        double mean = (a + b + c) / 3, square = pow(a - mean, 2) + pow(b - mean, 2) + pow(c - mean, 2);
        CHECK_CLOSE(s.model.row[i], mean, 1e-9);
        CHECK_CLOSE(s.error[i], sqrt(square / 2 / 3), 1e-6);
        all += square / 2 / 3;
    }
    CHECK_CLOSE(s.std_error, sqrt(all) / N, 1e-9);
    for (size_t k = 0; k < DRAWS; k++) scores_free(&one[k]);
    scores_free(&s);
    itd_model_free(m);
}

/* The kernel density estimate of whitened rows is that of kde.h in the same coordinates. */
static void rival_knows_the_units(void)
{
    itd_model *m = make_model();
    itd_nll_desc d = itd_model_nll_desc(m);
    double rows[N * D], nll[N], mean = 0;
    kde k, plain;
    scores s;
    for (size_t i = 0; i < N * D; i++) rows[i] = (double)points[i];
    CHECK(rival_fit(&k, m, points, NULL, N, 4) == 0);
    CHECK(kde_fit_standardized(&plain, rows, NULL, N, D, 4) == 0);
    CHECK(k.loo_nll <= plain.loo_nll);
    scores_begin(&s, N);
    scores_add(&s, m, &k, points, &d);
    scores_end(&s);
    CHECK(kde_nll(&k, rows, N, nll) == 0);
    for (size_t i = 0; i < N; i++) mean += nll[i] / N;
    CHECK_CLOSE(s.kde.nll, mean, 1e-12);
    kde_free(&k), kde_free(&plain), scores_free(&s);
    itd_model_free(m);
}

static void means_and_their_errors(void)
{
    double a[4] = {1, 2, 3, 4}, b[4] = {2, 2, 5, 7}, error;
    size_t kinds;
    CHECK_CLOSE(copies_mean(b, a, 4, NULL, &error, &kinds), 1.5, 1e-12);
    CHECK_CLOSE(error, sqrt((0.25 + 2.25 + 0.25 + 2.25) / 3 / 4), 1e-12); /* of 1, 0, 2, 3 */
    CHECK(kinds == 4);
    CHECK_CLOSE(copies_mean(a, b, 4, NULL, &error, &kinds), -1.5, 1e-12);
    CHECK_CLOSE(copies_mean(a, NULL, 1, NULL, &error, &kinds), 1, 1e-12);
    CHECK(kinds == 1 && error > DBL_MAX);
}

/* Five values, each seven times in any order, have the error of five; where some are there more often, that
   of clusters of unequal size. */
static void copies_count_once(void)
{
    double five[5] = {1, 4, 2, 8, 5}, x[35], once, often, square = 0;
    size_t kind[35], kinds;
    copies_mean(five, NULL, 5, NULL, &once, &kinds);
    for (size_t i = 0; i < 35; i++) x[i] = five[i * 3 % 5], kind[i] = i % 5;
    CHECK_CLOSE(copies_mean(x, NULL, 35, kind, &often, &kinds), 4, 1e-12);
    CHECK(kinds == 5);
    CHECK_CLOSE(often, once, 1e-12);
    kind[5] = 5, kind[10] = 5; /* two of the first kind are another one */
    copies_mean(x, NULL, 35, kind, &often, &kinds);
    square = 25 * 9 + 4 * 9; /* 1 is 3 below the mean */
    for (size_t k = 1; k < 5; k++) square += 49 * (five[k] - 4) * (five[k] - 4);
    CHECK(kinds == 6);
    CHECK_CLOSE(often, sqrt(square * 6 / 5) / 35, 1e-12);
}

static void best_by_the_printed_digits(void)
{
    scores s;
    memset(&s, 0, sizeof s);
    s.model.nll = 1, s.gaussian.nll = 0.99997, s.kde.nll = NAN;
    CHECK(!strcmp(scores_best(&s), "model"));
    s.gaussian.nll = 0.9999;
    CHECK(!strcmp(scores_best(&s), "gaussian"));
    s.kde.nll = 0.9;
    CHECK(!strcmp(scores_best(&s), "kde"));
    s.model.nll = 0.99996, s.gaussian.nll = 0.99994, s.kde.nll = 0.99994; /* 1.0000 and 0.9999 */
    CHECK(!strcmp(scores_best(&s), "gaussian"));
}

/* Differences 2, 1, 3, 4 of mean 2.5, standard error 0.6455: 3.9 of them, where Student's interval of 95 %
   has 3.2. Those of 1, 0, 2, -1 are 0.5 and as many. */
static void a_small_lead_is_a_tie(void)
{
    double a[] = {1, 2, 3, 4}, b[] = {3, 3, 6, 8}, c[] = {2, 2, 5, 3};
    const size_t kind[] = {0, 0, 2, 2};
    char text[300];
    scores s;
    memset(&s, 0, sizeof s);
    s.rows = 4, s.model.row = a, s.model.nll = 2.5, s.gaussian.row = b, s.gaussian.nll = 5, s.kde.nll = NAN;
    CHECK(!strcmp(scores_verdict(&s, "test ", text, sizeof text),
                  "the model is better than the Gaussian by 2.5000 +- 0.6455 nats on the 4 test rows"));
    s.kind = kind; /* 1 and 0 from the mean in each of two kinds, where it is 12.7 errors */
    CHECK(strstr(scores_verdict(&s, "", text, sizeof text), "a tie on the 4 rows: ") == text);
    s.kind = NULL, s.independent = true;
    scores_verdict(&s, "", text, sizeof text);
    CHECK(strstr(text, "than the Gaussian of independent columns by 2.5"));
    s.independent = false;
    s.model.row = b, s.model.nll = 5, s.gaussian.row = a, s.gaussian.nll = 2.5;
    CHECK(!strcmp(scores_verdict(&s, "", text, sizeof text),
                  "the Gaussian is better than the model by 2.5000 +- 0.6455 nats on the 4 rows"));
    s.kde.row = c, s.kde.nll = 3;
    CHECK(strstr(scores_verdict(&s, "", text, sizeof text), "the Gaussian is better") == text);
    s.model.row = a, s.model.nll = 2.5, s.gaussian.row = b, s.gaussian.nll = 5;
    CHECK(!strcmp(scores_verdict(&s, "validation ", text, sizeof text),
                  "a tie on the 4 validation rows: the model and the kernel density estimate are 0.5000 +- "
                  "0.6455 nats apart"));
    s.rows = 1;
    CHECK(!strcmp(scores_verdict(&s, "", text, sizeof text), ""));
}

/* ---- files ---- */

static const char csv[] = "build/test_scores.csv", npy[] = "build/test_scores.npy",
                  upper[] = "build/TEST.NPY";

static void written_tables_are_read(void)
{
    char a[] = "a, or \"b\"", b[] = "7", c[] = "", d[] = "#", *names[] = {a, b, c, d};
    double values[] = {1, -0.1, 1e300, 1700000000.25, 3, 1e-17, 0, -2.5};
    char error[TABLE_ERROR];
    data_table t;
    CHECK(table_write(csv, names, values, 2, 4) == 0);
    CHECK(table_read(csv, NULL, &t, error, sizeof error) == 0);
    CHECK(t.rows == 2 && t.columns == 4 && t.names);
    for (size_t j = 0; j < 4; j++) CHECK(!strcmp(t.names[j], names[j]));
    CHECK(!memcmp(t.values, values, sizeof values));
    table_free(&t);
    CHECK(table_write(csv, NULL, values, 4, 2) == 0);
    CHECK(table_read(csv, NULL, &t, error, sizeof error) == 0);
    CHECK(t.rows == 4 && t.columns == 2 && !t.names && !memcmp(t.values, values, sizeof values));
    table_free(&t);
    remove(csv);
}

/* Rows that were left out of the table have nan, in their place. */
static void scores_are_written_by_row(void)
{
    double nll[] = {1.5, -2.5}, error[] = {0.25, 0.125};
    size_t number[] = {2, 4};
    char path[] = "rows.csv", refusal[TABLE_ERROR], line[100];
    static const char *const lines[] = {"row,nll,stderr\n", "1,nan,nan\n",    "2,1.5,0.25\n",
                                        "3,nan,nan\n",      "4,-2.5,0.125\n", "5,nan,nan\n"};
    data_table t, back;
    scores s;
    FILE *file;
    memset(&t, 0, sizeof t), memset(&s, 0, sizeof s);
    t.rows = 2, t.file_rows = 5, t.columns = 1, t.number = number, t.path = path;
    s.rows = 2, s.model.row = nll, s.error = error;
    CHECK(scores_write(csv, &s, &t) == 0);
    file = fopen(csv, "r");
    for (size_t i = 0; file && i < 6; i++)
        CHECK(fgets(line, sizeof line, file) && (strcmp(line, lines[i]) == 0 || (printf("%s", line), 0)));
    if (CHECK(file != NULL)) CHECK(!fgets(line, sizeof line, file) && !fclose(file));
    t.file_rows = 2, t.number = NULL; /* of all rows, without their numbers */
    CHECK(scores_write(npy, &s, &t) == 0);
    if (CHECK(table_read(npy, NULL, &back, refusal, sizeof refusal) == 0)) {
        CHECK(back.rows == 2 && back.columns == 2);
        for (size_t i = 0; i < 2; i++)
            CHECK(back.values[2 * i] == nll[i] && back.values[2 * i + 1] == error[i]);
        table_free(&back);
    }
    CHECK(scores_write("build/no-such-folder/x.csv", &s, &t) != 0);
    remove(csv), remove(npy);
}

static void written_arrays_are_read(void)
{
    double values[] = {1.0 / 3, -2, 5e-324, 1e308, 0, 7};
    const char *paths[2];
    paths[0] = npy, paths[1] = upper;
    for (size_t k = 0; k < 2; k++) {
        char error[TABLE_ERROR];
        data_table t;
        CHECK(table_write(paths[k], NULL, values, 3, 2) == 0);
        CHECK(table_read(paths[k], NULL, &t, error, sizeof error) == 0);
        CHECK(t.rows == 3 && t.columns == 2 && !memcmp(t.values, values, sizeof values));
        table_free(&t);
        remove(paths[k]);
    }
    CHECK(table_write("build/no/such/folder.csv", NULL, values, 3, 2) == -1);
}

/* ---- the split of a table ---- */

/* 300 rows of 100 kinds: (k, 2 k) thrice. */
static void split_leaves_kinds_together(void)
{
    enum { ROWS = 300 };
    double values[2 * ROWS];
    size_t line[ROWS], where[100] = {0}, held;
    char path[] = "points.csv", error[TABLE_ERROR];
    data_table t;
    data_frame f;
    row_set train, validation;
    memset(&t, 0, sizeof t);
    t.rows = ROWS, t.columns = t.file_columns = 2, t.values = values, t.line = line, t.path = path;
    t.source = (size_t *)must_alloc(2, sizeof *t.source);
    for (size_t i = 0; i < ROWS; i++)
        values[2 * i] = (double)(i % 100), values[2 * i + 1] = 2 * values[2 * i], line[i] = i + 1;
    t.source[0] = 1, t.source[1] = 2;
    CHECK(frame_from_table(&t, &f, error, sizeof error) == 0);
    held = rows_split(&f, &t, 0.2, 3, &train, &validation);
    CHECK(train.n == 240 && validation.n == 60);
    CHECK(held >= learn_held(240) - 1 && held <= learn_held(240) + 1);
    for (size_t i = 0; i < ROWS; i++) {
        const row_set *s = i < train.n ? &train : &validation;
        size_t at = i < train.n ? i : i - train.n;
        size_t part = i < train.n - held ? 1 : i < train.n ? 2 : 4;
        double x = (double)s->x[2 * at] + f.offset[0];
        CHECK_CLOSE(x, (double)((s->row[at] - 1) % 100), 1e-6);
        where[(size_t)(x + 0.5)] |= part;
    }
    for (size_t k = 0; k < 100; k++) CHECK(where[k] == 1 || where[k] == 2 || where[k] == 4);
    rows_free(&train), rows_free(&validation), frame_free(&f), free(t.source);
}

/* 300 rows of whole numbers from 0 to 4: equal rows are drawn independently, so every number is among those
   that teach, and no row is a copy. Of pairs of 300 different numbers three copies each would be. */
static void rows_in_few_cells_are_no_copies(void)
{
    enum { ROWS = 300 };
    double values[2 * ROWS];
    for (int pairs = 0; pairs < 2; pairs++) {
        char path[] = "points.csv", error[TABLE_ERROR];
        size_t seen[100] = {0}, source[2] = {1, 2}, held, kinds = 0, *kind;
        data_table t;
        data_frame f;
        row_set train, validation;
        memset(&t, 0, sizeof t);
        t.rows = ROWS, t.columns = t.file_columns = pairs ? 2 : 1, t.values = values, t.path = path;
        t.source = source;
        for (size_t i = 0; i < ROWS; i++)
            if (pairs) values[2 * i] = (double)(i % 100), values[2 * i + 1] = (double)(i % 100 * 7 % 100);
            else values[i] = (double)(i % 5);
        CHECK(frame_from_table(&t, &f, error, sizeof error) == 0);
        CHECK(frame_find_steps(&f, &t, error, sizeof error) == 0 && f.step[0] == 1);
        CHECK(rows_share_cells(&f, &t) == !pairs);
        held = rows_split(&f, &t, 0.2, 3, &train, &validation);
        CHECK(train.n == 240 && validation.n == 60);
        for (size_t i = 0; i < 240 - held; i++) seen[(train.row[i] - 1) % (pairs ? 100 : 5)]++;
        for (size_t k = 0; k < 5 && !pairs; k++) CHECK(seen[k] > 10);
        for (size_t i = 0; i < train.n; i++) kinds += !train.kind || train.kind[i] == i;
        CHECK(kinds == (pairs ? 80 : 240) && (train.kind != NULL) == pairs);
        kind = rows_kinds(&f, &t);
        CHECK((kind != NULL) == pairs);
        for (size_t i = 0; kind && i < ROWS; i++) CHECK(kind[i] == i % 100);
        free(kind), rows_free(&train), rows_free(&validation), frame_free(&f);
    }
}

/* ---- a run that goes on ---- */

static void other_options_are_named(void)
{
    char differ[100];
    same_run_options("seed=1 rate=0.1 name=a", "seed=1 rate=0.1 name=a", differ, sizeof differ);
    CHECK(!strcmp(differ, ""));
    same_run_options("seed=1 rate=0.1 name=a", "seed=10 rate=0.1 name=", differ, sizeof differ);
    CHECK(!strcmp(differ, "--seed, --name"));
    same_run_options("seed=1 extra=2", "myseed=2 seed=1", differ, sizeof differ);
    CHECK(!strcmp(differ, "--extra"));
}

int main(void)
{
    RUN(scores_of_a_gaussian);
    RUN(scores_of_several_draws);
    RUN(rival_knows_the_units);
    RUN(means_and_their_errors);
    RUN(copies_count_once);
    RUN(best_by_the_printed_digits);
    RUN(a_small_lead_is_a_tie);
    RUN(written_tables_are_read);
    RUN(scores_are_written_by_row);
    RUN(written_arrays_are_read);
    RUN(split_leaves_kinds_together);
    RUN(rows_in_few_cells_are_no_copies);
    RUN(other_options_are_named);
    return test_report();
}
