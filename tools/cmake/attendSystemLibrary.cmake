# attend_system_library(TARGET LIBRARY HEADER [REQUIRED]): an imported target for a library that has no CMake
# package. Installed beside attendConfig.cmake, which needs the targets that attend was built with.
function(attend_system_library target library header)
  if(TARGET ${target})
    return()
  endif()
  find_library(ATTEND_${target}_LIBRARY NAMES ${library})
  find_path(ATTEND_${target}_INCLUDE NAMES ${header})
  mark_as_advanced(ATTEND_${target}_LIBRARY ATTEND_${target}_INCLUDE)
  if(ATTEND_${target}_LIBRARY AND ATTEND_${target}_INCLUDE)
    add_library(${target} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(${target} PROPERTIES IMPORTED_LOCATION "${ATTEND_${target}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${ATTEND_${target}_INCLUDE}")
  elseif("REQUIRED" IN_LIST ARGN)
    message(FATAL_ERROR "attend was built with ${library}, which is not found here (library ${library}, header ${header})")
  endif()
endfunction()
