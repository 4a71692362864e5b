# Three nodes of their own on this machine, with real fsync: what `run` and `scale` share. To be sourced at the repository's root.
#
# Environment: CITIZENS, PORT, BENCH_DIR, NO_BUILD, KEEP, AUTHORITY, RAFT, LIMITS, as `run` says, and ASKED (1 2 3): the nodes that are asked.

citizens=${CITIZENS:-100000}
port=${PORT:-8400}
start_seconds_max=60
stop_seconds_max=30

[ -n "${NO_BUILD:-}" ] || cargo build --quiet --locked --workspace --bins
target=$(cargo metadata --offline --no-deps --format-version 1 | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)
bin=$target/debug
home=${BENCH_DIR:-$target/bench-cluster}
mkdir -p "$home"
case $(stat -f -c %T "$home") in
    tmpfs | ramfs) echo "run: $home is memory, not a disk: set BENCH_DIR" >&2; exit 1 ;;
esac

# Kept between runs: making people and certificates is no part of what is measured.
[ -d "$home/certs" ] || "$bin/xacminh" cert --out "$home/certs" --cluster bench dev --nodes 3 >/dev/null
[ -f "$home/keyring.toml" ] || "$bin/xacminh-node" keyring new --out "$home/keyring.toml" >/dev/null
people=$home/people-$citizens.sqlite
if [ ! -f "$people" ]; then
    "$bin/xacminh" population generate --citizens "$citizens" --province 48 --seed 1 --to "sqlite:$people.new" >/dev/null
    mv "$people.new" "$people"
fi
# One clerk asks everything here, which no clerk does: the limits of the register are made to fit.
sed -e 's/^misses_per_official_hour = .*/misses_per_official_hour = 1000000/' cluster-configs/registers/dev.toml >"$home/register.toml"

config() {
    local id=$1 each
    printf '[cluster]\nname = "bench"\nprovince = "48"\ndomain = "log.xacminh.example"\n'
    printf '[node]\nid = %s\ndata_dir = "node-%s"\n' "$id" "$id"
    for each in 1 2 3; do
        printf '[[members]]\nid = %s\npeer_addr = "127.0.0.1:%s"\nclient_addr = "127.0.0.1:%s"\n' $each $((port + 10 + each)) $((port + each))
    done
    printf '[client]\nlisten = "127.0.0.1:%s"\n[client.tls]\ncert = "../certs/node-%s.pem"\nkey = "../certs/node-%s.key"\nca = "../certs/client-ca.pem"\n' $((port + id)) "$id" "$id"
    printf '[peer]\nlisten = "127.0.0.1:%s"\n[peer.tls]\ncert = "../certs/peer-%s.pem"\nkey = "../certs/peer-%s.key"\nca = "../certs/peer-ca.pem"\n' $((port + 10 + id)) "$id" "$id"
    printf '[authority]\nkind = "embedded"\npath = "%s"\n%b\n' "$people" "${AUTHORITY:-}"
    printf '[keyring]\nfile = "../keyring.toml"\n[bootstrap]\nregister = "../register.toml"\n'
    # Three nodes and their load share two processors: an election must not come of a full one.
    printf '[raft]\nheartbeat_ms = 100\nelection_timeout_min_ms = 1000\nelection_timeout_max_ms = 2000\n%s\n' "${RAFT:-}"
    printf '[client.limits]\n%b\n' "${LIMITS:-}"
    printf '[admin]\nlisten = "127.0.0.1:%s"\n[log]\nformat = "text"\n' $((port + 20 + id))
}

# Asks an admin port without curl: a fresh machine may have none.
admin() {
    { exec 3<>"/dev/tcp/127.0.0.1/$((port + 20 + $1))"; } 2>/dev/null || return 1
    printf 'GET %s HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n' "$2" >&3
    timeout 5 cat <&3
    exec 3>&- 3<&-
}

pids=()
program=
cluster=
stop() {
    local pid waited
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do
        for ((waited = 0; waited < stop_seconds_max * 5; waited++)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.2
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
    pids=()
    [ -z "$cluster" ] || [ -n "${KEEP:-}" ] || rm -rf "$cluster"
    cluster=
}
trap stop EXIT

# Starts three nodes of a build.
start() {
    program=$1
    local id first=--bootstrap
    if [ -n "${KEEP:-}" ]; then
        cluster=$home/$KEEP
        [ ! -d "$cluster/node-1" ] || first=
        mkdir -p "$cluster"
    else
        cluster=$(mktemp -d "$home/cluster.XXXXXX")
    fi
    for id in 1 2 3; do
        config $id >"$cluster/node-$id.toml"
        spawn $id $([ $id = 1 ] && echo $first)
    done
    for id in 1 2 3; do ready $id; done
}

# Starts a node's process; it is `pids[id - 1]` from then on.
spawn() {
    local id=$1
    shift
    "$program" run --config "$cluster/node-$id.toml" "$@" >>"$cluster/node-$id.log" 2>&1 </dev/null &
    pids[id - 1]=$!
}

# Waits until a node is ready.
ready() {
    local waited
    for ((waited = 0; waited < start_seconds_max * 20; waited++)); do
        [[ $(admin $1 /readyz) == *" 200 "* ]] && return
        sleep 0.05
    done
    echo "run: node $1 is not ready; its last words:" >&2
    tail -5 "$cluster/node-$1.log" >&2
    exit 1
}

load() {
    "${LOAD:-$bin/load}" ${LOAD_VERB:-} --cluster bench --cert "$home/certs/portal-1.pem" --key "$home/certs/portal-1.key" --ca "$home/certs/client-ca.pem" \
        $(for id in ${ASKED:-1 2 3}; do echo "--endpoint 127.0.0.1:$((port + id)) --pid ${pids[id - 1]}"; done) \
        --population "$people" --people "${PEOPLE:-20000}" --mix "${MIX:-match=90,mismatch=0,lookup=10}" \
        --seconds "${SECONDS_EACH:-10}" --quiet-s "${QUIET_S:-300}" "$@"
}
