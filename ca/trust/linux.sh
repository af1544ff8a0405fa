#!/bin/sh
# Trusts a CA in the system store of a Linux distribution, or stops trusting it. Programs with a
# store of their own (Firefox, Chrome, Java) are nss.sh's and java.sh's business.
#
# PORTHOLE_TRUST_ROOT    works on a tree other than /, without asking for root (tests, images)
# PORTHOLE_TRUST_FAMILY  debian, alpine, suse, rhel or arch, where detection is wrong
set -eu

# shellcheck disable=SC2034 # read by the prelude
summary='Manages the system trust store.'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$here/prelude.sh"

root=${PORTHOLE_TRUST_ROOT:-}
# Users' paths often lack the folders of the administration tools.
PATH=$PATH:/usr/sbin:/sbin

detect_family() {
  if [ -e "$root/etc/NIXOS" ]; then
    echo nixos
  elif has update-ca-certificates && [ -d "$root/etc/pki/trust/anchors" ]; then
    echo suse
  elif has update-ca-certificates; then
    echo debian
  elif has update-ca-trust && [ -d "$root/etc/pki/ca-trust/source/anchors" ]; then
    echo rhel
  elif has update-ca-trust && [ -d "$root/etc/ca-certificates/trust-source" ]; then
    echo arch
  else
    echo unknown
  fi
}

family=${PORTHOLE_TRUST_FAMILY:-$(detect_family)}
case $family in
  debian | alpine)
    anchors=$root/usr/local/share/ca-certificates
    extension=crt
    bundle=$root/etc/ssl/certs/ca-certificates.crt
    tool=update-ca-certificates
    ;;
  suse)
    anchors=$root/etc/pki/trust/anchors
    extension=pem
    bundle=$root/etc/ssl/ca-bundle.pem
    tool=update-ca-certificates
    ;;
  rhel)
    anchors=$root/etc/pki/ca-trust/source/anchors
    extension=pem
    bundle=$root/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
    tool=update-ca-trust
    ;;
  arch)
    anchors=$root/etc/ca-certificates/trust-source/anchors
    extension=crt
    bundle=$root/etc/ca-certificates/extracted/tls-ca-bundle.pem
    tool=update-ca-trust
    ;;
  nixos)
    say 'skipped: NixOS declares its roots; add this to the configuration and rebuild:'
    say "  security.pki.certificateFiles = [ $ca ];"
    exit 4
    ;;
  *)
    say 'skipped: no tool for the system trust store found (update-ca-certificates, update-ca-trust)'
    exit 4
    ;;
esac
has "$tool" || {
  say "skipped: $tool is not installed (it comes with the package ca-certificates)"
  exit 4
}

# privileged COMMAND...: a tree of one's own needs no root.
privileged() {
  if [ -n "$root" ]; then change "$@"; else change_as_root "$@"; fi
}

# refresh [--fresh]: has the distribution rebuild its bundle; --fresh also drops stale links.
refresh() {
  case $family in
    rhel) privileged update-ca-trust extract ;;
    arch) privileged update-ca-trust ;;
    suse) privileged update-ca-certificates ;;
    *)
      if [ -n "$root" ]; then
        set -- "$@" --certsconf "$root/etc/ca-certificates.conf" \
          --certsdir "$root/usr/share/ca-certificates" --localcertsdir "$anchors" \
          --etccertsdir "$root/etc/ssl/certs" --hooksdir "$root/etc/ca-certificates/update.d"
      fi
      privileged update-ca-certificates "$@"
      ;;
  esac
}

# anchors_of_ours: the files that hold our certificate and nothing else, one a line.
anchors_of_ours() {
  for file in "$anchors"/* "$anchors"/*/*; do
    if [ ! -f "$file" ] || [ ! -r "$file" ]; then continue; fi
    held=$(certificates_of "$file")
    if [ "$held" = "$ours" ]; then
      printf '%s\n' "$file"
    elif printf '%s\n' "$held" | grep -Fqx -e "$ours"; then
      say "left alone: $file holds other certificates too" >&2
    fi
  done
}

in_bundle() {
  [ -r "$bundle" ] && certificates_of "$bundle" | grep -Fqx -e "$ours"
}

case $action in
  status)
    if in_bundle; then
      say "trusted: $bundle"
    elif [ -n "$(anchors_of_ours)" ]; then
      say "not trusted: $bundle (the certificate is in $anchors, but $tool has not run)"
    else
      say "not trusted: $bundle"
    fi
    ;;
  install)
    if [ -z "$(anchors_of_ours)" ]; then
      target=$anchors/porthole-$short.$extension
      privileged mkdir -p "$anchors"
      privileged cp "$ca" "$target"
      privileged chmod 0644 "$target"
    elif in_bundle; then
      say "already trusted: $bundle"
      exit 0
    fi
    refresh
    [ "$dry_run" = yes ] || in_bundle || fail "$tool ran, but $bundle does not hold the certificate"
    ;;
  uninstall)
    found=$(anchors_of_ours)
    if [ -z "$found" ]; then
      if in_bundle; then fail "$bundle holds the certificate, but no file in $anchors does"; fi
      say "not there: $anchors"
      exit 0
    fi
    printf '%s\n' "$found" | while IFS= read -r file; do
      privileged rm -f "$file"
    done
    refresh --fresh
    # Debian's tool keeps the old bundle where no certificate at all is left for a new one.
    if [ "$dry_run" = no ] && [ -r "$bundle" ] && [ "$(certificates_of "$bundle")" = "$ours" ]; then
      privileged cp /dev/null "$bundle"
    fi
    [ "$dry_run" = yes ] || ! in_bundle || fail "$tool ran, but $bundle still holds the certificate"
    ;;
esac
