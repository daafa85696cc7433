# The consumer's translation is that of the installed attend binary, and not empty.
set(text "The teacher reads a book in the library.")
execute_process(COMMAND ${PROGRAM} ${MODEL} ${text} OUTPUT_VARIABLE found COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${PREFIX}/bin/attend run ${MODEL} ${text} OUTPUT_VARIABLE expected COMMAND_ERROR_IS_FATAL ANY)
message(STATUS "${found}")
if(found STREQUAL "" OR found STREQUAL "\n" OR NOT found STREQUAL expected)
  message(FATAL_ERROR "expected attend run's '${expected}', found '${found}'")
endif()
