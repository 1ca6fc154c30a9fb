#!/bin/sh
# layers.sh — the architecture as a test: fails when a file includes what its
# folder may not, grows too long, or lies where nothing belongs. Run it from
# the repository's root.

bad=0
all='common queue engine api'

fail() {
    echo "layers: $*"
    bad=1
}

# forbid PATTERN FOLDERS EXCEPT: no file in FOLDERS includes PATTERN, but those
# whose path matches EXCEPT.
forbid() {
    # shellcheck disable=SC2086 # a list of folders
    for file in $(grep -rlE "#include [\"<]($1)" $2 --include='*.[ch]' |
        grep -vE "$3"); do
        fail "$file may not include $1"
    done
}

# common <- queue <- engine, api; engine and api know nothing of each other.
forbid '(queue|engine|api|tests|bench)/' common '^$'
forbid '(engine|api|tests|bench)/' queue '^$'
forbid '(api|tests|bench)/' engine '^engine/main\.c$'
forbid '(engine|tests|bench)/' api '^$'
forbid 'queue/([^q]|q[^u]|queue[^.])' 'common engine api' '^$'

# What a folder keeps to itself.
forbid 'common/http/private' 'queue engine api' '^$'
forbid 'engine/sender/private' 'common queue api' '^$'

# Each third-party library is named in as few files as possible.
forbid 'lmdb\.h' "$all" '^queue/lmdb/environment\.'
forbid 'curl/' "$all" '^(engine/sender/(transfer|private)|common/encoding/url\.c$|api/cli/(core/api_client|bench/load)\.c$)'
forbid '(mbedtls|psa)/' "$all" '^common/encoding/crypto\.c$'
forbid 'msgpack' "$all" '^common/base/codec\.c$'
forbid 'xxhash' "$all" '^common/base/codec\.c$'
forbid 'yyjson' "$all" '^common/encoding/json\.c$'
forbid 'llhttp' "$all" '^common/http/'

# Third-party headers in headers: only in one that a folder keeps to itself.
for file in $(grep -lE '#include <(curl|mbedtls|msgpack|xxhash|yyjson|llhttp)' \
    $(git ls-files 'common/*.h' 'queue/*.h' 'engine/*.h' 'api/*.h') |
    grep -v '/private\.h$'); do
    fail "$file is a header and includes a third-party library"
done

for file in $(find common queue engine api tests bench -name '*.[ch]' \
    -not -path '*/.*'); do
    lines=$(wc -l <"$file")
    [ "$lines" -le 600 ] || fail "$file has $lines lines, at most 600"
done

for entry in $(git ls-files | cut -d/ -f1 | sort -u); do
    case $entry in
    CMakeLists.txt | CMakePresets.json | README.md | LICENSE | SECURITY.md) ;;
    CHANGELOG.md | CONTRIBUTING.md | .clang-format | .clang-tidy | .editorconfig) ;;
    .gitignore | .dockerignore | .ci | common | queue | engine | api) ;;
    bench | docs | tests | deploy) ;;
    *) fail "$entry does not belong on the top level" ;;
    esac
done

exit $bad
