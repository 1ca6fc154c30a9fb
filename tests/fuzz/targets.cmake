# All fuzz_*.c are one program: to link one for each would take longer than to fuzz it.
# The functions of a target get its name, and the list of targets is written for fuzz.c.

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/fuzz_*.c)
set(fuzz_list "")
foreach(source ${fuzz_sources})
    get_filename_component(name ${source} NAME_WE)
    string(REPLACE "fuzz_" "" name ${name})
    string(APPEND fuzz_list "X(${name})\n")
    set_source_files_properties(${source} PROPERTIES COMPILE_DEFINITIONS
        "fuzz_one=fuzz_one_${name};fuzz_seed=fuzz_seed_${name}")
endforeach()
file(CONFIGURE OUTPUT fuzz.list CONTENT "${fuzz_list}" @ONLY)
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/fuzz.c PROPERTIES
    COMPILE_DEFINITIONS FUZZ_LIST="${CMAKE_CURRENT_BINARY_DIR}/fuzz.list")
list(APPEND fuzz_sources ${CMAKE_CURRENT_LIST_DIR}/fuzz.c)
