/* (aion.v1.rpc) and google.api.http of a method. protobuf-c keeps extensions as unknown fields,
 * with the length prefix inside the data. */
#include "codegen.h"

enum { RPC_TAG = 50100, HTTP_TAG = 72295728 };

/* The extension's bytes behind the length prefix; data NULL: not there. */
static aion_str extension(const method_proto *method, uint32_t tag)
{
    if (method->options == NULL)
        return (aion_str){0};
    const ProtobufCMessage *options = &method->options->base;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        if (field->tag != tag || field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            continue;
        size_t prefix = 0;
        while (prefix < field->len && (field->data[prefix] & 0x80) != 0)
            prefix++;
        return aion_str_n(field->data + prefix + 1, field->len - prefix - 1);
    }
    return (aion_str){0};
}

static bool check(const char *service, const method_proto *method,
                  const struct codegen_options *options, struct aion_err *err)
{
    if (options->rpc->role == AION__V1__ROLE__ROLE_UNSPECIFIED)
        return aion_fail(err, AION_INVALID, "%s.%s: (aion.v1.rpc).role is missing", service,
                         method->name);
    if (options->rpc->public_ && options->http == NULL)
        return aion_fail(err, AION_INVALID,
                         "%s.%s: a public method needs option (google.api.http)", service,
                         method->name);
    return true;
}

bool codegen_options(struct codegen *gen, const char *service, const method_proto *method,
                     struct codegen_options *ret_options, struct aion_err *err)
{
    aion_str rpc = extension(method, RPC_TAG), http = extension(method, HTTP_TAG);
    *ret_options = (struct codegen_options){0};
    if (http.data != NULL)
        ret_options->http =
            google__api__http_rule__unpack(NULL, http.size, (const uint8_t *)http.data);
    if (rpc.data != NULL)
        ret_options->rpc = aion__v1__rpc__unpack(NULL, rpc.size, (const uint8_t *)rpc.data);
    if ((http.data != NULL && ret_options->http == NULL) ||
        (rpc.data != NULL && ret_options->rpc == NULL))
        return aion_fail(err, AION_INVALID, "%s.%s: malformed options", service, method->name);
    if (ret_options->rpc != NULL)
        return check(service, method, ret_options, err);
    if (gen->plain)
        return true;
    return aion_fail(err, AION_INVALID,
                     "%s.%s: option (aion.v1.rpc) is missing; see aion/v1/options.proto",
                     service, method->name);
}
