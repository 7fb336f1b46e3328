/* Figures that views share: graphs of the mesh's numbers over the last 15 minutes. */
#ifndef TUI_FIGURES_H
#define TUI_FIGURES_H

#include "view.h"

/* "tasks/s 2 463   p95 1.63s   ..." in one line. */
void tui_figure_summary(struct tui_canvas *canvas, struct tui_rect rect,
                        const struct tui_scene *scene);
/* Latency of what ended: a heat map where there is room, else p50, p95 and p99. */
void tui_figure_latency(struct tui_canvas *canvas, struct tui_rect rect,
                        const struct tui_scene *scene);
void tui_figure_queue(struct tui_canvas *canvas, struct tui_rect rect,
                      const struct tui_scene *scene);
void tui_figure_outcomes(struct tui_canvas *canvas, struct tui_rect rect,
                         const struct tui_scene *scene);
void tui_figure_refusals(struct tui_canvas *canvas, struct tui_rect rect,
                         const struct tui_scene *scene);
/* How long a time the graphs show: "15m". */
const char *tui_figure_span(const struct tui_scene *scene);

#endif
