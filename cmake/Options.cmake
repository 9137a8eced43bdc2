# Language, warnings, optimisation and sanitizers: the same for every target.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(HOLDFAST_SANITIZE "" CACHE STRING
    "Empty, 'address,undefined', 'thread', or 'fuzzer' (clang: address sanitizer and libFuzzer)")
option(HOLDFAST_WERROR "Warnings are errors" ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Debug CACHE STRING "" FORCE)
endif()

# Frame pointers everywhere: a profile of the server must be readable. Asserts stay on in release
# builds (a stopped replica is better than a diverging one), hence no -DNDEBUG.
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_MINSIZEREL "-Os -g")
add_compile_definitions(_GNU_SOURCE)
add_compile_options(
  -UNDEBUG -fno-omit-frame-pointer -fstack-protector-strong
  -fno-strict-aliasing # libev's watcher "inheritance" casts between struct types
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith)
if(HOLDFAST_WERROR)
  add_compile_options(-Werror)
endif()

if(HOLDFAST_SANITIZE STREQUAL "fuzzer")
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "HOLDFAST_SANITIZE=fuzzer needs clang")
  endif()
  # pointer-overflow: clang also counts NULL + 0, which C2y allows and empty buffers do.
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
                      -fno-sanitize=pointer-overflow)
  add_link_options(-fsanitize=address,undefined)
elseif(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
endif()

find_program(HOLDFAST_CCACHE ccache)
if(HOLDFAST_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${HOLDFAST_CCACHE})
endif()
