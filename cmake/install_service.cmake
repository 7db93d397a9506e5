# Runs at installation: the configuration and what systemd reads, with the paths of this prefix in them.
# cmake/install.cmake sets the variables lobos_*.

# ret: path, which may be relative to the prefix, as it is called on the system that it is installed to
function(installed_path path ret)
  get_filename_component(full "${path}" ABSOLUTE BASE_DIR "${CMAKE_INSTALL_PREFIX}")
  if(full STREQUAL "/usr/etc") # as GNUInstallDirs has it
    set(full /etc)
  endif()
  set(${ret} "${full}" PARENT_SCOPE)
endfunction()

installed_path("${lobos_bindir}" bindir)
installed_path("${lobos_sysconfdir}" sysconfdir)
installed_path(lib libdir) # systemd's, whatever the architecture's is

# Installs a file of ours as directory/name.
function(install_text from directory name)
  file(READ "${lobos_source}/${from}" text)
  string(REPLACE "/usr/bin/" "${bindir}/" text "${text}")
  string(REPLACE "/etc/lobos/" "${sysconfdir}/lobos/" text "${text}")
  string(REPLACE "directory = ./data" "directory = /var/lib/lobos" text "${text}")
  file(WRITE "${lobos_scratch}/${name}" "${text}")
  file(INSTALL "${lobos_scratch}/${name}" DESTINATION "${directory}")
  file(REMOVE_RECURSE "${lobos_scratch}")
endfunction()

if(EXISTS "$ENV{DESTDIR}${sysconfdir}/lobos/lobos.cfg")
  message(STATUS "Kept: $ENV{DESTDIR}${sysconfdir}/lobos/lobos.cfg")
else()
  install_text(lobos.cfg "${sysconfdir}/lobos" lobos.cfg)
endif()
install_text(deploy/lobos.service "${libdir}/systemd/system" lobos.service)
install_text(deploy/lobos.socket "${libdir}/systemd/system" lobos.socket)
install_text(deploy/lobos.sysusers "${libdir}/sysusers.d" lobos.conf)
