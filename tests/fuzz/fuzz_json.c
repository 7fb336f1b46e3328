/* JSON of any bytes into a message of every kind of field: what is taken prints, and what is
 * printed reads back to the same text. The bare check agrees with what was taken. */
#include "aion/test/codec.schema.h"
#include "codec/json.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct codec_file *const files[] = {&aion__test__codec_proto__file, NULL};
static const struct codec_message *const schema = &aion__test__all__schema;

static ProtobufCMessage *parse(aion_str json, struct aion_arena *arena)
{
    const struct codec_json_read options = {.files = files};
    struct aion_err err;
    return codec_json_parse(schema, json, &options, arena, &err);
}

static bool print(const ProtobufCMessage *message, struct aion_buf *out)
{
    const struct codec_json_write options = {.files = files};
    struct aion_err err;
    return codec_json_print(schema, message, &options, out, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    aion_str json = aion_str_n(data, size);
    struct aion_arena arena;
    struct aion_buf first, second;
    struct aion_err err;
    aion_arena_init(&arena, 8 << 20, NULL, 0);
    aion_buf_init(&first, 8 << 20);
    aion_buf_init(&second, 8 << 20);
    bool checked = codec_json_check(json, 0, &err);
    ProtobufCMessage *message = parse(json, &arena);
    if (message != NULL) {
        assert(checked);
        /* An Any keeps its bytes, which may hold a Value without a JSON form: then nothing is
         * printed. */
        if (print(message, &first)) {
            ProtobufCMessage *again = parse(aion_buf_view(&first), &arena);
            assert(again != NULL && print(again, &second));
            assert(aion_str_eq(aion_buf_view(&first), aion_buf_view(&second)));
        }
    }
    aion_buf_done(&first);
    aion_buf_done(&second);
    aion_arena_done(&arena);
    return 0;
}
