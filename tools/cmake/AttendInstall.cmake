# Install rules and the CMake package: find_package(attend), attend::attend.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(NOT TARGET attend)
  return()
endif()
option(ATTEND_INSTALL "Install attend" ${PROJECT_IS_TOP_LEVEL})
if(NOT ATTEND_INSTALL)
  return()
endif()

install(TARGETS attend EXPORT attendTargets FILE_SET HEADERS)
if(NOT BUILD_SHARED_LIBS)  # a static attend is linked together with its components
  foreach(part engine loaders runtime)
    set_target_properties(attend_${part} PROPERTIES EXPORT_NAME ${part})
    install(TARGETS attend_${part} EXPORT attendTargets FILE_SET HEADERS)
  endforeach()
endif()
if(TARGET attend_cli)
  install(TARGETS attend_cli)
endif()

# oneDNN from tools/setup.sh is installed along, so that the prefix stands alone.
if(dnnl_DIR AND dnnl_DIR MATCHES "^${ATTEND_DEPS_PREFIX}/")
  install(DIRECTORY ${ATTEND_DEPS_PREFIX}/onednn/lib/ DESTINATION lib USE_SOURCE_PERMISSIONS)
  install(DIRECTORY ${ATTEND_DEPS_PREFIX}/onednn/include/ DESTINATION include)
  install(DIRECTORY ${ATTEND_DEPS_PREFIX}/onednn/share/doc/onednn DESTINATION ${CMAKE_INSTALL_DATADIR}/doc)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/attend)
install(EXPORT attendTargets NAMESPACE attend:: DESTINATION ${package_dir})
get_property(attend_pkg_config_modules GLOBAL PROPERTY ATTEND_PKG_CONFIG)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/attendConfig.cmake.in attendConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(attendConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/attendConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/attendConfigVersion.cmake
  DESTINATION ${package_dir})
