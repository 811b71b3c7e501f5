# What the run scripts of the examples share; sourced by them, after `set -euo pipefail`.
#
# A script says `step "doing something"` before each step and works in $dir, a temporary folder with a home folder of
# its own. When it ends, however it ends, the processes it started with `background` are gone, and the folder too; when
# a step failed, that step is named, with the last lines of every log in $dir. Exits 0 only when every step passed.
umask 077
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
example=$(basename "$(cd "$(dirname "$0")" && pwd)")
dir=$(mktemp -d)
pids=()
stage="starting"

export PATH="$PATH:$HOME/.cargo/bin"
# The crates are compiled once for all examples, and neither cookies nor caches are left in the user's home.
export CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
export CARGO_TARGET_DIR="$root/_build/examples/cargo"
export HOME="$dir/home"
unset ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS
mkdir "$HOME"

# Each process runs under `timeout`, which passes a TERM on to its group. What an Erlang VM starts is in a group of its
# own, so those processes are looked for.
cleanup() {
    local status=$? all=()
    trap '' INT TERM
    mapfile -t all < <(family "${pids[@]}")
    [ ${#all[@]} -eq 0 ] || kill -TERM "${all[@]}" 2>/dev/null || true
    wait
    until_true 10 gone "${all[@]}" || kill -KILL "${all[@]}" 2>/dev/null || true
    case $status in
        0) ;;
        130) echo "examples/$example: interrupted while $stage" >&2 ;;
        *) explain ;;
    esac
    rm -rf "$dir"
    exit "$status"
}

# The processes named, and all that descends from them.
family() { # pid...
    local pid
    for pid in "$@"; do
        echo "$pid"
        # shellcheck disable=SC2046
        family $(pgrep -P "$pid")
    done
}

gone() { ! kill -0 "$@" 2>/dev/null; } # pid...: none of them is there

trap cleanup EXIT
trap 'exit 130' INT TERM

explain() {
    echo "examples/$example failed: $stage" >&2
    local log
    for log in "$dir"/*.log; do
        [ ! -s "$log" ] || { echo "-- ${log##*/}, last lines:" && tail -n 25 "$log" | cut -c -200; } >&2
    done
}

step() { # text
    stage=$1
    echo "== $1"
}

fail() { # text: what is wrong, in one sentence
    echo "$1" >&2
    exit 1
}

# Runs to its end, for at most so many seconds; the output goes to the log. What arrives in the meantime, such as an
# interruption, is not held up by it. Not for subshells, which do not share $pids.
logged() { # seconds log command...
    local status=0
    background "$@"
    wait "${pids[-1]}" || status=$?
    unset 'pids[-1]'
    return "$status"
}

# Runs in the background for at most so many seconds; its pid is remembered.
background() { # seconds log command...
    timeout --kill-after=5 "$1" "${@:3}" >"$dir/$2.log" 2>&1 </dev/null &
    pids+=($!)
}

# Ends what `background` started last.
end_last() {
    kill -TERM "${pids[-1]}" 2>/dev/null || true
    wait "${pids[-1]}" 2>/dev/null || true
    unset 'pids[-1]'
}

until_true() { # seconds command...: polls until the command succeeds, or the time is over
    local deadline=$((SECONDS + $1))
    until "${@:2}"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

says() { # text log: the log contains the text
    grep -qF -- "$1" "$dir/$2.log"
}

must_say() { # text log
    says "$1" "$2" || fail "$2.log does not say: $1"
}

# A command that wants a terminal gets one, from bash whatever the login shell is (dash would lose exported functions),
# and what `type_in` writes comes to it as if typed. Needs script(1).
terminal() { # seconds log command, as one word for the shell
    mkfifo "$dir/keys"
    SHELL=$(command -v bash) timeout --kill-after=5 "$1" script -qfec "$3" /dev/null <"$dir/keys" >"$dir/$2.log" 2>&1 &
    pids+=($!)
    exec 3>"$dir/keys"
}

type_in() { echo "$1" >&3; }

end_terminal() {
    exec 3>&-
    end_last
    rm "$dir/keys"
}

# An epmd that fails to bind its port ends at once: then another port is tried.
start_epmd() { # [address]
    local tries=10
    while [ $((tries--)) -gt 0 ]; do
        export ERL_EPMD_PORT=$((20000 + RANDOM % 12000))
        background 300 epmd epmd -address "${1:-127.0.0.1}"
        if until_true 5 epmd_settled "${pids[-1]}" && kill -0 "${pids[-1]}" 2>/dev/null; then
            return
        fi
        unset 'pids[-1]'
    done
    fail "epmd did not start"
}

epmd_settled() { ! kill -0 "$1" 2>/dev/null || epmd -names >/dev/null 2>&1; }

registered() { epmd -names 2>/dev/null | grep -q "^name $1 "; }

# The node is registered, or the process that `background` started last has ended.
up() { registered "$1" || ! kill -0 "${pids[-1]}" 2>/dev/null; }

await_node() { # name
    until_true 30 up "$1" && registered "$1" || fail "the node $1 did not come up"
}

make_ca() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$dir/ca.key"
    openssl req -x509 -new -key "$dir/ca.key" -days 2 -subj "/CN=rustls_dist example CA" -out "$dir/ca.pem"
}

# One key and certificate, for localhost unless said otherwise, and one option file that asks for certificates in both
# directions.
make_node_files() { # name [subject-alternative-names]
    openssl ecparam -name prime256v1 -genkey -noout -out "$dir/$1.key"
    printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\n' "${2:-DNS:localhost,IP:127.0.0.1}" >"$dir/$1.ext"
    openssl req -new -key "$dir/$1.key" -subj "/CN=$1" -out "$dir/$1.csr"
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 1 \
        -extfile "$dir/$1.ext" -out "$dir/$1.pem"
    local common="{certfile, \"$dir/$1.pem\"}, {keyfile, \"$dir/$1.key\"}, {cacertfile, \"$dir/ca.pem\"}"
    echo "[{server, [$common, {verify, verify_peer}, {fail_if_no_peer_cert, true}]}," \
        "{client, [$common, {verify, verify_peer}]}]." >"$dir/$1.conf"
}

make_certificates() { # name...: the option files are $dir/NAME.conf
    local name
    make_ca 2>"$dir/openssl.log"
    for name in "$@"; do
        make_node_files "$name" 2>>"$dir/openssl.log"
    done
    rm "$dir/openssl.log"
}

# A git repository in $dir/repository that holds this checkout as it is now, changes that are not committed included;
# its URL is in $repository. What git ignores is left out.
make_repository() {
    local tree=$dir/repository
    mkdir "$tree"
    tar -C "$root" -c --exclude=./.git --exclude=./_build --exclude=./target . | tar -C "$tree" -x
    into_repository "$tree"
    repository="file://$tree"
}

# Commits a folder to a new repository in it, on the branch main.
into_repository() { # folder
    {
        git -C "$1" init --quiet --initial-branch main
        git -C "$1" add .
        git -C "$1" -c user.name=example -c user.email=example@localhost commit --quiet -m "as it is"
    } >"$dir/git.log" 2>&1
}

# A copy of the example's own files, so that building it leaves nothing behind; the folder is in $copy.
copy_example() {
    copy=$dir/$example
    cp -R "$root/examples/$example" "$copy"
    cd "$copy"
}
