#include "terminal.h"

#include "guard.h"
#include "theme.h"

#include "base/base64.h"
#include "base/buf.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

enum {
    OUT_MAX = 8 * 1024 * 1024,
    COPY_MAX = 74 * 1024, /* what terminals take of an OSC 52 */
    TRUE_COLORS = 1 << 24,
    RESTORE_MAX = 256,
};

struct tui_term {
    int fd;     /* of our own, non-blocking */
    int sink;   /* what ncurses writes into */
    off_t sunk; /* of it, read already */
    FILE *sink_file, *source_file;
    SCREEN *screen;
    struct termios raw;
    char type[64];
    bool utf8, modern; /* modern: modes of xterm and its kin */
    bool truecolor;    /* the terminal says it can, though its type does not */
    bool no_color, synced, mouse, all;
    unsigned colors;
    int rows, cols;
    struct tui_cell *shown; /* rows * cols: what ncurses was told */
    struct {
        attr_t attributes;
        short pair;          /* + 1; 0 = not made yet */
    } styles[TUI_ROLES][16]; /* by role and flags */
    struct aion_buf out;     /* still to be written */
    size_t out_at, shown_at;
    char restore[RESTORE_MAX];
};

/* -- what ncurses writes --------------------------------------------------- */

static void take_sink(struct tui_term *term)
{
    off_t end = lseek(term->sink, 0, SEEK_CUR);
    while (term->sunk < end) {
        char *room = aion_buf_reserve(&term->out, (size_t)(end - term->sunk));
        ssize_t size =
            room != NULL ? pread(term->sink, room, (size_t)(end - term->sunk), term->sunk) : -1;
        if (size <= 0)
            break;
        term->out.size += (size_t)size;
        term->sunk += size;
    }
    lseek(term->sink, 0, SEEK_SET);
    term->sunk = 0;
}

bool tui_term_pending(const struct tui_term *term)
{
    return term->out_at < term->out.size;
}

bool tui_term_flush(struct tui_term *term)
{
    while (tui_term_pending(term)) {
        ssize_t size =
            write(term->fd, term->out.data + term->out_at, term->out.size - term->out_at);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return false;
        if (size <= 0)
            break; /* the terminal is gone: the HUP that follows ends us */
        term->out_at += (size_t)size;
    }
    return true;
}

/* Before something new is queued: what was written is dropped. */
static void compact(struct tui_term *term)
{
    aion_buf_consume(&term->out, term->out_at);
    term->out_at = 0;
    if (term->out.size == 0)
        aion_buf_reset(&term->out);
}

/* -- the terminal's modes -------------------------------------------------- */

/* A capability without its padding, "$<2>". */
static void add_capability(char *out, size_t size, const char *name)
{
    const char *text = tigetstr(name);
    size_t used = strlen(out);
    if (text == NULL || text == (const char *)-1)
        return;
    for (; *text != '\0' && used + 1 < size; text++) {
        if (text[0] == '$' && text[1] == '<' && strchr(text, '>') != NULL)
            text = strchr(text, '>');
        else
            out[used++] = *text;
    }
    out[used] = '\0';
}

static const char modes_on[] = "\x1b[?1004h\x1b[?2004h\x1b[?2026$p";
static const char modes_off[] = "\x1b[?2026l\x1b[?1004l\x1b[?2004l\x1b[?1006l\x1b[?1000l";

static void make_restore(struct tui_term *term)
{
    term->restore[0] = '\0';
    if (term->modern)
        strncat(term->restore, modes_off, sizeof(term->restore) - 1);
    add_capability(term->restore, sizeof(term->restore), "sgr0");
    add_capability(term->restore, sizeof(term->restore), "cnorm");
    add_capability(term->restore, sizeof(term->restore), "rmcup");
    if (!term->modern)
        strncat(term->restore, "\r\n", sizeof(term->restore) - strlen(term->restore) - 1);
}

static void raw_mode(struct tui_term *term)
{
    tcgetattr(term->fd, &term->raw);
    cfmakeraw(&term->raw); /* a read of no bytes is its end: at least one is asked for */
    tcsetattr(term->fd, TCSADRAIN, &term->raw);
}

/* Raw, alternate screen, modes. The guard knows the way back before the first byte. */
static void take_terminal(struct tui_term *term)
{
    tui_guard_arm(aion_str_of(term->restore));
    raw_mode(term);
    if (term->modern)
        aion_buf_text(&term->out, modes_on);
    term->mouse = false;
    term->all = true;
}

static void set_mouse(struct tui_term *term, bool on)
{
    if (term->mouse == on || !term->modern)
        return;
    aion_buf_text(&term->out, on ? "\x1b[?1000h\x1b[?1006h" : "\x1b[?1006l\x1b[?1000l");
    term->mouse = on;
}

/* -- opening --------------------------------------------------------------- */

/* The user's locale where it knows UTF-8, else the C library's own. */
static bool choose_locale(void)
{
    const char *named = getenv("LC_ALL");
    if (named == NULL || named[0] == '\0')
        named = getenv("LC_CTYPE");
    if (named == NULL || named[0] == '\0')
        named = getenv("LANG");
    if (setlocale(LC_CTYPE, "") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
        return true;
    bool wants =
        named != NULL && (strstr(named, "UTF-8") != NULL || strstr(named, "utf8") != NULL);
    return wants && setlocale(LC_CTYPE, "C.UTF-8") != NULL;
}

static bool new_screen(struct tui_term *term, const char *type)
{
    term->sink = memfd_create("screen", MFD_CLOEXEC);
    term->sink_file = term->sink >= 0 ? fdopen(term->sink, "w+") : NULL;
    term->source_file = fopen("/dev/null", "re");
    if (term->sink_file == NULL || term->source_file == NULL)
        return false;
    term->screen = newterm(type, term->sink_file, term->source_file);
    if (term->screen == NULL)
        return false;
    set_term(term->screen);
    typeahead(-1); /* never look for input in the middle of a screen */
    noecho();
    nonl();
    leaveok(stdscr, TRUE);
    curs_set(0);
    term->colors = 1;
    if (has_colors() && start_color() == OK) {
        use_default_colors();
        term->colors = (unsigned)COLORS;
    }
    const char *smcup = tigetstr("smcup");
    term->modern =
        smcup != NULL && smcup != (const char *)-1 && strstr(smcup, "?1049h") != NULL;
    make_restore(term);
    return true;
}

static void end_screen(struct tui_term *term)
{
    if (term->screen != NULL) {
        endwin();
        delscreen(term->screen);
    }
    term->screen = NULL;
    if (term->source_file != NULL)
        fclose(term->source_file);
    if (term->sink_file != NULL)
        fclose(term->sink_file);
    term->source_file = term->sink_file = NULL;
}

/* A description of our own, so that non-blocking is not what the shell gets back. */
static int own_descriptor(void)
{
    char name[128];
    if (ttyname_r(STDOUT_FILENO, name, sizeof(name)) != 0)
        return -1;
    return open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

static bool check_terminal(const char *type, struct aion_err *err)
{
    int fault = 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return aion_fail(err, AION_INVALID,
                         "the console needs a terminal; for pipes there are aion get and aion "
                         "watch");
    if (type == NULL || type[0] == '\0')
        return aion_fail(err, AION_INVALID,
                         "TERM is not set: say what the terminal is, for "
                         "example TERM=xterm-256color");
    if (setupterm(type, STDOUT_FILENO, &fault) != OK)
        return aion_fail(err, AION_INVALID,
                         "TERM=%.60s is not in the terminfo database: install ncurses-term or "
                         "try TERM=xterm-256color",
                         type);
    const char *place = tigetstr("cup");
    bool good = place != NULL && place != (const char *)-1;
    del_curterm(cur_term);
    return good || aion_fail(err, AION_INVALID,
                             "TERM=%.60s cannot place a cursor, so there is no console on it; "
                             "aion get and aion watch work everywhere",
                             type);
}

struct tui_term *tui_term_open(const struct tui_term_conf *conf, struct aion_err *err)
{
    const char *type = conf->type != NULL ? conf->type : getenv("TERM");
    if (!check_terminal(type, err))
        return NULL;
    struct tui_term *term = calloc(1, sizeof(*term));
    if (term == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    term->utf8 = choose_locale() && !conf->ascii;
    term->no_color = conf->no_color;
    term->truecolor = conf->color != NULL && (strcmp(conf->color, "truecolor") == 0 ||
                                              strcmp(conf->color, "24bit") == 0);
    aion_buf_init(&term->out, OUT_MAX);
    aion_str_copy(term->type, sizeof(term->type), aion_str_of(type));
    term->fd = own_descriptor();
    if (term->fd >= 0 && tui_guard_begin(term->fd) && new_screen(term, type)) {
        take_terminal(term);
        tui_term_size(term, &term->rows, &term->cols);
        tui_term_resize(term, term->rows, term->cols);
        return term;
    }
    aion_err_set(err, __func__, AION_UNAVAILABLE, "the terminal cannot be opened");
    aion_err_errno(err);
    tui_term_close(term);
    return NULL;
}

void tui_term_close(struct tui_term *term)
{
    if (term == NULL)
        return;
    end_screen(term);
    tui_guard_disarm();
    if (term->fd >= 0)
        close(term->fd);
    aion_buf_done(&term->out);
    free(term->shown);
    free(term);
}

int tui_term_fd(const struct tui_term *term)
{
    return term->fd;
}

bool tui_term_utf8(const struct tui_term *term)
{
    return term->utf8;
}

void tui_term_synced(struct tui_term *term)
{
    term->synced = true;
}

/* -- size ------------------------------------------------------------------ */

void tui_term_size(const struct tui_term *term, int *ret_rows, int *ret_cols)
{
    struct winsize size = {.ws_row = 0};
    ioctl(term->fd, TIOCGWINSZ, &size);
    *ret_rows = size.ws_row > 0 ? size.ws_row : 24;
    *ret_cols = size.ws_col > 0 ? size.ws_col : 80;
    if (*ret_rows > TUI_ROWS_MAX)
        *ret_rows = TUI_ROWS_MAX;
    if (*ret_cols > TUI_COLS_MAX)
        *ret_cols = TUI_COLS_MAX;
}

void tui_term_resize(struct tui_term *term, int rows, int cols)
{
    struct tui_cell *shown =
        realloc(term->shown, (size_t)rows * (size_t)cols * sizeof(*term->shown));
    if (shown == NULL)
        return;
    term->shown = shown;
    term->rows = rows;
    term->cols = cols;
    term->all = true;
    resizeterm(rows, cols);
}

/* -- cells ----------------------------------------------------------------- */

static unsigned colors_of(const struct tui_term *term, const struct tui_settings *settings)
{
    unsigned wanted = settings->colors;
    if (wanted == 0)
        return term->no_color ? 1 : term->colors;
    return wanted < term->colors ? wanted : term->colors;
}

/* On terminals of direct colour a number is a colour. */
static int color_of(const struct tui_term *term, int16_t color)
{
    if (color < 0 || term->colors < TRUE_COLORS || color < 8)
        return color;
    return (int)tui_theme_rgb(color);
}

static attr_t attributes_of(unsigned attributes)
{
    return ((attributes & TUI_BOLD) != 0 ? A_BOLD : 0u) |
           ((attributes & TUI_FAINT) != 0 ? A_DIM : 0u) |
           ((attributes & TUI_UNDERLINE) != 0 ? A_UNDERLINE : 0u) |
           ((attributes & TUI_REVERSE) != 0 ? A_REVERSE : 0u);
}

/* A character that this C library would draw in another width is shown as something it knows.
 */
static void characters_of(const struct tui_cell *cell, wchar_t out[4])
{
    bool same = wcwidth((wchar_t)cell->ch) == cell->width;
    out[0] = same ? (wchar_t)cell->ch : L'?';
    out[1] = same && cell->mark != 0 && wcwidth((wchar_t)cell->mark) == 0 ? (wchar_t)cell->mark
                                                                          : L'\0';
    out[2] = L'\0';
}

/* The colours of a role, made once. */
static void style_of(struct tui_term *term, const struct tui_settings *settings,
                     const struct tui_cell *cell, attr_t *ret_attributes, short *ret_pair)
{
    size_t role = cell->role < TUI_ROLES ? cell->role : TUI_PLAIN, flags = cell->flags & 15u;
    if (term->styles[role][flags].pair == 0) {
        struct tui_style style = tui_theme_style(settings->theme, colors_of(term, settings),
                                                 (enum tui_role)role, (unsigned)flags);
        int pair = style.fg >= 0 || style.bg >= 0
                       ? alloc_pair(color_of(term, style.fg), color_of(term, style.bg))
                       : 0;
        term->styles[role][flags].attributes = attributes_of(style.attributes);
        term->styles[role][flags].pair = (short)((pair > 0 ? pair : 0) + 1);
    }
    *ret_attributes = term->styles[role][flags].attributes;
    *ret_pair = (short)(term->styles[role][flags].pair - 1);
}

static void put_cell(struct tui_term *term, const struct tui_settings *settings, int y, int x,
                     const struct tui_cell *cell)
{
    wchar_t characters[4];
    attr_t attributes;
    short pair;
    cchar_t out;
    style_of(term, settings, cell, &attributes, &pair);
    characters_of(cell, characters);
    setcchar(&out, characters, attributes, pair, NULL);
    mvadd_wch(y, x, &out);
    if (cell->width == 2 && characters[0] == L'?') {
        setcchar(&out, L" ", attributes, pair, NULL);
        mvadd_wch(y, x + 1, &out);
    }
}

_Static_assert(sizeof(struct tui_cell) == 12, "cells have no gaps: they are compared as bytes");

/* Most rows are as they were. */
static void put_row(struct tui_term *term, const struct tui_canvas *canvas,
                    const struct tui_settings *settings, int y)
{
    const struct tui_cell *now = tui_canvas_cell(canvas, y, 0);
    struct tui_cell *before = &term->shown[(size_t)y * (size_t)term->cols];
    if (!term->all && memcmp(now, before, (size_t)term->cols * sizeof(*now)) == 0)
        return;
    for (int x = 0; x < term->cols; x++) {
        if (!term->all && memcmp(&now[x], &before[x], sizeof(*now)) == 0)
            continue;
        if (now[x].ch != 0)
            put_cell(term, settings, y, x, &now[x]);
        before[x] = now[x];
    }
}

void tui_term_apply(struct tui_term *term, const struct tui_settings *settings)
{
    bool direct = settings->colors == TRUE_COLORS && term->truecolor;
    const char *type = direct ? "xterm-direct" : term->type;
    if (direct != (term->colors >= TRUE_COLORS) && strcmp(term->type, "xterm-direct") != 0) {
        end_screen(term);
        if (!new_screen(term, type))
            new_screen(term, term->type);
        tui_term_resize(term, term->rows, term->cols);
    }
    set_mouse(term, settings->mouse);
    memset(term->styles, 0, sizeof(term->styles));
    term->all = true;
    clearok(curscr, TRUE);
}

size_t tui_term_show(struct tui_term *term, const struct tui_canvas *canvas,
                     const struct tui_settings *settings)
{
    if (canvas->rows != term->rows || canvas->cols != term->cols)
        return 0;
    compact(term);
    term->shown_at = term->out.size;
    if (term->all)
        clearok(curscr, TRUE);
    for (int y = 0; y < term->rows; y++)
        put_row(term, canvas, settings, y);
    term->all = false;
    size_t before = term->out.size;
    if (term->synced)
        aion_buf_text(&term->out, "\x1b[?2026h");
    size_t begin = term->out.size;
    refresh();
    take_sink(term);
    if (term->out.size == begin)
        term->out.size = before; /* nothing changed: not even the mode */
    else if (term->synced)
        aion_buf_text(&term->out, "\x1b[?2026l");
    return term->out.size - term->shown_at;
}

aion_str tui_term_shown(const struct tui_term *term)
{
    return aion_str_n(term->out.data + term->shown_at, term->out.size - term->shown_at);
}

/* -- besides --------------------------------------------------------------- */

bool tui_term_copy(struct tui_term *term, aion_str text, struct aion_err *err)
{
    static const char begin[] = "\x1b]52;c;", end[] = "\x07";
    size_t size = aion_base64_size(text.size);
    if (!term->modern)
        return aion_fail(err, AION_PRECONDITION,
                         "a terminal of the type %.60s has no clipboard", term->type);
    if (size > COPY_MAX)
        return aion_fail(err, AION_EXHAUSTED,
                         "%zu bytes are more than a terminal's clipboard takes", text.size);
    compact(term);
    char *room = aion_buf_reserve(&term->out, sizeof(begin) + size + sizeof(end));
    if (room == NULL)
        return aion_fail(err, AION_EXHAUSTED, "the terminal has not taken what came before");
    aion_buf_text(&term->out, begin);
    term->out.size += aion_base64_encode(room + sizeof(begin) - 1, text.data, text.size);
    return aion_buf_text(&term->out, end);
}

void tui_term_leave(struct tui_term *term)
{
    endwin();
    take_sink(term);
    aion_buf_reset(&term->out); /* the guard's string says it all */
    term->out_at = 0;
    tui_guard_disarm();
}

void tui_term_return(struct tui_term *term)
{
    take_terminal(term);
    clearok(curscr, TRUE);
}
