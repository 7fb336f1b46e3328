# The previous release, built from the repository's history, and this one on the same home. Alone: it builds for minutes.
find_program(PYTHON3 python3 REQUIRED)
add_test(NAME chaos/previous COMMAND ${PYTHON3} "${CMAKE_CURRENT_SOURCE_DIR}/previous/previous.py"
         "$<TARGET_FILE:aion>" "${CMAKE_SOURCE_DIR}/build/previous")
set_tests_properties(chaos/previous PROPERTIES LABELS chaos TIMEOUT 900 RUN_SERIAL ON SKIP_RETURN_CODE 77)
