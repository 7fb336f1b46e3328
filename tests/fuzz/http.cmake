# HTTP/1.1: heads and chunked bodies.
foreach(name IN ITEMS http1_head http1_chunks)
    aion_fuzz(fuzz_${name} SOURCES fuzz_${name}.c LINK aion_http1
        CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name}" DICT "${CMAKE_CURRENT_SOURCE_DIR}/http1.dict")
endforeach()
