# The eBPF programs: compiled at build time, embedded in the binary as a skeleton.
#
#   baton_bpf(TARGET NAME)
#
# compiles supervisor/sys/bpf/NAME.bpf.c and gives TARGET, and only it, the header "NAME.skel.h".

find_program(BPF_CLANG clang REQUIRED)
# Debian keeps bpftool out of a user's PATH.
find_program(BPFTOOL bpftool REQUIRED PATHS /usr/sbin /sbin)

function(baton_bpf target name)
    set(source ${PROJECT_SOURCE_DIR}/supervisor/sys/bpf/${name}.bpf.c)
    file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/supervisor/sys/bpf/*.h)
    set(folder ${PROJECT_BINARY_DIR}/bpf)
    file(MAKE_DIRECTORY ${folder})
    set(object ${folder}/${name}.bpf.o)
    set(skeleton ${folder}/${name}.skel.h)

    # v3 of the instruction set (kernel 5.12) has the atomic fetch-and-add of the round robin. Paths of the
    # source are kept out of the debug information, which is embedded too.
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror
                -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.
                -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -I${LIBBPF_INCLUDEDIR}
                -c ${source} -o ${object}
        DEPENDS ${source} ${headers}
        COMMENT "Compiling eBPF program ${name}"
        VERBATIM)
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND sh -c "\"$1\" gen skeleton \"$2\" name \"$3\" > \"$4.new\" && mv \"$4.new\" \"$4\""
                sh ${BPFTOOL} ${object} ${name}_bpf ${skeleton}
        DEPENDS ${object}
        COMMENT "Embedding eBPF program ${name}"
        VERBATIM)
    add_custom_target(${target}_bpf_${name} DEPENDS ${skeleton})
    add_dependencies(${target} ${target}_bpf_${name})
    target_include_directories(${target} SYSTEM PRIVATE ${folder})
    target_link_libraries(${target} PRIVATE PkgConfig::LIBBPF)
endfunction()
