# kill -9 of random processes of a whole mesh under load; AION_TEST_LONG makes it twelve times as many.
find_program(PYTHON3 python3 REQUIRED)
add_test(NAME chaos/mesh_kill COMMAND ${PYTHON3} "${CMAKE_CURRENT_SOURCE_DIR}/mesh_kill.py"
         "$<TARGET_FILE:aion>" 70)
set_tests_properties(chaos/mesh_kill PROPERTIES LABELS chaos TIMEOUT ${AION_CHAOS_TIMEOUT} RUN_SERIAL ON)
add_test(NAME chaos/mesh_kill_postgres
         COMMAND "${CMAKE_SOURCE_DIR}/tests/servers/postgres.sh" with tcp durable -- ${PYTHON3} "${CMAKE_CURRENT_SOURCE_DIR}/mesh_kill.py"
                 "$<TARGET_FILE:aion>" 30)
set_tests_properties(chaos/mesh_kill_postgres PROPERTIES LABELS chaos TIMEOUT ${AION_CHAOS_TIMEOUT} RUN_SERIAL ON SKIP_RETURN_CODE 77)
