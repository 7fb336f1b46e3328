/* What changed between two texts, line by line. */
#ifndef TUI_DIFF_H
#define TUI_DIFF_H

#include "pages.h"

/* Removed and added lines with three lines around them; "no difference" when there is none.
 * Texts of very many differing lines are shown as replaced as a whole; of more than 8192 lines
 * the first ones are compared, and that is said. */
void tui_diff(aion_str before, aion_str after, struct tui_lines *out);

#endif
