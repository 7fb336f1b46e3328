/* The testee of Google's protobuf conformance runner: reads ConformanceRequests from stdin and
 * writes ConformanceResponses to stdout, each behind its length (32 bits, little-endian), until
 * the end of input. Judges codec_unpack, protobuf-c's pack, codec_json_parse and
 * codec_json_print together. */
#include "codec/json.h"
#include "codec/message.h"
#include "conformance.pb-c.h"
#include "google/protobuf/test_messages_proto3.schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FRAME_MAX = 64 << 20, ARENA_MAX = 256 << 20 };

static const struct codec_file *const files[] = {
    &google__protobuf__test_messages_proto3_proto__file,
    NULL,
};

/* False: end of input before the first byte; a cut frame ends the program. */
static bool read_all(void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(STDIN_FILENO, (char *)data + done, size - done);
        if (n == 0 && done == 0)
            return false;
        if (n <= 0)
            exit(1);
        done += (size_t)n;
    }
    return true;
}

static void write_all(const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(STDOUT_FILENO, (const char *)data + done, size - done);
        if (n <= 0)
            exit(1);
        done += (size_t)n;
    }
}

static void answer_text(Conformance__ConformanceResponse *reply,
                        Conformance__ConformanceResponse__ResultCase result, char *text)
{
    reply->result_case = result;
    reply->skipped = text; /* every text member of the oneof has this place */
}

static ProtobufCMessage *read_payload(const Conformance__ConformanceRequest *req,
                                      struct aion_arena *arena, struct aion_err *err)
{
    const struct codec_message *type =
        &protobuf_test_messages__proto3__test_all_types_proto3__schema;
    if (req->payload_case == CONFORMANCE__CONFORMANCE_REQUEST__PAYLOAD_PROTOBUF_PAYLOAD)
        return codec_unpack(type,
                            aion_str_n(req->protobuf_payload.data, req->protobuf_payload.len),
                            NULL, arena, err);
    const struct codec_json_read options = {
        .files = files,
        .ignore_unknown =
            req->test_category == CONFORMANCE__TEST_CATEGORY__JSON_IGNORE_UNKNOWN_PARSING_TEST};
    return codec_json_parse(type, aion_str_of(req->json_payload), &options, arena, err);
}

static void write_payload(const Conformance__ConformanceRequest *req,
                          const ProtobufCMessage *message, struct aion_arena *arena,
                          Conformance__ConformanceResponse *reply)
{
    if (req->requested_output_format == CONFORMANCE__WIRE_FORMAT__PROTOBUF) {
        reply->result_case = CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_PROTOBUF_PAYLOAD;
        reply->protobuf_payload.len = protobuf_c_message_get_packed_size(message);
        reply->protobuf_payload.data = aion_arena_alloc(arena, reply->protobuf_payload.len);
        protobuf_c_message_pack(message, reply->protobuf_payload.data);
        return;
    }
    const struct codec_json_write options = {.files = files};
    struct aion_err err;
    struct aion_buf out;
    aion_buf_init(&out, FRAME_MAX);
    if (codec_json_print(&protobuf_test_messages__proto3__test_all_types_proto3__schema,
                         message, &options, &out, &err))
        answer_text(reply, CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_JSON_PAYLOAD,
                    aion_arena_text(arena, aion_buf_view(&out)));
    else
        answer_text(reply, CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_SERIALIZE_ERROR,
                    aion_arena_text(arena, aion_str_of(err.text)));
    aion_buf_done(&out);
}

static void answer(const Conformance__ConformanceRequest *req, struct aion_arena *arena,
                   Conformance__ConformanceResponse *reply)
{
    struct aion_err err;
    if (strcmp(req->message_type, "conformance.FailureSet") == 0) {
        /* the runner's first question: failures known beforehand, of which there are none */
        reply->result_case = CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_PROTOBUF_PAYLOAD;
        return;
    }
    bool taken =
        (req->payload_case == CONFORMANCE__CONFORMANCE_REQUEST__PAYLOAD_PROTOBUF_PAYLOAD ||
         req->payload_case == CONFORMANCE__CONFORMANCE_REQUEST__PAYLOAD_JSON_PAYLOAD) &&
        (req->requested_output_format == CONFORMANCE__WIRE_FORMAT__PROTOBUF ||
         req->requested_output_format == CONFORMANCE__WIRE_FORMAT__JSON) &&
        strcmp(req->message_type, "protobuf_test_messages.proto3.TestAllTypesProto3") == 0;
    if (!taken) {
        static char skipped[] = "proto3 in binary and JSON only";
        answer_text(reply, CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_SKIPPED, skipped);
        return;
    }
    ProtobufCMessage *message = read_payload(req, arena, &err);
    if (message == NULL)
        answer_text(reply, CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_PARSE_ERROR,
                    aion_arena_text(arena, aion_str_of(err.text)));
    else
        write_payload(req, message, arena, reply);
}

int main(void)
{
    uint32_t size;
    while (read_all(&size, sizeof(size))) {
        if (size > FRAME_MAX)
            return 1;
        struct aion_arena arena;
        aion_arena_init(&arena, ARENA_MAX, NULL, 0);
        uint8_t *frame = aion_arena_alloc(&arena, size + 1);
        if (size > 0 && !read_all(frame, size))
            return 1;
        ProtobufCAllocator allocator = codec_arena_allocator(&arena);
        Conformance__ConformanceRequest *req =
            conformance__conformance_request__unpack(&allocator, size, frame);
        if (req == NULL)
            return 1;
        Conformance__ConformanceResponse reply = CONFORMANCE__CONFORMANCE_RESPONSE__INIT;
        answer(req, &arena, &reply);
        uint32_t reply_size =
            (uint32_t)conformance__conformance_response__get_packed_size(&reply);
        uint8_t *packed = aion_arena_alloc(&arena, reply_size);
        conformance__conformance_response__pack(&reply, packed);
        write_all(&reply_size, sizeof(reply_size));
        write_all(packed, reply_size);
        aion_arena_done(&arena);
    }
    return 0;
}
