/* Where each driver's stores live while they are tested. */
#include "contract.h"

#include <unistd.h>

/* -- sqlite: a file in a folder of its own ------------------------------------------- */
static bool make_folder(char url[256], char why[256])
{
    char folder[] = "/tmp/aion-store-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        snprintf(why, 256, "no folder can be made in /tmp");
        return false;
    }
    snprintf(url, 256, "sqlite:%s/aion.db", folder);
    return true;
}

static void unmake_folder(const char *url)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-owner"};
    char path[280];
    for (size_t i = 0; i < aion_countof(ends); i++) {
        snprintf(path, sizeof(path), "%s%s", url + sizeof("sqlite:") - 1, ends[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s", url + sizeof("sqlite:") - 1);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

/* -- script: nowhere ---------------------------------------------------------------- */
static bool make_nothing(char url[256], char why[256])
{
    (void)why;
    snprintf(url, 256, "script:");
    return true;
}

static void unmake_nothing(const char *url)
{
    (void)url;
}

static bool make_name(char url[256], char why[256])
{
    static unsigned number;
    (void)why;
    snprintf(url, 256, "script:contract-%u", ++number);
    return true;
}

/* -- postgres: a schema of its own in the database that the wrapper started ---------- */
static bool make_schema(char url[256], char why[256])
{
    static unsigned number;
    const char *server = getenv("AION_TEST_POSTGRES_URL");
    if (server == NULL) {
        snprintf(why, 256,
                 "AION_TEST_POSTGRES_URL is not set (tests/servers/postgres.sh with)");
        return false;
    }
    snprintf(url, 256, "%s%caion_schema=t%d_%u", server, strchr(server, '?') ? '&' : '?',
             (int)getpid(), ++number);
    return true;
}

static const struct place places[] = {
    {.name = "postgres", .keeps = true, .make = make_schema, .unmake = unmake_nothing},
    {.name = "sqlite", .keeps = true, .make = make_folder, .unmake = unmake_folder},
    {.name = "script", .make = make_nothing, .unmake = unmake_nothing},
    {.name = "scripts", .make = make_name, .unmake = unmake_nothing},
};

const struct place *place_find(const char *name)
{
    for (size_t i = 0; i < aion_countof(places); i++)
        if (aion_str_is(aion_str_of(name), places[i].name))
            return &places[i];
    return NULL;
}
