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

get_property(attend_fetched GLOBAL PROPERTY ATTEND_FETCHED)
if(attend_fetched AND NOT BUILD_SHARED_LIBS)
  message(STATUS "No install rules: a static attend needs its dependencies installed, and these were fetched: "
    "${attend_fetched}. Install their packages, or build with -DBUILD_SHARED_LIBS=ON.")
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
get_property(attend_system_libraries GLOBAL PROPERTY ATTEND_SYSTEM_LIBRARIES)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/attendConfig.cmake.in attendConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(attendConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/attendConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/attendConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/attendSystemLibrary.cmake DESTINATION ${package_dir})
