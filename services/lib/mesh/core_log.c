/* What the core has to say goes to our log, as structured lines like all others. */
#include "base/log.h"
#include "mesh/core_private.h"

#include <grpc/support/log.h>

static void write_line(gpr_log_func_args *args)
{
    enum aion_log_level level = AION_LOG_DEBUG;
    if (args->severity == GPR_LOG_SEVERITY_ERROR)
        level = AION_LOG_WARN; /* a refused handshake is an error to the core, not to us */
    else if (args->severity == GPR_LOG_SEVERITY_INFO)
        level = AION_LOG_INFO;
    aion_log(level, "grpc core", LOG_TEXT("text", args->message), LOG_TEXT("file", args->file),
             LOG_I64("line", args->line));
}

#if defined(AION_TSAN)
/* The core is not instrumented: what it does inside is not ours to report. Hand-overs through
 * it are told by aion_tsan_release and aion_tsan_acquire. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "ignore_noninstrumented_modules=1";
}
#endif

void mesh_core_log(void)
{
    gpr_set_log_function(write_line);
}
