# What the tests share: Catch2, and how a test binary is made known to ctest.

find_package(Catch2 3 QUIET)
if(NOT TARGET Catch2::Catch2WithMain)
  message(STATUS "Catch2 3 is not installed: fetching v3.7.1")
  FetchContent_Declare(Catch2 GIT_REPOSITORY https://github.com/catchorg/Catch2 GIT_TAG v3.7.1 GIT_SHALLOW TRUE)
  FetchContent_MakeAvailable(Catch2)
  list(APPEND CMAKE_MODULE_PATH ${catch2_SOURCE_DIR}/extras)
endif()
include(Catch)

# Test binaries that hold tests tagged [concurrency]: what the tsan preset has to build.
add_custom_target(attend_concurrency_tests)

# attend_discover_tests(TARGET PREFIX): every test case of the binary becomes a test of ctest; those tagged
# [concurrency] carry the label of that name.
function(attend_discover_tests target prefix)
  set(common TEST_PREFIX "${prefix}" DISCOVERY_MODE PRE_TEST)
  catch_discover_tests(${target} ${common} TEST_SPEC "~[concurrency]" PROPERTIES TIMEOUT 300)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    file(STRINGS ${source} tagged REGEX "\\[concurrency\\]")
    if(tagged)
      catch_discover_tests(${target} ${common} TEST_SPEC "[concurrency]" PROPERTIES TIMEOUT 300 LABELS concurrency)
      add_dependencies(attend_concurrency_tests ${target})
      return()
    endif()
  endforeach()
endfunction()
