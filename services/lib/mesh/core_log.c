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

void mesh_core_log(void)
{
    gpr_set_log_function(write_line);
}
