#!/bin/sh
# Trusts a CA in the NSS databases of Firefox (also as snap and flatpak) and of Chrome on Linux, or
# stops trusting it. Only databases that exist are touched. A certificate is addressed by the id of
# its key (SHA-1 of the public point, as NSS does), since certificates may share a nickname.
#
# PORTHOLE_NSS_DIRS  the database folders to work on instead, one a line
set -eu

# shellcheck disable=SC2034 # read by the prelude
summary='Manages the NSS databases of Firefox and Chrome.'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$here/prelude.sh"

databases() {
  if [ -n "${PORTHOLE_NSS_DIRS:-}" ]; then
    printf '%s\n' "$PORTHOLE_NSS_DIRS"
    return
  fi
  for dir in \
    "$HOME/.pki/nssdb" "$HOME/.local/share/pki/nssdb" \
    "$HOME"/snap/*/current/.pki/nssdb "$HOME"/.var/app/*/.pki/nssdb \
    "$HOME"/.var/app/*/data/pki/nssdb \
    "$HOME"/.mozilla/firefox/* "$HOME"/.config/mozilla/firefox/* \
    "$HOME"/snap/firefox/common/.mozilla/firefox/* \
    "$HOME"/.var/app/org.mozilla.firefox/.mozilla/firefox/* \
    "$HOME"/.var/app/org.mozilla.firefox/config/mozilla/firefox/* \
    "$HOME"/.librewolf/* "$HOME/Library/Application Support/Firefox/Profiles"/*; do
    if [ -f "$dir/cert9.db" ]; then printf '%s\n' "$dir"; fi
  done
}

has openssl || {
  say 'skipped: openssl is not installed'
  exit 4
}
has certutil || {
  say 'skipped: certutil is not installed (packages libnss3-tools, nss-tools, mozilla-nss-tools or nss)'
  exit 4
}
all=$(databases)
if [ -z "$all" ]; then
  say 'skipped: no NSS database of Firefox or Chrome found'
  exit 4
fi

nickname="Porthole CA $short"
# The last 65 bytes of a P-256 public key are its point.
key_id=$(openssl x509 -in "$ca" -pubkey -noout | openssl pkey -pubin -outform DER |
  tail -c 65 | openssl dgst -sha1 -r | cut -c 1-40 | sed 's/../%&/g')
ours_uri="pkcs11:id=$key_id;type=cert"

# NSS answers with every certificate of the same subject, so the one meant is picked out of them.
is_there() {
  certutil -L -d "sql:$1" -n "$ours_uri" -a 2>/dev/null | certificates_of - | grep -Fqx -e "$ours"
}

is_trusted() {
  certutil -L -d "sql:$1" -n "$ours_uri" 2>/dev/null | OURS=$fingerprint awk '
    /^Certificate:/ { mine = 0 }
    /Fingerprint \(SHA-256\):/ { digest = ""; reading = 1; next }
    reading && /^ *([0-9A-F][0-9A-F]:?)+ *$/ { gsub(/[ :]/, ""); digest = digest $0; next }
    reading { reading = 0; mine = (digest == ENVIRON["OURS"]); section = "" }
    /(SSL|Email|Object Signing) Flags:/ { section = $1 }
    mine && section == "SSL" && /Trusted CA/ { found = 1 }
    END { exit !found }
  '
}

status_of() {
  if is_trusted "$1"; then
    say "trusted: $1"
  elif is_there "$1"; then
    say "not trusted: $1 (the certificate is there, without trust)"
  else
    say "not trusted: $1"
  fi
}

install_into() {
  if is_trusted "$1"; then
    say "already trusted: $1"
  elif is_there "$1"; then
    change certutil -M -d "sql:$1" -n "$ours_uri" -t C,,
  else
    change certutil -A -d "sql:$1" -n "$nickname" -t C,, -i "$ca"
  fi
  [ "$dry_run" = yes ] || is_trusted "$1" || fail "certutil ran, but $1 does not trust the certificate"
}

uninstall_from() {
  if ! is_there "$1"; then
    say "not there: $1"
    return
  fi
  change certutil -D -d "sql:$1" -n "$ours_uri"
  [ "$dry_run" = yes ] || ! is_there "$1" || fail "certutil ran, but $1 still holds the certificate"
}

# A here-document, not a pipe: a failure must end the script, not a subshell.
while IFS= read -r database; do
  [ -n "$database" ] || continue
  case $action in
    status) status_of "$database" ;;
    install) install_into "$database" ;;
    uninstall) uninstall_from "$database" ;;
  esac
done <<EOT
$all
EOT
if [ "$action" != status ] && [ "$dry_run" = no ]; then
  say 'note: browsers read this when they start'
fi
