# kill -9 of control with its store, at random and at named points; AION_TEST_LONG makes it twenty times as many.
set(engine_bench "${CMAKE_SOURCE_DIR}/tests/unit/control/mesh_bench")
add_executable(engine_kill
    "${CMAKE_CURRENT_LIST_DIR}/kills.c"
    "${CMAKE_CURRENT_LIST_DIR}/engine/judge.c"
    "${CMAKE_CURRENT_LIST_DIR}/engine/kill.c"
    "${CMAKE_CURRENT_LIST_DIR}/engine/run.c"
    "${engine_bench}.c"
    "${engine_bench}_calls.c"
    "${engine_bench}_hosts.c"
    "${engine_bench}_router.c")
target_compile_options(engine_kill PRIVATE ${AION_WARNINGS} -Wno-conversion)
target_include_directories(engine_kill PRIVATE "${CMAKE_SOURCE_DIR}/services/control")
target_link_libraries(engine_kill PRIVATE aion_control PkgConfig::CMOCKA)
add_test(NAME chaos/engine_kill COMMAND engine_kill 150)
set_tests_properties(chaos/engine_kill PROPERTIES LABELS chaos ENVIRONMENT "${AION_CHAOS_FORKS}" TIMEOUT ${AION_CHAOS_TIMEOUT})
