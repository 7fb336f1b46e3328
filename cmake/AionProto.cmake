# From .proto to libraries. Generated headers are included as "aion/v1/tasks.pb-c.h", ".schema.h", ".mesh.h"; generated
# code is compiled without our warnings.
set(AION_GEN "${CMAKE_BINARY_DIR}/gen")
file(MAKE_DIRECTORY "${AION_GEN}")

# aion_proto_files(OUT_SOURCES DIR dir PROTOS rel/path.proto... [MESH] [PLAIN] [MESH_ONLY])
# Commands that generate; OUT_SOURCES names the .c files. MESH: service tables too; MESH_ONLY: only these. PLAIN: methods
# need no (aion.v1.rpc).
function(aion_proto_files out_sources)
    cmake_parse_arguments(ARG "MESH;PLAIN;MESH_ONLY" "DIR" "PROTOS" ${ARGN})
    set(parameters)
    if(ARG_MESH OR ARG_MESH_ONLY)
        list(APPEND parameters mesh)
    endif()
    if(ARG_PLAIN)
        list(APPEND parameters plain)
    endif()
    list(JOIN parameters "," parameters)
    set(sources)
    file(GLOB_RECURSE all_protos CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/protos/*.proto" "${ARG_DIR}/aion/*.proto")
    set(includes -I${ARG_DIR} -I${CMAKE_SOURCE_DIR}/protos -I${CMAKE_SOURCE_DIR}/protos/third_party
                 -I${PROTOBUF_INCLUDE})
    foreach(proto IN LISTS ARG_PROTOS)
        string(REGEX REPLACE "\\.proto$" "" stem "${AION_GEN}/${proto}")
        file(STRINGS "${ARG_DIR}/${proto}" services REGEX "^service ")
        set(outputs)
        if(NOT ARG_MESH_ONLY)
            list(APPEND outputs "${stem}.pb-c.c" "${stem}.pb-c.h" "${stem}.schema.c" "${stem}.schema.h")
            list(APPEND sources "${stem}.pb-c.c" "${stem}.schema.c")
        endif()
        if((ARG_MESH OR ARG_MESH_ONLY) AND services)
            list(APPEND outputs "${stem}.mesh.c" "${stem}.mesh.h")
            list(APPEND sources "${stem}.mesh.c")
        endif()
        set(out_dir "${AION_GEN}")
        if(ARG_MESH_ONLY) # the messages' files come from their own library: generate aside, keep the tables
            set(out_dir "${CMAKE_CURRENT_BINARY_DIR}/mesh_gen")
            file(MAKE_DIRECTORY "${out_dir}")
            get_filename_component(stem_dir "${stem}" DIRECTORY)
            string(REGEX REPLACE "\\.proto$" "" aside "${out_dir}/${proto}")
            add_custom_command(
                OUTPUT ${outputs}
                COMMAND ${CMAKE_COMMAND} -E env ${AION_CODEGEN_ENV} "${PROTOC}"
                        --plugin=protoc-gen-aion=$<TARGET_FILE:protoc-gen-aion>
                        --aion_out=${parameters}:${out_dir} ${includes} "${proto}"
                COMMAND ${CMAKE_COMMAND} -E copy "${aside}.mesh.c" "${aside}.mesh.h" "${stem_dir}"
                DEPENDS "${ARG_DIR}/${proto}" ${all_protos} protoc-gen-aion VERBATIM)
            continue()
        endif()
        add_custom_command(
            OUTPUT ${outputs}
            COMMAND ${CMAKE_COMMAND} -E env ${AION_CODEGEN_ENV} "${PROTOC}"
                    --plugin=protoc-gen-copt=${AION_PROTOC_GEN_C} --copt_out=${AION_GEN}
                    --plugin=protoc-gen-aion=$<TARGET_FILE:protoc-gen-aion>
                    --aion_out=${parameters}:${AION_GEN} ${includes} "${proto}"
            DEPENDS "${ARG_DIR}/${proto}" ${all_protos} protoc-gen-aion codegen-strip-services "${AION_PROTOC_GEN_C}" VERBATIM)
    endforeach()
    set_source_files_properties(${sources} PROPERTIES GENERATED TRUE COMPILE_OPTIONS "-w")
    set(${out_sources} "${sources}" PARENT_SCOPE)
endfunction()

# aion_proto_library(NAME DIR dir PROTOS rel/path.proto... [USES names...] [MESH] [PLAIN]) → target aion_proto_NAME
function(aion_proto_library name)
    cmake_parse_arguments(ARG "MESH;PLAIN" "DIR" "PROTOS;USES" ${ARGN})
    set(flags)
    foreach(flag IN ITEMS MESH PLAIN)
        if(ARG_${flag})
            list(APPEND flags ${flag})
        endif()
    endforeach()
    aion_proto_files(sources DIR "${ARG_DIR}" PROTOS ${ARG_PROTOS} ${flags})
    add_library(aion_proto_${name} STATIC ${sources})
    target_include_directories(aion_proto_${name} SYSTEM PUBLIC "${AION_GEN}")
    target_link_libraries(aion_proto_${name} PUBLIC aion_codec)
    foreach(use IN LISTS ARG_USES)
        target_link_libraries(aion_proto_${name} PUBLIC aion_proto_${use})
        add_dependencies(aion_proto_${name} aion_proto_${use})
    endforeach()
endfunction()
