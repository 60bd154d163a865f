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
    CHECK(rival_fit(&k, m, points, N, 4) == 0);
    CHECK(kde_fit_standardized(&plain, rows, N, D, 4) == 0);
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

static void lead_of_a_rival(void)
{
    double a[4] = {1, 2, 3, 4}, b[4] = {2, 2, 5, 7}, error;
    score of = {a, 2.5}, over = {b, 4};
    CHECK_CLOSE(score_lead(&of, &over, 4, &error), 1.5, 1e-12);
    CHECK_CLOSE(error, sqrt((0.25 + 2.25 + 0.25 + 2.25) / 3 / 4), 1e-12); /* of 1, 0, 2, 3 */
    CHECK_CLOSE(score_lead(&over, &of, 4, &error), -1.5, 1e-12);
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

/* Differences 1, 0, 2, 3 of mean 1.5, standard error 0.6455: 2.3 of them; those of 1, 0, 2, -1 are 0.5 and as
   many. */
static void a_small_lead_is_a_tie(void)
{
    double a[] = {1, 2, 3, 4}, b[] = {2, 2, 5, 7}, c[] = {2, 2, 5, 3};
    char text[300];
    scores s;
    memset(&s, 0, sizeof s);
    s.rows = 4, s.model.row = a, s.model.nll = 2.5, s.gaussian.row = b, s.gaussian.nll = 4, s.kde.nll = NAN;
    CHECK(!strcmp(scores_verdict(&s, "test ", text, sizeof text),
                  "the model is better than the Gaussian by 1.5000 +- 0.6455 nats on the 4 test rows"));
    s.model.row = b, s.model.nll = 4, s.gaussian.row = a, s.gaussian.nll = 2.5;
    CHECK(!strcmp(scores_verdict(&s, "", text, sizeof text),
                  "the Gaussian is better than the model by 1.5000 +- 0.6455 nats on the 4 rows"));
    s.kde.row = c, s.kde.nll = 3;
    CHECK(strstr(scores_verdict(&s, "", text, sizeof text), "the Gaussian is better") == text);
    s.model.row = a, s.model.nll = 2.5, s.gaussian.row = b, s.gaussian.nll = 4;
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
    RUN(lead_of_a_rival);
    RUN(best_by_the_printed_digits);
    RUN(a_small_lead_is_a_tie);
    RUN(written_tables_are_read);
    RUN(written_arrays_are_read);
    RUN(split_leaves_kinds_together);
    RUN(other_options_are_named);
    return test_report();
}
