# find_package(Baton): the target Baton::strategy with the headers, and baton_strategy(NAME SOURCE...).
get_filename_component(baton_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET Baton::strategy)
    add_library(Baton::strategy INTERFACE IMPORTED)
    set_target_properties(Baton::strategy PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${baton_prefix}/include")
endif()
unset(baton_prefix)
include("${CMAKE_CURRENT_LIST_DIR}/BatonStrategy.cmake")
