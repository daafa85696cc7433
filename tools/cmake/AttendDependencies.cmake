# Third-party packages: the system's where it has them, FetchContent elsewhere.
include(FetchContent)

# attend_dependency(NAME [VERSION v] GIT url TAG tag TARGET target): find_package first, then FetchContent.
function(attend_dependency name)
  cmake_parse_arguments(arg "" "VERSION;GIT;TAG;TARGET" "" ${ARGN})
  if(TARGET ${arg_TARGET})
    return()
  endif()
  find_package(${name} ${arg_VERSION} QUIET GLOBAL)
  if(NOT TARGET ${arg_TARGET})
    message(STATUS "${name} is not installed: fetching ${arg_TAG}")
    FetchContent_Declare(${name} GIT_REPOSITORY ${arg_GIT} GIT_TAG ${arg_TAG} GIT_SHALLOW TRUE)
    FetchContent_MakeAvailable(${name})
    set_property(GLOBAL APPEND PROPERTY ATTEND_FETCHED ${name})
  endif()
endfunction()

# attend_system_dependency(TARGET LIBRARY HEADER GIT url TAG tag): the same for a library that distributions
# ship without a CMake package. An installed attend looks for it in the same way.
include(${CMAKE_CURRENT_LIST_DIR}/attendSystemLibrary.cmake)
function(attend_system_dependency target library header)
  cmake_parse_arguments(arg "" "GIT;TAG" "" ${ARGN})
  attend_system_library(${target} ${library} ${header})
  if(TARGET ${target})
    set_property(GLOBAL APPEND_STRING PROPERTY ATTEND_SYSTEM_LIBRARIES
      "  attend_system_library(${target} ${library} ${header} REQUIRED)\n")
  else()
    attend_dependency(${target} GIT ${arg_GIT} TAG ${arg_TAG} TARGET ${target})
  endif()
endfunction()

# oneDNN: the system's, or the prefix that tools/setup.sh unpacks.
set(ATTEND_DEPS_PREFIX "$ENV{ATTEND_DEPS_PREFIX}" CACHE PATH "Where tools/setup.sh put oneDNN")
if(NOT ATTEND_DEPS_PREFIX)
  set(ATTEND_DEPS_PREFIX "${PROJECT_SOURCE_DIR}/.deps")
endif()
list(PREPEND CMAKE_PREFIX_PATH "${ATTEND_DEPS_PREFIX}/onednn")
attend_dependency(dnnl VERSION 3.2 GIT https://github.com/oneapi-src/oneDNN TAG v3.7.2 TARGET DNNL::dnnl)
attend_dependency(hwy GIT https://github.com/google/highway TAG 1.2.0 TARGET hwy::hwy)
attend_dependency(fmt GIT https://github.com/fmtlib/fmt TAG 9.1.0 TARGET fmt::fmt)
attend_dependency(spdlog GIT https://github.com/gabime/spdlog TAG v1.12.0 TARGET spdlog::spdlog)
attend_dependency(nlohmann_json GIT https://github.com/nlohmann/json TAG v3.11.3 TARGET nlohmann_json::nlohmann_json)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(Threads REQUIRED)
