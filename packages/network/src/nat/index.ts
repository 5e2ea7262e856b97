export { userNetwork } from './config.ts'
export type { UserNetwork, UserNetworkOptions } from './config.ts'
export { parseGuestForward, parseHostForward } from './forwards.ts'
export type { GuestForward, HostForward } from './forwards.ts'
export type {
  DatagramListener, HostDatagrams, HostListener, HostSockets, HostStream, HostStreamEvents, SocketAddress, StreamFailure, StreamOpener,
} from './host-sockets.ts'
export { isPublicAddress, natPolicy, openPolicy } from './policy.ts'
export type { NatDestination, NatPolicy, NatPolicyOptions } from './policy.ts'
export { UserNat } from './user-nat.ts'
export type { NatLimits, NatStatistics, UserNatOptions } from './user-nat.ts'
