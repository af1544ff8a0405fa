# shellcheck shell=sh disable=SC2034
# The start that the POSIX trust scripts share: arguments, the certificate's identity, dry runs and
# privileges. A script sets "summary" and sources this file with its own arguments. Certificates are
# compared whole, byte by byte, never by name.
#
# It sets action, ca, dry_run, machine, ours (base64), fingerprint and short for them.
# Exit codes: 0 done (also: nothing to do), 1 failed, 2 usage, 4 this store does not exist here.

script=${0##*/}
action=
ca=
dry_run=no
machine=no

say() { printf '%s\n' "$*"; }

fail() {
  printf '%s: %s\n' "$script" "$1" >&2
  exit "${2:-1}"
}

has() { command -v "$1" >/dev/null 2>&1; }

usage() {
  say "usage: $script install|uninstall|status --ca FILE [--dry-run] [--machine]"
  # shellcheck disable=SC2154 # set by the script that sources this file
  say "$summary"
}

while [ $# -gt 0 ]; do
  case $1 in
    install | uninstall | status) action=$1 ;;
    --ca)
      [ $# -ge 2 ] || fail 'missing file after --ca' 2
      ca=$2
      shift
      ;;
    --dry-run) dry_run=yes ;;
    --machine | --system) machine=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown argument: $1" 2 ;;
  esac
  shift
done
if [ -z "$action" ] || [ -z "$ca" ]; then
  usage >&2
  exit 2
fi
# A name that begins with a dash must not be read as an option by any tool below.
case $ca in /*) ;; *) ca=./$ca ;; esac

# certificates_of FILE: the base64 of each certificate in it, one line each ("-" reads stdin).
certificates_of() {
  awk '
    /-----BEGIN CERTIFICATE-----/ { inside = 1; body = ""; next }
    /-----END CERTIFICATE-----/ { if (inside) print body; inside = 0; next }
    inside { gsub(/[ \t\r]/, ""); body = body $0 }
  ' "$1"
}

[ -r "$ca" ] || fail "cannot read $ca"
if grep -q 'PRIVATE KEY' "$ca"; then
  fail "$ca holds a private key: a trust store must never see it"
fi
ours=$(certificates_of "$ca")
case $ours in
  '') fail "$ca holds no certificate" ;;
  *'
'*) fail "$ca holds more than one certificate" ;;
esac

# digest_of ALGORITHM: upper-case hexadecimal digest of our certificate (sha1 or sha256).
digest_of() {
  if has openssl; then
    openssl x509 -in "$ca" -noout -fingerprint "-$1" | sed 's/.*=//; s/://g'
  else
    printf '%s\n' "$ours" | base64 -d | "${1}sum" | cut -d ' ' -f 1 | tr 'a-f' 'A-F'
  fi
}

fingerprint=$(digest_of sha256)
[ "${#fingerprint}" -eq 64 ] || fail 'cannot compute the fingerprint (is openssl or sha256sum here?)'
# Names what this script adds, so that two CAs never meet under one name.
short=$(printf '%.16s' "$fingerprint" | tr 'A-F' 'a-f')

# shown COMMAND...: the command as one line that can be pasted into a shell.
shown() {
  line=
  for word in "$@"; do
    case $word in
      '' | *[!A-Za-z0-9_./:=,%+@-]*) word=\'$(printf '%s' "$word" | sed "s/'/'\\\\''/g")\' ;;
    esac
    line="$line $word"
  done
  printf '%s\n' "${line# }"
}

# change COMMAND...: runs it and says so, or only says so in a dry run.
change() {
  if [ "$dry_run" = yes ]; then
    say "would run: $(shown "$@")"
  else
    say "running: $(shown "$@")"
    "$@"
  fi
}

# change_as_root COMMAND...: the same with root's rights, asked for only where they are missing.
change_as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    change "$@"
  elif has sudo; then
    change sudo "$@"
  elif has doas; then
    change doas "$@"
  else
    fail 'this needs root: run it again as root'
  fi
}
