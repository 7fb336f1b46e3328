# kill -9 of random processes of a whole mesh under load; AION_TEST_LONG makes it ten times as many.
find_program(PYTHON3 python3 REQUIRED)
add_test(NAME chaos/mesh_kill COMMAND ${PYTHON3} "${CMAKE_CURRENT_SOURCE_DIR}/mesh_kill.py"
         "$<TARGET_FILE:aion>" "${CMAKE_BINARY_DIR}/tests/modules" 120)
set_tests_properties(chaos/mesh_kill PROPERTIES LABELS chaos TIMEOUT 3000 RUN_SERIAL ON)
