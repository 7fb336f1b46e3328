#include "base/failpoint.h"

#include "base/str.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POINTS_MAX = 16, NAME_MAX_BYTES = 64 };
enum action { KILL, FAIL, DELAY };

static struct point {
    char name[NAME_MAX_BYTES];
    enum action action;
    uint64_t number;
    atomic_ullong hits;
} points[POINTS_MAX];
static size_t point_count;
bool aion_failpoints_armed;

static bool read_action(aion_str text, struct point *point)
{
    static const char *const names[] = {[KILL] = "kill", [FAIL] = "error", [DELAY] = "delay"};
    aion_str name = aion_str_cut(&text, ':');
    for (size_t i = 0; i < aion_countof(names); i++)
        if (aion_str_is(name, names[i])) {
            point->action = (enum action)i;
            return text.data != NULL && aion_str_u64(text, &point->number);
        }
    return false;
}

static bool read_point(aion_str text, struct aion_err *err)
{
    struct point *point = &points[point_count];
    aion_str rest = text, name = aion_str_cut(&rest, '=');
    if (point_count == POINTS_MAX)
        return aion_fail(err, AION_INVALID, "AION_FAILPOINTS names more than %d points",
                         (int)POINTS_MAX);
    if (name.size == 0 || rest.data == NULL ||
        !aion_str_copy(point->name, sizeof(point->name), name) || !read_action(rest, point))
        return aion_fail(err, AION_INVALID,
                         "AION_FAILPOINTS: \"%.*s\" is not NAME=kill:N, NAME=error:N or "
                         "NAME=delay:MS",
                         AION_STR_ARG(text));
    atomic_store(&point->hits, 0);
    point_count++;
    return true;
}

bool aion_failpoints_arm(const char *text, struct aion_err *err)
{
    aion_str rest = aion_str_of(text);
    point_count = 0;
    aion_failpoints_armed = false;
    while (rest.size > 0)
        if (!read_point(aion_str_cut(&rest, ','), err))
            return false;
    aion_failpoints_armed = point_count > 0;
    return true;
}

/* Nothing of the process lives on, not even what exit would flush. */
static void die_here(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static bool act(struct point *point)
{
    uint64_t hit = atomic_fetch_add(&point->hits, 1) + 1;
    struct timespec delay = {.tv_sec = (time_t)(point->number / 1000),
                             .tv_nsec = (long)(point->number % 1000) * 1000000};
    switch (point->action) {
    case KILL:
        if (hit == point->number)
            die_here();
        return false;
    case DELAY:
        nanosleep(&delay, NULL);
        return false;
    case FAIL:
    default:
        return point->number == 0 || hit == point->number;
    }
}

bool aion_failpoint_hit(const char *name)
{
    for (size_t i = 0; i < point_count; i++)
        if (strcmp(points[i].name, name) == 0)
            return act(&points[i]);
    return false;
}
