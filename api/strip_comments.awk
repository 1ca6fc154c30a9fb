# SPDX-License-Identifier: MIT
# strip_comments.awk — a JavaScript module without its comments, for embed.cmake.
#
#   awk -f api/strip_comments.awk FILE
#
# Every line stays where it is, so that a line of a browser's console is that of the source. What
# is within strings, templates and regular expressions is left alone. What it cannot read (a
# string that does not end in its line) is an error, not a guess.

BEGIN {
    mode = "code"
    level = 0 # of templates: how many ${ are open
    before = "" # the last character of code that is no space
    word = "" # the word that ends with it, or nothing
}

function fail(what) {
    printf "%s:%d: %s\n", FILENAME, FNR, what > "/dev/stderr"
    failed = 1
    exit 1
}

# Where a string or a regular expression that begins at `at` ends: its last character.
function end_of(line, at, quote,    i, c, is_class) {
    for (i = at + 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (c == "\\") i++
        else if (quote == "/" && c == "[") is_class = 1
        else if (quote == "/" && c == "]") is_class = 0
        else if (c == quote && !is_class) return i
    }
    fail("no end of what begins with " quote)
}

# Whether a slash here begins a regular expression: no value stands before it.
function begins_expression() {
    if (word != "") return word ~ /^(return|typeof|case|in|of|do|else|void|delete|await|yield)$/
    return before == "" || index("(,=:[!&|?{};+-*%<>~^", before) > 0
}

# Remembers what code came last.
function note(text,    c) {
    c = substr(text, length(text))
    if (c == " " || c == "\t") {
        is_apart = 1
        return
    }
    if (c !~ /[A-Za-z0-9_$]/) word = ""
    else word = (is_apart ? "" : word) c
    is_apart = 0
    before = c
}

{
    out = ""
    n = length($0)
    is_apart = 1
    for (i = 1; i <= n; i++) {
        c = substr($0, i, 1)
        two = substr($0, i, 2)
        if (mode == "comment") {
            if (two == "*/") {
                mode = "code"
                i++
            }
            continue
        }
        if (mode == "template") {
            if (c == "\\") {
                out = out two
                i++
            } else if (two == "${") {
                out = out two
                i++
                depth[++level] = 0
                mode = "code"
                note("{")
            } else {
                out = out c
                if (c == "`") {
                    mode = "code"
                    note(c)
                }
            }
            continue
        }
        if (two == "//") break
        if (two == "/*") {
            mode = "comment"
            i++
            is_apart = 1
            if (out ~ /[A-Za-z0-9_$]$/) out = out " " # two words stay two
            continue
        }
        if (c == "\"" || c == "'" || (c == "/" && begins_expression())) {
            last = end_of($0, i, c)
            out = out substr($0, i, last - i + 1)
            i = last
            word = ""
            before = "'" # a value
            continue
        }
        out = out c
        if (c == "`") mode = "template"
        else if (c == "{") depth[level]++
        else if (c == "}" && level > 0 && depth[level] == 0) {
            level--
            mode = "template"
        } else if (c == "}") depth[level]--
        note(c)
    }
    if (mode != "template") sub(/[ \t]+$/, "", out)
    print out
}

END {
    if (!failed && mode != "code") fail("the module ends within a " mode)
}
