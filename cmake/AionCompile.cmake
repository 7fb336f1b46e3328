# Language, warnings (errors in our own code), sanitizers and the packages every build needs.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# asserts stay on in every build type
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")

find_program(AION_CCACHE ccache)
if(AION_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER "${AION_CCACHE}")
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
# the area that owns a library links its target (services/README.md); here they are only found
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(OPENSSL_CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(OPENSSL_SSL REQUIRED IMPORTED_TARGET libssl)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq>=14)
pkg_check_modules(FYAML REQUIRED IMPORTED_TARGET libfyaml)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)

add_compile_definitions(_GNU_SOURCE AION_VERSION="${PROJECT_VERSION}")
add_compile_options(-fno-strict-aliasing -ffp-contract=off -fstack-protector-strong)

set(AION_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla
    -Wformat=2 -Wswitch-enum -Wnull-dereference -Wdouble-promotion -Wconversion
    -Wframe-larger-than=16384 -Werror)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND AION_WARNINGS -Wcast-align=strict -Wformat-signedness -Wimplicit-fallthrough=5
         -Wduplicated-cond -Wduplicated-branches -Wlogical-op)
else()
    # protobuf-c's INIT macros cast its empty string, which gcc takes as a system header's business;
    # a long string in a row of others is wrapped by clang-format
    list(APPEND AION_WARNINGS -Wimplicit-fallthrough -Wno-cast-qual -Wno-gnu-zero-variadic-macro-arguments
         -Wno-string-concatenation)
endif()

if(AION_SANITIZE STREQUAL "address")
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all)
    add_link_options(-fsanitize=address,undefined)
    add_compile_definitions(AION_ARENA_MALLOC=1)
    # sanitizer instrumentation makes gcc see paths that are not there
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        list(REMOVE_ITEM AION_WARNINGS -Wnull-dereference)
    endif()
elseif(AION_SANITIZE STREQUAL "thread")
    add_compile_options(-fsanitize=thread)
    add_link_options(-fsanitize=thread)
    add_compile_definitions(AION_TSAN=1)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        list(REMOVE_ITEM AION_WARNINGS -Wnull-dereference)
        list(APPEND AION_WARNINGS -Wno-tsan)
    endif()
elseif(NOT AION_SANITIZE STREQUAL "none")
    message(FATAL_ERROR "AION_SANITIZE=${AION_SANITIZE}: use address, thread or none")
endif()
if(AION_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
