#!/bin/sh
# Makes this instance the HAProxy that is declared, at every boot (cloud-init, scripts-per-boot) and whenever it is run again (Systems Manager): package,
# configuration, certificates, and green's share as the table has it. With the word `share` it only reads that, before each start of the service.
# The rule: HAProxy begins with the share of the table or not at all, and gets it once more when it runs, so none that changed meanwhile is missed; who is
# connected stays, since a new configuration is a reload.
set -eu
umask 077

WHAT="HAProxy"
. /etc/emqx-upgrade/balancer # REGION, PARAMETERS, TABLE, WAIT_SECONDS
. ./shared.sh

ETC=/etc/haproxy
ASK=/usr/local/lib/emqx-upgrade/far_end.py

# item PATH: an attribute of the table's one item
item() {
  aws dynamodb get-item --region "$REGION" --table-name "$TABLE" --consistent-read --key '{"id":{"S":"cutover"}}' --query "Item.$1" --output text
}

share() {
  found=$(item green.N) || return 1
  case $found in
    '' | *[!0-9]*)
      echo "table $TABLE has no share yet" >&2
      return 1
      ;;
  esac
  echo "$found"
}

share_written() {
  mkdir -p "$ETC"
  parts=$(awaited "$WAIT_SECONDS" "green's share" share)
  echo "green $parts" | written "$ETC/share.map" haproxy
}

asked() {
  python3 "$ASK" "$ETC/admin.sock" "$1"
}

pid() {
  asked 'show info' | sed -n 's/^Pid: //p'
}

another() {
  now=$(pid) || return 1
  [ -n "$now" ] && [ "$now" != "$before" ] || {
    echo "process ${now:-none} listens" >&2
    return 1
  }
}

# Servers as the process has them that listens, if one does; those that are new to it as the table says.
states_written() {
  asked 'show servers state' >"$work/here" 2>"$work/error" || echo 1 >"$work/here"
  item "memory.M.server_states.S" >"$work/there"
  awk 'NR == FNR { if (NF > 6) known[$2 "/" $4] = 1; print; next } NF > 6 && $1 !~ /^#/ && !known[$2 "/" $4]' "$work/here" "$work/there" |
    written "$ETC/servers.state" haproxy
}

# as_declared VERSION SOURCE [SHA256]: this version (2.8 is any 2.8.x), or nothing is started
as_declared() {
  case "$(installed haproxy)" in "$1" | "$1".* | "$1"-*) return 0 ;; esac
  say "installing haproxy $1"
  case $2 in
    image) ;;
    s3://*)
      fetched "$2" "$3"
      package install "$file"
      ;;
    repository)
      command -v dnf >/dev/null || apt-get update
      package install haproxy
      ;;
    *) die "no such source of packages: $2" ;;
  esac
  case "$(installed haproxy)" in
    "$1" | "$1".* | "$1"-*) ;;
    *) die "haproxy $1 is declared, there is $(installed haproxy)" ;;
  esac
}

if [ "${1:-}" = share ]; then
  step="reading green's share"
  share_written
  exit 0
fi

exec 9>/run/emqx-upgrade.lock
flock 9
step="reading what is declared"
declared=$(awaited "$WAIT_SECONDS" "parameter $PARAMETERS/declared" parameter declared)
digest=${declared%% *}
step="installing the package"
# shellcheck disable=SC2086  # its words are the arguments
as_declared ${declared#* }
systemctl daemon-reload
# HAProxy is started by this script only: a boot must not begin with what was declared before
systemctl disable haproxy

step="reading the parameters"
mkdir -p "$ETC"
if id haproxy >/dev/null 2>&1; then
  chown root:haproxy "$ETC"
fi
chmod 770 "$ETC"
config=$(awaited "$WAIT_SECONDS" "parameter $PARAMETERS/config" parameter config)
printf '%s' "$config" | base64 -d | gunzip >"$work/config"
metadata_awaited
address=$(metadata meta-data/local-ipv4)
sed "s/own\.address/$address/" "$work/config" | written "$ETC/next.cfg" haproxy
files=$(awaited 60 "parameter $PARAMETERS/files" parameter files)
for name in $files; do
  [ "$name" != - ] || continue # a parameter cannot be empty
  awaited 60 "parameter $PARAMETERS/secrets/$name" parameter "secrets/$name" >"$work/secret"
  written "$ETC/$name" haproxy <"$work/secret"
done
share_written
states_written
step="checking the configuration"
haproxy -c -q -f "$ETC/next.cfg"
mv "$ETC/next.cfg" "$ETC/haproxy.cfg"
before=$(pid 2>"$work/error") || before=
step="starting the service"
if [ -n "$before" ]; then
  systemctl reload haproxy
else
  systemctl restart haproxy
fi
awaited 60 "HAProxy" another
step="reading green's share once more"
parts=$(awaited "$WAIT_SECONDS" "green's share" share)
asked "set map $ETC/share.map green $parts" >"$work/error"
echo "$digest" >"$ETC/applied"
say "HAProxy is started with $digest and green's share of $parts"
