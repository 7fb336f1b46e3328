/* Filter: a CodeGeneratorRequest from stdin to stdout without its services; see
 * protoc-gen-c-optional. */
#include "base/buf.h"

#include <google/protobuf/compiler/plugin.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

enum { REQUEST_MAX = 64 * 1024 * 1024, STEP = 65536 };

static bool read_stdin(struct aion_buf *in)
{
    for (;;) {
        char *room = aion_buf_reserve(in, STEP);
        if (room == NULL)
            return false;
        size_t n = fread(room, 1, STEP, stdin);
        in->size += n;
        if (n == 0)
            return !ferror(stdin);
    }
}

int main(void)
{
    struct aion_buf in;
    aion_buf_init(&in, REQUEST_MAX);
    Google__Protobuf__Compiler__CodeGeneratorRequest *request = NULL;
    if (read_stdin(&in))
        request = google__protobuf__compiler__code_generator_request__unpack(
            NULL, in.size, (const uint8_t *)in.data);
    if (request == NULL)
        return 1;
    for (size_t i = 0; i < request->n_proto_file; i++)
        request->proto_file[i]->n_service = 0;
    size_t size = google__protobuf__compiler__code_generator_request__get_packed_size(request);
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL)
        return 1;
    google__protobuf__compiler__code_generator_request__pack(request, bytes);
    return fwrite(bytes, 1, size, stdout) == size && fflush(stdout) == 0 ? 0 : 1;
}
