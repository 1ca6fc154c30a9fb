# embed.cmake — writes a table (struct embedded_file) of files that are part of the program.
#
#   cmake -DDIR=directory -DNAME=name -DTO=name.c [-DGZIP=gzip] [-DAWK=awk] -P embed.cmake FILE...
#
# FILE is a path within DIR. The assembler copies the bytes (.incbin), so that a megabyte
# costs nothing. A file that gzip makes smaller is there twice. With awk, JavaScript is there
# without its comments (strip_comments.awk). The hash of a file is in the table, so a
# compiler's cache sees that a file has changed. NAME_hash is that of all files together; in
# HTML, it takes the place of HASH in addresses with /~HASH/.
set(type_.html "text/html; charset=utf-8")
set(type_.css "text/css; charset=utf-8")
set(type_.js "text/javascript; charset=utf-8")
set(type_.json "application/json")
set(type_.svg "image/svg+xml")
set(type_.png "image/png")
set(type_.ico "image/vnd.microsoft.icon")

# Appends an array `symbol` with the bytes of a file to `assembly` and `declarations`.
function(copy_in symbol path)
    string(REPLACE "\\" "\\\\" quoted "${path}")
    string(REPLACE "\"" "\\\"" quoted "${quoted}")
    set(declarations "${declarations}extern const char ${symbol}[];\n" PARENT_SCOPE)
    set(assembly "${assembly}FILE_BYTES(\"${symbol}\", \"${quoted}\")\n" PARENT_SCOPE)
endfunction()

# Sets `out` to the struct str of a file that copy_in() has copied.
function(bytes_of symbol path out)
    file(SIZE "${path}" size)
    set(${out} "{ ${symbol}, ${size} }" PARENT_SCOPE)
endfunction()

set(files "")
set(is_file FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
    if(is_file)
        list(APPEND files "${CMAKE_ARGV${i}}")
    elseif("${CMAKE_ARGV${i}}" MATCHES "embed\\.cmake$")
        set(is_file TRUE)
    endif()
endforeach()

# What of each file is sent: paths, in the order of `files`; and the hash of all together.
set(paths "")
set(whole "")
set(n 0)
foreach(file ${files})
    get_filename_component(extension "${file}" LAST_EXT)
    if(NOT DEFINED type_${extension})
        message(FATAL_ERROR "${file}: embed.cmake knows no type for ${extension}")
    endif()
    set(path "${DIR}/${file}")
    if(AWK AND "${extension}" STREQUAL ".js")
        execute_process(COMMAND ${AWK} -f "${CMAKE_CURRENT_LIST_DIR}/strip_comments.awk" "${path}"
            OUTPUT_FILE "${TO}.${n}.js" COMMAND_ERROR_IS_FATAL ANY)
        set(path "${TO}.${n}.js")
    endif()
    list(APPEND paths "${path}")
    file(SHA256 "${path}" hash)
    string(APPEND whole "${hash} ${file}\n")
    math(EXPR n "${n} + 1")
endforeach()
string(SHA256 whole "${whole}")
string(SUBSTRING "${whole}" 0 16 whole)

set(declarations "")
set(assembly "")
set(rows "")
set(n 0)
foreach(file ${files})
    list(GET paths ${n} path)
    get_filename_component(extension "${file}" LAST_EXT)
    set(symbol ${NAME}_${n})
    if("${extension}" STREQUAL ".html")
        file(READ "${path}" page)
        string(REPLACE "/~HASH/" "/~${whole}/" page "${page}")
        set(path "${TO}.${n}.html")
        file(WRITE "${path}" "${page}")
    endif()
    file(SHA256 "${path}" hash)
    string(SUBSTRING "${hash}" 0 32 hash)
    copy_in(${symbol} "${path}")
    bytes_of(${symbol} "${path}" plain)
    set(packed "{ NULL, 0 }")
    if(GZIP)
        set(packed_path "${TO}.${n}.gz")
        execute_process(COMMAND ${GZIP} -9nc "${path}" OUTPUT_FILE "${packed_path}"
            COMMAND_ERROR_IS_FATAL ANY)
        file(SIZE "${path}" size)
        file(SIZE "${packed_path}" packed_size)
        if(packed_size LESS size)
            copy_in(${symbol}_gz "${packed_path}")
            bytes_of(${symbol}_gz "${packed_path}" packed)
        endif()
    endif()
    string(APPEND rows "    { \"${file}\", \"${type_${extension}}\", \"${hash}\",\n"
        "      ${plain},\n      ${packed} },\n")
    math(EXPR n "${n} + 1")
endforeach()

file(WRITE "${TO}" "// Written by api/embed.cmake.
#include \"api/core/embedded.h\"

#define FILE_BYTES(symbol, path) \\
    __asm__(\".pushsection .rodata\\n.balign 16\\n\" \\
            \".hidden \" symbol \"\\n.global \" symbol \"\\n\" symbol \":\\n\" \\
            \".incbin \\\"\" path \"\\\"\\n.byte 0\\n.popsection\\n\");

${assembly}
${declarations}extern const struct embedded_file ${NAME}[];
extern const size_t n_${NAME};
extern const char ${NAME}_hash[];
const struct embedded_file ${NAME}[] = {\n${rows}};
const size_t n_${NAME} = ${n};
const char ${NAME}_hash[] = \"${whole}\";
")
