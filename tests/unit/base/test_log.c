/* Goal: every line is one JSON object, whole, from any thread, in order per thread. */
#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *argument)
{
    for (int64_t i = 0; i < LINES; i++)
        aion_log(AION_LOG_INFO, "line", LOG_I64("thread", (int64_t)(intptr_t)argument),
                 LOG_I64("i", i), LOG_TEXT("text", "quote \" and \n newline"));
    return NULL;
}

static void lines_of_many_threads_stay_whole(void **state)
{
    FILE *file = tmpfile();
    pthread_t threads[THREADS];
    char line[1024];
    int64_t next[THREADS] = {0};
    int count = 0;
    (void)state;
    aion_log_start("test", fileno(file), AION_LOG_INFO);
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_lines, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    aion_log(AION_LOG_DEBUG, "not asked for", LOG_I64("i", 1));
    aion_log_stop();
    rewind(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        int thread;
        long long i;
        assert_int_equal(line[0], '{');
        assert_string_equal(line + strlen(line) - 2, "}\n");
        assert_int_equal(
            sscanf(strstr(line, "\"thread\":"), "\"thread\":%d,\"i\":%lld", &thread, &i), 2);
        assert_int_equal(next[thread]++, i);
        count++;
    }
    assert_int_equal(count, THREADS * LINES);
    assert_int_equal(aion_log_dropped(), 0);
    fclose(file);
}

static void texts_are_escaped_and_words_stand_as_they_are(void **state)
{
    char line[1024] = "";
    FILE *file = tmpfile();
    (void)state;
    aion_log_start("test", fileno(file), AION_LOG_INFO);
    aion_log(AION_LOG_WARN, "a message", LOG_TEXT("text", "a \"b\"\n"),
             LOG_WORD("word", AION_STR("spiffe://a/b")), LOG_WORD("none", (aion_str){0}),
             LOG_BOOL("good", true), LOG_U64("n", 7));
    aion_log_stop();
    rewind(file);
    assert_non_null(fgets(line, sizeof(line), file));
    assert_non_null(strstr(line,
                           "Z\",\"level\":\"warn\",\"service\":\"test\",\"msg\":\"a message\","
                           "\"text\":\"a \\\"b\\\"\\n\",\"word\":\"spiffe://a/b\","
                           "\"none\":\"\",\"good\":true,\"n\":7}\n"));
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_many_threads_stay_whole),
        cmocka_unit_test(texts_are_escaped_and_words_stand_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
