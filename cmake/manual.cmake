# Manual pages and the completion of shells. lobos.cfg(5) is made from lobos.cfg, completions by lobosctl.
find_program(AWK NAMES awk mawk gawk REQUIRED)
set(man_in ${PROJECT_SOURCE_DIR}/docs/man)
set(man_out ${PROJECT_BINARY_DIR}/man)
set(completion_out ${PROJECT_BINARY_DIR}/completion)
file(MAKE_DIRECTORY ${man_out} ${completion_out})

add_custom_command(
  OUTPUT ${man_out}/lobos.cfg.5
  COMMAND ${AWK} -f ${man_in}/keys.awk ${PROJECT_SOURCE_DIR}/lobos.cfg ${man_in}/lobos.cfg.5.in
          > ${man_out}/lobos.cfg.5
  DEPENDS ${man_in}/keys.awk ${man_in}/lobos.cfg.5.in ${PROJECT_SOURCE_DIR}/lobos.cfg)
set(manual_files ${man_out}/lobos.cfg.5)
foreach(pair "bash lobosctl" "zsh _lobosctl" "fish lobosctl.fish")
  separate_arguments(pair)
  list(GET pair 0 shell)
  list(GET pair 1 name)
  add_custom_command(
    OUTPUT ${completion_out}/${name}
    COMMAND lobosctl completion ${shell} > ${completion_out}/${name}
    DEPENDS lobosctl)
  list(APPEND manual_files ${completion_out}/${name})
endforeach()
add_custom_target(manual ALL DEPENDS ${manual_files})

install(FILES ${man_in}/lobos.1 ${man_in}/lobosctl.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${man_out}/lobos.cfg.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${completion_out}/lobosctl DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${completion_out}/_lobosctl DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${completion_out}/lobosctl.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
