# Installs a build into a folder of its own, and builds and runs the consumers in C and C++ with it:
#   cmake -DBUILD=build -DGENERATOR=Ninja -DFOLDER=scratch -P check_install.cmake
cmake_minimum_required(VERSION 3.21)
function(run)
  execute_process(COMMAND ${ARGV} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()
file(REMOVE_RECURSE ${FOLDER})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${FOLDER}/prefix)
foreach(language IN ITEMS c cpp)
  run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/../tests/consumers/${language}
      -B ${FOLDER}/${language} -G ${GENERATOR} -D CMAKE_MAKE_PROGRAM=${MAKE_PROGRAM}
      -D CMAKE_PREFIX_PATH=${FOLDER}/prefix)
  run(${CMAKE_COMMAND} --build ${FOLDER}/${language})
  run(${FOLDER}/${language}/consumer ${FOLDER}/state)
endforeach()
