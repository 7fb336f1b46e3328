# The tasks that kill loops and power losses are judged by.
add_library(chaos_tasks STATIC "${CMAKE_CURRENT_LIST_DIR}/tasks/shape.c" "${CMAKE_CURRENT_LIST_DIR}/tasks/work.c"
            "${CMAKE_CURRENT_LIST_DIR}/tasks/judge.c" "${CMAKE_CURRENT_LIST_DIR}/tasks/ledger.c")
target_compile_options(chaos_tasks PRIVATE ${AION_WARNINGS} -Wno-conversion)
target_include_directories(chaos_tasks PUBLIC "${CMAKE_CURRENT_LIST_DIR}")
target_link_libraries(chaos_tasks PUBLIC aion_store)
