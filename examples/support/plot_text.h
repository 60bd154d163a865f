/* plot_text.h: text on a canvas, in letters made of strokes. Text is UTF-8, with x^{2} and x_{i} for scripts.
 * See plot.h. */
#ifndef PLOT_TEXT_H
#define PLOT_TEXT_H

#include "plot_canvas.h"

/* The letters are strokes on a grid on which capitals are 14 and small letters 10 units high. The code of a
 * glyph is its advance ('a' = 0) and its strokes, separated by spaces. Each point of a stroke is a letter for
 * x ('a' = 0) and one for y ('a' = -4). If x is a capital letter, the point is the control point of a
 * quadratic curve instead of a point on the stroke; between two control points the stroke passes their
 * midpoint. */
static inline const char *plot_glyph(unsigned code)
{
    static const char *const ascii[95] = {
        "f",
        "ecsci ce",
        "hcsco fsfo",
        "ndefs ieks cnmn bjlj",
        "mkpKsgsCsCmglKkKegeCech gugc",
        "rcpCsHsHmCmcp khKkPkPeKekh eens",
        "omefnDqEsgsJsJofmCkCegeKemk",
        "ecsco",
        "gfuCpCffa",
        "gbuEpEfba",
        "iesel bqhn bnhq",
        "mckkk gggo",
        "ecebb",
        "icjgj",
        "ece",
        "ibcht",
        "mclCsKsKeCecl",
        "mdphshe",
        "mcpCsKsKmgiceke",
        "mcpCsJsJmfmKmKeCech",
        "mieisbili",
        "mjsdsclEngnKnKeCech",
        "mjqIsgsCscjCeKeKnCncj",
        "mcsksfe",
        "mgmDmDsJsJmgmCmCeKeKmgm",
        "mdgEegeKeknKsCsCjKjkn",
        "ece cn",
        "ecn cebb",
        "mkpckkf",
        "mcmkm ciki",
        "mcpkkcf",
        "lcpCsJsJnFlfi fe",
        "todMbjbCbCrjrRrRgogMgmimn mjMnGnGgMgmj",
        "obehsne djlj",
        "nclhlLlLehececsgsKsKlgl",
        "omoLshsCsCeheLemi",
        "ocecsgsMsMegece",
        "mkscsceke cljl",
        "lkscsce cljl",
        "pmpLshsCsCeheNenkik",
        "ocecs mems clml",
        "ececs",
        "ljsjiJeCeci",
        "ncecs lscj fmme",
        "kcsceje",
        "qcecsigosoe",
        "ocecsmems",
        "pclCsNsNeCecl",
        "mcecshsLsLkhkck",
        "pclCsNsNeCecl jind",
        "ncecshsLsLlhlcl hlle",
        "mkpKsgsCsCmglKkKegeCech",
        "mbsls gsge",
        "ocscjCeMemjms",
        "mbsgels",
        "sbsfejsners",
        "mbels bsle",
        "mbsglls glge",
        "mcsksceke",
        "gfucucafa",
        "ibthc",
        "gbueueaba",
        "kcnfsin",
        "kabkb",
        "gcsep",
        "lcmCoJojkje jkfkBkBefeIejh",
        "mcsce cjCoKoKeCecj",
        "lkmJogoCoCegeJekg",
        "mkske kjKoCoCeKekj",
        "mcjkjKoCoCegeJekg",
        "hhsgsDsdpde bogo",
        "mkjKoCoCeKekj kokeKagaDacc",
        "lcsce ckCoJojkje",
        "ecoce cs",
        "fdoddDaaa ds",
        "kcsce joch ejje",
        "ecsce",
        "qcoce ckCoIoikie ikIoOookoe",
        "lcoce ckCoJojkje",
        "mcjCoKoKeCecj",
        "mcoca cjCoKoKeCecj",
        "mkoka kjKoCoCeKekj",
        "hcoce ckCogo",
        "kimIofoCoCkfjIiIefeCecg",
        "hdrdhDege bogo",
        "lcociCeJeji joje",
        "kbofejo",
        "oboeehokeno",
        "kbejo boje",
        "kbofe jofeecDaba",
        "kcoioceie",
        "hguEuerenEkckEkehedEaga",
        "ecuca",
        "hbuDudrdnDkfkDkdhddDaba",
        "mcjCmgkKikl",
    };
    static const struct {
        unsigned code;
        const char *strokes;
    } more[] = {
        {0xb0, "hbqBsFsFoBobq"},
        {0xb1, "mcmkm gigq ceke"},
        {0xb7, "eck"},
        {0xd7, "mdhjn dnjh"},
        {0x394, "obehsnebe"},
        {0x3a3, "mkscshlceke"},
        {0x3b1, "mkoIefeCeCofoIoke"},
        {0x3b2, "mcacoCsJsJmfmKmKeCeci"},
        {0x3b3, "kboDofefa jofe"},
        {0x3b5, "kimIofoCoCjgjCjCefeIeig"},
        {0x3b7, "lcoce ckCoJojkja"},
        {0x3b8, "lclCsJsJeCecl cljl"},
        {0x3bb, "kbsDsepje fmbe"},
        {0x3bc, "lcoca ciCeJeji joje"},
        {0x3c0, "mbolo eode ioigIeke"},
        {0x3c1, "mcacjCoKoKeCecj"},
        {0x3c3, "mlogoCoCegeKeKogo"},
        {0x3c6, "mcjCoKoKeCecj gsga"},
        {0x2013, "mcjkj"},
        {0x2192, "qckok kookkg"},
        {0x2202, "mdqEsgsKskjKeCeCmKmkj"},
        {0x2207, "obshensbs"},
        {0x2212, "mckkk"},
        {0x221a, "mbldlgelu"},
        {0x221e, "qikGnCnChGhikKnOnOhKhik"},
        {0x222b, "kjtGvgqeeEabb"},
        {0x2248, "mclCogmKkkn cgCjghKfki"},
        {0x2264, "mkqcmki ceke"},
        {0x2265, "mcqkmci ceke"},
    };
    if (code >= 32 && code < 127) return ascii[code - 32];
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        if (more[i].code == code) return more[i].strokes;
    }
    return ascii['?' - 32];
}

/* Alignment of a text, or a corner of the axes: one of each line. PLOT_UPWARDS: the text reads upwards. */
enum {
    PLOT_LEFT = 0,
    PLOT_CENTER = 1,
    PLOT_RIGHT = 2,
    PLOT_BASELINE = 0,
    PLOT_BOTTOM = 4,
    PLOT_MIDDLE = 8,
    PLOT_TOP = 16,
    PLOT_UPWARDS = 32
};

typedef struct {
    double x, y;    /* origin on the baseline, on the canvas */
    double unit;    /* pixels per unit of the grid */
    double forward; /* how far the text has come from the origin */
    double lift;    /* of the baseline, for scripts */
    int upwards;
} plot_pen;

/* Small letters and capitals are rounded to whole pixels of height, so that horizontal strokes stay crisp. */
static inline double plot_pen_height(const plot_pen *pen, double y)
{
    double small = floor(10.0 * pen->unit + 0.5), capital = floor(14.0 * pen->unit + 0.5);
    return y <= 10.0 ? y * small / 10.0 : small + (y - 10.0) * (capital - small) / 4.0;
}

static inline double plot_pen_width(const plot_pen *pen) { return fmax(1.9 * pen->unit, 1.0); }

static inline void plot_pen_stroke(plot_canvas *c, const plot_pen *pen, const double *p, const double *q,
                                   double width)
{
    double u0 = pen->forward + p[0] * pen->unit, v0 = pen->lift + plot_pen_height(pen, p[1]);
    double u1 = pen->forward + q[0] * pen->unit, v1 = pen->lift + plot_pen_height(pen, q[1]);
    if (pen->upwards) plot_stroke(c, pen->x - v0, pen->y - u0, pen->x - v1, pen->y - u1, width);
    else plot_stroke(c, pen->x + u0, pen->y - v0, pen->x + u1, pen->y - v1, width);
}

static inline void plot_pen_curve(plot_canvas *c, const plot_pen *pen, double *p, const double *pull,
                                  const double *q)
{
    double from[2] = {p[0], p[1]}, last[2] = {p[0], p[1]};
    for (int k = 1; k <= 8; k++) {
        double t = k / 8.0, s = 1.0 - t, next[2];
        for (int i = 0; i < 2; i++) next[i] = s * s * from[i] + 2.0 * s * t * pull[i] + t * t * q[i];
        plot_pen_stroke(c, pen, last, next, plot_pen_width(pen));
        memcpy(last, next, sizeof last);
    }
    memcpy(p, q, sizeof last);
}

static inline void plot_pen_glyph(plot_canvas *c, const plot_pen *pen, const char *code)
{
    for (code++; *code; code += *code == ' ') {
        double here[2] = {0, 0}, pull[2] = {0, 0};
        int points = 0, pulled = 0;
        for (; *code && *code != ' '; code += 2, points++) {
            int off = code[0] < 'a';
            double point[2] = {code[0] - (off ? 'A' : 'a') + 0.5, code[1] - 'a' - 4};
            double middle[2] = {0.5 * (pull[0] + point[0]), 0.5 * (pull[1] + point[1])};
            if (pulled) plot_pen_curve(c, pen, here, pull, off ? middle : point);
            else if (points && !off) plot_pen_stroke(c, pen, here, point, plot_pen_width(pen));
            memcpy(off ? pull : here, point, sizeof point);
            if (pulled && off) memcpy(here, middle, sizeof middle);
            pulled = off;
        }
        if (points == 1) plot_pen_stroke(c, pen, here, here, 1.3 * plot_pen_width(pen)); /* a dot */
    }
}

/* The next code point; a malformed byte reads as '?'. */
static inline unsigned plot_utf8(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    unsigned code = s[0], more = code < 0x80   ? 0u
                                 : code < 0xc0 ? 9u
                                 : code < 0xe0 ? 1u
                                 : code < 0xf0 ? 2u
                                               : 9u;
    *text += 1;
    if (more == 9) return '?';
    if (more) code &= 0x3fu >> more;
    for (unsigned i = 1; i <= more; i++, *text += 1) {
        if ((s[i] & 0xc0) != 0x80) return '?';
        code = code << 6 | (s[i] & 0x3fu);
    }
    return code;
}

/* Draws on c, or only measures when c is NULL; returns the width. */
static inline double plot_text_run(plot_canvas *c, plot_pen pen, const char *text)
{
    double unit = pen.unit;
    while (*text) {
        if ((text[0] == '^' || text[0] == '_') && text[1] == '{') {
            pen.unit = 0.72 * unit;
            pen.lift = floor((text[0] == '^' ? 7.0 : -3.5) * unit + 0.5);
            text += 2;
        } else if (*text == '}' && pen.unit < unit) {
            pen.unit = unit, pen.lift = 0.0;
            text++;
        } else {
            const char *glyph = plot_glyph(plot_utf8(&text));
            if (c) plot_pen_glyph(c, &pen, glyph);
            pen.forward += (glyph[0] - 'a' + 1) * pen.unit;
        }
    }
    return pen.forward;
}

/* The size is that of the type: capitals are 0.72 of it high. */
static inline double plot_text_width(const char *text, double size)
{
    plot_pen pen = {0, 0, size / 22.0, 0, 0, 0};
    return plot_text_run(NULL, pen, text);
}

/* The baseline is put where a horizontal stroke along it fills whole pixels. */
static inline void plot_text(plot_canvas *c, double x, double y, const char *text, double size, int align,
                             plot_color color)
{
    plot_pen pen = {x, y, size / 22.0, 0, 0, align & PLOT_UPWARDS};
    double drop = align & PLOT_TOP ? 14.0 : align & PLOT_MIDDLE ? 7.0 : align & PLOT_BOTTOM ? -5.0 : 0.0;
    double back = plot_text_width(text, size) * (align & PLOT_RIGHT ? 1.0 : align & PLOT_CENTER ? 0.5 : 0.0);
    double half = (int)(plot_pen_width(&pen) + 0.5) % 2 ? 0.5 : 0.0;
    pen.x += pen.upwards ? drop * pen.unit : -back;
    pen.y += pen.upwards ? back : drop * pen.unit;
    if (pen.upwards) pen.x = floor(pen.x - half + 0.5) + half;
    else pen.y = floor(pen.y - half + 0.5) + half;
    plot_text_run(c, pen, text);
    plot_paint(c, color);
}

#endif
