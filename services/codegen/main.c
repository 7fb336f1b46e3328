/* Reads protoc's request, emits for each file to generate, writes the response. */
#include "codegen.h"

#include <stdio.h>
#include <stdlib.h>

enum { REQUEST_MAX = 64 * 1024 * 1024, OUTPUT_MAX = 32 * 1024 * 1024, FILES_MAX = 1024 };

typedef Google__Protobuf__Compiler__CodeGeneratorResponse response_proto;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File response_file;

struct outputs {
    response_file *files[FILES_MAX];
    size_t count;
};

static bool read_stdin(struct aion_buf *in)
{
    for (;;) {
        char *room = aion_buf_reserve(in, 65536);
        if (room == NULL)
            return false;
        size_t n = fread(room, 1, 65536, stdin);
        in->size += n;
        if (n == 0)
            return !ferror(stdin);
    }
}

/* Moves the text of `out` into a new file of the response. */
static bool add_file(struct codegen *gen, struct outputs *outputs, const char *path,
                     struct aion_buf *out)
{
    response_file *file = aion_arena_zalloc(&gen->arena, sizeof(*file));
    if (file == NULL || outputs->count == FILES_MAX || out->overflow)
        return false;
    google__protobuf__compiler__code_generator_response__file__init(file);
    file->name = (char *)(uintptr_t)path;
    file->content = aion_arena_text(&gen->arena, aion_buf_view(out));
    outputs->files[outputs->count++] = file;
    aion_buf_reset(out);
    return file->content != NULL;
}

static bool generate(struct codegen *gen, const file_proto *file, struct outputs *outputs,
                     struct aion_buf *out, struct aion_err *err)
{
    bool good = codegen_schema_header(gen, file, out) &&
                add_file(gen, outputs, codegen_path(gen, file->name, ".schema.h"), out);
    if (!good || !codegen_schema_source(gen, file, out, err))
        return false;
    good = add_file(gen, outputs, codegen_path(gen, file->name, ".schema.c"), out);
    if (!good || !gen->mesh || file->n_service == 0)
        return good;
    if (!codegen_mesh_header(gen, file, out, err))
        return false;
    good = add_file(gen, outputs, codegen_path(gen, file->name, ".mesh.h"), out);
    return good && codegen_mesh_source(gen, file, out, err) &&
           add_file(gen, outputs, codegen_path(gen, file->name, ".mesh.c"), out);
}

static const file_proto *file_named(const struct codegen *gen, const char *name)
{
    for (size_t i = 0; i < gen->request->n_proto_file; i++)
        if (strcmp(gen->request->proto_file[i]->name, name) == 0)
            return gen->request->proto_file[i];
    return NULL;
}

static bool generate_all(struct codegen *gen, struct outputs *outputs, struct aion_err *err)
{
    struct aion_buf out;
    bool good = true;
    aion_buf_init(&out, OUTPUT_MAX);
    for (size_t i = 0; good && i < gen->request->n_file_to_generate; i++) {
        const file_proto *file = file_named(gen, gen->request->file_to_generate[i]);
        good = file != NULL && generate(gen, file, outputs, &out, err);
    }
    aion_buf_done(&out);
    return good;
}

static void read_parameters(struct codegen *gen)
{
    aion_str rest = aion_str_of(gen->request->parameter);
    while (rest.data != NULL) {
        aion_str part = aion_str_cut(&rest, ',');
        gen->mesh = gen->mesh || aion_str_is(part, "mesh");
        gen->plain = gen->plain || aion_str_is(part, "plain");
    }
}

static int respond(const response_proto *response)
{
    size_t size =
        google__protobuf__compiler__code_generator_response__get_packed_size(response);
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL)
        return 1;
    google__protobuf__compiler__code_generator_response__pack(response, bytes);
    bool good = fwrite(bytes, 1, size, stdout) == size && fflush(stdout) == 0;
    free(bytes);
    return good ? 0 : 1;
}

int main(void)
{
    static struct outputs outputs;
    struct codegen gen = {0};
    struct aion_buf in;
    struct aion_err err = {.text = "out of memory"};
    response_proto response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    aion_buf_init(&in, REQUEST_MAX);
    aion_arena_init(&gen.arena, (size_t)512 * 1024 * 1024, NULL, 0);
    Google__Protobuf__Compiler__CodeGeneratorRequest *request = NULL;
    if (read_stdin(&in))
        request = google__protobuf__compiler__code_generator_request__unpack(
            NULL, in.size, (const uint8_t *)in.data);
    if (request == NULL) {
        fprintf(stderr,
                "protoc-gen-aion: no CodeGeneratorRequest on stdin; protoc runs this\n");
        return 1;
    }
    gen.request = request;
    read_parameters(&gen);
    response.has_supported_features = 1;
    response.supported_features = 1; /* FEATURE_PROTO3_OPTIONAL */
    if (generate_all(&gen, &outputs, &err)) {
        response.file = outputs.files;
        response.n_file = outputs.count;
    } else {
        response.error = err.text;
    }
    int status = respond(&response);
    google__protobuf__compiler__code_generator_request__free_unpacked(request, NULL);
    aion_arena_done(&gen.arena);
    aion_buf_done(&in);
    return status;
}
