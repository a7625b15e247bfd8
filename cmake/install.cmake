# What `cmake --install` puts where: the program with its manual page and completion, the library with its headers, and
# what find_package(lenet) and `pkg-config --static lenet` read. README.md shows both.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

target_include_directories(lenet INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS lenet_program lenet EXPORT lenet_targets)
install(DIRECTORY include/lenet TYPE INCLUDE)
install(FILES LICENSE TYPE DOC)

# A library that is shared is found from the program; cuBLAS where the compiler's own is.
set(rpath "")
if(BUILD_SHARED_LIBS)
  file(RELATIVE_PATH from_bin ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  list(APPEND rpath $ORIGIN/${from_bin})
endif()
if(have_cuda)
  list(APPEND rpath ${CUDAToolkit_LIBRARY_DIR})
  # What nvcc makes of a kernel's launch asks for C++'s library, which a project in C would not link with.
  target_link_libraries(lenet INTERFACE $<INSTALL_INTERFACE:stdc++>)
endif()
set_target_properties(lenet lenet_program PROPERTIES INSTALL_RPATH "${rpath}")

# ---- the program's own pages, unless it runs on another machine only
if(NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR)
  set(pages ${PROJECT_BINARY_DIR}/pages)
  file(MAKE_DIRECTORY ${pages})
  add_custom_command(OUTPUT ${pages}/lenet.1 ${pages}/lenet ${pages}/_lenet
    COMMAND lenet_program help --man > ${pages}/lenet.1
    COMMAND lenet_program help --bash > ${pages}/lenet
    COMMAND lenet_program help --zsh > ${pages}/_lenet
    COMMENT "The manual page, and completion for bash and zsh" VERBATIM)
  add_custom_target(pages ALL DEPENDS ${pages}/lenet.1)
  install(FILES ${pages}/lenet.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${pages}/lenet DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${pages}/_lenet DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()

# ---- find_package(lenet)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lenet)
configure_package_config_file(cmake/lenetConfig.cmake.in lenetConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(lenetConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lenetConfig.cmake ${PROJECT_BINARY_DIR}/lenetConfigVersion.cmake
        DESTINATION ${package_dir})
install(EXPORT lenet_targets FILE lenetTargets.cmake NAMESPACE lenet:: DESTINATION ${package_dir})

# ---- pkg-config
set(pc_cuda_libs "")
if(have_cuda)
  set(pc_cuda_libs "-L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -lrt -ldl -lstdc++")
endif()
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/lenet.pc.in lenet.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/lenet.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
