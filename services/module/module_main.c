/* The module host: runs tasks on warm module processes. */
#include "module_main.h"

#include "host_private.h"

#include <stdlib.h>

/* Forked before anything else exists: see host_spawner.h. */
static struct spawner spawner = {-1, -1};

static void stop(void *self)
{
    struct host *host = self;
    host_memory_stop(host->memory);
    mesh_timer_cancel(host->program->loop, &host->drain_timer);
    mesh_timer_cancel(host->program->loop, &host->share_timer);
    host_links_free(host);
    host_pool_free(host->pool);
    host_free_attempts(host);
    aion_arena_done(&host->arena);
    free(host);
}

static void spawner_gone(void *user)
{
    struct host *host = user;
    struct aion_err err;
    aion_err_set(&err, __func__, AION_UNAVAILABLE, "the spawner of module processes is gone");
    program_fatal(host->program, &err);
}

static bool open_all(struct host *host, struct aion_err *err)
{
    struct program *program = host->program;
    if (!host_manifests_read(host->conf->modules_dir, host->manifests, &host->manifest_count,
                             &host->arena, err))
        return false;
    unsigned slots = (unsigned)host->conf->slots;
    unsigned idle = (unsigned)(host->conf->warm * (int64_t)host->manifest_count);
    host->pool = host_pool_new(program->loop, &spawner, host->manifests, host->manifest_count,
                               (unsigned)host->conf->warm, slots + idle, err);
    if (host->pool == NULL)
        return false;
    host_pool_on_broken(host->pool, spawner_gone, host);
    return host_link_open(host, host->conf->control, true, err);
}

static void *start(struct program *program, const void *conf, struct aion_err *err)
{
    struct host *host = calloc(1, sizeof(*host));
    if (host == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    host->program = program;
    host->conf = conf;
    aion_list_init(&host->attempts);
    aion_list_init(&host->links);
    aion_arena_init(&host->arena, SIZE_MAX, NULL, 0);
    if (open_all(host, err)) {
        host_bind(host);
        aion_str_copy(program->instance, sizeof(program->instance),
                      aion_str_of(host->conf->host_id));
        /* the first link, to what --control names, lasts as long as the host */
        program_report_to(program,
                          aion_container(host->links.next, struct host_link, link)->channel);
        return host;
    }
    stop(host);
    return NULL;
}

static void serving(void *self)
{
    struct host *host = self;
    host->memory = host_memory_watch(host);
    aion_list_each (pos, &host->links)
        host_link_attach(aion_container(pos, struct host_link, link));
}

/* -- drain: no new work, running attempts finish within the grace, then control is left -- */

static void leave(struct host *host)
{
    host_links_end(host);
    program_drained(host->program);
}

static void grace_over(struct mesh_timer *timer)
{
    leave(aion_container(timer, struct host, drain_timer));
}

/* Called when an attempt is settled: with the last one the host may go. */
static void maybe_leave(struct host *host)
{
    if (!host->draining || !aion_list_empty(&host->attempts))
        return;
    mesh_timer_cancel(host->program->loop, &host->drain_timer);
    leave(host);
}

static void drain(void *self)
{
    struct host *host = self;
    host->draining = true;
    aion_list_each (pos, &host->links)
        host_link_send_capacity(aion_container(pos, struct host_link, link));
    host->settled = maybe_leave;
    host->drain_timer.fire = grace_over;
    mesh_timer_set(host->program->loop, &host->drain_timer,
                   mesh_loop_now(host->program->loop) + host->program->common->drain_grace);
    maybe_leave(host);
}

int module_run(int argc, char **argv)
{
    const struct program_spec spec = {
        .name = "host",
        .summary = "runs tasks on warm module processes",
        .options = host_options,
        .option_count = host_option_count,
        .conf_size = sizeof(struct host_conf),
        .check = host_conf_check,
        .start = start,
        .serving = serving,
        .drain = drain,
        .stop = stop,
    };
    struct aion_err err;
    if (!spawner_start(&spawner, &err)) {
        fprintf(stderr, "aion host: %s (%s)\n", err.text, err.detail);
        return 1;
    }
    int status = program_run(&spec, argc, argv);
    spawner_stop(&spawner);
    return status;
}
