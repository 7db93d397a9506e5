# What is installed beside the programs. Paths that stand in files are decided when it is installed, so that
# one build serves every prefix: `cmake --install build --prefix /usr` takes /usr/bin and /etc.
install(CODE "set(lobos_source \"${PROJECT_SOURCE_DIR}\")
set(lobos_scratch \"${PROJECT_BINARY_DIR}/install\")
set(lobos_bindir \"${CMAKE_INSTALL_BINDIR}\")
set(lobos_sysconfdir \"${CMAKE_INSTALL_SYSCONFDIR}\")")
install(SCRIPT ${PROJECT_SOURCE_DIR}/cmake/install_service.cmake)
install(FILES README.md docs/install.md docs/metrics.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES deploy/README.md deploy/grafana-dashboard.json deploy/prometheus-alerts.yml
        DESTINATION ${CMAKE_INSTALL_DATADIR}/lobos/monitoring)
