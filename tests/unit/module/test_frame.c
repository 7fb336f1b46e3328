/* Goal: frames go through a pipe whole; a length beyond the maximum and a cut frame are
 * refused. */
#include "sdk/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void frames_go_through_a_pipe(void **state)
{
    static const char frames[] = "\x05\0\0\0hello\0\0\0\0";
    int ends[2];
    struct module_reader reader;
    aion_str got;
    struct aion_err err;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    module_reader_init(&reader, ends[0]);
    assert_true(module_frames_write(ends[1], aion_str_n(frames, sizeof(frames) - 1), &err));
    assert_true(module_frame_read(&reader, &got, &err));
    assert_true(aion_str_is(got, "hello"));
    assert_true(module_frame_read(&reader, &got, &err));
    assert_int_equal(got.size, 0);
    close(ends[1]);
    assert_false(module_frame_read(&reader, &got, &err));
    assert_int_equal(err.code, AION_OK); /* the end of the pipe is no error */
    close(ends[0]);
    module_reader_done(&reader);
}

static void a_cut_or_monstrous_frame_is_refused(void **state)
{
    static const char cut[] = "\x05\0\0\0he", monstrous[] = "\xff\xff\xff\x7f";
    aion_str payload;
    size_t size;
    int ends[2];
    struct module_reader reader;
    struct aion_err err;
    (void)state;
    assert_int_equal(module_frame_next(aion_str_n(cut, 6), &payload, &size), 0);
    assert_int_equal(module_frame_next(aion_str_n(cut, 3), &payload, &size), 0);
    assert_int_equal(module_frame_next(aion_str_n(monstrous, 4), &payload, &size), -1);
    assert_int_equal(module_frame_next(AION_STR("\x02\0\0\0hiX"), &payload, &size), 1);
    assert_true(aion_str_is(payload, "hi") && size == 6);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], cut, 6), 6);
    close(ends[1]);
    module_reader_init(&reader, ends[0]);
    assert_false(module_frame_read(&reader, &payload, &err));
    assert_int_equal(err.code, AION_DATA_LOSS);
    close(ends[0]);
    module_reader_done(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_go_through_a_pipe),
        cmocka_unit_test(a_cut_or_monstrous_frame_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
