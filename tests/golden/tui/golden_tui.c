/* Screens of the console as a terminal shows them, cell by cell and with their attributes.
 *
 *   golden_tui FOLDER [--update] [NAME...]
 *   golden_tui FOLDER --svg NAME > PICTURE.svg      (the last screen of a story, as a picture)
 *
 * Each story in FOLDER/stories.txt runs in a process of its own on a pseudo terminal: the app
 * on a stage with a clock that stands (tests/console/stage.h), drawn by the real term.c. Its
 * bytes go through libvterm; the cells are compared with FOLDER/NAME.txt. Stories are lines:
 *
 *   story NAME ROWSxCOLS TERM [ascii] [blocks] [THEME]
 *   run SECONDS | key NAME... | type TEXT | resize ROWSxCOLS | down | up | silent
 *   shot                     (the screen goes into the file) */
#include "stage.h"
#include "svg.h"
#include "terminal.h"
#include "theme.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vterm.h>

enum {
    LINE_SIZE = 512,
    NAME_SIZE = 64,
    FILE_MAX = 4 * 1024 * 1024,
    STYLES_MAX = 60,
    WAIT_MS = 20000,
    MARK_SIZE = 8
};

struct story {
    char name[NAME_SIZE], term[NAME_SIZE], options[NAME_SIZE];
    int rows, cols;
    long at; /* of its first line in the file */
};

/* -- the child: the console ------------------------------------------------ */

struct player {
    struct stage stage;
    struct tui_term *term;
    struct tui_canvas canvas;
    struct tui_settings applied;
};

static void show(struct player *player)
{
    struct tui_app *app = &player->stage.app;
    if (app->redraw || memcmp(&app->settings, &player->applied, sizeof(app->settings)) != 0)
        tui_term_apply(player->term, &app->settings);
    app->redraw = false;
    player->applied = app->settings;
    tui_app_draw(app, &player->canvas, player->stage.now);
    tui_term_show(player->term, &player->canvas, &app->settings);
    while (!tui_term_flush(player->term))
        poll(&(struct pollfd){.fd = tui_term_fd(player->term), .events = POLLOUT}, 1, 100);
}

static void fit(struct player *player)
{
    int rows, cols;
    tui_term_size(player->term, &rows, &cols);
    tui_canvas_resize(&player->canvas, rows, cols);
    tui_term_resize(player->term, rows, cols);
    show(player);
}

/* A new size interrupts (ncurses listens for it). */
static bool is_readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int count;
    while ((count = poll(&wait, 1, WAIT_MS)) < 0 && errno == EINTR)
        ;
    return count == 1;
}

/* Tells the terminal's owner, in the same stream as the screens, and waits for its word. */
static void report(struct player *player, char what)
{
    char mark[16];
    int fd = tui_term_fd(player->term);
    int size = snprintf(mark, sizeof(mark), "\x1b]777;%c\x07", what);
    if (write(fd, mark, (size_t)size) != size || !is_readable(fd) || read(fd, mark, 1) != 1)
        exit(3);
}

static void play_keys(struct player *player, char *names)
{
    char *rest = NULL;
    for (char *name = strtok_r(names, " ", &rest); name != NULL;
         name = strtok_r(NULL, " ", &rest)) {
        stage_key(&player->stage, name);
        show(player);
        stage_run(&player->stage, 20000);
    }
}

/* False: the story ends. */
static bool play(struct player *player, char *line)
{
    struct stage *stage = &player->stage;
    char *rest = strchr(line, ' ');
    rest = rest != NULL ? rest + 1 : line + strlen(line);
    if (strncmp(line, "story ", 6) == 0)
        return false;
    if (strncmp(line, "run ", 4) == 0)
        stage_run(stage, (int64_t)(strtod(rest, NULL) * 1000000));
    else if (strncmp(line, "key ", 4) == 0)
        play_keys(player, rest);
    else if (strncmp(line, "type ", 5) == 0)
        stage_type(stage, rest);
    else if (strcmp(line, "down") == 0)
        stage->down = true;
    else if (strcmp(line, "up") == 0)
        stage->down = false;
    else if (strcmp(line, "silent") == 0)
        stage->silent = true;
    else if (strcmp(line, "read-only") == 0)
        stage->read_only = true;
    else if (strcmp(line, "resize") == 0 || strncmp(line, "resize ", 7) == 0) {
        report(player, 'r');
        fit(player);
    }
    show(player);
    if (strcmp(line, "shot") == 0)
        report(player, 's');
    return true;
}

static void set_up(struct player *player, const struct story *story)
{
    struct world_conf conf = {.seed = 7, .hostile = strstr(story->options, "hostile") != NULL};
    const struct tui_term_conf term = {.no_color = strstr(story->options, "no-color") != NULL,
                                       .ascii = strstr(story->options, "ascii") != NULL};
    struct aion_err err;
    setenv("TERM", story->term, 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    stage_init(&player->stage, &conf);
    player->term = tui_term_open(&term, &err);
    if (player->term == NULL) {
        fprintf(stderr, "%s: %s\n", story->name, err.text);
        exit(3);
    }
    struct tui_settings *settings = &player->stage.app.settings;
    settings->ascii = term.ascii;
    settings->blocks = strstr(story->options, "blocks") != NULL;
    for (unsigned i = 1; i < TUI_THEMES; i++)
        if (strstr(story->options, tui_theme_names[i]) != NULL)
            settings->theme = (enum tui_theme)i;
    player->applied.theme = TUI_THEMES; /* not yet */
    fit(player);
}

static int run_child(const struct story *story, const char *path)
{
    static struct player player;
    char line[LINE_SIZE];
    FILE *file = fopen(path, "re");
    set_up(&player, story);
    fseek(file, story->at, SEEK_SET);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0' && line[0] != '#' && !play(&player, line))
            break;
    }
    fclose(file);
    tui_term_close(player.term);
    tui_canvas_done(&player.canvas);
    stage_done(&player.stage);
    return 0;
}

/* -- the parent: the terminal ---------------------------------------------- */

struct style {
    VTermColor fg, bg;
    unsigned attributes;
};

struct terminal {
    VTerm *vterm;
    VTermScreen *screen;
    int master, rows, cols;
    char bytes[8192];
    size_t kept;         /* of the bytes: not yet whole */
    struct aion_buf out; /* the file as it is now */
    bool svg;            /* a picture instead */
    struct style styles[STYLES_MAX];
    size_t style_count;
};

static void put_color(struct aion_buf *out, const char *name, const VTermColor *color,
                      bool is_default)
{
    if (is_default)
        return;
    if (VTERM_COLOR_IS_INDEXED(color))
        aion_buf_printf(out, " %s=%d", name, color->indexed.idx);
    else
        aion_buf_printf(out, " %s=#%02x%02x%02x", name, color->rgb.red, color->rgb.green,
                        color->rgb.blue);
}

static void put_style(struct aion_buf *out, size_t index, const struct style *style)
{
    static const char *const names[] = {"bold", "underline", "reverse"};
    aion_buf_printf(out, "%c:", (int)(index < 26 ? 'a' + index : 'A' + index - 26));
    put_color(out, "fg", &style->fg, VTERM_COLOR_IS_DEFAULT_FG(&style->fg));
    put_color(out, "bg", &style->bg, VTERM_COLOR_IS_DEFAULT_BG(&style->bg));
    for (unsigned i = 0; i < 3; i++)
        if ((style->attributes >> i & 1) != 0)
            aion_buf_printf(out, " %s", names[i]);
    aion_buf_char(out, '\n');
}

static bool same_style(const struct style *a, const struct style *b)
{
    return vterm_color_is_equal(&a->fg, &b->fg) && vterm_color_is_equal(&a->bg, &b->bg) &&
           a->attributes == b->attributes;
}

/* '.' is the terminal's own look. */
static char letter_of(struct terminal *terminal, const VTermScreenCell *cell)
{
    struct style style = {cell->fg, cell->bg,
                          cell->attrs.bold | (cell->attrs.underline != 0) << 1 |
                              cell->attrs.reverse << 2};
    size_t at = 0;
    if (VTERM_COLOR_IS_DEFAULT_FG(&style.fg) && VTERM_COLOR_IS_DEFAULT_BG(&style.bg) &&
        style.attributes == 0)
        return '.';
    while (at < terminal->style_count && !same_style(&terminal->styles[at], &style))
        at++;
    if (at == terminal->style_count && at < 52)
        terminal->styles[terminal->style_count++] = style;
    return (char)(at < 26 ? 'a' + at : 'A' + at - 26);
}

static void put_row(struct terminal *terminal, int y, struct aion_buf *text,
                    struct aion_buf *looks)
{
    size_t end = text->size, looks_end = looks->size;
    for (int x = 0; x < terminal->cols; x++) {
        VTermScreenCell cell;
        char code[4];
        vterm_screen_get_cell(terminal->screen, (VTermPos){y, x}, &cell);
        if (cell.chars[0] == 0)
            aion_buf_char(text, ' ');
        for (size_t i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i] != 0; i++)
            aion_buf_add(text, code, tui_text_encode(code, cell.chars[i]));
        if (cell.chars[0] != 0 && cell.chars[0] != ' ')
            end = text->size;
        char letter = letter_of(terminal, &cell);
        aion_buf_char(looks, letter);
        if (letter != '.')
            looks_end = looks->size;
        if (cell.width == 2) {
            aion_buf_char(looks, letter);
            x++;
        }
    }
    text->size = end;
    looks->size = looks_end;
    aion_buf_char(text, '\n');
    aion_buf_char(looks, '\n');
}

static void take_shot(struct terminal *terminal)
{
    struct aion_buf text, looks;
    if (terminal->svg) {
        aion_buf_reset(&terminal->out);
        svg_screen(terminal->screen, terminal->rows, terminal->cols, tui_theme_rgb,
                   &terminal->out);
        return;
    }
    aion_buf_init(&text, FILE_MAX);
    aion_buf_init(&looks, FILE_MAX);
    terminal->style_count = 0;
    vterm_screen_flush_damage(terminal->screen);
    for (int y = 0; y < terminal->rows; y++)
        put_row(terminal, y, &text, &looks);
    aion_buf_printf(&terminal->out, "== text %dx%d\n", terminal->rows, terminal->cols);
    aion_buf_str(&terminal->out, aion_buf_view(&text));
    aion_buf_text(&terminal->out, "== looks\n");
    aion_buf_str(&terminal->out, aion_buf_view(&looks));
    for (size_t i = 0; i < terminal->style_count; i++)
        put_style(&terminal->out, i, &terminal->styles[i]);
    aion_buf_done(&text);
    aion_buf_done(&looks);
}

static void resize(struct terminal *terminal)
{
    struct winsize size = {.ws_row = (unsigned short)(terminal->rows = 30),
                           .ws_col = (unsigned short)(terminal->cols = 100)};
    vterm_set_size(terminal->vterm, terminal->rows, terminal->cols);
    ioctl(terminal->master, TIOCSWINSZ, &size);
}

/* What the terminal is sent; a mark is acted upon where it stands. */
static void take(struct terminal *terminal, const char *bytes, size_t size)
{
    static const char mark[] = "\x1b]777;";
    while (size > 0) {
        const char *at = memmem(bytes, size, mark, sizeof(mark) - 1);
        size_t before = at != NULL ? (size_t)(at - bytes) : size;
        vterm_input_write(terminal->vterm, bytes, before);
        if (at == NULL)
            return;
        if (at[sizeof(mark) - 1] == 's')
            take_shot(terminal);
        else
            resize(terminal);
        if (write(terminal->master, "x", 1) != 1)
            abort();
        before += sizeof(mark) + 1;
        bytes += before;
        size -= before;
    }
}

/* False: the child has ended, or says nothing any more. A mark may be cut: what is behind the
 * last ESC waits for the rest. */
static bool serve(struct terminal *terminal)
{
    struct pollfd fd = {.fd = terminal->master, .events = POLLIN};
    if (poll(&fd, 1, WAIT_MS) <= 0)
        return false;
    ssize_t size = read(terminal->master, terminal->bytes + terminal->kept,
                        sizeof(terminal->bytes) - terminal->kept);
    if (size <= 0)
        return false;
    size_t all = terminal->kept + (size_t)size, whole = all;
    for (size_t i = all; i > 0 && all - i < MARK_SIZE - 1; i--)
        if (terminal->bytes[i - 1] == '\x1b')
            whole = i - 1;
    take(terminal, terminal->bytes, whole);
    terminal->kept = all - whole;
    memmove(terminal->bytes, terminal->bytes + whole, terminal->kept);
    return true;
}

static int run_story(const struct story *story, const char *path, bool svg,
                     struct aion_buf *out)
{
    struct terminal terminal = {.rows = story->rows, .cols = story->cols, .svg = svg};
    struct winsize size = {.ws_row = (unsigned short)story->rows,
                           .ws_col = (unsigned short)story->cols};
    int status = 0;
    terminal.vterm = vterm_new(story->rows, story->cols);
    vterm_set_utf8(terminal.vterm, 1);
    terminal.screen = vterm_obtain_screen(terminal.vterm);
    vterm_screen_enable_altscreen(terminal.screen, 1);
    vterm_screen_reset(terminal.screen, 1);
    aion_buf_init(&terminal.out, FILE_MAX);
    fflush(NULL);
    pid_t child = forkpty(&terminal.master, NULL, NULL, &size);
    if (child == 0)
        _exit(run_child(story, path));
    while (serve(&terminal))
        ;
    close(terminal.master);
    waitpid(child, &status, 0);
    vterm_free(terminal.vterm);
    *out = terminal.out;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* -- files ----------------------------------------------------------------- */

static bool same_as_file(const char *path, const struct aion_buf *now)
{
    FILE *file = fopen(path, "re");
    char *before = file != NULL ? calloc(1, FILE_MAX) : NULL;
    size_t size = before != NULL ? fread(before, 1, FILE_MAX, file) : 0;
    bool same = file != NULL && size == now->size && memcmp(before, now->data, size) == 0;
    if (file != NULL)
        fclose(file);
    free(before);
    return same;
}

static void save(const char *path, const struct aion_buf *now)
{
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(now->data, 1, now->size, file) != now->size) {
        perror(path);
        exit(3);
    }
    fclose(file);
}

/* What differs is left beside this program, in the build, for a look. */
static void keep_for_a_look(const char *name, const struct aion_buf *now, char *out,
                            size_t size)
{
    char own[384];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    own[length > 0 ? length : 0] = '\0';
    snprintf(out, size, "%s-%s.txt", own, name);
    save(out, now);
}

/* True: as it was. */
static bool check(const struct story *story, const char *folder, bool update)
{
    char stories[512], path[512], differs[512];
    struct aion_buf out;
    snprintf(stories, sizeof(stories), "%s/stories.txt", folder);
    snprintf(path, sizeof(path), "%s/%s.txt", folder, story->name);
    int status = run_story(story, stories, false, &out);
    if (out.size == 0) {
        printf("%s: status %d and no screen\n", story->name, status);
        return false;
    }
    bool good = status == 0 && same_as_file(path, &out);
    if (update && status == 0) {
        if (!good)
            printf("%s: updated\n", story->name);
        save(path, &out);
        good = true;
    } else if (!good) {
        keep_for_a_look(story->name, &out, differs, sizeof(differs));
        printf("%s: status %d; differs: diff %s %s\n", story->name, status, path, differs);
    }
    aion_buf_done(&out);
    return good;
}

static int draw(const struct story *story, const char *folder)
{
    char stories[512];
    struct aion_buf out;
    snprintf(stories, sizeof(stories), "%s/stories.txt", folder);
    int status = run_story(story, stories, true, &out);
    if (out.size > 0)
        fwrite(out.data, 1, out.size, stdout);
    aion_buf_done(&out);
    return status;
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    bool any = false;
    for (int i = 2; i < argc; i++)
        if (argv[i][0] != '-') {
            any = true;
            if (strcmp(argv[i], name) == 0)
                return true;
        }
    return !any;
}

int main(int argc, char **argv)
{
    char path[512], line[LINE_SIZE];
    struct story story;
    int bad = 0, count = 0;
    bool update = argc > 2 && strcmp(argv[2], "--update") == 0;
    if (argc < 2 || (argc == 3 && strcmp(argv[2], "--svg") == 0))
        return 2;
    snprintf(path, sizeof(path), "%s/stories.txt", argv[1]);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        story = (struct story){.rows = 0};
        if (sscanf(line, "story %63s %dx%d %63s %63[^\n]", story.name, &story.rows, &story.cols,
                   story.term, story.options) < 4 ||
            !is_wanted(story.name, argc, argv))
            continue;
        story.at = ftell(file);
        if (argc == 4 && strcmp(argv[2], "--svg") == 0)
            return draw(&story, argv[1]);
        bad += !check(&story, argv[1], update);
        count++;
    }
    printf("%d stories, %d differ\n", count, bad);
    return count == 0 || bad != 0;
}
