# embed.cmake — writes a file as an array of bytes in C.
#
#   cmake -DFROM=file -DTO=file.c -DNAME=name -P embed.cmake
file(READ ${FROM} bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes ${bytes})
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes ${bytes})
file(WRITE ${TO} "#include \"api/system/openapi.h\"\n
const char ${NAME}[] = {\n${bytes}\n};
const size_t ${NAME}_bytes = sizeof(${NAME});\n")
