# utf8proc (letter case and white space of Unicode); distributions ship it without a CMake package.
if(NOT TARGET utf8proc)
  find_library(ATTEND_UTF8PROC_LIBRARY utf8proc)
  find_path(ATTEND_UTF8PROC_INCLUDE utf8proc.h)
  if(ATTEND_UTF8PROC_LIBRARY AND ATTEND_UTF8PROC_INCLUDE)
    add_library(utf8proc UNKNOWN IMPORTED GLOBAL)
    set_target_properties(utf8proc PROPERTIES IMPORTED_LOCATION "${ATTEND_UTF8PROC_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${ATTEND_UTF8PROC_INCLUDE}")
  else()
    attend_dependency(utf8proc GIT https://github.com/JuliaStrings/utf8proc TAG v2.9.0 TARGET utf8proc)
  endif()
endif()
target_link_libraries(attend_runtime PRIVATE utf8proc)
