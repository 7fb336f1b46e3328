/* See kills.h. */
#include "kills.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ENOUGH = 100 };

bool kill_arguments(int argc, char **argv, uint64_t *kills, struct aion_rand *ret_rand)
{
    uint64_t seed = (uint64_t)aion_clock_mono_us();
    if (argc > 1 && !aion_str_u64(aion_str_of(argv[1]), kills))
        return false;
    if (argc > 2 && !aion_str_u64(aion_str_of(argv[2]), &seed))
        return false;
    if (getenv("AION_TEST_LONG") != NULL)
        *kills *= 20;
    aion_rand_seed(ret_rand, seed);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    return true;
}

const char *kill_folder_make(const char *name)
{
    static const char *const places[] = {"/dev/shm", "/tmp"};
    static char folder[64];
    for (size_t i = 0; i < aion_countof(places); i++) {
        snprintf(folder, sizeof(folder), "%s/aion-%s-XXXXXX", places[i], name);
        if (mkdtemp(folder) != NULL)
            return folder;
    }
    return NULL;
}

void kill_folder_remove(const char *folder)
{
    static const char *const names[] = {"aion.db", "aion.db-wal", "aion.db-shm",
                                        "aion.db-owner", "complaints"};
    char path[128];
    for (size_t i = 0; i < aion_countof(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

void kill_point_text(const struct kill_point *point, struct aion_rand *rand,
                     char text[KILL_TEXT_MAX])
{
    text[0] = '\0';
    if (point->name != NULL)
        snprintf(text, KILL_TEXT_MAX, "%s=kill:%llu", point->name,
                 (unsigned long long)(1 + aion_rand_below(rand, point->most)));
}

void kill_points_report(const struct kill_point *points, size_t count, const char *what)
{
    unsigned by_chance = 0, by_point = 0;
    for (size_t i = 0; i < count; i++) {
        *(points[i].name != NULL ? &by_point : &by_chance) += points[i].kills;
        if (points[i].name != NULL && points[i].most > 0)
            printf("%5u at %s\n", points[i].kills, points[i].name);
    }
    printf("COUNTED %u kills of %s at moments of chance\n"
           "COUNTED %u kills of %s at named points\n",
           by_chance, what, by_point, what);
}

const char *kill_points_unmet(const struct kill_point *points, size_t count)
{
    const char *unmet = NULL;
    unsigned kills = 0;
    for (size_t i = 0; i < count; i++) {
        kills += points[i].kills;
        if (points[i].name != NULL && points[i].most > 0 && points[i].kills == 0)
            unmet = points[i].name;
    }
    return kills >= ENOUGH ? unmet : NULL;
}
