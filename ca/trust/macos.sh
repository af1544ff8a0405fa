#!/bin/sh
# Trusts a CA for TLS in a macOS keychain, or stops trusting it: the login keychain, or with
# --machine the System keychain. macOS asks the user to confirm. What it removes it finds by the
# certificate's own hash.
#
# PORTHOLE_KEYCHAIN  the keychain file to work on instead
set -eu

# shellcheck disable=SC2034 # read by the prelude
summary='Manages the macOS keychain; --machine: the System keychain, for all users.'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$here/prelude.sh"

has security || {
  say 'skipped: the tool "security" is not here'
  exit 4
}
if [ "$machine" = yes ]; then
  keychain=${PORTHOLE_KEYCHAIN:-/Library/Keychains/System.keychain}
else
  keychain=${PORTHOLE_KEYCHAIN:-$HOME/Library/Keychains/login.keychain-db}
fi
sha1=$(digest_of sha1)

is_there() {
  security find-certificate -a -Z "$keychain" 2>/dev/null | grep -Fqi -e "SHA-1 hash: $sha1"
}

# -l: the certificate is that of a CA; -L: nothing is fetched from the network.
is_trusted() { is_there && security verify-cert -c "$ca" -p ssl -l -L -q >/dev/null 2>&1; }

case $action in
  status)
    if is_trusted; then
      say "trusted: $keychain"
    elif is_there; then
      say "not trusted: $keychain (the certificate is there, without trust)"
    else
      say "not trusted: $keychain"
    fi
    ;;
  install)
    if is_trusted; then
      say "already trusted: $keychain"
    elif [ "$machine" = yes ]; then
      change_as_root security add-trusted-cert -d -r trustRoot -p ssl -k "$keychain" "$ca"
    else
      change security add-trusted-cert -r trustRoot -p ssl -k "$keychain" "$ca"
    fi
    ;;
  uninstall)
    if ! is_there; then
      say "not there: $keychain"
    elif [ "$machine" = yes ]; then
      change_as_root security remove-trusted-cert -d "$ca"
      change_as_root security delete-certificate -Z "$sha1" "$keychain"
    else
      change security remove-trusted-cert "$ca"
      change security delete-certificate -Z "$sha1" "$keychain"
    fi
    ;;
esac
