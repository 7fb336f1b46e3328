/* protoc-gen-aion: from .proto files to what protobuf-c does not generate.
 *
 * protoc writes a CodeGeneratorRequest to stdin and reads a CodeGeneratorResponse from stdout.
 * Per file: X.schema.h and X.schema.c (services/lib/codec/schema.h says what is in them), and
 * with services X.mesh.h and X.mesh.c (services/lib/mesh/method.h). Parameters
 * (comma-separated): `mesh` emits the service tables, `plain` allows methods without
 * (aion.v1.rpc). */
#ifndef CODEGEN_H
#define CODEGEN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <aion/v1/options.pb-c.h>
#include <google/api/http.pb-c.h>
#include <google/protobuf/compiler/plugin.pb-c.h>
#include <google/protobuf/descriptor.pb-c.h>

typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__EnumDescriptorProto enum_proto;
typedef Google__Protobuf__FieldDescriptorProto field_proto;
typedef Google__Protobuf__ServiceDescriptorProto service_proto;
typedef Google__Protobuf__MethodDescriptorProto method_proto;

struct codegen {
    const Google__Protobuf__Compiler__CodeGeneratorRequest *request;
    struct aion_arena arena; /* all names and outputs */
    bool mesh, plain;
};

/* -- names (all in the arena) --------------------------------------------- */
/* protobuf-c's own rules: "aion.v1.TaskRequest" → "aion__v1__task_request",
 * "Aion__V1__TaskRequest". */
const char *codegen_lower(struct codegen *gen, const char *full_name);
const char *codegen_type(struct codegen *gen, const char *full_name);
/* "aion.v1.AionTasks" → "aion_v1_aion_tasks"; "StatusById" → "status_by_id". */
const char *codegen_snake(struct codegen *gen, const char *full_name);
const char *codegen_upper(struct codegen *gen, const char *text);
/* "aion/v1/tasks.proto" → "aion__v1__tasks_proto". */
const char *codegen_file(struct codegen *gen, const char *path);
/* "aion/v1/tasks.proto", ".schema.h" → "aion/v1/tasks.schema.h". */
const char *codegen_path(struct codegen *gen, const char *proto, const char *ending);
/* ".aion.v1.Task" (as protoc writes type names) → "aion.v1.Task". */
const char *codegen_absolute(const char *type_name);
/* package + "." + name, or the name alone. */
const char *codegen_full(struct codegen *gen, const char *scope, const char *name);

/* -- walking -------------------------------------------------------------- */
/* Every message / enum of the file, nested ones after their parent. */
typedef bool codegen_message_fn(struct codegen *gen, const message_proto *message,
                                const char *full_name, void *user);
typedef bool codegen_enum_fn(struct codegen *gen, const enum_proto *enumeration,
                             const char *full_name, void *user);
bool codegen_walk(struct codegen *gen, const file_proto *file, codegen_message_fn *on_message,
                  codegen_enum_fn *on_enum, void *user);
/* The message of that full name in any file of the request, or NULL. */
const message_proto *codegen_find(struct codegen *gen, const char *full_name);

/* -- emitters: append to out; false fills err, which protoc prints -------- */
bool codegen_schema_header(struct codegen *gen, const file_proto *file, struct aion_buf *out);
bool codegen_schema_source(struct codegen *gen, const file_proto *file, struct aion_buf *out,
                           struct aion_err *err);
bool codegen_mesh_header(struct codegen *gen, const file_proto *file, struct aion_buf *out,
                         struct aion_err *err);
bool codegen_mesh_source(struct codegen *gen, const file_proto *file, struct aion_buf *out,
                         struct aion_err *err);

/* -- options -------------------------------------------------------------- */
struct codegen_options {
    const Aion__V1__Rpc *rpc;          /* NULL: none */
    const Google__Api__HttpRule *http; /* NULL: none */
};
/* Reads and checks a method's options. */
bool codegen_options(struct codegen *gen, const char *service, const method_proto *method,
                     struct codegen_options *ret_options, struct aion_err *err);

#endif
