/**
 * The keyboard controller: IBM PS/2 Hardware Interface Technical Reference (1990), "Keyboard and Auxiliary Device Controller".
 * The devices: same volume, "Keyboard (101/102-key)" and "Mouse"; the wheel: Microsoft IntelliMouse extension.
 */

/** Status register, port 64h read. */
export const STATUS_OBF = 0x01
export const STATUS_SYS = 0x04
export const STATUS_COMMAND = 0x08
/** 1: the keyboard lock is open. */
export const STATUS_UNLOCKED = 0x10
export const STATUS_AUX_OBF = 0x20

/** Controller command byte, RAM address 0. */
export const CCB_KEYBOARD_INTERRUPT = 0x01
export const CCB_AUX_INTERRUPT = 0x02
export const CCB_SYS = 0x04
export const CCB_KEYBOARD_DISABLE = 0x10
export const CCB_AUX_DISABLE = 0x20
export const CCB_TRANSLATE = 0x40
/** What a PC's BIOS leaves behind; the power-on value is undefined, and a kernel started without firmware finds this. */
export const CCB_RESET: number = CCB_KEYBOARD_INTERRUPT | CCB_AUX_INTERRUPT | CCB_SYS | CCB_TRANSLATE

/** Output port P2. */
export const OUTPUT_NO_RESET = 0x01
export const OUTPUT_A20 = 0x02
export const OUTPUT_KEYBOARD_IRQ = 0x10
export const OUTPUT_AUX_IRQ = 0x20
/** All lines high, no interrupt. */
export const OUTPUT_RESET = 0xcf
/** Input port P1: keyboard not locked, no manufacturing jumper. */
export const INPUT_PORT = 0xb0

/** Controller commands, port 64h write. 20h-3Fh and 60h-7Fh read and write RAM. */
export const COMMAND_TEST_PASSWORD = 0xa4
export const COMMAND_LOAD_PASSWORD = 0xa5
export const COMMAND_DISABLE_AUX = 0xa7
export const COMMAND_ENABLE_AUX = 0xa8
export const COMMAND_TEST_AUX = 0xa9
export const COMMAND_SELF_TEST = 0xaa
export const COMMAND_TEST_KEYBOARD = 0xab
export const COMMAND_DISABLE_KEYBOARD = 0xad
export const COMMAND_ENABLE_KEYBOARD = 0xae
export const COMMAND_READ_INPUT_PORT = 0xc0
export const COMMAND_READ_OUTPUT_PORT = 0xd0
export const COMMAND_WRITE_OUTPUT_PORT = 0xd1
export const COMMAND_WRITE_KEYBOARD_OUTPUT = 0xd2
export const COMMAND_WRITE_AUX_OUTPUT = 0xd3
export const COMMAND_WRITE_AUX = 0xd4
export const COMMAND_DISABLE_A20 = 0xdd
export const COMMAND_ENABLE_A20 = 0xdf
export const COMMAND_READ_TEST_INPUTS = 0xe0
/** F0h-FFh pulse the output port bits 3..0 that are 0 in the command. */
export const COMMAND_PULSE = 0xf0
export const NO_PASSWORD = 0xf1
export const SELF_TEST_PASSED = 0x55
export const INTERFACE_TEST_PASSED = 0x00

/**
 * Pause between the guest's taking one device byte and the next byte in ns. The wire needs about 1 ms for 11 bits; shorter is
 * invisible, but zero would break handlers that read port 60h twice for the same scan code.
 */
export const BYTE_TIME = 100_000

/** Device replies. */
export const ACK = 0xfa
export const RESEND = 0xfe
export const BAT_PASSED = 0xaa
export const ECHO = 0xee
export const BREAK_PREFIX = 0xf0
/** Keyboard ID bytes of an MF2 keyboard (untranslated). */
export const KEYBOARD_ID: readonly number[] = [0xab, 0x83]

/** Commands both devices know. */
export const DEVICE_ENABLE = 0xf4
export const DEVICE_DISABLE = 0xf5
export const DEVICE_DEFAULTS = 0xf6
export const DEVICE_RESEND = 0xfe
export const DEVICE_RESET = 0xff
export const DEVICE_IDENTIFY = 0xf2

export const KEYBOARD_LEDS = 0xed
export const KEYBOARD_ECHO = 0xee
export const KEYBOARD_SCAN_SET = 0xf0
export const KEYBOARD_TYPEMATIC = 0xf3
/** 10.9 characters per second after 500 ms. */
export const TYPEMATIC_DEFAULT = 0x2b
/** Key-down codes are refused when this many bytes wait; key-up codes of accepted keys always fit. */
export const KEYBOARD_QUEUE_LIMIT = 192
export const QUEUE_MAX = 1024

export const MOUSE_SCALE_1_1 = 0xe6
export const MOUSE_SCALE_2_1 = 0xe7
export const MOUSE_RESOLUTION = 0xe8
export const MOUSE_STATUS = 0xe9
export const MOUSE_STREAM = 0xea
export const MOUSE_READ = 0xeb
export const MOUSE_WRAP_OFF = 0xec
export const MOUSE_WRAP_ON = 0xee
export const MOUSE_REMOTE = 0xf0
export const MOUSE_SAMPLE_RATE = 0xf3
export const MOUSE_RATE_DEFAULT = 100
export const MOUSE_RESOLUTION_DEFAULT = 2
/** Setting these sample rates in a row turns the wheel (ID 3), then the side buttons (ID 4) on. */
export const KNOCK_WHEEL = '200,100,80'
export const KNOCK_BUTTONS = '200,200,80'
/** Movements that wait for the guest; further ones merge into the last. */
export const MOUSE_PENDING_LIMIT = 32
