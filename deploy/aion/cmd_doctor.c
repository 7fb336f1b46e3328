/* aion doctor: what could be wrong, each with its mend. */
#include "doctor.h"

#include "auth/ca.h"
#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
    FSYNCS = 20,
    SLOW_FSYNC_US = 50000,
    LOW_DISK_MIB = 512,
    DAY_S = 86400,
    FILES_WANTED = 4096
};

static const char *const words[] = {"kafka", "--home", CLI_KAFKA_WORDS, NULL};
static int run(int argc, char **argv);
const struct cli_command cli_doctor = {"doctor", "[kafka] [--home DIR]   " CLI_KAFKA_USAGE,
                                       "check the mesh and its surroundings", words, run};

static void check_home(struct doctor *doctor)
{
    struct statvfs about;
    if (access(doctor->home, R_OK | W_OK | X_OK) != 0) {
        doctor_report(doctor, doctor->running ? DOCTOR_FAIL : DOCTOR_WARN, "home",
                      "%s is not there or not writable; `aion up` makes it", doctor->home);
        return;
    }
    doctor_report(doctor, DOCTOR_FINE, "home", "%s", doctor->home);
    if (statvfs(doctor->home, &about) != 0)
        return;
    unsigned long long free_mib =
        (unsigned long long)about.f_bavail * about.f_frsize / ((unsigned long long)1024 * 1024);
    doctor_report(doctor, free_mib < LOW_DISK_MIB ? DOCTOR_FAIL : DOCTOR_FINE, "disk",
                  "%llu MiB free%s", free_mib,
                  free_mib < LOW_DISK_MIB
                      ? "; tasks are refused when the disk is full: free some space"
                      : "");
}

/* The median of some small appends: each task waits for two such. */
static void check_fsync(struct doctor *doctor)
{
    char path[CLI_PATH_MAX], block[512] = "";
    int64_t times[FSYNCS];
    if (!cli_path(path, doctor->home, ".doctor"))
        return;
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        doctor_report(doctor, DOCTOR_FAIL, "fsync",
                      "no file can be made in the home: disk full or read-only?");
    for (int i = 0; fd >= 0 && i < FSYNCS; i++) {
        int64_t began = aion_clock_mono_us();
        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) || fsync(fd) != 0) {
            doctor_report(doctor, DOCTOR_FAIL, "fsync",
                          "writing in the home failed: disk full or read-only?");
            break;
        }
        int64_t took = aion_clock_mono_us() - began;
        int at = i;
        for (; at > 0 && times[at - 1] > took; at--)
            times[at] = times[at - 1];
        times[at] = took;
        if (i == FSYNCS - 1)
            doctor_report(doctor, times[FSYNCS / 2] > SLOW_FSYNC_US ? DOCTOR_WARN : DOCTOR_FINE,
                          "fsync", "median %lld us", (long long)times[FSYNCS / 2]);
    }
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
}

static void check_certificate(struct doctor *doctor, const char *file)
{
    char path[CLI_PATH_MAX];
    int64_t begin, end, now = time(NULL);
    struct aion_err err;
    if (!cli_path(path, doctor->home, file))
        return;
    if (!auth_cert_times(path, &begin, &end, &err))
        doctor_report(doctor, doctor->running ? DOCTOR_FAIL : DOCTOR_WARN, "certificate",
                      "%s: %s", file, err.text);
    else if (now < begin)
        doctor_report(doctor, DOCTOR_FAIL, "certificate",
                      "%s is not valid yet: is the clock right?", file);
    else if (now >= end)
        doctor_report(doctor, DOCTOR_FAIL, "certificate",
                      "%s has expired; remove it and run `aion up` again", file);
    else
        doctor_report(doctor, end - now < 5 * DAY_S ? DOCTOR_WARN : DOCTOR_FINE, "certificate",
                      "%s, %lld days left", file, (long long)((end - now) / DAY_S));
}

/* Who we are to the mesh: what every other command shows. */
static void check_identity(struct doctor *doctor)
{
    char ca[CLI_PATH_MAX], cert[CLI_PATH_MAX], key[CLI_PATH_MAX];
    struct aion_err err;
    if (!cli_path(ca, doctor->home, "tls/ca.crt") ||
        !cli_path(cert, doctor->home, "tls/user-admin.crt") ||
        !cli_path(key, doctor->home, "tls/user-admin.key"))
        return;
    if (auth_leaf_check(ca, cert, key, time(NULL), &err))
        doctor_report(doctor, DOCTOR_FINE, "identity", "user-admin, of this mesh");
    else
        doctor_report(doctor, doctor->running ? DOCTOR_FAIL : DOCTOR_WARN, "identity", "%s",
                      err.text);
}

/* Of the gateway that runs, which may have been started elsewhere; else of this shell, where
 * `aion up` would start it: it takes what it is let, the hard limit. */
static void check_limits(struct doctor *doctor)
{
    const struct cli_process *gateway =
        doctor->running ? cli_run_process(&doctor->mesh, "gateway") : NULL;
    bool runs = gateway != NULL && gateway->pid > 0;
    struct rlimit files;
    if (prlimit(runs ? gateway->pid : 0, RLIMIT_NOFILE, NULL, &files) != 0)
        return;
    rlim_t most = runs ? files.rlim_cur : files.rlim_max;
    bool low = most < FILES_WANTED;
    doctor_report(doctor, low ? DOCTOR_WARN : DOCTOR_FINE, "open files", "%llu%s%s",
                  (unsigned long long)most, runs ? " of the gateway" : "",
                  low ? "; many streams need more: ulimit -n 65536, then `aion up`" : "");
}

/* What control says of its store: aion_store_up{driver="postgres"} 1. */
static void check_store(struct doctor *doctor, int admin_port)
{
    static const char name[] = "aion_store_up{driver=\"";
    struct aion_buf body;
    char driver[32] = "", up = '0';
    aion_buf_init(&body, (size_t)4 * 1024 * 1024);
    bool got = cli_http_get(admin_port, "/metrics", &body) == 200;
    const char *at = got ? strstr(body.data, name) : NULL;
    if (at != NULL && sscanf(at + sizeof(name) - 1, "%31[a-z]\"} %c", driver, &up) == 2)
        doctor_report(doctor, up == '1' ? DOCTOR_FINE : DOCTOR_FAIL, "store", "%s%s", driver,
                      up == '1' ? ", the last commit went through"
                                : ", down: tasks are refused; see aion logs control");
    else
        doctor_report(doctor, DOCTOR_WARN, "store", "control does not say how it is");
    aion_buf_done(&body);
}

static void check_processes(struct doctor *doctor)
{
    if (!doctor->running) {
        doctor_report(doctor, DOCTOR_WARN, "mesh", "does not run; start it by `aion up`");
        return;
    }
    for (size_t i = 0; i < doctor->mesh.process_count; i++) {
        const struct cli_process *process = &doctor->mesh.processes[i];
        struct aion_buf body;
        aion_buf_init(&body, 65536);
        int status = cli_http_get(process->admin_port, "/readyz", &body);
        if (status == 200)
            doctor_report(doctor, process->restarts > 0 ? DOCTOR_WARN : DOCTOR_FINE,
                          process->name, "ready on port %d, %u restarts", process->port,
                          process->restarts);
        else
            doctor_report(doctor, DOCTOR_FAIL, process->name, "%s; see aion logs %s",
                          status == 0 ? "does not answer" : "is not ready", process->name);
        aion_buf_done(&body);
        if (status == 200 && strcmp(process->name, "control") == 0)
            check_store(doctor, process->admin_port);
    }
}

static void check_mesh(struct doctor *doctor)
{
    static const char *const certificates[] = {
        "tls/ca.crt",      "tls/control.crt", "tls/router.crt",     "tls/retention.crt",
        "tls/gateway.crt", "tls/host-1.crt",  "tls/user-admin.crt",
    };
    doctor_report(doctor, DOCTOR_FINE, "aion", "%s", AION_VERSION);
    check_home(doctor);
    if (access(doctor->home, W_OK) == 0)
        check_fsync(doctor);
    for (size_t i = 0; i < aion_countof(certificates); i++)
        check_certificate(doctor, certificates[i]);
    check_identity(doctor);
    check_limits(doctor);
    check_processes(doctor);
}

/* One part alone, or the mesh and every data service that is configured. */
static int check(struct doctor *doctor, const char *part, const char *home)
{
    struct aion_err err;
    if (!cli_home(home, doctor->home, &err) || !cli_kafka_load(&doctor->kafka, &err))
        return cli_error_given(&err);
    doctor->running = cli_run_read(doctor->home, &doctor->mesh, &err);
    if (part == NULL)
        check_mesh(doctor);
    if (part != NULL || doctor->kafka.conf.brokers[0] != '\0')
        doctor_kafka(doctor);
    printf("%u warnings, %u failures\n", doctor->warnings, doctor->failures);
    return doctor->failures > 0 ? CLI_FAILED : CLI_OK;
}

static int run(int argc, char **argv)
{
    static struct doctor doctor;
    struct cli_args args = {argc, argv, 1};
    const char *home = NULL, *part = NULL, *value;
    cli_kafka_init(&doctor.kafka);
    while (args.at < argc) {
        if (cli_kafka_option(&doctor.kafka, &args))
            continue;
        if ((value = cli_value(&args, "--home")) != NULL)
            home = value;
        else if (part == NULL && strcmp(argv[args.at], "kafka") == 0)
            part = argv[args.at++];
        else
            return cli_unexpected(&cli_doctor, &args);
    }
    int status = check(&doctor, part, home);
    cli_kafka_done(&doctor.kafka);
    return status;
}
