/**
 * Intel "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual" (317453, revision 3.x or 4.0), section numbers below.
 * Only what an 82540EM has. Offsets in bytes.
 */

/** Table 5-1. */
export const VENDOR_ID = 0x8086
export const DEVICE_ID = 0x100e
export const REVISION = 2
export const CLASS_CODE = 0x020000
export const SUBSYSTEM_ID = 0x001e

/** 13.1: the register window, and 13.2.2.1: IOADDR and IODATA in the I/O window. */
export const MMIO_LENGTH = 0x20000
export const IO_LENGTH = 64
export const IOADDR = 0
export const IODATA = 4
/** End of the registers that are modelled. */
export const REGISTERS_END = 0x6000

/** Table 13-3. */
export const CTRL = 0x0000
/** CTRL again, for software written for older chips. */
export const CTRL_DUP = 0x0004
export const STATUS = 0x0008
export const EECD = 0x0010
export const EERD = 0x0014
export const CTRL_EXT = 0x0018
export const MDIC = 0x0020
export const FCAL = 0x0028
export const FCAH = 0x002c
export const FCT = 0x0030
export const VET = 0x0038
export const ICR = 0x00c0
export const ITR = 0x00c4
export const ICS = 0x00c8
export const IMS = 0x00d0
export const IMC = 0x00d8
export const RCTL = 0x0100
export const FCTTV = 0x0170
export const TXCW = 0x0178
export const TCTL = 0x0400
export const TIPG = 0x0410
export const AIFS = 0x0458
export const LEDCTL = 0x0e00
export const PBA = 0x1000
export const FCRTL = 0x2160
export const FCRTH = 0x2168
export const RDBAL = 0x2800
export const RDBAH = 0x2804
export const RDLEN = 0x2808
export const RDH = 0x2810
export const RDT = 0x2818
export const RDTR = 0x2820
export const RXDCTL = 0x2828
export const RADV = 0x282c
export const RSRPD = 0x2c00
export const TXDMAC = 0x3000
export const TDFH = 0x3410
export const TDBAL = 0x3800
export const TDBAH = 0x3804
export const TDLEN = 0x3808
export const TDH = 0x3810
export const TDT = 0x3818
export const TIDV = 0x3820
export const TXDCTL = 0x3828
export const TADV = 0x382c
export const TSPMT = 0x3830
export const RXCSUM = 0x5000
export const MTA = 0x5200
export const MTA_WORDS = 128
export const RAL0 = 0x5400
export const RAH0 = 0x5404
export const RA_ENTRIES = 16
export const VFTA = 0x5600
export const VFTA_WORDS = 128
export const WUC = 0x5800
export const WUFC = 0x5808
export const MANC = 0x5820

/** 13.7: statistics, all cleared by reading. */
export const STATISTICS = 0x4000
export const STATISTICS_WORDS = 64
export const RNBC = 0x40a0
export const ROC = 0x40ac
export const TSCTC = 0x40f8
/** Counters of one direction; sizes 64, 65-127, 128-255, 256-511, 512-1023, 1024- from `sizes` on; octets and their high half. */
export const RECEIVE_COUNTERS = {
  good: 0x4074, broadcast: 0x4078, multicast: 0x407c, goodOctets: 0x4088, totalOctets: 0x40c0, total: 0x40d0, sizes: 0x405c
} as const
export const TRANSMIT_COUNTERS = {
  good: 0x4080, broadcast: 0x40f4, multicast: 0x40f0, goodOctets: 0x4090, totalOctets: 0x40c8, total: 0x40d4, sizes: 0x40d8
} as const

/** 13.4.1 CTRL. */
export const CTRL_FD: number = 1 << 0
export const CTRL_SLU: number = 1 << 6
export const CTRL_SPEED_1000: number = 2 << 8
export const CTRL_RST: number = 1 << 26
export const CTRL_VME: number = 1 << 30
export const CTRL_PHY_RST: number = 1 << 31
/** 13.4.2 STATUS. */
export const STATUS_FD: number = 1 << 0
export const STATUS_LU: number = 1 << 1
export const STATUS_SPEED_1000: number = 2 << 6
export const STATUS_ASDV_1000: number = 2 << 8
/** 13.4.3 EECD. */
export const EECD_SK: number = 1 << 0
export const EECD_CS: number = 1 << 1
export const EECD_DI: number = 1 << 2
export const EECD_DO: number = 1 << 3
export const EECD_REQ: number = 1 << 6
export const EECD_GNT: number = 1 << 7
export const EECD_PRES: number = 1 << 8
export const EECD_WRITABLE: number = EECD_SK | EECD_CS | EECD_DI | 0x30 | EECD_REQ
/** 13.4.4 EERD. */
export const EERD_START: number = 1 << 0
export const EERD_DONE: number = 1 << 4
export const EERD_ADDRESS_SHIFT = 8
export const EERD_DATA_SHIFT = 16
/** 13.4.6 MDIC. */
export const MDIC_REGISTER_SHIFT = 16
export const MDIC_PHY_SHIFT = 21
export const MDIC_WRITE: number = 1 << 26
export const MDIC_READ: number = 2 << 26
export const MDIC_OP_MASK: number = 3 << 26
export const MDIC_READY: number = 1 << 28
export const MDIC_INTERRUPT: number = 1 << 29
export const MDIC_ERROR: number = 1 << 30
/** 13.4.17 ICR, and with it ICS, IMS and IMC. */
export const CAUSE_TXDW: number = 1 << 0
export const CAUSE_TXQE: number = 1 << 1
export const CAUSE_LSC: number = 1 << 2
export const CAUSE_RXDMT0: number = 1 << 4
export const CAUSE_RXT0: number = 1 << 7
export const CAUSE_MDAC: number = 1 << 9
export const CAUSES = 0x1_f6df
/** 13.4.18: units of ITR, in ns. */
export const ITR_UNIT = 256

/** 13.4.22 RCTL. */
export const RCTL_EN: number = 1 << 1
export const RCTL_UPE: number = 1 << 3
export const RCTL_MPE: number = 1 << 4
export const RCTL_LPE: number = 1 << 5
export const RCTL_RDMTS_SHIFT = 8
export const RCTL_MO_SHIFT = 12
export const RCTL_BAM: number = 1 << 15
export const RCTL_BSIZE_SHIFT = 16
export const RCTL_VFE: number = 1 << 18
export const RCTL_BSEX: number = 1 << 25
export const RCTL_SECRC: number = 1 << 26
/** First bit of the twelve that index MTA, counted in the last two bytes of the address, by RCTL.MO (table 13-69). */
export const MTA_SHIFTS: readonly number[] = [4, 3, 2, 0]
/** 13.4.33 TCTL. */
export const TCTL_EN: number = 1 << 1
export const TCTL_PSP: number = 1 << 3
/** 13.4.28, 13.4.38: lengths of rings are multiples of 128 bytes. */
export const RING_LENGTH_MASK = 0xf_ff80
export const DESCRIPTOR_SIZE = 16
/** 13.5.15 RXCSUM. */
export const RXCSUM_PCSS_MASK = 0xff
export const RXCSUM_IPOFL: number = 1 << 8
export const RXCSUM_TUOFL: number = 1 << 9
/** 13.5.3 RAH. */
export const RAH_AV: number = 1 << 31

/** 3.2.3: receive descriptor, behind the address. */
export const RD_LENGTH = 8
export const RD_STATUS = 12
/** 3.2.3.1, 3.2.3.2. */
export const RD_STATUS_DD = 0x01
export const RD_STATUS_EOP = 0x02
export const RD_STATUS_IXSM = 0x04
export const RD_STATUS_VP = 0x08
export const RD_STATUS_TCPCS = 0x20
export const RD_STATUS_IPCS = 0x40
export const RD_STATUS_PIF = 0x80
export const RD_ERROR_TCPE = 0x20
export const RD_ERROR_IPE = 0x40

/** 3.3.3, 3.3.7: transmit descriptor: bits of its second doubleword's top byte, and of the third's lowest. */
export const TD_CMD_EOP = 0x01
export const TD_CMD_IC = 0x04
/** In extended descriptors IC's place is TSE. */
export const TD_CMD_TSE = 0x04
export const TD_CMD_RS = 0x08
export const TD_CMD_DEXT = 0x20
export const TD_CMD_VLE = 0x40
export const TD_DTYP_SHIFT = 20
export const TD_DTYP_CONTEXT = 0
export const TD_DTYP_DATA = 1
export const TD_LENGTH_MASK = 0xf_ffff
export const TD_STATUS = 12
export const TD_STATUS_DD = 0x01
export const TD_POPTS_IXSM = 0x01
export const TD_POPTS_TXSM = 0x02
/** 3.3.6: context descriptor's command. */
export const TD_TUCMD_TCP = 0x01
export const TD_TUCMD_IP = 0x02

/** Sizes without FCS: 60 bytes are padded to, 1518 (with a VLAN tag) pass without RCTL.LPE, 16,380 with (13.4.22, LPE); FCS. */
export const FRAME_MIN = 60
export const FRAME_LONG = 1518
export const FRAME_MAX = 16_380
export const FCS_LENGTH = 4

/** 5.6: EEPROM map, in words. The sum of all words is BABAh. */
export const EEPROM_WORDS = 64
export const EEPROM_INIT_CONTROL_1 = 0x0a
export const EEPROM_SUBSYSTEM_ID = 0x0b
export const EEPROM_SUBSYSTEM_VENDOR = 0x0c
export const EEPROM_DEVICE_ID = 0x0d
export const EEPROM_VENDOR_ID = 0x0e
export const EEPROM_CHECKSUM = 0x3f
export const EEPROM_SUM = 0xbaba
/** 5.6.7: signature 01b, IDs are loaded from here. */
export const EEPROM_INIT_CONTROL_1_VALUE = 0x4003

/** 13.4.6 and IEEE 802.3, 22.2.4: registers of the PHY, an 88E1011S at address 1. */
export const PHY_ADDRESS = 1
export const PHY_CONTROL = 0
export const PHY_CONTROL_RESET = 0x8000
export const PHY_CONTROL_RESTART = 0x0200
export const PHY_STATUS = 1
export const PHY_STATUS_LINK = 0x0004
export const PHY_STATUS_NEGOTIATED = 0x0020
export const PHY_SPECIFIC_STATUS = 17
/** Speed 1000, full duplex, resolved. */
export const PHY_SPECIFIC_1000_FULL = 0xa800
export const PHY_SPECIFIC_LINK = 0x0400
