# What the console reads: bytes of a terminal, texts from outside, answers of the mesh.
aion_fuzz(fuzz_console_keys SOURCES fuzz_console_keys.c LINK "aion_tui;aion_proto_v1;aion_mesh"
    CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/console_keys")
aion_fuzz(fuzz_console_text SOURCES fuzz_console_text.c LINK "aion_tui;aion_proto_v1;aion_mesh"
    CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/console_text")
aion_fuzz(fuzz_console_app SOURCES fuzz_console_app.c LINK "aion_tui;aion_proto_v1;aion_mesh"
    CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/console_app")
