#!/bin/sh
# Makes this instance the node of EMQX that is declared for it, at every boot (cloud-init, scripts-per-boot): data volume, package, configuration, service.
# The rule: what is declared takes effect here and nowhere else; a volume is formatted only when nothing at all is on it; secrets come from Parameter
# Store, go into two files that only EMQX reads, and are never printed.
set -eu
umask 077

. /etc/emqx-upgrade/node # REGION, PARAMETERS, NODE, VOLUME, DEVICE, DATA, WAIT_SECONDS

step="beginning"
work=$(mktemp -d)
trap ended EXIT
trap 'exit 1' INT TERM

say() {
  echo "emqx-upgrade: $*"
}

# Whatever ends this early is told on the console, also a command that says nothing by itself.
ended() {
  code=$?
  rm -rf "$work"
  [ "$code" -eq 0 ] || say "ended with $code while $step; EMQX is not started"
}

die() {
  say "$*" >&2
  exit 1
}

# awaited SECONDS WHAT COMMAND...: what the command prints as soon as it succeeds
awaited() {
  left=$1
  what=$2
  shift 2
  until printed=$("$@" 2>"$work/error"); do
    [ "$left" -gt 0 ] || die "gave up waiting for $what: $(tail -n 1 "$work/error")"
    left=$((left - 2))
    sleep 2
  done
  printf '%s\n' "$printed"
}

parameter() {
  aws ssm get-parameter --region "$REGION" --name "$PARAMETERS/$1" --with-decryption --query Parameter.Value --output text
}

# Nitro instances know a volume by its id, older ones by the name under which it was attached.
device() {
  for one in "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_$(echo "$VOLUME" | tr -d -)" "$DEVICE" "/dev/xvd${DEVICE#/dev/sd}"; do
    if [ -e "$one" ]; then
      echo "$one"
      return
    fi
  done
  echo "$VOLUME is not attached as $DEVICE" >&2
  return 1
}

mounted() {
  mkdir -p "$DATA"
  if mountpoint -q "$DATA"; then
    return
  fi
  disk=$(awaited "$WAIT_SECONDS" "the data volume" device)
  found=0
  blkid -p "$disk" >/dev/null 2>&1 || found=$?
  case $found in
    0) say "$disk has data" ;;
    2)
      say "$disk is empty: making a file system"
      mkfs.xfs -q -L emqx "$disk"
      ;;
    *) die "what is on $disk cannot be told (blkid: $found); it is not touched" ;;
  esac
  mount -o noatime "$disk" "$DATA"
}

# Data of a node that has left its cluster: it must not come back with them (the keeper has tagged the instance).
set_aside() {
  metadata=http://169.254.169.254/latest
  token=$(awaited "$WAIT_SECONDS" "the metadata service" curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token")
  aside=$(curl -sf -m 5 -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/tags/instance/emqx-upgrade-aside") || return 0
  if [ -z "$aside" ] || [ -e "$DATA/.$aside" ]; then
    return
  fi
  mkdir "$DATA/.$aside"
  find "$DATA" -mindepth 1 -maxdepth 1 ! -name '.aside-*' ! -name lost+found -exec mv {} "$DATA/.$aside/" ';'
  say "the data of before are in $DATA/.$aside"
}

# What is installed of a package, nothing where it is not; rpm says that it is not on its standard output.
installed() {
  if command -v dnf >/dev/null; then
    found=$(rpm -q --qf '%{VERSION}' "$1" 2>/dev/null) || found=
  else
    found=$(dpkg-query -W -f '${Version}' "$1" 2>/dev/null) || found=
  fi
  echo "$found"
}

# package COMMAND WHAT: by the package manager that there is
package() {
  if command -v dnf >/dev/null; then
    dnf "$1" -y "$2"
  else
    DEBIAN_FRONTEND=noninteractive apt-get "$1" -y --allow-downgrades "$2"
  fi
}

fetched() {
  file="$work/${1##*/}"
  aws s3 cp --region "$REGION" --only-show-errors "$1" "$file"
  echo "$2  $file" | sha256sum -c --status || die "$1 has not the sha256 that is declared"
  chmod 755 "$work"
  chmod 644 "$file"
}

# as_declared VERSION EDITION SOURCE [SHA256]: exactly this version, or nothing is started
as_declared() {
  name=emqx
  other=emqx-enterprise
  if [ "$2" = ee ]; then
    name=emqx-enterprise
    other=emqx
  fi
  [ "$(installed "$name")" != "$1" ] || return 0
  say "installing $name $1"
  [ -z "$(installed "$other")" ] || package remove "$other"
  case $3 in
    image) die "the image has $name $(installed "$name"), $1 is declared (package: image)" ;;
    s3://*)
      fetched "$3" "$4"
      package install "$file"
      ;;
    repository)
      if command -v dnf >/dev/null; then
        package install "$name-$1"
      else
        apt-get update
        package install "$name=$1"
      fi
      ;;
    *) die "no such source of packages: $3" ;;
  esac
  [ "$(installed "$name")" = "$1" ] || die "$name $1 is declared, $(installed "$name") was installed"
}

# written FILE: what comes in, readable for EMQX alone
written() {
  cat >"$1.new"
  if id emqx >/dev/null 2>&1; then
    chown root:emqx "$1.new"
  fi
  chmod 640 "$1.new"
  mv "$1.new" "$1"
}

owned() {
  if id emqx >/dev/null 2>&1 && [ "$(stat -c %U "$DATA")" != emqx ]; then
    chown -R emqx:emqx "$DATA"
  fi
}

step="mounting the data volume"
mounted
step="asking whether data are to be set aside"
set_aside
step="reading what is declared"
declared=$(awaited "$WAIT_SECONDS" "parameter $PARAMETERS/declared" parameter declared)
step="installing the package"
# shellcheck disable=SC2086  # its words are the arguments
as_declared $declared
# EMQX is started by this script only: a boot must not begin with the version of before
systemctl disable emqx

step="reading the parameters"
nodes=$(awaited "$WAIT_SECONDS" "parameter $PARAMETERS/nodes" parameter nodes)
name=$(echo "$nodes" | sed -n "$((NODE + 1))p")
[ -n "$name" ] || die "parameter $PARAMETERS/nodes names no node $NODE"
config=$(awaited "$WAIT_SECONDS" "parameter $PARAMETERS/config" parameter config)
born=$(awaited 60 "parameter $PARAMETERS/born" parameter born)
cookie=$(awaited 60 "parameter $PARAMETERS/secrets/cookie" parameter secrets/cookie)
settings=$(awaited 60 "parameter $PARAMETERS/secrets/settings" parameter secrets/settings)
keys=$(awaited 60 "parameter $PARAMETERS/secrets/api-keys" parameter secrets/api-keys)
step="writing the configuration"
printf '%s\n%s\nnode.name = "%s"\n%s\n%s\n' "$born" "$config" "$name" "$cookie" "$settings" | written /etc/emqx/emqx.conf
printf '%s\n' "$keys" | written /etc/emqx/api-keys
owned
step="starting the service"
systemctl restart emqx
say "$name is started with $declared"
