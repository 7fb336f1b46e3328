/* A program of the mesh did not answer: why, as far as it can be seen from here. The transport
 * says "deadline exceeded" alone, also when each handshake was refused. */
#include "cli_client.h"

#include "auth/ca.h"
#include "base/clock.h"

#include <stdio.h>

enum { PAGE_MAX = 65536 };

static int ready_status(const struct cli_process *process)
{
    struct aion_buf body;
    aion_buf_init(&body, PAGE_MAX);
    int status = cli_http_get(process->admin_port, "/readyz", &body);
    aion_buf_done(&body);
    return status;
}

static void set(struct aion_err *err, const char *detail, const char *fmt, ...)
    AION_PRINTF(3, 4);

static void set(struct aion_err *err, const char *detail, const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    aion_err_setv(err, __func__, AION_UNAVAILABLE, fmt, list);
    va_end(list);
    aion_err_detail(err, "%s", detail);
}

void cli_silence(const struct cli_client *client, const char *service, struct aion_err *err)
{
    const struct cli_process *process = cli_run_process(&client->run, service);
    const struct aion_err was = *err;
    struct aion_err why;
    int status = process != NULL ? ready_status(process) : 0;
    if (process == NULL || was.reason[0] != '\0')
        return; /* it did answer */
    if (status == 0)
        set(err, was.text,
            "%s (pid %d) does not answer: `aion status` shows what runs, `aion logs %s` what "
            "it said last",
            service, process->pid, service);
    else if (!auth_leaf_check(client->ca, client->cert, client->key,
                              aion_clock_utc_us() / 1000000, &why))
        set(err, why.text,
            "%s does not know us: the home's certificate, its key and the CA do not belong "
            "together; put back tls/ as it was, or remove tls/user-admin.* and start the mesh "
            "anew: it makes them again",
            service);
    else if (status != 200)
        set(err, was.text, "%s is not ready: `aion logs %s` says why", service, service);
    else
        set(err, was.text,
            "%s runs, but did not answer this call: try again; `aion doctor` looks closer",
            service);
}
