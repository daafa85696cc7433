# utf8proc (normal forms and character classes of Unicode); distributions ship it without a CMake package.
attend_system_dependency(utf8proc utf8proc utf8proc.h GIT https://github.com/JuliaStrings/utf8proc TAG v2.9.0)
target_link_libraries(attend_loaders PRIVATE utf8proc)
