# kill -9 of the store's writer; AION_TEST_LONG makes it twenty times as many.
add_executable(store_kill "${CMAKE_CURRENT_LIST_DIR}/store_kill.c" "${CMAKE_CURRENT_LIST_DIR}/kills.c")
target_compile_options(store_kill PRIVATE ${AION_WARNINGS} -Wno-conversion)
target_link_libraries(store_kill PRIVATE chaos_tasks)
add_test(NAME chaos/store_kill COMMAND store_kill 350)
set_tests_properties(chaos/store_kill PROPERTIES LABELS chaos ENVIRONMENT "${AION_CHAOS_FORKS}" TIMEOUT ${AION_CHAOS_TIMEOUT})
add_test(NAME chaos/store_kill_postgres
         COMMAND "${CMAKE_SOURCE_DIR}/tests/servers/postgres.sh" with durable -- $<TARGET_FILE:store_kill> 60)
set_tests_properties(chaos/store_kill_postgres PROPERTIES LABELS chaos ENVIRONMENT "${AION_CHAOS_FORKS}" TIMEOUT ${AION_CHAOS_TIMEOUT} SKIP_RETURN_CODE 77)
