#!/bin/sh
# etcd with a configuration file turns off its JSON API, which Patroni needs and which is on without a
# file: requests get 404. `enable-grpc-gateway: true` in the file turns it on again.
# Needs Debian's package etcd-server 3.4.23-4+b4, and python3.
set -eu
command -v etcd >/dev/null || { echo "Missing etcd: apt-get install etcd-server" >&2; exit 1; }
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Print the status of a request to the JSON API of an etcd that is started with these arguments.
status() {
    clients=$(port) peers=$(port)
    url="http://127.0.0.1:$clients"
    data=$(mktemp -d "$folder/XXXX")
    if [ "$1" = file ]; then
        printf 'name: one\ndata-dir: %s\nlisten-client-urls: %s\nadvertise-client-urls: %s\n' "$data" "$url" "$url" >"$data.yml"
        printf 'listen-peer-urls: http://127.0.0.1:%s\ninitial-advertise-peer-urls: http://127.0.0.1:%s\n' "$peers" "$peers" >>"$data.yml"
        printf 'initial-cluster: one=http://127.0.0.1:%s\n%s\n' "$peers" "$2" >>"$data.yml"
        etcd --config-file "$data.yml" 2>"$folder/log" &
    else
        etcd --name one --data-dir "$data" --listen-client-urls "$url" --advertise-client-urls "$url" \
            --listen-peer-urls "http://127.0.0.1:$peers" --initial-advertise-peer-urls "http://127.0.0.1:$peers" \
            --initial-cluster "one=http://127.0.0.1:$peers" 2>"$folder/log" &
    fi
    server=$!
    python3 - "$url" <<'PYTHON'
import sys
import time
import urllib.error
import urllib.request

for _ in range(300):
    try:
        if b'"true"' in urllib.request.urlopen(f"{sys.argv[1]}/health", timeout=5).read():
            break
    except OSError:  # it is starting
        pass
    time.sleep(0.1)
request = urllib.request.Request(f"{sys.argv[1]}/v3/cluster/member/list", data=b"{}")
try:
    print(urllib.request.urlopen(request, timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
PYTHON
    kill "$server"
    wait "$server" 2>/dev/null || true
}

etcd --version | head -1
installed=$(dpkg-query --show --showformat='${Package}=${Version}' etcd-server)
test "$installed" = "etcd-server=3.4.23-4+b4" || { echo "This is $installed, not etcd-server=3.4.23-4+b4." >&2; exit 1; }
# Functions run here, not in subshells, so that the trap knows the server.
status options >"$folder/options"
status file "" >"$folder/file"
status file "enable-grpc-gateway: true" >"$folder/gateway"
echo "options alone:                               $(cat "$folder/options")"
echo "the same in a file:                          $(cat "$folder/file")"
echo "with enable-grpc-gateway: true in the file:  $(cat "$folder/gateway")"
test "$(cat "$folder/options" "$folder/file" "$folder/gateway" | tr '\n' ' ')" = "200 404 200 "
