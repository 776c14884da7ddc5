# What every instance of ours does at its boot in the same way; it stands in each of their scripts (`user_data.py`).

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
  [ "$code" -eq 0 ] || say "ended with $code while $step; $WHAT is not started"
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

# The metadata service is there: `metadata` may be called. Not from within it, where a failure would end nothing.
metadata_awaited() {
  latest=http://169.254.169.254/latest
  token=$(awaited "$WAIT_SECONDS" "the metadata service" curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$latest/api/token")
}

# metadata PATH: what it says there
metadata() {
  curl -sf -m 5 -H "X-aws-ec2-metadata-token: $token" "$latest/$1"
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

# written FILE USER: what comes in, readable for this user alone
written() {
  cat >"$1.new"
  if id "$2" >/dev/null 2>&1; then
    chown "root:$2" "$1.new"
  fi
  chmod 640 "$1.new"
  mv "$1.new" "$1"
}
