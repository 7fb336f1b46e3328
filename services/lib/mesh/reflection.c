/* Server reflection, v1 and v1alpha: the same messages on the wire, one handler. Answers come
 * from the descriptors that the code generator embedded. */
#include "mesh/server_private.h"

#include "codec/message.h"
#include "google/rpc/error_details.schema.h"
#include "grpc/reflection/v1/reflection.mesh.h"
#include "grpc/reflection/v1alpha/reflection.mesh.h"

enum { FILES_MAX = 256 };

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

struct file_set {
    const struct codec_file *files[FILES_MAX];
    size_t count;
};

/* The file and all it imports, each once. */
static void add_file(struct file_set *set, const struct codec_file *file)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->files[i] == file)
            return;
    if (set->count == FILES_MAX)
        return;
    set->files[set->count++] = file;
    for (size_t i = 0; file->imports[i] != NULL; i++)
        add_file(set, file->imports[i]);
}

/* Every file that serves here, and that of the errors' details, NULL-terminated for
 * codec_find_*. */
static void served_files(const struct mesh_server *server, const struct codec_file **out,
                         size_t max)
{
    size_t count = 0;
    const struct codec_file *const *extra = server->conf.files;
    for (size_t i = 0; i < server->bound_count && count + 1 < max; i++)
        out[count++] = server->bound[i].type->file;
    for (; extra != NULL && *extra != NULL && count + 1 < max; extra++)
        out[count++] = *extra;
    if (count + 1 < max)
        out[count++] = &google__rpc__error_details_proto__file;
    out[count] = NULL;
}

static void fail(reflection_response *response, Grpc__Reflection__V1__ErrorResponse *error,
                 enum aion_code code, const char *text)
{
    error->error_code = (int32_t)code;
    error->error_message = (char *)(uintptr_t)text;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response->error_response = error;
}

static void send(struct mesh_call *call, const reflection_response *response)
{
    size_t size = grpc__reflection__v1__server_reflection_response__get_packed_size(response);
    uint8_t *wire = aion_arena_alloc(&call->messages, size);
    if (wire == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "the answer is too large");
        return;
    }
    grpc__reflection__v1__server_reflection_response__pack(response, wire);
    if (mesh_send_packed(call, aion_str_n(wire, size)) ==
        MESH_FULL)        /* one form for both versions */
        mesh_pause(call); /* who does not read gets no more */
}

static void send_file(struct mesh_call *call, reflection_response *response,
                      const struct codec_file *file)
{
    Grpc__Reflection__V1__FileDescriptorResponse list =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    ProtobufCBinaryData bytes[FILES_MAX];
    struct file_set set = {.count = 0};
    add_file(&set, file);
    for (size_t i = 0; i < set.count; i++)
        bytes[i] = (ProtobufCBinaryData){set.files[i]->descriptor_size,
                                         (uint8_t *)(uintptr_t)set.files[i]->descriptor};
    list.file_descriptor_proto = bytes;
    list.n_file_descriptor_proto = set.count;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response->file_descriptor_response = &list;
    send(call, response);
}

static void send_services(struct mesh_call *call, reflection_response *response)
{
    const struct mesh_server *server = call->server;
    Grpc__Reflection__V1__ListServiceResponse list =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    Grpc__Reflection__V1__ServiceResponse services[MESH_BOUND_MAX];
    Grpc__Reflection__V1__ServiceResponse *pointers[MESH_BOUND_MAX];
    for (size_t i = 0; i < server->bound_count; i++) {
        grpc__reflection__v1__service_response__init(&services[i]);
        services[i].name = (char *)(uintptr_t)server->bound[i].type->name;
        pointers[i] = &services[i];
    }
    list.service = pointers;
    list.n_service = server->bound_count;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response->list_services_response = &list;
    send(call, response);
}

/* Our extensions extend MethodOptions alone; their file is found by number. */
static const struct codec_file *extension_file(
    const struct codec_file *const *files, const Grpc__Reflection__V1__ExtensionRequest *asked)
{
    if (strcmp(asked->containing_type, "google.protobuf.MethodOptions") != 0)
        return NULL;
    if (asked->extension_number == 50100)
        return codec_find_symbol(files, AION_STR("aion.v1.rpc"));
    if (asked->extension_number == 72295728)
        return codec_find_symbol(files, AION_STR("google.api.http"));
    return NULL;
}

static void send_extension_numbers(struct mesh_call *call, reflection_response *response,
                                   const char *type)
{
    Grpc__Reflection__V1__ExtensionNumberResponse list =
        GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
    int32_t numbers[] = {50100, 72295728};
    bool ours = strcmp(type, "google.protobuf.MethodOptions") == 0;
    list.base_type_name = (char *)(uintptr_t)type;
    list.extension_number = numbers;
    list.n_extension_number = ours ? aion_countof(numbers) : 0;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    response->all_extension_numbers_response = &list;
    send(call, response);
}

static void answer(struct mesh_call *call, reflection_request *request)
{
    const struct codec_file *files[MESH_BOUND_MAX + 32];
    const struct codec_file *file = NULL;
    reflection_response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    served_files(call->server, files, aion_countof(files));
    response.valid_host = request->host;
    response.original_request = request;
    switch ((int)request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        send_services(call, &response);
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        send_extension_numbers(call, &response, request->all_extension_numbers_of_type);
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        file = codec_find_file(files, aion_str_of(request->file_by_filename));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        file = codec_find_symbol(files, aion_str_of(request->file_containing_symbol));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        file = extension_file(files, request->file_containing_extension);
        break;
    default:
        fail(&response, &error, AION_INVALID, "the request asks for nothing");
        send(call, &response);
        return;
    }
    if (file != NULL) {
        send_file(call, &response, file);
        return;
    }
    fail(&response, &error, AION_NOT_FOUND, "not known here");
    send(call, &response);
}

static void reflection_server_reflection_info_open(struct mesh_call *call)
{
    (void)call;
}

static void reflection_server_reflection_info(struct mesh_call *call,
                                              const reflection_request *request)
{
    answer(call, (reflection_request *)(uintptr_t)request);
}

static void reflection_server_reflection_info_half_close(struct mesh_call *call)
{
    mesh_finish(call);
}

static void reflection_server_reflection_info_writable(struct mesh_call *call)
{
    mesh_resume(call);
}

static void reflection_server_reflection_info_done(struct mesh_call *call, bool cancelled)
{
    (void)call;
    (void)cancelled;
}

static const struct grpc_reflection_v1_server_reflection_server table =
    GRPC_REFLECTION_V1_SERVER_REFLECTION_SERVER(reflection);

/* v1alpha: the same fields with the same numbers, so the request is read again as v1. */
static void alpha_server_reflection_info(
    struct mesh_call *call, const Grpc__Reflection__V1alpha__ServerReflectionRequest *request)
{
    size_t size = protobuf_c_message_get_packed_size(&request->base);
    uint8_t *wire = aion_arena_alloc(&call->messages, size);
    struct aion_err err;
    reflection_request *same = NULL;
    if (wire != NULL) {
        protobuf_c_message_pack(&request->base, wire);
        same = (reflection_request *)codec_unpack(
            &grpc__reflection__v1__server_reflection_request__schema, aion_str_n(wire, size),
            NULL, &call->messages, &err);
    }
    if (same != NULL)
        answer(call, same);
    else
        mesh_fail(call, AION_EXHAUSTED, "the request is too large");
}

static const struct grpc_reflection_v1alpha_server_reflection_server alpha_table = {
    .server_reflection_info = {.open = reflection_server_reflection_info_open,
                               .message = alpha_server_reflection_info,
                               .half_close = reflection_server_reflection_info_half_close,
                               .writable = reflection_server_reflection_info_writable,
                               .done = reflection_server_reflection_info_done},
};

void mesh_reflection_bind(struct mesh_server *server)
{
    mesh_server_bind(server, &grpc_reflection_v1_server_reflection_type, &table, server);
    mesh_server_bind(server, &grpc_reflection_v1alpha_server_reflection_type, &alpha_table,
                     server);
}
