# Every parser of the codec: JSON, the wire form, HTTP templates with paths and queries.
foreach(name IN ITEMS json scan http_rule)
    aion_fuzz(fuzz_${name} SOURCES fuzz_${name}.c LINK aion_proto_codec_test
        CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name}" DICT "${CMAKE_CURRENT_SOURCE_DIR}/${name}.dict")
endforeach()
