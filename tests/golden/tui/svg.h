/* A screen of libvterm as a picture: text in its colours, graphs of dots drawn as dots, so that
 * no font decides what they look like. */
#ifndef SVG_H
#define SVG_H

#include "base/buf.h"

#include <vterm.h>

/* `rgb` gives 0xRRGGBB of a number of the 256 colours. */
void svg_screen(VTermScreen *screen, int rows, int cols, uint32_t (*rgb)(int16_t color),
                struct aion_buf *out);

#endif
