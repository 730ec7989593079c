# A room is one static library. It sees its own headers and those of the rooms it names, and no
# others: each room's headers are reached through a folder of its own that holds one link to it, so
# an include that the layers do not allow fails to compile.
#
#   baton_room(NAME [USES room...] [LINKS library...])
#
# Sources are every .cpp of supervisor/NAME; tests are every .cpp of tests/NAME and link the room.

function(baton_room name)
    cmake_parse_arguments(ROOM "" "" "USES;LINKS" ${ARGN})
    set(view ${PROJECT_BINARY_DIR}/rooms/${name})
    file(MAKE_DIRECTORY ${view})
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/supervisor/${name} ${view}/${name} SYMBOLIC)

    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/supervisor/${name}/*.cpp)
    if(NOT sources)
        return()
    endif()
    add_library(baton_${name} STATIC ${sources})
    target_include_directories(baton_${name} PUBLIC ${view})
    target_link_libraries(baton_${name} PUBLIC baton_flags ${ROOM_LINKS})
    foreach(used ${ROOM_USES})
        target_link_libraries(baton_${name} PUBLIC baton_${used})
    endforeach()
endfunction()

# baton_test(NAME SOURCES file... USES room...): one GoogleTest binary, its cases known to ctest.
function(baton_test name)
    cmake_parse_arguments(TEST "" "" "SOURCES;USES;LINKS" ${ARGN})
    add_executable(${name} ${TEST_SOURCES})
    list(TRANSFORM TEST_USES PREPEND baton_)
    target_link_libraries(${name} PRIVATE ${TEST_USES} ${TEST_LINKS} GTest::gtest_main)
    target_compile_definitions(${name} PRIVATE BATON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120 LABELS unit)
endfunction()
