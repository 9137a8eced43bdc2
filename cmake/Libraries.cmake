# The libraries we stand on, as imported targets ext::<name>: a misspelt one fails at configure time.

find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED) # OpenSSL::SSL, OpenSSL::Crypto

# ext::<name> from a header and a library. Not all of them come with a pkg-config file.
function(holdfast_find_library name header lib package)
  find_path(HOLDFAST_${name}_INCLUDE ${header} PATH_SUFFIXES lib${name})
  find_library(HOLDFAST_${name}_LIBRARY ${lib})
  mark_as_advanced(HOLDFAST_${name}_INCLUDE HOLDFAST_${name}_LIBRARY)
  if(NOT HOLDFAST_${name}_INCLUDE OR NOT HOLDFAST_${name}_LIBRARY)
    message(FATAL_ERROR "${name}: ${header} or lib${lib} not found; Debian package ${package}")
  endif()
  add_library(ext::${name} INTERFACE IMPORTED GLOBAL)
  target_include_directories(ext::${name} SYSTEM INTERFACE ${HOLDFAST_${name}_INCLUDE})
  target_link_libraries(ext::${name} INTERFACE ${HOLDFAST_${name}_LIBRARY})
endfunction()

holdfast_find_library(ev ev.h ev libev-dev)
holdfast_find_library(protobuf_c protobuf-c/protobuf-c.h protobuf-c libprotobuf-c-dev)
holdfast_find_library(lzf lzf.h lzf liblzf-dev)
holdfast_find_library(lua lua5.1/lua.h lua5.1 liblua5.1-0-dev)
holdfast_find_library(lua_cjson lua5.1/lua-cjson.h lua5.1-cjson lua-cjson-dev)
holdfast_find_library(lua_bitop lua5.1/lua-bitop.h lua5.1-bitop lua-bitop-dev)
holdfast_find_library(cmocka cmocka.h cmocka libcmocka-dev)
if(NOT HOLDFAST_SANITIZE)
  holdfast_find_library(jemalloc jemalloc/jemalloc.h jemalloc libjemalloc-dev)
endif()

find_program(HOLDFAST_PROTOC_C protoc-c REQUIRED)
