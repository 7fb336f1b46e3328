# Exports of a store.
aion_fuzz(fuzz_store_import SOURCES fuzz_store_import.c LINK aion_store
    CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/store_import")
