# Trusts a CA in the Windows root store, or stops trusting it: the current user's store, or with
# -Machine that of the machine (needs an elevated shell). Windows asks the user to confirm a change
# of the user's store. Certificates are compared whole, never by name.
#
#   powershell -NoProfile -ExecutionPolicy Bypass -File windows.ps1 install -Ca ca.pem [-DryRun] [-Machine]
#
# Exit codes: 0 done (also: nothing to do), 1 failed.
[CmdletBinding()]
param(
  [Parameter(Mandatory = $true, Position = 0)]
  [ValidateSet('install', 'uninstall', 'status')]
  [string] $Action,
  [Parameter(Mandatory = $true)]
  [string] $Ca,
  [switch] $DryRun,
  [switch] $Machine
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

function Read-OnlyCertificate([string] $Path) {
  $text = [IO.File]::ReadAllText((Resolve-Path -LiteralPath $Path).ProviderPath)
  if ($text.Contains('PRIVATE KEY')) {
    throw "$Path holds a private key: a trust store must never see it"
  }
  $blocks = [regex]::Matches(
    $text, '-----BEGIN CERTIFICATE-----([\sA-Za-z0-9+/=]+)-----END CERTIFICATE-----')
  if ($blocks.Count -ne 1) { throw "$Path must hold exactly one certificate" }
  $der = [Convert]::FromBase64String(($blocks[0].Groups[1].Value -replace '\s', ''))
  return New-Object Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList @(, $der)
}

function Test-Same($Left, $Right) {
  return [Convert]::ToBase64String($Left.RawData) -ceq [Convert]::ToBase64String($Right.RawData)
}

$location = if ($Machine) { 'LocalMachine' } else { 'CurrentUser' }
$name = "Cert:\$location\Root"
$store = New-Object Security.Cryptography.X509Certificates.X509Store -ArgumentList 'Root', $location

try {
  $certificate = Read-OnlyCertificate $Ca
  $writes = ($Action -ne 'status') -and (-not $DryRun)
  $store.Open($(if ($writes) { 'ReadWrite' } else { 'ReadOnly' }))
  $held = @($store.Certificates | Where-Object { Test-Same $_ $certificate })
  switch ($Action) {
    'status' {
      if ($held.Count -gt 0) { "trusted: $name" } else { "not trusted: $name" }
    }
    'install' {
      if ($held.Count -gt 0) { "already trusted: $name" }
      elseif ($DryRun) { "would add: $($certificate.Thumbprint) to $name" }
      else {
        "adding: $($certificate.Thumbprint) to $name"
        $store.Add($certificate)
      }
    }
    'uninstall' {
      if ($held.Count -eq 0) { "not there: $name" }
      foreach ($found in $held) {
        if ($DryRun) { "would remove: $($found.Thumbprint) from $name" }
        else {
          "removing: $($found.Thumbprint) from $name"
          $store.Remove($found)
        }
      }
    }
  }
} catch {
  [Console]::Error.WriteLine("windows.ps1: $($_.Exception.Message)")
  exit 1
} finally {
  $store.Close()
}
exit 0
