/* X.mesh.h and X.mesh.c: typed server tables, replies and client calls, and the rows the
 * runtime works with. */
#include "codegen.h"

struct service {
    const service_proto *proto;
    const char *full;   /* "aion.v1.AionTasks" */
    const char *prefix; /* "aion_v1_aion_tasks" */
    const char *macro;  /* "AION_V1_AION_TASKS" */
};

struct method {
    const method_proto *proto;
    const char *name;     /* "submit" */
    const char *macro;    /* "SUBMIT" */
    const char *in, *out; /* C types */
    bool client_stream, server_stream, unstable;
    struct codegen_options options;
};

static struct service service_of(struct codegen *gen, const file_proto *file, size_t index)
{
    struct service service = {.proto = file->service[index]};
    service.full = codegen_full(gen, file->package, service.proto->name);
    service.prefix = codegen_snake(gen, service.full);
    service.macro = codegen_upper(gen, service.prefix);
    return service;
}

static bool method_of(struct codegen *gen, const struct service *service, size_t index,
                      struct method *ret_method, struct aion_err *err)
{
    const method_proto *proto = service->proto->method[index];
    *ret_method = (struct method){.proto = proto};
    ret_method->name = codegen_snake(gen, proto->name);
    ret_method->macro = codegen_upper(gen, ret_method->name);
    ret_method->in = codegen_type(gen, codegen_absolute(proto->input_type));
    ret_method->out = codegen_type(gen, codegen_absolute(proto->output_type));
    ret_method->client_stream = proto->client_streaming;
    ret_method->server_stream = proto->server_streaming;
    if (!codegen_options(gen, service->full, proto, &ret_method->options, err))
        return false;
    ret_method->unstable = ret_method->options.rpc != NULL && ret_method->options.rpc->unstable;
    return true;
}

/* Two names that fold to one C name would be one symbol. */
static bool unique_methods(struct codegen *gen, const struct service *service,
                           struct aion_err *err)
{
    for (size_t i = 0; i < service->proto->n_method; i++)
        for (size_t k = 0; k < i; k++) {
            const char *a = service->proto->method[i]->name,
                       *b = service->proto->method[k]->name;
            if (strcmp(codegen_snake(gen, a), codegen_snake(gen, b)) == 0)
                return aion_fail(err, AION_INVALID, "%s: %s and %s have the same C name",
                                 service->full, a, b);
        }
    return true;
}

typedef void emit_fn(struct aion_buf *out, const struct service *service,
                     const struct method *method);

static bool each_method(struct codegen *gen, const struct service *service, emit_fn *emit,
                        struct aion_buf *out, struct aion_err *err)
{
    for (size_t i = 0; i < service->proto->n_method; i++) {
        struct method method;
        if (!method_of(gen, service, i, &method, err))
            return false;
        emit(out, service, &method);
    }
    return true;
}

/* -- the header ----------------------------------------------------------- */

static void emit_index(struct aion_buf *out, const struct service *service,
                       const struct method *method)
{
    aion_buf_printf(out, "    %s_%s,\n", service->macro, method->macro);
}

static void emit_slot(struct aion_buf *out, const struct service *service,
                      const struct method *method)
{
    (void)service;
    if (method->unstable)
        return;
    if (!method->client_stream && !method->server_stream) {
        aion_buf_printf(out, "    void (*%s)(struct mesh_call *call, const %s *request);\n",
                        method->name, method->in);
        return;
    }
    aion_buf_text(out, "    struct {\n");
    if (method->client_stream)
        aion_buf_text(out, "        void (*open)(struct mesh_call *call);\n");
    aion_buf_printf(out,
                    "        void (*message)(struct mesh_call *call, const %s *request);\n",
                    method->in);
    if (method->client_stream)
        aion_buf_text(out, "        void (*half_close)(struct mesh_call *call);\n");
    aion_buf_printf(out,
                    "        void (*writable)(struct mesh_call *call);\n"
                    "        void (*done)(struct mesh_call *call, bool cancelled);\n"
                    "    } %s;\n",
                    method->name);
}

/* The initializer that names every handler: one that is missing or of another type does not
 * compile. */
static void emit_initializer(struct aion_buf *out, const struct service *service,
                             const struct method *method)
{
    (void)service;
    const char *name = method->name;
    if (method->unstable)
        return;
    if (!method->client_stream && !method->server_stream) {
        aion_buf_printf(out, "        .%s = prefix##_%s, \\\n", name, name);
        return;
    }
    aion_buf_printf(out, "        .%s = {", name);
    if (method->client_stream)
        aion_buf_printf(out, ".open = prefix##_%s_open, ", name);
    aion_buf_printf(out, ".message = prefix##_%s, ", name);
    if (method->client_stream)
        aion_buf_printf(out, ".half_close = prefix##_%s_half_close, ", name);
    aion_buf_printf(out, ".writable = prefix##_%s_writable, .done = prefix##_%s_done}, \\\n",
                    name, name);
}

static void emit_server_reply(struct aion_buf *out, const struct service *service,
                              const struct method *method)
{
    if (method->unstable)
        return;
    const char *prefix = service->prefix, *name = method->name;
    if (method->server_stream)
        aion_buf_printf(
            out,
            "static inline enum mesh_sent %s_%s_send(struct mesh_call *call, "
            "const %s *message)\n{\n    return mesh_send(call, &message->base);\n}\n",
            prefix, name, method->out);
    else
        aion_buf_printf(
            out,
            "static inline void %s_%s_reply(struct mesh_call *call, const %s *reply)\n"
            "{\n    mesh_reply(call, &reply->base);\n}\n",
            prefix, name, method->out);
}

static void emit_unary_client(struct aion_buf *out, const struct service *service,
                              const struct method *method)
{
    const char *prefix = service->prefix, *name = method->name;
    aion_buf_printf(
        out,
        "static inline struct mesh_rpc *%s_%s_call(struct mesh_channel *channel,\n"
        "    const %s *request, const struct mesh_rpc_opts *opts, mesh_done_fn *done, "
        "void *user)\n{\n    return mesh_unary(channel, &%s_type.methods[%s_%s], "
        "&request->base, opts, done, user);\n}\n",
        prefix, name, method->in, prefix, service->macro, method->macro);
    aion_buf_printf(out,
                    "static inline const %s *%s_%s_result(const struct mesh_result *result)\n"
                    "{\n    return (const %s *)result->reply;\n}\n",
                    method->out, prefix, name, method->out);
}

static void emit_stream_client(struct aion_buf *out, const struct service *service,
                               const struct method *method)
{
    const char *prefix = service->prefix, *name = method->name;
    aion_buf_printf(out,
                    "static inline struct mesh_rpc *%s_%s_open(struct mesh_channel *channel,\n",
                    prefix, name);
    if (!method->client_stream)
        aion_buf_printf(out, "    const %s *request,\n", method->in);
    aion_buf_printf(out,
                    "    const struct mesh_rpc_opts *opts, const struct mesh_stream_ops *ops, "
                    "void *user)\n{\n    struct mesh_rpc *rpc = mesh_open(channel, "
                    "&%s_type.methods[%s_%s], opts, ops, user);\n",
                    prefix, service->macro, method->macro);
    if (!method->client_stream)
        aion_buf_text(
            out, "    mesh_rpc_send(rpc, &request->base);\n    mesh_rpc_half_close(rpc);\n");
    aion_buf_text(out, "    return rpc;\n}\n");
    if (method->client_stream)
        aion_buf_printf(
            out,
            "static inline enum mesh_sent %s_%s_write(struct mesh_rpc *rpc, const %s "
            "*message)\n{\n    return mesh_rpc_send(rpc, &message->base);\n}\n",
            prefix, name, method->in);
    aion_buf_printf(out,
                    "static inline const %s *%s_%s_read(const ProtobufCMessage *message)\n"
                    "{\n    return (const %s *)message;\n}\n",
                    method->out, prefix, name, method->out);
}

static void emit_client(struct aion_buf *out, const struct service *service,
                        const struct method *method)
{
    if (method->client_stream || method->server_stream)
        emit_stream_client(out, service, method);
    else
        emit_unary_client(out, service, method);
}

static bool service_header(struct codegen *gen, const struct service *service,
                           struct aion_buf *out, struct aion_err *err)
{
    if (!unique_methods(gen, service, err))
        return false;
    aion_buf_printf(out,
                    "\n/* -- %s */\nextern const struct mesh_service_type %s_type;\n\nenum {\n",
                    service->full, service->prefix);
    if (!each_method(gen, service, emit_index, out, err))
        return false;
    aion_buf_printf(out, "};\n\nstruct %s_server {\n", service->prefix);
    size_t before = out->size;
    if (!each_method(gen, service, emit_slot, out, err))
        return false;
    if (out->size == before)
        aion_buf_text(out, "    char none; /* every method is unstable */\n");
    bool empty = out->size == before || strstr(out->data + before, "char none;") != NULL;
    aion_buf_printf(out, "};\n\n#define %s_SERVER(prefix) \\\n    { \\\n", service->macro);
    if (empty)
        aion_buf_text(out, "        .none = 0, \\\n");
    else if (!each_method(gen, service, emit_initializer, out, err))
        return false;
    aion_buf_text(out, "    }\n\n");
    return each_method(gen, service, emit_server_reply, out, err) &&
           each_method(gen, service, emit_client, out, err);
}

bool codegen_mesh_header(struct codegen *gen, const file_proto *file, struct aion_buf *out,
                         struct aion_err *err)
{
    const char *guard = codegen_upper(gen, codegen_file(gen, file->name));
    aion_buf_printf(out, "/* Generated by protoc-gen-aion from %s. */\n", file->name);
    aion_buf_printf(out, "#ifndef %s_MESH_H\n#define %s_MESH_H\n\n", guard, guard);
    aion_buf_printf(out,
                    "#include \"mesh/call.h\"\n#include \"mesh/channel.h\"\n"
                    "#include \"mesh/method.h\"\n#include \"%s\"\n",
                    codegen_path(gen, file->name, ".schema.h"));
    for (size_t i = 0; i < file->n_service; i++) {
        struct service service = service_of(gen, file, i);
        if (!service_header(gen, &service, out, err))
            return false;
    }
    aion_buf_text(out, "\n#endif\n");
    return !out->overflow || aion_fail(err, AION_EXHAUSTED, "%s: output too large", file->name);
}

/* -- the source ----------------------------------------------------------- */

static void thunk(struct aion_buf *out, const struct service *service,
                  const struct method *method, const char *slot, const char *parameters,
                  const char *arguments)
{
    aion_buf_printf(out,
                    "static void serve_%s_%s_%s(struct mesh_call *call%s)\n{\n"
                    "    const struct %s_server *table = mesh_call_table(call);\n",
                    service->prefix, method->name, slot, parameters, service->prefix);
    bool unary = !method->client_stream && !method->server_stream;
    aion_buf_printf(out, "    table->%s%s%s(call%s);\n}\n", method->name, unary ? "" : ".",
                    unary ? "" : slot, arguments);
}

static void emit_thunks(struct aion_buf *out, const struct service *service,
                        const struct method *method)
{
    if (method->unstable)
        return;
    char cast[256];
    snprintf(cast, sizeof(cast), ", (const %s *)request", method->in);
    thunk(out, service, method, "message", ", const ProtobufCMessage *request", cast);
    if (method->client_stream) {
        thunk(out, service, method, "open", "", "");
        thunk(out, service, method, "half_close", "", "");
    }
    if (method->client_stream || method->server_stream) {
        thunk(out, service, method, "writable", "", "");
        thunk(out, service, method, "done", ", bool cancelled", ", cancelled");
    }
}

static void emit_rule(struct aion_buf *out, const Google__Api__HttpRule *rule)
{
    const char *verb = "", *path = "";
    switch ((int)rule->pattern_case) {
    case GOOGLE__API__HTTP_RULE__PATTERN_GET:
        verb = "GET", path = rule->get;
        break;
    case GOOGLE__API__HTTP_RULE__PATTERN_PUT:
        verb = "PUT", path = rule->put;
        break;
    case GOOGLE__API__HTTP_RULE__PATTERN_POST:
        verb = "POST", path = rule->post;
        break;
    case GOOGLE__API__HTTP_RULE__PATTERN_DELETE:
        verb = "DELETE", path = rule->delete_;
        break;
    case GOOGLE__API__HTTP_RULE__PATTERN_PATCH:
        verb = "PATCH", path = rule->patch;
        break;
    case GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM:
        verb = rule->custom->kind, path = rule->custom->path;
        break;
    default:
        return;
    }
    aion_buf_printf(out, "    {\"%s\", \"%s\", \"%s\", \"%s\"},\n", verb, path, rule->body,
                    rule->response_body);
}

static void emit_rules(struct aion_buf *out, const struct service *service,
                       const struct method *method)
{
    const Google__Api__HttpRule *rule = method->options.http;
    if (rule == NULL)
        return;
    aion_buf_printf(out, "static const struct codec_http_rule %s_%s_http[] = {\n",
                    service->prefix, method->name);
    emit_rule(out, rule);
    for (size_t i = 0; i < rule->n_additional_bindings; i++)
        emit_rule(out, rule->additional_bindings[i]);
    aion_buf_text(out, "};\n");
}

static void emit_handler(struct aion_buf *out, const struct service *service,
                         const struct method *method)
{
    const char *prefix = service->prefix, *name = method->name;
    aion_buf_printf(out, "        .handler = {.message = serve_%s_%s_message", prefix, name);
    if (method->client_stream)
        aion_buf_printf(out, ", .open = serve_%s_%s_open, .half_close = serve_%s_%s_half_close",
                        prefix, name, prefix, name);
    if (method->client_stream || method->server_stream)
        aion_buf_printf(out, ", .writable = serve_%s_%s_writable, .done = serve_%s_%s_done",
                        prefix, name, prefix, name);
    aion_buf_text(out, "},\n");
}

static void emit_flag(struct aion_buf *out, const char *name, bool value)
{
    if (value)
        aion_buf_printf(out, "        .%s = true,\n", name);
}

static void emit_options(struct aion_buf *out, const struct codegen_options *options)
{
    static const char *const roles[] = {"ANY", "ANY", "USER", "MANAGER", "ADMIN", "SERVICE"};
    const Aion__V1__Rpc *rpc = options->rpc;
    if (rpc == NULL) { /* allowed by `plain`: the field's own services, such as health */
        aion_buf_text(
            out, "        .role = MESH_ROLE_ANY,\n        .request_bytes_max = 4194304,\n");
        return;
    }
    aion_buf_printf(out, "        .role = MESH_ROLE_%s,\n        .request_bytes_max = %u,\n",
                    roles[rpc->role],
                    rpc->request_bytes_max > 0 ? rpc->request_bytes_max : 65536);
    emit_flag(out, "is_public", rpc->public_);
    emit_flag(out, "blocking", rpc->execution == AION__V1__EXECUTION__EXECUTION_BLOCKING);
    emit_flag(out, "idempotent", rpc->idempotent);
    emit_flag(out, "audit", rpc->audit);
    emit_flag(out, "unstable", rpc->unstable);
}

static bool emit_row(struct codegen *gen, struct aion_buf *out, const struct service *service,
                     const struct method *method)
{
    const char *in = codegen_absolute(method->proto->input_type);
    const char *reply = codegen_absolute(method->proto->output_type);
    aion_buf_printf(out,
                    "    [%s_%s] = {\n        .name = \"%s\",\n        .path = \"/%s/%s\",\n"
                    "        .service = \"%s\",\n        .request = &%s__schema,\n"
                    "        .reply = &%s__schema,\n",
                    service->macro, method->macro, method->proto->name, service->full,
                    method->proto->name, service->full, codegen_lower(gen, in),
                    codegen_lower(gen, reply));
    if (!method->unstable)
        emit_handler(out, service, method);
    emit_flag(out, "client_stream", method->client_stream);
    emit_flag(out, "server_stream", method->server_stream);
    emit_options(out, &method->options);
    if (method->options.http != NULL)
        aion_buf_printf(
            out,
            "        .http = %s_%s_http,\n        .http_count = sizeof(%s_%s_http) / "
            "sizeof(%s_%s_http[0]),\n",
            service->prefix, method->name, service->prefix, method->name, service->prefix,
            method->name);
    return aion_buf_text(out, "    },\n");
}

static bool service_source(struct codegen *gen, const file_proto *file,
                           const struct service *service, struct aion_buf *out,
                           struct aion_err *err)
{
    if (!each_method(gen, service, emit_thunks, out, err) ||
        !each_method(gen, service, emit_rules, out, err))
        return false;
    aion_buf_printf(out, "static const struct mesh_method %s_methods[] = {\n", service->prefix);
    for (size_t i = 0; i < service->proto->n_method; i++) {
        struct method method;
        if (!method_of(gen, service, i, &method, err))
            return false;
        emit_row(gen, out, service, &method);
    }
    return aion_buf_printf(
        out,
        "};\nconst struct mesh_service_type %s_type = {\n    .name = \"%s\",\n"
        "    .methods = %s_methods,\n    .method_count = %zu,\n"
        "    .file = &%s__file,\n};\n",
        service->prefix, service->full, service->prefix, service->proto->n_method,
        codegen_file(gen, file->name));
}

bool codegen_mesh_source(struct codegen *gen, const file_proto *file, struct aion_buf *out,
                         struct aion_err *err)
{
    aion_buf_printf(out, "/* Generated by protoc-gen-aion from %s. */\n#include \"%s\"\n",
                    file->name, codegen_path(gen, file->name, ".mesh.h"));
    for (size_t i = 0; i < file->n_dependency; i++)
        aion_buf_printf(out, "#include \"%s\"\n",
                        codegen_path(gen, file->dependency[i], ".schema.h"));
    aion_buf_text(out, "\n");
    for (size_t i = 0; i < file->n_service; i++) {
        struct service service = service_of(gen, file, i);
        if (!service_source(gen, file, &service, out, err))
            return false;
    }
    return !out->overflow || aion_fail(err, AION_EXHAUSTED, "%s: output too large", file->name);
}
