/** virtio 1.2, 5.1 Network Device. */

export const VIRTIO_ID_NET = 1

/** 5.1.3 Feature bits. */
export const F_CSUM: bigint = 1n << 0n
export const F_GUEST_CSUM: bigint = 1n << 1n
export const F_CTRL_GUEST_OFFLOADS: bigint = 1n << 2n
export const F_MTU: bigint = 1n << 3n
export const F_MAC: bigint = 1n << 5n
export const F_GUEST_TSO4: bigint = 1n << 7n
export const F_GUEST_TSO6: bigint = 1n << 8n
export const F_HOST_TSO4: bigint = 1n << 11n
export const F_HOST_TSO6: bigint = 1n << 12n
export const F_MRG_RXBUF: bigint = 1n << 15n
export const F_STATUS: bigint = 1n << 16n
export const F_CTRL_VQ: bigint = 1n << 17n
export const F_CTRL_RX: bigint = 1n << 18n
export const F_CTRL_VLAN: bigint = 1n << 19n
export const F_CTRL_RX_EXTRA: bigint = 1n << 20n
export const F_GUEST_ANNOUNCE: bigint = 1n << 21n
export const F_MQ: bigint = 1n << 22n
export const F_CTRL_MAC_ADDR: bigint = 1n << 23n
export const F_GUEST_USO4: bigint = 1n << 54n
export const F_GUEST_USO6: bigint = 1n << 55n
export const F_HOST_USO: bigint = 1n << 56n
/** What CTRL_GUEST_OFFLOADS_SET switches. */
export const GUEST_OFFLOADS: bigint = F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6 | F_GUEST_USO4 | F_GUEST_USO6

/** 5.1.4 Device configuration layout. */
export const CONFIG_MAC = 0
export const CONFIG_STATUS = 6
export const CONFIG_MAX_VIRTQUEUE_PAIRS = 8
export const CONFIG_MTU = 10
export const CONFIG_BYTES = 12
export const S_LINK_UP = 1
export const S_ANNOUNCE = 2
export const MAX_PAIRS = 0x8000

/** 5.1.6 struct virtio_net_hdr. */
export const HDR_FLAGS = 0
export const HDR_GSO_TYPE = 1
export const HDR_HDR_LEN = 2
export const HDR_GSO_SIZE = 4
export const HDR_CSUM_START = 6
export const HDR_CSUM_OFFSET = 8
export const HDR_NUM_BUFFERS = 10
export const HDR_BYTES = 12
export const HDR_F_NEEDS_CSUM = 1
export const HDR_GSO_NONE = 0
export const HDR_GSO_TCPV4 = 1
export const HDR_GSO_TCPV6 = 4
export const HDR_GSO_UDP_L4 = 5

/** 5.1.6.5 Control Virtqueue. */
export const OK = 0
export const ERR = 1
export const CTRL_RX = 0
export const CTRL_RX_PROMISC = 0
export const CTRL_RX_ALLMULTI = 1
export const CTRL_RX_ALLUNI = 2
export const CTRL_RX_NOMULTI = 3
export const CTRL_RX_NOUNI = 4
export const CTRL_RX_NOBCAST = 5
export const CTRL_MAC = 1
export const CTRL_MAC_TABLE_SET = 0
export const CTRL_MAC_ADDR_SET = 1
export const CTRL_VLAN = 2
export const CTRL_VLAN_ADD = 0
export const CTRL_VLAN_DEL = 1
export const CTRL_ANNOUNCE = 3
export const CTRL_ANNOUNCE_ACK = 0
export const CTRL_MQ = 4
export const CTRL_MQ_VQ_PAIRS_SET = 0
export const CTRL_GUEST_OFFLOADS = 5
export const CTRL_GUEST_OFFLOADS_SET = 0

/** Ethernet (IEEE 802.3, without FCS) and what lies above it as far as the device looks. */
export const ETH_HEADER = 14
export const VLAN_TAG = 4
/** The longest frame of NetworkPort: a datagram of 65,535 bytes behind a header of 14, and one byte more. */
export const MAX_FRAME = 65_550
export const ETHERTYPE_IPV4 = 0x0800
export const ETHERTYPE_VLAN = 0x8100
export const ETHERTYPE_IPV6 = 0x86dd
export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17
