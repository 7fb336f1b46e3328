/* The terminal: the only file that knows ncurses, and the only one that writes to the screen.
 *
 * ncurses does what it is best at, the difference between two screens. It writes into memory,
 * and this file hands that on without ever blocking: while the terminal takes nothing, no new
 * screen is drawn, so nothing piles up. What is read comes as bytes; keys are key.h's. */
#ifndef TUI_TERMINAL_H
#define TUI_TERMINAL_H

#include "app.h"

struct tui_term;

struct tui_term_conf {
    const char *type;  /* terminfo name; NULL = $TERM */
    const char *color; /* $COLORTERM, may be NULL */
    bool no_color;     /* $NO_COLOR */
    bool ascii;        /* asked for, or the locale has no UTF-8 */
};

/* Takes the terminal on stdin and stdout. INVALID: none is there, or one that cannot place a
 * cursor; the text says what to do. */
struct tui_term *tui_term_open(const struct tui_term_conf *conf, struct aion_err *err);
/* Gives it back as it was. NULL fine. */
void tui_term_close(struct tui_term *term);

int tui_term_fd(const struct tui_term *term); /* non-blocking, for poll and read */
void tui_term_size(const struct tui_term *term, int *ret_rows, int *ret_cols);
bool tui_term_utf8(const struct tui_term *term);
/* The size has changed, or the screen was spoilt: everything is drawn anew. */
void tui_term_resize(struct tui_term *term, int rows, int cols);
/* Mouse and colours as set; before show. */
void tui_term_apply(struct tui_term *term, const struct tui_settings *settings);
/* Puts the canvas on the screen. Only when nothing is pending. Returns the bytes it took. */
size_t tui_term_show(struct tui_term *term, const struct tui_canvas *canvas,
                     const struct tui_settings *settings);
/* Bytes of the last show, for recording; borrowed until the next. */
aion_str tui_term_shown(const struct tui_term *term);
/* Writes what the terminal takes now. True: nothing is left. */
bool tui_term_flush(struct tui_term *term);
bool tui_term_pending(const struct tui_term *term);
/* It said that it knows synchronised output. */
void tui_term_synced(struct tui_term *term);
/* As struct tui_port says; at most 74 KB of base64. */
bool tui_term_copy(struct tui_term *term, aion_str text, struct aion_err *err);
/* Gives the terminal to the shell and takes it back. */
void tui_term_leave(struct tui_term *term);
void tui_term_return(struct tui_term *term);

#endif
