# Third-party libraries of the tokenizers.
find_package(PkgConfig REQUIRED)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
target_link_libraries(attend_loaders PRIVATE PkgConfig::UTF8PROC)
