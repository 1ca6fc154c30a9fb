# SPDX-License-Identifier: MIT
# tasks.sh — what the tests in a booted system share; sourced by them.
# shellcheck shell=bash disable=SC2034 # some variables are for those who source it

api=127.0.0.1:8080
sink=127.0.0.1:9099
got=/run/posthorn-sink.jsonl
data=/var/lib/posthorn
conf=/etc/posthorn/posthorn.conf
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

failed() {
    echo "FAILED: $*"
    systemctl status --no-pager -l posthorn || true
    journalctl --no-pager -u posthorn -n 60 || true
    exit 1
}

# until SECONDS COMMAND...: waits until it succeeds.
until_it() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || failed "$*"
        sleep 0.2
    done
}

property() {
    systemctl show -p "$1" --value posthorn
}

is() {
    [ "$(property "$1")" = "$2" ]
}

# ready_at_once TASK: what systemd calls started is ready without waiting.
ready_at_once() {
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$api/readyz")" = 200 ] ||
        failed "$1: not ready, though systemd says that it is started"
    is ActiveState active || failed "$1: not active"
    case $(property StatusText) in Ready*) ;; *) failed "$1: no status" ;; esac
}

n_got() {
    grep -c '"method":"POST"' "$got"
}

# start_sink: a receiver, unless there is one.
start_sink() {
    if ! curl -s -o /dev/null "http://$sink/"; then
        posthorn sink --listen "$sink" --secret s3cret >>"$got" 2>/run/posthorn-sink.log &
        until_it 10 curl -s -o /dev/null "http://$sink/"
    fi
}

# delivers TASK: an event that is posted arrives, signed.
delivers() {
    local before
    before=$(n_got)
    posthorn send --org acme --kind order.created >/dev/null ||
        failed "$1: no event is taken"
    has_more() { [ "$(n_got)" -gt "$before" ]; }
    until_it 30 has_more
    tail -n 1 "$got" | grep -q '"signature":"valid"' || failed "$1: not signed"
    echo "ok: $1, delivered"
}

# no_complaint TASK: nothing above "info" in the journal since the last look.
since=$(date +%s)
no_complaint() {
    local lines
    journalctl --sync
    lines=$(journalctl --no-pager -q -u posthorn -p warning --since "@$since" -o cat)
    [ -z "$lines" ] || failed "$1: the journal has $lines"
    since=$(date +%s)
}
