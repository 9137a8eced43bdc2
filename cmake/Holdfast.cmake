# Helpers for the folders' CMakeLists.txt. Includes are always written from the source root:
# #include "base/buf.h".
#
#   holdfast_library(base SOURCES buf.c mem.c DEPS ext::ev)
#   holdfast_protobuf(proto_pb PROTOS peer.proto)        -> #include "proto/peer.pb-c.h"
#   holdfast_program(holdfast-server SOURCES main.c DEPS node_lib)
#   holdfast_test(test_base_buf SOURCES test_buf.c DEPS base)   a cmocka program, CTest label "unit"
#   holdfast_fuzzer(fuzz_resp SOURCES fuzz_resp.c DEPS proto CORPUS corpus/resp)
#
# Each takes DEFINES A=1 B as well. Generated code and programs land in the build folder only.

function(holdfast_common target defines)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${target} PRIVATE ${defines})
endfunction()

function(holdfast_library name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "" "SOURCES;DEPS;DEFINES")
  add_library(${name} STATIC ${A_SOURCES})
  holdfast_common(${name} "${A_DEFINES}")
  target_link_libraries(${name} PUBLIC ${A_DEPS})
endfunction()

# One static library of the code protoc-c generates; its warnings are not ours.
function(holdfast_protobuf name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "" "PROTOS")
  file(RELATIVE_PATH dir ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  set(gen ${PROJECT_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${gen}/${dir})
  set(sources)
  foreach(proto ${A_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(out ${gen}/${dir}/${stem}.pb-c)
    add_custom_command(
      OUTPUT ${out}.c ${out}.h
      COMMAND ${HOLDFAST_PROTOC_C} --proto_path=${PROJECT_SOURCE_DIR} --c_out=${gen} ${dir}/${proto}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
      VERBATIM)
    list(APPEND sources ${out}.c ${out}.h)
  endforeach()
  add_library(${name} STATIC ${sources})
  target_compile_options(${name} PRIVATE -w)
  target_include_directories(${name} SYSTEM PUBLIC ${gen})
  target_link_libraries(${name} PUBLIC ext::protobuf_c)
endfunction()

# All that a running cluster needs, without the tests.
add_custom_target(programs)

# A program, at the top of the build folder. jemalloc takes malloc()'s place, but for sanitizers.
function(holdfast_program name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "" "SOURCES;DEPS;DEFINES")
  add_executable(${name} ${A_SOURCES})
  holdfast_common(${name} "${A_DEFINES}")
  target_link_libraries(${name} PRIVATE ${A_DEPS} Threads::Threads m)
  if(TARGET ext::jemalloc)
    target_link_libraries(${name} PRIVATE ext::jemalloc)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  add_dependencies(programs ${name})
endfunction()

# Label "unit" and 120 s unless LABEL (say "sim") and TIMEOUT say otherwise; ARGS go to the program.
function(holdfast_test name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "LABEL;TIMEOUT" "SOURCES;DEPS;DEFINES;ARGS")
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_executable(${name} ${A_SOURCES})
  holdfast_common(${name} "${A_DEFINES}")
  target_link_libraries(${name} PRIVATE ${A_DEPS} ext::cmocka Threads::Threads m)
  add_test(NAME ${name} COMMAND ${name} ${A_ARGS} WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT})
endfunction()

# All fuzzers, in the preset "fuzz".
add_custom_target(fuzzers)

# A libFuzzer target LLVMFuzzerTestOneInput() in the preset "fuzz"; in all other builds a unit test
# that runs it over every file of the corpus, so that a bug once found stays found.
function(holdfast_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "CORPUS" "SOURCES;DEPS;DEFINES")
  if(HOLDFAST_SANITIZE STREQUAL "fuzzer")
    add_executable(${name} ${A_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${name})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
    # Read by `./dev fuzz`: program <tab> corpus.
    set_property(GLOBAL APPEND_STRING PROPERTY HOLDFAST_FUZZERS
                 "${name}\t${CMAKE_CURRENT_SOURCE_DIR}/${A_CORPUS}\n")
  else()
    add_executable(${name} ${A_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz_replay.c)
    add_test(NAME ${name} COMMAND ${name} ${CMAKE_CURRENT_SOURCE_DIR}/${A_CORPUS})
    set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 120)
  endif()
  holdfast_common(${name} "${A_DEFINES}")
  target_link_libraries(${name} PRIVATE ${A_DEPS} Threads::Threads m)
  # The entry point has no prototype of its own.
  target_compile_options(${name} PRIVATE -Wno-missing-prototypes)
endfunction()
