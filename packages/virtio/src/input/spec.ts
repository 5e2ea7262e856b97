/** virtio 1.2, 5.8 Input Device; event numbers of the Linux input layer (linux/input-event-codes.h, kernel documentation "Input event codes"). */

export const VIRTIO_ID_INPUT = 18
export const EVENTQ = 0
export const STATUSQ = 1

/** 5.8.4 struct virtio_input_config. */
export const CONFIG_SELECT = 0
export const CONFIG_SUBSEL = 1
export const CONFIG_SIZE = 2
export const CONFIG_DATA = 8
export const CONFIG_BYTES = 136
export const CFG_ID_NAME = 0x01
export const CFG_ID_SERIAL = 0x02
export const CFG_ID_DEVIDS = 0x03
export const CFG_EV_BITS = 0x11
export const CFG_ABS_INFO = 0x12

/** 5.8.6: le16 type, le16 code, le32 value. */
export const EVENT_BYTES = 8

export const EV_SYN = 0x00
export const EV_KEY = 0x01
export const EV_REL = 0x02
export const EV_ABS = 0x03
export const EV_LED = 0x11
export const EV_REP = 0x14
export const REL_X = 0
export const REL_Y = 1
export const REL_HWHEEL = 6
export const REL_WHEEL = 8
export const ABS_X = 0
export const ABS_Y = 1
/** LED_NUML, LED_CAPSL, LED_SCROLLL. */
export const LEDS: readonly number[] = [0, 1, 2]
export const BUS_VIRTUAL = 0x06
/** The vendor of virtio's PCI IDs. */
export const VENDOR = 0x1af4

export const BUTTONS = { left: 0x110, right: 0x111, middle: 0x112, side: 0x113, extra: 0x114 } as const

/** Keys by the names QEMU's monitor has for them. */
export const KEYS: Readonly<Record<string, number>> = {
  esc: 1, 1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9, 9: 10, 0: 11, minus: 12, equal: 13, backspace: 14, tab: 15,
  q: 16, w: 17, e: 18, r: 19, t: 20, y: 21, u: 22, i: 23, o: 24, p: 25, bracket_left: 26, bracket_right: 27, ret: 28, ctrl: 29,
  a: 30, s: 31, d: 32, f: 33, g: 34, h: 35, j: 36, k: 37, l: 38, semicolon: 39, apostrophe: 40, grave_accent: 41, shift: 42, backslash: 43,
  z: 44, x: 45, c: 46, v: 47, b: 48, n: 49, m: 50, comma: 51, dot: 52, slash: 53, shift_r: 54, kp_multiply: 55, alt: 56, spc: 57, caps_lock: 58,
  f1: 59, f2: 60, f3: 61, f4: 62, f5: 63, f6: 64, f7: 65, f8: 66, f9: 67, f10: 68, num_lock: 69, scroll_lock: 70,
  kp_7: 71, kp_8: 72, kp_9: 73, kp_subtract: 74, kp_4: 75, kp_5: 76, kp_6: 77, kp_add: 78, kp_1: 79, kp_2: 80, kp_3: 81, kp_0: 82, kp_decimal: 83,
  less: 86, f11: 87, f12: 88, ro: 89, henkan: 92, katakanahiragana: 93, muhenkan: 94, kp_enter: 96, ctrl_r: 97, kp_divide: 98,
  print: 99, sysrq: 99, alt_r: 100, home: 102, up: 103, pgup: 104, left: 105, right: 106, end: 107, down: 108, pgdn: 109, insert: 110, delete: 111,
  audiomute: 113, volumedown: 114, volumeup: 115, power: 116, kp_equals: 117, pause: 119, kp_comma: 121, lang1: 122, lang2: 123, yen: 124,
  meta_l: 125, meta_r: 126, menu: 127, calculator: 140, sleep: 142, wake: 143, mail: 155, ac_bookmarks: 156, computer: 157, ac_back: 158,
  ac_forward: 159, audionext: 163, audioplay: 164, audioprev: 165, audiostop: 166, ac_home: 172, ac_refresh: 173, mediaselect: 226,
}
