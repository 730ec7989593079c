# find_package(Baton): the targets Baton::strategy and Baton::service with their headers, and
# baton_strategy(NAME SOURCE...).
get_filename_component(baton_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
foreach(baton_part strategy service)
    if(NOT TARGET Baton::${baton_part})
        add_library(Baton::${baton_part} INTERFACE IMPORTED)
        set_target_properties(Baton::${baton_part} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${baton_prefix}/include")
    endif()
endforeach()
unset(baton_part)
unset(baton_prefix)
include("${CMAKE_CURRENT_LIST_DIR}/BatonStrategy.cmake")
