/**
 * VGA: IBM PS/2 Hardware Interface Technical Reference (1992), "Video Subsystem", whose register and bit names these are.
 * DISPI: Bochs VBE display interface 5. PCI layout: QEMU docs/specs/standard-vga.
 */

/** The port window 3B0h..3DFh; offsets are port - 3B0h. */
export const PORT_BASE = 0x3b0
export const PORT_LENGTH = 0x30
export const ATTRIBUTE_ADDRESS = 0x3c0
export const ATTRIBUTE_DATA_READ = 0x3c1
export const MISC_WRITE = 0x3c2
export const SEQUENCER_INDEX = 0x3c4
export const SEQUENCER_DATA = 0x3c5
export const PEL_MASK = 0x3c6
export const PEL_READ_ADDRESS = 0x3c7
export const PEL_WRITE_ADDRESS = 0x3c8
export const PEL_DATA = 0x3c9
export const FEATURE_READ = 0x3ca
export const MISC_READ = 0x3cc
export const GRAPHICS_INDEX = 0x3ce
export const GRAPHICS_DATA = 0x3cf
/** CRTC index, data and input status 1 / feature control, as offsets from 3B0h (mono) or 3D0h (colour). */
export const CRTC_INDEX = 4
export const CRTC_DATA = 5
export const INPUT_STATUS_1 = 0x0a

/** Miscellaneous output register. */
export const MISC_COLOR = 0x01
export const MISC_RAM_ENABLE = 0x02
export const MISC_CLOCK_SELECT = 0x0c
export const MISC_RESET_VALUE = 0x00

export const SEQUENCER_COUNT = 5
export const CRTC_COUNT = 0x19
export const GRAPHICS_COUNT = 9
export const ATTRIBUTE_COUNT = 0x15

/** Sequencer. */
export const SR_CLOCKING = 1
export const SR_MAP_MASK = 2
export const SR_CHARACTER_MAP = 3
export const SR_MEMORY_MODE = 4
export const CLOCKING_8_DOTS = 0x01
export const CLOCKING_HALF = 0x08
export const CLOCKING_SCREEN_OFF = 0x20
export const MEMORY_NOT_ODD_EVEN = 0x04
export const MEMORY_CHAIN_4 = 0x08
/** Implemented bits of SR0..SR4. */
export const SEQUENCER_MASKS: readonly number[] = [0x03, 0x3d, 0x0f, 0x3f, 0x0e]

/** CRT controller. */
export const CR_H_TOTAL = 0x00
export const CR_H_DISPLAY_END = 0x01
export const CR_V_TOTAL = 0x06
export const CR_OVERFLOW = 0x07
export const CR_PRESET_ROW_SCAN = 0x08
export const CR_MAX_SCAN_LINE = 0x09
export const CR_CURSOR_START = 0x0a
export const CR_CURSOR_END = 0x0b
export const CR_START_HIGH = 0x0c
export const CR_START_LOW = 0x0d
export const CR_CURSOR_HIGH = 0x0e
export const CR_CURSOR_LOW = 0x0f
export const CR_V_RETRACE_START = 0x10
export const CR_V_RETRACE_END = 0x11
export const CR_V_DISPLAY_END = 0x12
export const CR_OFFSET = 0x13
export const CR_UNDERLINE = 0x14
export const CR_MODE = 0x17
export const CR_LINE_COMPARE = 0x18
/** CR11 bit 7 protects CR0..CR7, save the line compare bit of CR7. */
export const CR11_PROTECT = 0x80
export const CR7_LINE_COMPARE = 0x10
export const CR9_DOUBLE_SCAN = 0x80
export const CR14_DWORD = 0x40
export const CR17_ROW_SCAN_A13 = 0x01
export const CR17_ROW_SCAN_A14 = 0x02
export const CR17_ADDRESS_WRAP = 0x20
export const CR17_BYTE = 0x40

/** Graphics controller. */
export const GR_SET_RESET = 0
export const GR_ENABLE_SET_RESET = 1
export const GR_COLOR_COMPARE = 2
export const GR_ROTATE = 3
export const GR_READ_MAP = 4
export const GR_MODE = 5
export const GR_MISC = 6
export const GR_COLOR_DONT_CARE = 7
export const GR_BIT_MASK = 8
export const MODE_READ_1 = 0x08
export const MODE_ODD_EVEN = 0x10
export const MODE_SHIFT_INTERLEAVED = 0x20
export const MODE_SHIFT_256 = 0x40
export const MISC_GRAPHICS = 0x01
export const MISC_CHAIN_ODD_EVEN = 0x02
export const GRAPHICS_MASKS: readonly number[] = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff]

/** Attribute controller. */
export const AR_MODE = 0x10
export const AR_OVERSCAN = 0x11
export const AR_PLANE_ENABLE = 0x12
export const AR_PEL_PANNING = 0x13
export const AR_COLOR_SELECT = 0x14
/** Attribute address bit 5: the palette belongs to the screen, not to the processor. */
export const PALETTE_ADDRESS_SOURCE = 0x20
export const AR10_LINE_GRAPHICS = 0x04
export const AR10_BLINK = 0x08
export const AR10_PANNING_COMPATIBLE = 0x20
export const AR10_PEL_WIDTH = 0x40
export const AR10_P54_SELECT = 0x80

/** Input status 1. */
export const STATUS_DISPLAY_DISABLED = 0x01
export const STATUS_V_RETRACE = 0x08

/** Dot clocks in Hz by clock select. */
export const DOT_CLOCKS: readonly number[] = [25_175_000, 28_322_000, 25_175_000, 25_175_000]
/** Blink periods in ns: the cursor changes every 16 frames, characters every 32, at 70 Hz. */
export const CURSOR_BLINK = 228_000_000
export const CHARACTER_BLINK = 457_000_000

/** Legacy window A0000h..BFFFFh. */
export const WINDOW_LENGTH = 0x20000
export const BANK_SIZE = 0x10000
/** Planar VGA memory: 64 KiB a plane, interleaved byte by byte in the first 256 KiB. */
export const PLANE_MASK = 0xffff
export const VRAM_DEFAULT: number = 16 * 1024 * 1024

/** DISPI registers and their I/O window 1CEh..1D0h: index, data, data again. */
export const DISPI_PORT = 0x1ce
export const DISPI_LENGTH = 3
export const DISPI_ID = 0
export const DISPI_XRES = 1
export const DISPI_YRES = 2
export const DISPI_BPP = 3
export const DISPI_ENABLE = 4
export const DISPI_BANK = 5
export const DISPI_VIRT_WIDTH = 6
export const DISPI_VIRT_HEIGHT = 7
export const DISPI_X_OFFSET = 8
export const DISPI_Y_OFFSET = 9
export const DISPI_VIDEO_MEMORY_64K = 10
export const DISPI_COUNT = 11
export const DISPI_ID_LOW = 0xb0c0
export const DISPI_ID5 = 0xb0c5
export const ENABLED = 0x01
export const GETCAPS = 0x02
export const BIT8_DAC = 0x20
export const LFB_ENABLED = 0x40
export const NO_CLEAR_MEMORY = 0x80
export const MAX_XRES = 2560
export const MAX_YRES = 1600
export const MAX_BPP = 32
export const DEPTHS: readonly number[] = [4, 8, 15, 16, 24, 32]

/** BAR 2 of the PCI function: VGA ports 3C0h..3DFh at 400h, DISPI registers at 500h, QEMU extended registers at 600h. */
export const MMIO_LENGTH = 0x1000
export const MMIO_VGA = 0x400
export const MMIO_VGA_END = 0x420
export const MMIO_DISPI = 0x500
export const MMIO_DISPI_END: number = MMIO_DISPI + 2 * DISPI_COUNT
export const MMIO_EXTENDED = 0x600
export const EXTENDED_SIZE = 8
export const LITTLE_ENDIAN_FRAMEBUFFER = 0x1e1e1e1e
