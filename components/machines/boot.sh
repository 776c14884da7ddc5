#!/bin/sh
# Makes this instance the node of EMQX that is declared for it, at every boot (cloud-init, scripts-per-boot): data volume, package, configuration, service.
# The rule: what is declared takes effect here and nowhere else; a volume is formatted only when nothing at all is on it; secrets come from Parameter
# Store, go into two files that only EMQX reads, and are never printed.
set -eu
umask 077

WHAT="EMQX"
. /etc/emqx-upgrade/node # REGION, PARAMETERS, NODE, VOLUME, DEVICE, DATA, WAIT_SECONDS
. ./shared.sh

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
  metadata_awaited
  aside=$(metadata meta-data/tags/instance/emqx-upgrade-aside) || return 0
  if [ -z "$aside" ] || [ -e "$DATA/.$aside" ]; then
    return
  fi
  mkdir "$DATA/.$aside"
  find "$DATA" -mindepth 1 -maxdepth 1 ! -name '.aside-*' ! -name lost+found -exec mv {} "$DATA/.$aside/" ';'
  say "the data of before are in $DATA/.$aside"
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
printf '%s\n%s\nnode.name = "%s"\n%s\n%s\n' "$born" "$config" "$name" "$cookie" "$settings" | written /etc/emqx/emqx.conf emqx
printf '%s\n' "$keys" | written /etc/emqx/api-keys emqx
owned
step="starting the service"
systemctl restart emqx
say "$name is started with $declared"
