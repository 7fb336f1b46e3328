/* What one task costs on its way through the codec: JSON in, protobuf out and back, JSON out.
 * Built with the tests, timed by hand on a release build: ./bench_codec. Prints the best of 12
 * batches in ns, one thread. */
#include "aion/v1/tasks.schema.h"
#include "base/clock.h"
#include "codec/json.h"
#include "codec/message.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCHES = 12, ROUNDS = 20000, ARENA_BYTES = 64 << 10 };

static const char task[] =
    "{\"intent\":\"summarize_text\",\"params\":{\"text\":\"The mesh takes a task, finds the "
    "engine that "
    "serves its intent within the budget, runs it and gives the result back.\",\"sentences\":3,"
    "\"style\":\"plain\",\"language\":\"en\",\"keep_names\":true,\"ratio\":0.25},"
    "\"contentType\":\"text/plain; "
    "charset=utf-8\",\"idempotencyKey\":\"order-2026-11-23-000017\","
    "\"priority\":\"PRIORITY_HIGH\",\"sla\":{\"budgetNanoUsd\":\"2000000\",\"p95Ms\":1500},"
    "\"preferredEngine\":\"local-fast\",\"wait\":\"2.500s\","
    "\"metadata\":{\"customer\":\"acme\",\"ticket\":\"4711\"}}";

struct bench {
    const struct codec_message *schema;
    struct aion_arena arena;
    struct aion_buf json;
    ProtobufCMessage *message;
    uint8_t wire[4096];
    size_t wire_size;
    const char *only; /* name of the one measurement wanted, or NULL */
};

static void parse(struct bench *bench)
{
    struct aion_err err;
    bench->message = codec_json_parse(bench->schema, aion_str_n(task, sizeof(task) - 1), NULL,
                                      &bench->arena, &err);
    if (bench->message == NULL) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static void print(struct bench *bench)
{
    struct aion_err err;
    aion_buf_reset(&bench->json);
    if (!codec_json_print(bench->schema, bench->message, NULL, &bench->json, &err))
        exit(1);
}

static void pack(struct bench *bench)
{
    bench->wire_size = protobuf_c_message_pack(bench->message, bench->wire);
}

static void unpack(struct bench *bench)
{
    struct aion_err err;
    bench->message = codec_unpack(bench->schema, aion_str_n(bench->wire, bench->wire_size),
                                  NULL, &bench->arena, &err);
}

static void scan(struct bench *bench)
{
    struct aion_err err;
    if (!codec_scan(bench->schema, aion_str_n(bench->wire, bench->wire_size), NULL, &err))
        exit(1);
}

static void check(struct bench *bench)
{
    struct aion_err err;
    (void)bench;
    if (!codec_json_check(aion_str_n(task, sizeof(task) - 1), 0, &err))
        exit(1);
}

static void there(struct bench *bench)
{
    parse(bench);
    pack(bench);
}

static void back(struct bench *bench)
{
    unpack(bench);
    print(bench);
}

static void both(struct bench *bench)
{
    there(bench);
    back(bench);
}

static void measure(struct bench *bench, const char *name, void (*run)(struct bench *))
{
    if (bench->only != NULL && strcmp(bench->only, name) != 0)
        return;
    double best = 1e12;
    ProtobufCMessage *message = bench->message;
    for (int batch = 0; batch < BATCHES; batch++) {
        int64_t begin = aion_clock_thread_cpu_ns();
        for (int i = 0; i < ROUNDS; i++) {
            aion_arena_reset(&bench->arena);
            run(bench);
            bench->message = message;
        }
        double ns = (double)(aion_clock_thread_cpu_ns() - begin) / ROUNDS;
        best = ns < best ? ns : best;
    }
    printf("%-24s %8.0f ns\n", name, best);
}

int main(int argc, char **argv)
{
    static char block[ARENA_BYTES], keep[ARENA_BYTES];
    struct bench bench = {.schema = &aion__v1__task_request__schema,
                          .only = argc > 1 ? argv[1] : NULL};
    struct aion_arena kept;
    aion_arena_init(&bench.arena, ARENA_BYTES, block, sizeof(block));
    aion_arena_init(&kept, ARENA_BYTES, keep, sizeof(keep));
    aion_buf_init(&bench.json, 1 << 20);
    parse(&bench);
    pack(&bench);
    bench.message = codec_message_copy(bench.schema, bench.message, &kept);
    print(&bench);
    printf("JSON %zu B, protobuf %zu B\n", sizeof(task) - 1, bench.wire_size);
    measure(&bench, "check JSON", check);
    measure(&bench, "JSON to message", parse);
    measure(&bench, "message to JSON", print);
    measure(&bench, "pack", pack);
    measure(&bench, "scan", scan);
    measure(&bench, "scan and unpack", unpack);
    measure(&bench, "JSON to protobuf", there);
    measure(&bench, "protobuf to JSON", back);
    measure(&bench, "all four", both);
    aion_buf_done(&bench.json);
    aion_arena_done(&bench.arena);
    aion_arena_done(&kept);
    return 0;
}
