// SPDX-License-Identifier: MIT
// manual_page.c — the manual page and shell completion, from the table of commands.

#include <stdio.h>
#include <string.h>

#include "api/cli/core/commands.h"

// --- the manual page ---

// Prints text for troff: escapes backslashes, hyphens, and a point at the start of a
// line.
static void put_text(const char *text)
{
    bool is_start = true;

    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            fputs("\\e", stdout);
        } else if (*text == '-') {
            fputs("\\-", stdout);
        } else if (is_start && (*text == '.' || *text == '\'')) {
            printf("\\&%c", *text);
        } else {
            putchar(*text);
        }
        is_start = *text == '\n';
    }
}

static void put_option(const struct opt *o)
{
    fputs(".TP\n.B \\-\\-", stdout);
    put_text(o->name);
    if (o->value != NULL) {
        fputs(" \\fI", stdout);
        put_text(o->value);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    put_text(o->help);
    putchar('\n');
}

static void put_command(const struct command *c)
{
    printf(".SS %s", c->name);
    if (c->operands != NULL) {
        putchar(' ');
        put_text(c->operands);
    }
    putchar('\n');
    put_text(c->summary);
    puts(".");
    if (c->details != NULL) {
        puts(".PP");
        put_text(c->details);
        putchar('\n');
    }
    for (size_t i = 0; c->options[i] != NULL; i++) {
        for (const struct opt *o = c->options[i]; o->name != NULL; o++)
            put_option(o);
    }
    if (c->example != NULL) {
        puts(".PP\nExample:\n.PP\n.nf\n.RS");
        put_text(c->example);
        puts("\n.RE\n.fi");
    }
}

int command_man(const struct args *args)
{
    puts(".TH POSTHORN 1 \"\" \"posthorn " POSTHORN_VERSION "\" "
         "\"User Commands\"\n"
         ".SH NAME\nposthorn \\- webhook delivery engine with a durable queue\n"
         ".SH SYNOPSIS\n.B posthorn\n\\fICOMMAND\\fR [\\fIOPTION\\fR]...\n"
         ".SH DESCRIPTION\nposthorn accepts events over HTTP, matches them "
         "against webhooks, and delivers them with retries. \\fBposthorn "
         "serve\\fR runs the engine; the other commands are its clients.\n"
         ".SH COMMANDS");
    for (const struct command *c = args->table->commands; c->name != NULL; c++)
        put_command(c);
    puts(".SH ENVIRONMENT\n"
         ".TP\n.B POSTHORN_API\\fR, \\fBPOSTHORN_INGEST\\fR, "
         "\\fBPOSTHORN_TOKEN\nwhere commands call, and as whom.\n"
         ".TP\n.B POSTHORN_CA\\fR, \\fBPOSTHORN_CERT\\fR, "
         "\\fBPOSTHORN_CERT_KEY\nfiles for https addresses: whom commands "
         "trust, and what they show of themselves.\n"
         ".TP\n.B POSTHORN_\\fINAME\na setting of the engine.\n"
         ".TP\n.B NO_COLOR\nif it is not empty, nothing is coloured.\n"
         ".SH EXIT STATUS\n0: done. 1: it failed. 2: wrong usage.\n"
         ".SH SEE ALSO\n.BR posthorn-install (7),\n.BR posthorn-operate (7),\n"
         ".BR posthorn-concepts (7),\n.BR posthorn-api (7)");
    return 0;
}

// --- completion ---

// Prints lines of the shell function that complete an option's value by its choices.
static void put_bash_choices(const struct command *c)
{
    for (size_t i = 0; c->options[i] != NULL; i++) {
        for (const struct opt *o = c->options[i]; o->name != NULL; o++) {
            if (o->value == NULL)
                continue;
            printf("        %s:--%s) ", c->name, o->name);
            if (o->choices == NULL) {
                puts("return ;;");
            } else if (strcmp(o->choices, "FILE") == 0) {
                puts("COMPREPLY=($(compgen -f -- \"$cur\")); return ;;");
            } else if (strcmp(o->choices, "DIR") == 0) {
                puts("COMPREPLY=($(compgen -d -- \"$cur\")); return ;;");
            } else {
                printf("COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); return "
                       ";;\n",
                       o->choices);
            }
        }
    }
}

static void put_words(const struct command *c)
{
    const char *separator = "";

    if (c->verbs != NULL) {
        fputs(c->verbs, stdout);
        separator = " ";
    }
    for (size_t i = 0; c->options[i] != NULL; i++) {
        for (const struct opt *o = c->options[i]; o->name != NULL; o++) {
            printf("%s--%s", separator, o->name);
            separator = " ";
        }
    }
}

static void put_names(const struct command *commands)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        printf("%s%s", c == commands ? "" : " ", c->name);
}

static void put_bash(const struct command *commands)
{
    puts("# bash completion of posthorn: source <(posthorn completion bash)\n"
         "_posthorn() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} "
         "prev=${COMP_WORDS[COMP_CWORD-1]}\n"
         "    local command=${COMP_WORDS[1]}\n"
         "    COMPREPLY=()\n"
         "    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    fputs("        COMPREPLY=($(compgen -W \"", stdout);
    put_names(commands);
    puts("\" -- \"$cur\"))\n        return\n    fi\n"
         "    case $command:$prev in");
    for (const struct command *c = commands; c->name != NULL; c++)
        put_bash_choices(c);
    puts("    esac\n    case $command in");
    for (const struct command *c = commands; c->name != NULL; c++) {
        printf("        %s) COMPREPLY=($(compgen -W \"", c->name);
        if (c->run == command_list) {
            put_names(commands);
        } else {
            put_words(c);
        }
        printf("\"%s -- \"$cur\")) ;;\n",
               c->max_operands > 0 && c->verbs == NULL ? " -f" : "");
    }
    puts("    esac\n}\ncomplete -F _posthorn posthorn");
}

// Prints text in single quotes; colons and brackets are escaped, since they separate
// the parts of a description for _arguments.
static void put_zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else if (strchr(":[]", *text) != NULL) {
            printf("\\%c", *text);
        } else {
            putchar(*text);
        }
    }
}

static void put_zsh_option(const struct opt *o)
{
    printf(" \\\n                '*--%s[", o->name);
    put_zsh_text(o->help);
    putchar(']');
    if (o->value != NULL) {
        putchar(':');
        put_zsh_text(o->value);
        putchar(':');
        if (o->choices != NULL && strcmp(o->choices, "FILE") == 0) {
            fputs("_files", stdout);
        } else if (o->choices != NULL && strcmp(o->choices, "DIR") == 0) {
            fputs("_files -/", stdout);
        } else if (o->choices != NULL) {
            printf("(%s)", o->choices);
        }
    }
    putchar('\'');
}

static void put_zsh(const struct command *commands)
{
    puts("#compdef posthorn\n"
         "# zsh completion of posthorn: source <(posthorn completion zsh)\n"
         "_posthorn() {\n"
         "    local -a commands\n    commands=(");
    for (const struct command *c = commands; c->name != NULL; c++) {
        printf("        '%s:", c->name);
        put_zsh_text(c->summary);
        puts("'");
    }
    puts("    )\n"
         "    if (( CURRENT == 2 )); then\n"
         "        _describe command commands\n        return\n    fi\n"
         "    local command=$words[2]\n"
         "    shift words\n    (( CURRENT-- ))\n"
         "    case $command in");
    for (const struct command *c = commands; c->name != NULL; c++) {
        printf("        %s)\n            _arguments", c->name);
        if (c->verbs != NULL) {
            printf(" '1:what:(%s)'", c->verbs);
        } else if (c->max_operands > 0) {
            fputs(" '1:operand:_files'", stdout);
        }
        for (size_t i = 0; c->options[i] != NULL; i++) {
            for (const struct opt *o = c->options[i]; o->name != NULL; o++)
                put_zsh_option(o);
        }
        puts(" ;;");
    }
    puts("    esac\n}\n"
         "(( $+functions[compdef] )) && compdef _posthorn posthorn");
}

// Prints text for single quotes of fish.
static void put_fish_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
}

static void put_fish_option(const struct command *c, const struct opt *o)
{
    printf("complete -c posthorn -n '__posthorn_is %s' -l %s", c->name,
           o->name);
    if (o->value != NULL && o->choices == NULL) {
        fputs(" -x", stdout);
    } else if (o->value != NULL && strcmp(o->choices, "FILE") == 0) {
        fputs(" -r -F", stdout);
    } else if (o->value != NULL && strcmp(o->choices, "DIR") == 0) {
        fputs(" -x -a '(__fish_complete_directories)'", stdout);
    } else if (o->value != NULL) {
        printf(" -x -a '%s'", o->choices);
    }
    fputs(" -d '", stdout);
    put_fish_text(o->help);
    puts("'");
}

// Prints what the first operand of a command may be.
static void put_fish_operands(const struct command_table *table,
                              const struct command *c)
{
    if (c->max_operands == 0)
        return;
    printf("complete -c posthorn -n '__posthorn_is %s", c->name);
    if (c->run == command_list || c->verbs != NULL) {
        fputs("; and __posthorn_has 2' -a '", stdout);
        if (c->verbs != NULL) {
            fputs(c->verbs, stdout);
        } else {
            put_names(table->commands);
        }
        puts("'");
    } else {
        puts("' -F");
    }
}

static void put_fish(const struct command_table *table)
{
    puts("# fish completion of posthorn: posthorn completion fish | source\n"
         "function __posthorn_has\n"
         "    test (count (commandline -opc)) -eq $argv[1]\nend\n"
         "function __posthorn_is\n"
         "    set -l words (commandline -opc)\n"
         "    test (count $words) -ge 2; and test $words[2] = $argv[1]\nend\n"
         "complete -c posthorn -f");
    for (const struct command *c = table->commands; c->name != NULL; c++) {
        printf("complete -c posthorn -n '__posthorn_has 1' -a %s -d '",
               c->name);
        put_fish_text(c->summary);
        puts("'");
        put_fish_operands(table, c);
        for (size_t i = 0; c->options[i] != NULL; i++) {
            for (const struct opt *o = c->options[i]; o->name != NULL; o++)
                put_fish_option(c, o);
        }
    }
}

int command_completion(const struct args *args)
{
    if (strcmp(args->operands[0], "bash") == 0) {
        put_bash(args->table->commands);
    } else if (strcmp(args->operands[0], "fish") == 0) {
        put_fish(args->table);
    } else {
        put_zsh(args->table->commands);
    }
    return 0;
}
