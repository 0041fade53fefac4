/**
 * Whether an address to listen on is reached from this machine alone. Pure.
 */
import { BlockList, isIP } from "node:net"

/** RFC 1122, section 3.2.1.3, and RFC 4291, section 2.5.3; IPv4 addresses mapped into IPv6 are looked up as IPv4. */
const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

/** True for 127.0.0.0/8, `::1` in any notation, the two as IPv4-mapped addresses, and `localhost`; no other name is looked up. */
export const isLoopback = (host: string): boolean => {
  const family = isIP(host)
  if (family === 0) return /^localhost\.?$/i.test(host)
  return loopback.check(host, family === 4 ? "ipv4" : "ipv6")
}
