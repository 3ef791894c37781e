# Entries of an egress list, as hyperhive/protocol/hosts.py reads them; one table of cases in the
# tests holds for both. Only the inside of an IPv6 address is left to the service.
{ lib }:
let
  inherit (builtins) match stringLength;

  label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";

  isOctet = text: text == "0" || match "[1-9][0-9]{0,2}" text != null && lib.toIntBase10 text < 256;
  isIPv4 =
    host:
    let
      parts = lib.splitString "." host;
    in
    lib.length parts == 4 && lib.all isOctet parts;
  isIPv6 = host: match "\\[[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*]" host != null;

  # What inet_aton(3) takes for a number is none.
  isName =
    host:
    let
      name = lib.toLower (lib.removeSuffix "." host);
    in
    stringLength name <= 253
    && match "${label}(\\.${label})*" name != null
    && match "(.*\\.)?([0-9]+|0x[0-9a-f]*)" name == null;

  isPort = text: lib.toIntBase10 text > 0 && lib.toIntBase10 text < 65536;
in
{
  # What is wrong with an entry, or null.
  problem =
    entry:
    let
      wildcard = lib.hasPrefix "*." entry;
      parts = match "(.*):([0-9]{1,5})" (lib.removePrefix "*." entry);
      host = lib.head parts;
      isAddress = isIPv4 host || isIPv6 host;
    in
    if parts == null || !isPort (lib.last parts) || !(isAddress || isName host) then
      "must be host:port, such as `pypi.example:443` or `*.example.org:443`"
    else if wildcard && isAddress then
      "an address has no sub-domains"
    else
      null;
}
