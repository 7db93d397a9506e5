# lobos_proto: the messages of the control plane, compiled by protoc-c, and their descriptors as bytes
# (lb_proto_descriptors), which server reflection shows. What is generated is in the build folder.
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_C protoc-c REQUIRED)
find_path(PROTOBUF_PROTOS google/protobuf/wrappers.proto REQUIRED)

set(proto_in ${PROJECT_SOURCE_DIR}/src/control/proto)
set(proto_out ${PROJECT_BINARY_DIR}/proto)
set(proto_alpha ${PROJECT_BINARY_DIR}/proto-alpha)
file(MAKE_DIRECTORY ${proto_out})

# Reflection under its older name: the same messages.
set(alpha grpc/reflection/v1alpha/reflection.proto)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${proto_in}/grpc/reflection/v1/reflection.proto)
file(READ ${proto_in}/grpc/reflection/v1/reflection.proto text)
string(REPLACE "package grpc.reflection.v1;" "package grpc.reflection.v1alpha;" text "${text}")
file(CONFIGURE OUTPUT ${proto_alpha}/${alpha} CONTENT "${text}" @ONLY)

set(proto_names loboscontrol lobosadmin grpc/health/v1/health grpc/reflection/v1/reflection
                google/protobuf/wrappers)
set(proto_c "")
set(proto_files "")
foreach(name ${proto_names})
  set(file ${proto_in}/${name}.proto)
  if(NOT EXISTS ${file})
    set(file ${PROTOBUF_PROTOS}/${name}.proto)
  endif()
  add_custom_command(
    OUTPUT ${proto_out}/${name}.pb-c.c ${proto_out}/${name}.pb-c.h
    COMMAND ${PROTOC_C} --c_out=${proto_out} -I${proto_in} -I${PROTOBUF_PROTOS} ${file}
    DEPENDS ${file} VERBATIM)
  list(APPEND proto_c ${proto_out}/${name}.pb-c.c)
  list(APPEND proto_files ${file})
endforeach()

add_custom_command(
  OUTPUT ${proto_out}/descriptors.c
  COMMAND ${PROTOC} -I${proto_in} -I${proto_alpha} -I${PROTOBUF_PROTOS} --include_imports
          --descriptor_set_out=${proto_out}/descriptors.pb ${proto_files} ${proto_alpha}/${alpha}
  COMMAND ${CMAKE_COMMAND} -DIN=${proto_out}/descriptors.pb -DOUT=${proto_out}/descriptors.c
          -DNAME=lb_proto_descriptors -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
  DEPENDS ${proto_files} ${proto_alpha}/${alpha} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake VERBATIM)

add_library(lobos_proto STATIC ${proto_c} ${proto_out}/descriptors.c)
target_compile_options(lobos_proto PRIVATE -w)
target_include_directories(lobos_proto SYSTEM PUBLIC ${proto_out})
target_link_libraries(lobos_proto PUBLIC PkgConfig::PROTOBUF_C)
