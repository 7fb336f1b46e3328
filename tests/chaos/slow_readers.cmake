# Readers that do not read: nobody waits for them, and they hold no more than their window.
add_test(NAME chaos/slow_readers COMMAND ${PYTHON3} "${CMAKE_CURRENT_SOURCE_DIR}/slow_readers.py"
         "$<TARGET_FILE:aion>" "${CMAKE_BINARY_DIR}/tests/bench/stream/bench_slow_stream")
set_tests_properties(chaos/slow_readers PROPERTIES LABELS chaos TIMEOUT 240 RUN_SERIAL ON)
