# One seed is one run, whatever the addresses are: two processes must print the same hashes.
foreach(i 1 2)
  execute_process(COMMAND ${SIM} --hashes --seeds 20 --first 2000 OUTPUT_VARIABLE hashes_${i}
                  RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "holdfast-sim: exit status ${status}")
  endif()
endforeach()
string(REGEX MATCHALL "[0-9a-f]+\n" lines "${hashes_1}")
list(LENGTH lines n)
if(NOT n EQUAL 20 OR NOT hashes_1 STREQUAL hashes_2)
  message(FATAL_ERROR "the hashes differ:\n${hashes_1}\n${hashes_2}")
endif()
