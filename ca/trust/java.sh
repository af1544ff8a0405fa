#!/bin/sh
# Trusts a CA in the cacerts keystore of every JDK found, or stops trusting it. What it removes it
# finds by the certificate itself, whatever its alias.
#
# PORTHOLE_JAVA_KEYSTORE   the one keystore to work on instead
# PORTHOLE_JAVA_STOREPASS  its password, if it is not Java's default
set -eu

# shellcheck disable=SC2034 # read by the prelude
summary='Manages the keystores of Java.'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$here/prelude.sh"

java_homes() {
  if [ -n "${JAVA_HOME:-}" ]; then printf '%s\n' "$JAVA_HOME"; fi
  if has keytool; then
    tool=$(readlink -f "$(command -v keytool)" 2>/dev/null || command -v keytool)
    dirname -- "$(dirname -- "$tool")"
  fi
  for home in /usr/lib/jvm/* /usr/java/* /opt/java/* "$HOME"/.sdkman/candidates/java/* \
    "$HOME"/.jdks/* /Library/Java/JavaVirtualMachines/*/Contents/Home; do
    if [ -d "$home" ]; then printf '%s\n' "$home"; fi
  done
}

keystores() {
  if [ -n "${PORTHOLE_JAVA_KEYSTORE:-}" ]; then
    printf '%s\n' "$PORTHOLE_JAVA_KEYSTORE"
    return
  fi
  java_homes | while IFS= read -r home; do
    for store in "$home/lib/security/cacerts" "$home/jre/lib/security/cacerts"; do
      # Several JDKs may link to one file, as on Debian.
      if [ -f "$store" ]; then readlink -f "$store" 2>/dev/null || printf '%s\n' "$store"; fi
    done
  done | sort -u
}

keytool_path=
if has keytool; then
  keytool_path=$(command -v keytool)
elif [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/keytool" ]; then
  keytool_path=$JAVA_HOME/bin/keytool
fi
[ -n "$keytool_path" ] || {
  say 'skipped: no keytool found (install a JDK, or set JAVA_HOME)'
  exit 4
}
all=$(keystores)
if [ -z "$all" ]; then
  say 'skipped: no Java keystore found'
  exit 4
fi

# A file, so that the password is in no argument list and reaches keytool through sudo.
password_file=$(umask 077 && mktemp)
trap 'rm -f "$password_file"' EXIT
trap 'exit 1' HUP INT TERM
printf '%s\n' "${PORTHOLE_JAVA_STOREPASS:-changeit}" >"$password_file"

# find_ours STORE: sets "aliases" to those under which our certificate stands, one a line. Not in a
# pipe or a command substitution, where a keystore that cannot be opened would look like an empty one.
find_ours() {
  listing=$("$keytool_path" -J-Duser.language=en -J-Duser.country=US -list -rfc -keystore "$1" \
    -storepass:file "$password_file") || fail "keytool cannot list $1: $listing"
  aliases=$(printf '%s\n' "$listing" | OURS=$ours awk '
    /^Alias name: / { alias = substr($0, 13); sub(/\r$/, "", alias); next }
    /-----BEGIN CERTIFICATE-----/ { inside = 1; body = ""; next }
    /-----END CERTIFICATE-----/ { if (inside && body == ENVIRON["OURS"]) print alias; inside = 0 }
    inside { gsub(/[ \t\r]/, ""); body = body $0 }
  ')
}

# keep_or_elevate STORE COMMAND...: as root only where the keystore is not ours to write.
keep_or_elevate() {
  store=$1
  shift
  if [ -w "$store" ]; then change "$@"; else change_as_root "$@"; fi
}

install_into() {
  find_ours "$1"
  if [ -n "$aliases" ]; then
    say "already trusted: $1"
    return
  fi
  keep_or_elevate "$1" "$keytool_path" -importcert -noprompt -trustcacerts \
    -alias "porthole-$short" -file "$ca" -keystore "$1" -storepass:file "$password_file"
}

uninstall_from() {
  find_ours "$1"
  if [ -z "$aliases" ]; then
    say "not there: $1"
    return
  fi
  while IFS= read -r alias; do
    keep_or_elevate "$1" "$keytool_path" -delete -alias "$alias" -keystore "$1" \
      -storepass:file "$password_file"
  done <<EOT
$aliases
EOT
}

status_of() {
  find_ours "$1"
  if [ -n "$aliases" ]; then say "trusted: $1"; else say "not trusted: $1"; fi
}

while IFS= read -r keystore; do
  [ -n "$keystore" ] || continue
  [ -r "$keystore" ] || fail "cannot read $keystore"
  case $action in
    status) status_of "$keystore" ;;
    install) install_into "$keystore" ;;
    uninstall) uninstall_from "$keystore" ;;
  esac
done <<EOT
$all
EOT
