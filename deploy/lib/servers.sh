# shellcheck shell=bash
# MariaDB and MySQL servers with data directories of their own. Read by `deploy/demo`; it does nothing by itself.

# A path as it was meant where the script was called.
absolute() {
  case $1 in
  /*) echo "$1" ;;
  */*) echo "${invoked_from:-$PWD}/$1" ;;
  *) command -v "$1" || echo "$1" ;;
  esac
}

# Sets program, version and flavour for the server that is to be used: MYSQLD, else the one that the words ask for, else
# what is on the path, else one that is installed now.
choose_server() {
  local prefer=$1
  if [ -n "${MYSQLD-}" ]; then
    program=$(absolute "$MYSQLD")
  elif [ "$prefer" = mysql ]; then
    program=$(mysql_program)
  else
    has mariadb-install-db || has mysqld || install_mariadb
    program=$(command -v mariadbd || command -v mysqld) || die "there is still no mariadbd on the path"
  fi
  [ -x "$program" ] || die "$program is not a program"
  version=$("$program" --no-defaults --version | sed -n 's/^.*Ver \([^ ]*\).*$/\1/p')
  [ -n "$version" ] || die "$program --version does not print a version"
  case $version in
  *MariaDB*) flavour=mariadb ;;
  *) flavour=mysql ;;
  esac
  supported || die "$program is $version; the demo needs MariaDB 10.5.9 or MySQL 8.0.26 or later"
}

supported() {
  local least=8.0.26
  [ "$flavour" = mysql ] || least=10.5.9
  [ "$(printf '%s\n' "$least" "${version%%-*}" | sort -V | head -n 1)" = "$least" ]
}

# A MySQL server: one that is there, else one that is fetched.
mysql_program() {
  local candidate
  for candidate in "${MYSQL97_HOME:+$MYSQL97_HOME/bin/mysqld}" .cache/mysql-9*/bin/mysqld "$(command -v mysqld || true)"; do
    if [ -x "$candidate" ] && ! "$candidate" --no-defaults --version | grep -q MariaDB; then
      realpath --no-symlinks "$candidate"
      return
    fi
  done
  raft-tests/get-mysql .cache/mysql-9 >&2
  realpath --no-symlinks .cache/mysql-9/bin/mysqld
}

# Servers refuse to run as root unless told to.
user_option() {
  if [ "$(id -u)" -eq 0 ]; then
    echo --user=root
  fi
}

# The accounts of orchestrator and of the replicas, one statement a line.
accounts() {
  local admin
  if [ "$flavour" = mariadb ]; then
    echo 'FLUSH PRIVILEGES;'
    admin='SUPER, REPLICA MONITOR, BINLOG MONITOR, BINLOG ADMIN, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN'
    admin="$admin, CONNECTION ADMIN, READ_ONLY ADMIN"
  else
    admin='REPLICATION CLIENT, REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN, SESSION_VARIABLES_ADMIN'
    admin="$admin, CONNECTION_ADMIN, SYSTEM_USER, BINLOG_ADMIN"
  fi
  echo "CREATE USER 'orchestrator'@'%' IDENTIFIED BY 'orchestrator_pw';"
  echo "GRANT PROCESS, RELOAD, REPLICATION SLAVE, $admin ON *.* TO 'orchestrator'@'%';"
  [ "$flavour" = mariadb ] || echo "GRANT SELECT ON mysql.slave_master_info TO 'orchestrator'@'%';"
  [ "$flavour" = mariadb ] || for table in group_members connection_status connection_configuration; do
    echo "GRANT SELECT ON performance_schema.replication_$table TO 'orchestrator'@'%';"
  done
  echo "CREATE USER 'repl'@'%' IDENTIFIED BY 'repl_pw';"
  echo "GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%';"
}

# --force: a machine that cannot look up its own name is none the worse for it here.
make_mariadb() {
  local to=$1 options=()
  options=(--no-defaults "--datadir=$to" --innodb-log-file-size=8M)
  mapfile -t -O 3 options < <(user_option)
  mariadb-install-db "${options[@]}" --force --auth-root-authentication-method=normal --skip-test-db &&
    accounts | "$program" "${options[@]}" --bootstrap
}

make_mysql() {
  local to=$1 options=()
  mapfile -t options < <(user_option)
  accounts >"$to.sql"
  "$program" --no-defaults --initialize-insecure "--datadir=$to" "--init-file=$to.sql" "${options[@]}" \
    --innodb-redo-log-capacity=32M --mysqlx=OFF --secure-file-priv= || return 1
  # It holds the server's UUID; a copy without it gets one of its own.
  rm -f "$to.sql" "$to/auto.cnf"
}

# Sets template to a data directory of this server version, made once and kept with the build's other products.
make_template() {
  # The number is raised when what stands in it changes.
  template=$PWD/.cache/demo/$flavour-$version-2
  [ ! -d "$template" ] || return 0
  echo "making a data directory, once"
  mkdir -p .cache/demo
  rm -rf "$template.unfinished"
  "make_$flavour" "$template.unfinished" >"$template.log" 2>&1 ||
    die "making a data directory failed: $(tail -n 5 "$template.log")"
  mv "$template.unfinished" "$template"
}

# What a replica runs at its first start; nothing for the source. All servers have the port mysql_port.
replication_statements() {
  local source=$1 mysql_port=${mysql_port:?}
  [ -n "$source" ] || return 0
  if [ "$flavour" = mariadb ]; then
    echo "CHANGE MASTER TO MASTER_HOST='$source', MASTER_PORT=$mysql_port, MASTER_USER='repl', MASTER_PASSWORD='repl_pw', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1;"
    echo 'START SLAVE;'
  else
    echo "CHANGE REPLICATION SOURCE TO SOURCE_HOST='$source', SOURCE_PORT=$mysql_port, SOURCE_USER='repl', SOURCE_PASSWORD='repl_pw', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1, SOURCE_HEARTBEAT_PERIOD=1;"
    echo 'START REPLICA;'
  fi
}

# option_file NUMBER FOLDER HOST SOURCE: small and quick, and reachable as one of a real fleet is.
option_file() {
  local number=$1 folder=$2 host=$3 source=$4
  cat <<OPTIONS
[mysqld]
datadir=$folder/data
# Its own: a MariaDB that starts removes what looks like left temporary tables, also those of a neighbour.
tmpdir=$folder/data
socket=$folder/sock
pid_file=$folder/server.pid
bind_address=$host
port=$mysql_port
report_host=$host
report_port=$mysql_port
server_id=$number
log_bin=bin
relay_log=relay
read_only=$([ -n "$source" ] && echo 1 || echo 0)
innodb_buffer_pool_size=32M
innodb_flush_log_at_trx_commit=2
sync_binlog=0
performance_schema=0
skip_name_resolve=1
OPTIONS
  if [ "$flavour" = mariadb ]; then
    printf '%s\n' innodb_log_file_size=8M log_slave_updates=1 gtid_strict_mode=1 slave_net_timeout=2 binlog_format=ROW
  else
    printf '%s\n' gtid_mode=ON enforce_gtid_consistency=ON mysqlx=OFF secure_file_priv= loose_replica_net_timeout=2
  fi
  [ "$(id -u)" -ne 0 ] || echo user=root
}

# prepare_server NUMBER FOLDER HOST SOURCE
prepare_server() {
  local folder=$2
  mkdir -p "$folder"
  cp -a --reflink=auto "$template" "$folder/data"
  option_file "$@" >"$folder/my.cnf"
  replication_statements "$4" >"$folder/first-start.sql"
}
