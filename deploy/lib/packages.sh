# shellcheck shell=bash
# Installs what a fresh Debian or Ubuntu machine lacks. Read by `deploy/demo` and `raft-tests/run`; it does nothing by
# itself.

# Ends the script with one sentence.
die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Servers and their tools lie where an ordinary user's path does not lead, and cargo where a non-login shell's does not.
complete_path() {
  PATH="$PATH:/usr/sbin:/sbin:/usr/local/sbin:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin"
  export PATH
}

# Runs a command as root, asking sudo only where somebody can answer it.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif ! has sudo; then
    die "needs root for: $* (and there is no sudo); run that as root once, then again as yourself"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# Installs Debian packages, waiting for another apt to end.
install_packages() {
  has apt-get || die "cannot install $*: only Debian and Ubuntu are known here; install them by hand and run this again"
  echo "installing: $*"
  as_root apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" >/dev/null
}

# The packages with a MariaDB server, without the one that makes it a service of the machine: nothing is started or
# enabled. Their names carry the version on older releases.
mariadb_packages() {
  local core
  core=$(apt-cache search --names-only '^mariadb-server-core(-[0-9.]+)?$' | cut -d' ' -f1 | sort -V | head -n 1)
  [ -n "$core" ] || die "this system's package list has no mariadb-server-core; install a MariaDB server by hand"
  echo "$core ${core/server/client}"
}

install_mariadb() {
  local packages
  apt-cache show mariadb-common >/dev/null 2>&1 || as_root apt-get -qq update
  read -r -a packages <<<"$(mariadb_packages)"
  install_packages "${packages[@]}"
}

# What cargo needs beside itself: a C compiler and linker.
install_compiler() {
  if ! has cc; then
    install_packages gcc libc6-dev
  fi
}

need_cargo() {
  has cargo || die "needs a Rust toolchain (rustup.rs); cargo is not on the path"
}
