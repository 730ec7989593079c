# What is installed beside the two programs, and the Debian package. Paths within the unit are those of the prefix
# given to `cmake --install`, so they are written then. /etc and systemd's folders serve /usr and /usr/local alike.

# Manual pages that are a page of docs/ in another form. batond(8) is written by hand.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
string(TIMESTAMP today "%Y-%m-%d")
function(baton_manual source name section what)
    set(page ${PROJECT_BINARY_DIR}/man/${name}.${section})
    set(extra "")
    foreach(part before after)
        set(file ${PROJECT_SOURCE_DIR}/docs/man/${name}.${section}.${part})
        if(EXISTS ${file})
            list(APPEND extra --${part} ${file})
        endif()
    endforeach()
    add_custom_command(
        OUTPUT ${page}
        COMMAND ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/tools/man/from_markdown.py ${PROJECT_SOURCE_DIR}/docs/${source}
                --name ${name} --section ${section} --version ${PROJECT_VERSION} --date ${today} --what ${what} ${extra} --output ${page}
        DEPENDS ${PROJECT_SOURCE_DIR}/docs/${source} ${PROJECT_SOURCE_DIR}/tools/man/from_markdown.py ${extra_files}
        COMMENT "Writing ${name}(${section})"
        VERBATIM)
    add_custom_target(manual_${name} ALL DEPENDS ${page})
endfunction()
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/man)
baton_manual(cli.md baton 1 "command line of the process supervisor batond")
baton_manual(configuration.md baton.toml 5 "configuration of the process supervisor batond")

set(BATON_MAINTAINER "Baton maintainers <maintainers@baton.invalid>" CACHE STRING "Whom the Debian package names")
set(changelog ${PROJECT_BINARY_DIR}/package/changelog.Debian)
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${changelog} "baton (${PROJECT_VERSION}-1) unstable; urgency=medium

  * Built from the tree of version ${PROJECT_VERSION}.

 -- ${BATON_MAINTAINER}  ${now}
")
install(CODE "set(BATON_SOURCE \"${PROJECT_SOURCE_DIR}\")\nset(BATON_BUILD \"${PROJECT_BINARY_DIR}\")")
install(SCRIPT ${PROJECT_SOURCE_DIR}/cmake/install_files.cmake)

# `cpack --config build/release/CPackConfig.cmake`: the Debian package.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME baton)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "process supervisor that changes anything while it runs")
set(CPACK_PACKAGE_DESCRIPTION "Baton opens the listening sockets, starts each service as a number of instances
that inherit them, and restarts what fails. A new version of a program, a new
configuration, and a new binary of Baton itself take over one step at a time,
without a failed request; a step that goes wrong is taken back by itself.")
set(CPACK_PACKAGE_CONTACT "${BATON_MAINTAINER}")
# By DESTDIR, since files go to /etc too; then this is the name of the prefix.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/package)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "init-system-helpers (>= 1.54~), adduser")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS logrotate)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS bash-completion)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/conffiles ${PROJECT_SOURCE_DIR}/packaging/postinst
    ${PROJECT_SOURCE_DIR}/packaging/prerm ${PROJECT_SOURCE_DIR}/packaging/postrm)
include(CPack)
