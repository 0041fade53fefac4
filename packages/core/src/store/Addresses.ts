/**
 * Where a redirect may lead. Sources are an operator's, redirects are a server's: they may not reach into the network
 * that this machine stands in. Pure.
 */
import * as Result from "effect/Result"
import { BlockList, isIP } from "node:net"

/** Not on the public internet: https://www.iana.org/assignments/iana-ipv4-special-registry and its IPv6 sibling. */
const special = new BlockList()
for (
  const [network, prefix] of [
    ["0.0.0.0", 8],
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["127.0.0.0", 8],
    ["169.254.0.0", 16],
    ["172.16.0.0", 12],
    ["192.0.0.0", 24],
    ["192.0.2.0", 24],
    ["192.88.99.0", 24],
    ["192.168.0.0", 16],
    ["198.18.0.0", 15],
    ["198.51.100.0", 24],
    ["203.0.113.0", 24],
    ["224.0.0.0", 4],
    ["240.0.0.0", 4]
  ] as const
) special.addSubnet(network, prefix, "ipv4")
// Among them those that carry an IPv4 address, which may be any: 6to4, Teredo, NAT64, IPv4-compatible.
for (
  const [network, prefix] of [
    ["::", 96],
    ["64:ff9b::", 96],
    ["64:ff9b:1::", 48],
    ["100::", 64],
    ["2001::", 23],
    ["2001:db8::", 32],
    ["2002::", 16],
    ["3fff::", 20],
    ["fc00::", 7],
    ["fe80::", 10],
    ["fec0::", 10],
    ["ff00::", 8]
  ] as const
) special.addSubnet(network, prefix, "ipv6")

/** Whether an IP address is loopback, link-local, private or otherwise not a public one; what is no address is. */
export const isPrivateAddress = (address: string): boolean => {
  const plain = address.replace(/%.*$/, "")
  const family = isIP(plain)
  return family === 0 || special.check(plain, family === 4 ? "ipv4" : "ipv6")
}

/** Where clouds answer with a machine's own credentials: link-local, and what carries or stands for it. */
const linkLocal = new BlockList()
linkLocal.addSubnet("169.254.0.0", 16, "ipv4")
for (
  const [network, prefix] of [
    ["::169.254.0.0", 112],
    ["64:ff9b::169.254.0.0", 112],
    ["2002:a9fe::", 32],
    ["fd00:ec2::254", 128],
    ["fe80::", 10]
  ] as const
) linkLocal.addSubnet(network, prefix, "ipv6")

/** Whether an IP address is link-local, or one of a metadata service. */
export const isLinkLocal = (address: string): boolean => {
  const plain = address.replace(/%.*$/, "")
  const family = isIP(plain)
  return family !== 0 && linkLocal.check(plain, family === 4 ? "ipv4" : "ipv6")
}

/** A host as a URL has it, as an address; undefined for a name. */
export const addressOf = (hostname: string): string | undefined => {
  const plain = hostname.replace(/^\[(.*)\]$/, "$1")
  return isIP(plain) === 0 ? undefined : plain
}

/** Whether a host is this machine by its name or address. */
export const isLoopbackHost = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname)

/** Where a redirect leads from here, or why it is not followed. */
export const redirectTarget = (from: URL, location: string | undefined): Result.Result<URL, string> => {
  if (location === undefined || !URL.canParse(location, from.href)) {
    return Result.fail(`${from.host} redirects to nowhere`)
  }
  const target = new URL(location, from)
  if (target.protocol !== "https:" && target.protocol !== "http:") {
    return Result.fail(`${from.host} redirects to ${target.protocol}, which is not followed`)
  }
  if (from.protocol === "https:" && target.protocol === "http:") {
    return Result.fail(`${from.host} redirects from https: to http://${target.host}, which is not followed`)
  }
  if (target.protocol === "http:" && !isLoopbackHost(target.hostname)) {
    return Result.fail(`${from.host} redirects to http://${target.host}, and http: is taken from this machine only`)
  }
  if (target.username !== "" || target.password !== "") {
    return Result.fail(`${from.host} redirects to an address with a password in it, which is not followed`)
  }
  return Result.succeed(target)
}
