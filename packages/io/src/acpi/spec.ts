/** ACPI specification 6.3, sections in brackets; PIIX4 datasheet (290562) for where the registers are. */

/** I/O ports the tables here announce: the base SeaBIOS gives the PIIX4, and its APM ports. */
export const ACPI_PM_BASE = 0x600
export const ACPI_SCI_IRQ = 9
export const APM_CONTROL_PORT = 0xb2
/** Values of SMI_CMD that switch ACPI mode on and off. */
export const ACPI_ENABLE = 0xf1
export const ACPI_DISABLE = 0xf0

/** PIIX4 power management I/O space (7.2): 64 bytes. */
export const PM_IO_LENGTH = 64
export const PM1_STATUS = 0x00
export const PM1_ENABLE = 0x02
export const PM1_CONTROL = 0x04
export const PM_TIMER = 0x08
export const GPE0_STATUS = 0x0c
export const GPE0_ENABLE = 0x0e
/** First of the PIIX4's own registers, stored without effect. */
export const PM_STORED = 0x10

/** PM1 status and enable [4.8.3.1]. */
export const PM1_TIMER = 0x0001
export const PM1_GLOBAL = 0x0020
export const PM1_POWER_BUTTON = 0x0100
export const PM1_RTC = 0x0400
export const PM1_WAKE = 0x8000
export const PM1_STATUS_BITS = 0x8531
export const PM1_ENABLE_BITS = 0x0521
/** PM1 control [4.8.3.2]. */
export const PM1_SCI_ENABLE = 0x0001
export const PM1_SLEEP_TYPE = 0x1c00
export const PM1_SLEEP_TYPE_SHIFT = 10
export const PM1_SLEEP_ENABLE = 0x2000
/** Kept bits: SCI_EN, BM_RLD, SLP_TYP. */
export const PM1_CONTROL_BITS = 0x1c03
/** SLP_TYP of S5 on the PIIX4 (PMCNTRL, SUS_TYP 000: soft off). */
export const SLEEP_TYPE_S5 = 0

/** 3.579545 MHz = 315/88 MHz [4.8.3.3]. */
export const PM_TIMER_NUMERATOR = 315
export const PM_TIMER_DENOMINATOR = 88_000

/** PIIX4 function 3 configuration (7.1). */
export const PIIX4_PM_DEVICE_ID = 0x7113
export const PIIX4_PMBA = 0x40
export const PIIX4_DEVACTB = 0x58
export const PIIX4_PMREGMISC = 0x80
export const PIIX4_SMBBA = 0x90
export const PIIX4_SMBHSTCFG = 0xd2

/** PIIX4 SMBus host (7.3). */
export const SMB_LENGTH = 16
export const SMBHSTSTS = 0
export const SMBHSTCNT = 2
export const SMB_DEVICE_ERROR = 0x04
export const SMB_STATUS_CLEARABLE = 0x1e
export const SMB_START = 0x40
export const SMB_CONTROL_KEPT = 0x1d
