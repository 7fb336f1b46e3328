/* Refused admissions, told to the store: with the accepted ones, which are tasks, they are what
 * a preview of other limits runs over. Included by control_private.h; I/O thread.
 *
 * Gathered for a second and written together; a second holds ARRIVALS_MAX of them and further
 * ones are counted and dropped, so that a flood costs the store one write a second. */
#ifndef CONTROL_ARRIVALS_H
#define CONTROL_ARRIVALS_H

#include "base/err.h"
#include "mesh/loop.h"
#include "store/store.h"

struct control;
struct control_order;

enum { ARRIVALS_MAX = 1000 };

struct control_arrivals {
    struct control_arrivals_batch *filling, *writing; /* NULL: none */
    struct mesh_timer timer;                          /* filling is due */
};

void control_arrivals_init(struct control *control);
/* A valid request was refused for this: by a limit, a budget, the policy. Other errors are no
 * verdict, and are passed over. */
void control_arrival(struct control_order *order, const struct aion_err *err);
/* The same of what is no order any more; texts are copied. */
void control_arrival_add(struct control *control, const struct store_arrival *arrival);
void control_arrivals_end(struct control *control);  /* writes what was gathered */
void control_arrivals_done(struct control *control); /* after store_close */

#endif
