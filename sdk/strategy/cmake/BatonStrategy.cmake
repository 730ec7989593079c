# baton_strategy(NAME SOURCE...): a plugin, NAME.so. It sees baton/strategy.h and baton/strategy.hpp, exports
# the one symbol `baton_strategy`, and can be unloaded: -fno-gnu-unique keeps the variables of inline functions
# and templates out of the process-wide table that would pin it.

function(baton_strategy name)
    add_library(${name} MODULE ${ARGN})
    target_link_libraries(${name} PRIVATE Baton::strategy)
    target_compile_features(${name} PRIVATE cxx_std_20)
    target_compile_options(${name} PRIVATE
        $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-gnu-unique>)
    target_link_options(${name} PRIVATE LINKER:--version-script=${CMAKE_CURRENT_FUNCTION_LIST_DIR}/exports.map LINKER:-z,relro,-z,now)
    set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/exports.map)
    set_target_properties(${name} PROPERTIES
        PREFIX "" SUFFIX ".so"
        POSITION_INDEPENDENT_CODE ON
        C_VISIBILITY_PRESET hidden
        CXX_VISIBILITY_PRESET hidden
        VISIBILITY_INLINES_HIDDEN ON)
endfunction()
