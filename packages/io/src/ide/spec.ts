/**
 * ATA/ATAPI-7 (T13 1532D) for registers, protocols and commands; MMC-3 for the CD-ROM; Intel 82371SB (PIIX3) datasheet and
 * "Programming Interface for Bus Master IDE Controller" 1.0 for the bus master.
 */

/** Command block offsets (vol. 1, 9). */
export const DATA = 0
export const ERROR = 1
export const FEATURES = 1
export const SECTOR_COUNT = 2
export const LBA_LOW = 3
export const LBA_MID = 4
export const LBA_HIGH = 5
export const DEVICE = 6
export const STATUS = 7
export const COMMAND = 7

/** Status (vol. 1, 5.14). */
export const ERR = 0x01
export const DRQ = 0x08
export const DSC = 0x10
export const DRDY = 0x40
export const BSY = 0x80

/** Error (5.6). */
export const ABRT = 0x04
export const IDNF = 0x10
export const UNC = 0x40
/** Diagnostic code: this device passed. */
export const DIAGNOSTIC_PASSED = 0x01

/** Device (5.5). */
export const DEVICE_DEV = 0x10
export const DEVICE_LBA = 0x40
/** Obsolete bits 7 and 5 read as ones on the devices software grew up with. */
export const DEVICE_OBSOLETE = 0xa0

/** Device control (5.4). */
export const CONTROL_NIEN = 0x02
export const CONTROL_SRST = 0x04
export const CONTROL_HOB = 0x80

/** A channel without devices: DD7 is pulled down (vol. 2, signal table). */
export const FLOATING = 0x7f

/** Interrupt reason of packet devices, in the sector count register (vol. 2, 6.25). */
export const REASON_CD = 0x01
export const REASON_IO = 0x02

/** LBA mid and high after reset (9.12). */
export const SIGNATURE_ATA = 0x0000
export const SIGNATURE_ATAPI = 0xeb14

export const SECTOR = 512
export const CD_SECTOR = 2048
export const PACKET_SIZE = 12
/** Largest DRQ block of READ/WRITE MULTIPLE in sectors. */
export const MULTIPLE_MAX = 16
/** Bytes that go between medium and guest at once. */
export const CHUNK = 131_072

/** Commands (vol. 1, 6). */
export const NOP = 0x00
export const DATA_SET_MANAGEMENT = 0x06
export const DEVICE_RESET = 0x08
export const READ_SECTORS = 0x20
export const READ_SECTORS_EXT = 0x24
export const READ_DMA_EXT = 0x25
export const READ_NATIVE_MAX_EXT = 0x27
export const READ_MULTIPLE_EXT = 0x29
export const WRITE_SECTORS = 0x30
export const WRITE_SECTORS_EXT = 0x34
export const WRITE_DMA_EXT = 0x35
export const WRITE_MULTIPLE_EXT = 0x39
export const WRITE_DMA_FUA_EXT = 0x3d
export const READ_VERIFY = 0x40
export const READ_VERIFY_EXT = 0x42
export const SEEK = 0x70
export const EXECUTE_DEVICE_DIAGNOSTIC = 0x90
export const INITIALIZE_DEVICE_PARAMETERS = 0x91
export const PACKET = 0xa0
export const IDENTIFY_PACKET_DEVICE = 0xa1
export const READ_MULTIPLE = 0xc4
export const WRITE_MULTIPLE = 0xc5
export const SET_MULTIPLE_MODE = 0xc6
export const READ_DMA = 0xc8
export const WRITE_DMA = 0xca
export const STANDBY_IMMEDIATE = 0xe0
export const IDLE_IMMEDIATE = 0xe1
export const STANDBY = 0xe2
export const IDLE = 0xe3
export const CHECK_POWER_MODE = 0xe5
export const SLEEP = 0xe6
export const FLUSH_CACHE = 0xe7
export const FLUSH_CACHE_EXT = 0xea
export const IDENTIFY_DEVICE = 0xec
export const SET_FEATURES = 0xef
export const READ_NATIVE_MAX = 0xf8
export const TRIM = 0x01

/** SET FEATURES subcommands (6.45). */
export const FEATURE_WRITE_CACHE_ON = 0x02
export const FEATURE_TRANSFER_MODE = 0x03
export const FEATURE_LOOK_AHEAD_OFF = 0x55
export const FEATURE_POWER_ON_DEFAULTS_OFF = 0x66
export const FEATURE_WRITE_CACHE_OFF = 0x82
export const FEATURE_LOOK_AHEAD_ON = 0xaa
export const FEATURE_POWER_ON_DEFAULTS_ON = 0xcc

/** Bus master registers of one channel (1.0, section 2); the second channel's follow at 8. */
export const BM_COMMAND = 0
export const BM_STATUS = 2
export const BM_PRDT = 4
export const BM_CHANNEL_SIZE = 8
export const BM_START = 0x01
/** 1: the bus master writes memory, i.e. the device is read. */
export const BM_TO_MEMORY = 0x08
export const BM_ACTIVE = 0x01
export const BM_ERROR = 0x02
export const BM_INTERRUPT = 0x04
export const BM_DMA_CAPABLE = 0x60
/** A descriptor table cannot cross a 64 KiB boundary, which bounds its entries. */
export const PRD_ENTRIES_MAX = 8192
export const PRD_EOT = 0x8000_0000

/** SCSI/MMC operation codes of packet commands. */
export const TEST_UNIT_READY = 0x00
export const REQUEST_SENSE = 0x03
export const INQUIRY = 0x12
export const MODE_SENSE_6 = 0x1a
export const START_STOP_UNIT = 0x1b
export const PREVENT_ALLOW = 0x1e
export const READ_CAPACITY = 0x25
export const READ_10 = 0x28
export const SEEK_10 = 0x2b
export const READ_TOC = 0x43
export const GET_CONFIGURATION = 0x46
export const GET_EVENT_STATUS = 0x4a
export const READ_DISC_INFORMATION = 0x51
export const MODE_SENSE_10 = 0x5a
export const READ_12 = 0xa8
export const SET_CD_SPEED = 0xbb
export const MECHANISM_STATUS = 0xbd
export const READ_CD = 0xbe

/** Sense as key << 16 | ASC << 8 | ASCQ (MMC-3 annex). */
export const SENSE_NONE = 0
export const SENSE_NOT_READY_NO_MEDIUM = 0x02_3a00
export const SENSE_TRAY_OPEN = 0x02_3a02
export const SENSE_UNRECOVERED_READ = 0x03_1100
export const SENSE_INVALID_OPCODE = 0x05_2000
export const SENSE_LBA_OUT_OF_RANGE = 0x05_2100
export const SENSE_INVALID_FIELD = 0x05_2400
export const SENSE_REMOVAL_PREVENTED = 0x05_5302
export const SENSE_MEDIUM_CHANGED = 0x06_2800
export const SENSE_POWER_ON = 0x06_2900
