/** Realtek "RTL8139C(L)+ Advanced Fast Ethernet Controller" datasheet, revision 1.6, section numbers below. Offsets in bytes. */

/** 7.1: PCI configuration. Revisions from 20h on have the C+ descriptors. */
export const VENDOR_ID = 0x10ec
export const DEVICE_ID = 0x8139
export const REVISION = 0x20
export const CLASS_CODE = 0x020000

/** Section 6: the registers, the same in ports and memory. */
export const LENGTH = 0x100
export const IDR0 = 0x00
export const MAR0 = 0x08
/** Four transmit status registers; in C+ mode the first two are DTCCR. */
export const TSD0 = 0x10
export const DTCCR = 0x10
/** Four transmit addresses; in C+ mode the two descriptor rings, normal and high priority. */
export const TSAD0 = 0x20
export const TNPDS = 0x20
export const THPDS = 0x28
export const RBSTART = 0x30
export const CR = 0x37
export const CAPR = 0x38
export const CBR = 0x3a
export const IMR = 0x3c
export const ISR = 0x3e
export const TCR = 0x40
export const RCR = 0x44
export const TCTR = 0x48
export const MPC = 0x4c
export const CR9346 = 0x50
export const CONFIG0 = 0x51
export const CONFIG1 = 0x52
export const TIMERINT = 0x54
export const MSR = 0x58
export const CONFIG3 = 0x59
export const CONFIG4 = 0x5a
export const MULINT = 0x5c
export const TSAD = 0x60
export const BMCR = 0x62
export const BMSR = 0x64
export const ANAR = 0x66
export const ANLPAR = 0x68
export const ANER = 0x6a
export const NWAYTR = 0x70
export const CSCR = 0x74
export const CONFIG5 = 0xd8
export const TPPOLL = 0xd9
export const CPCR = 0xe0
export const INTERRUPT_MITIGATION = 0xe2
export const RDSAR = 0xe4
export const MTPS = 0xec

/** 6.3 TSD. */
export const TSD_SIZE_MASK = 0x1fff
export const TSD_OWN = 0x2000
export const TSD_TUN = 0x4000
export const TSD_TOK = 0x8000
export const TSD_TABT = 0x4000_0000
export const LEGACY_DESCRIPTORS = 4
/** 6.7 CR. */
export const CR_BUFE = 0x01
export const CR_TE = 0x04
export const CR_RE = 0x08
export const CR_RST = 0x10
/** 6.8, 6.9 IMR and ISR. */
export const INT_ROK = 0x0001
export const INT_RER = 0x0002
export const INT_TOK = 0x0004
export const INT_RX_EMPTY = 0x0010
export const INT_LINK_CHANGE = 0x0020
export const INT_TX_EMPTY = 0x0080
export const INT_SOFTWARE = 0x0100
export const INT_SYSTEM_ERROR = 0x8000
/** 6.10 TCR: hardware version of a C+. */
export const TCR_VERSION = 0x7480_0000
/** 6.11 RCR. */
export const RCR_AAP = 0x01
export const RCR_APM = 0x02
export const RCR_AM = 0x04
export const RCR_AB = 0x08
export const RCR_WRAP = 0x80
export const RCR_RBLEN_SHIFT = 11
/** 6.12 9346CR. */
export const CR9346_EEDO = 0x01
export const CR9346_EEDI = 0x02
export const CR9346_EESK = 0x04
export const CR9346_EECS = 0x08
export const CR9346_MODE = 0xc0
export const CR9346_AUTOLOAD = 0x40
export const CR9346_PROGRAM = 0x80
export const CR9346_CONFIG_WRITE = 0xc0
/** 6.16 MSR: the link is down. */
export const MSR_LINKB = 0x04
/** 6.21 BMCR, 6.22 BMSR. */
export const BMCR_RESET = 0x8000
export const BMCR_RESTART = 0x0200
export const BMSR_LINK = 0x0004
export const BMSR_NEGOTIATED = 0x0020
/** 6.32 TPPoll. */
export const TPPOLL_HPQ = 0x80
export const TPPOLL_NPQ = 0x40
export const TPPOLL_FSWINT = 0x01
/** 6.33 CPCR. */
export const CPCR_TX = 0x0001
export const CPCR_RX = 0x0002
export const CPCR_RX_CHECKSUM = 0x0020
export const CPCR_RX_VLAN = 0x0040
/** 6.4 DTCCR: dump the tally counters. */
export const DTCCR_DUMP = 0x08

/** 9.1: receive status in the header of a packet in the ring (C mode). */
export const RING_ROK = 0x0001
export const RING_BAR = 0x2000
export const RING_PAM = 0x4000
export const RING_MAR = 0x8000
export const RING_HEADER = 4
/** CAPR runs this far behind what was read (6.7). */
export const CAPR_LAG = 0x10

/** 9.2: descriptors of C+ mode: first doubleword. */
export const DESCRIPTOR_SIZE = 16
/** 9.2: at most so many in a ring. */
export const DESCRIPTORS_MAX = 64
export const D_OWN = 0x8000_0000
export const D_EOR = 0x4000_0000
export const D_FS = 0x2000_0000
export const D_LS = 0x1000_0000
/** 9.2.1 transmission. */
export const TD_LGSEN = 0x0800_0000
export const TD_MSS_SHIFT = 16
export const TD_MSS_MASK = 0x7ff
export const TD_IPCS = 0x0004_0000
export const TD_UDPCS = 0x0002_0000
export const TD_TCPCS = 0x0001_0000
export const TD_LENGTH_MASK = 0xffff
/** Second doubleword: tag the frame. The tag's bytes stand in the order of the wire. */
export const TD_TAGC = 0x0002_0000
/** 9.2.2 reception. */
export const RD_LENGTH_MASK = 0x1fff
export const RD_MAR = 0x0400_0000
export const RD_PAM = 0x0200_0000
export const RD_BAR = 0x0100_0000
export const RD_PID_SHIFT = 16
export const RD_PID_TCP = 1
export const RD_PID_UDP = 2
export const RD_PID_IP = 3
export const RD_IPF = 0x8000
export const RD_UDPF = 0x4000
export const RD_TCPF = 0x2000
export const RD_TAVA = 0x0001_0000

/** Sizes without FCS; longest frame the C+ takes (9.2.2: 13 bits of length). */
export const FRAME_MIN = 60
export const FRAME_MAX_LEGACY = 1518
export const FRAME_MAX = 8000
export const FCS_LENGTH = 4

/** 7.2: EEPROM (93C46): signature, IDs, station address. */
export const EEPROM_WORDS = 64
export const EEPROM_SIGNATURE = 0x8129
export const EEPROM_MAC = 7
