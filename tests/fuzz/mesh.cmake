# What reaches a server of the mesh: requests of every method, what travels beside them.
aion_fuzz(fuzz_requests SOURCES fuzz_requests.c LINK "aion_proto_v1;aion_mesh"
    CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/requests" DICT "${CMAKE_CURRENT_SOURCE_DIR}/scan.dict")
aion_fuzz(fuzz_metadata SOURCES fuzz_metadata.c LINK aion_mesh CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/metadata")
