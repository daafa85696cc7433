# Installs this build into a scratch prefix, builds the consumer against it and translates with it.
set(consumer_dir ${CMAKE_CURRENT_BINARY_DIR}/consumer)
add_test(NAME "consumer: install" COMMAND
  ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR} --prefix ${consumer_dir}/prefix)
add_test(NAME "consumer: build" COMMAND
  ${CMAKE_CTEST_COMMAND} --build-and-test ${CMAKE_CURRENT_LIST_DIR} ${consumer_dir}/build
    --build-generator ${CMAKE_GENERATOR} --build-options
    -DCMAKE_PREFIX_PATH=${consumer_dir}/prefix -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER})
add_test(NAME "consumer: translate" COMMAND
  ${CMAKE_COMMAND} -DPROGRAM=${consumer_dir}/build/translate -DPREFIX=${consumer_dir}/prefix
    -DMODEL=${PROJECT_SOURCE_DIR}/tools/demo/en-ja -P ${CMAKE_CURRENT_LIST_DIR}/translate.cmake)
set_tests_properties("consumer: install" PROPERTIES FIXTURES_SETUP consumer_install)
set_tests_properties("consumer: build" PROPERTIES FIXTURES_REQUIRED consumer_install FIXTURES_SETUP consumer_build)
set_tests_properties("consumer: translate" PROPERTIES FIXTURES_REQUIRED consumer_build)
