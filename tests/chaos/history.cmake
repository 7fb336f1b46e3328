# A history of tasks under kill -9, judged by Porcupine; AION_TEST_LONG makes it five times as long.
add_executable(history_load "${CMAKE_CURRENT_LIST_DIR}/history/load.c" "${CMAKE_CURRENT_LIST_DIR}/history/clients.c"
               "${CMAKE_CURRENT_LIST_DIR}/history/hosts.c")
target_compile_options(history_load PRIVATE ${AION_WARNINGS} -Wno-conversion)
target_link_libraries(history_load PRIVATE aion_proto_v1 aion_mesh)
add_test(NAME chaos/history COMMAND ${PYTHON3} "${CMAKE_CURRENT_LIST_DIR}/history.py" "$<TARGET_FILE:aion>"
         "$<TARGET_FILE:history_load>" 20000)
set_tests_properties(chaos/history PROPERTIES LABELS chaos TIMEOUT ${AION_CHAOS_TIMEOUT} RUN_SERIAL ON SKIP_RETURN_CODE 77)
add_test(NAME chaos/history_postgres
         COMMAND "${CMAKE_SOURCE_DIR}/tests/servers/postgres.sh" with tcp durable -- ${PYTHON3} "${CMAKE_CURRENT_LIST_DIR}/history.py"
                 "$<TARGET_FILE:aion>" "$<TARGET_FILE:history_load>" 20000)
set_tests_properties(chaos/history_postgres PROPERTIES LABELS chaos TIMEOUT ${AION_CHAOS_TIMEOUT} RUN_SERIAL ON SKIP_RETURN_CODE 77)
