/** virtio 1.2, 5.3 "Console Device". */
export const DEVICE_ID = 3

/** 5.3.3 Feature bits. */
export const F_SIZE: bigint = 1n << 0n
export const F_MULTIPORT: bigint = 1n << 1n
export const F_EMERG_WRITE: bigint = 1n << 2n

/** 5.3.4 Device configuration layout. */
export const CONFIG_COLUMNS = 0
export const CONFIG_ROWS = 2
export const CONFIG_MAX_PORTS = 4
export const CONFIG_EMERGENCY_WRITE = 8
export const CONFIG_BYTES = 12

/** 5.3.2 Virtqueues: receive and transmit of port 0, of the control messages, of port 1 and on. */
export const QUEUE_CONTROL_RECEIVE = 2
export const QUEUE_CONTROL_TRANSMIT = 3
export const queuesOfPort = (port: number): { receive: number; transmit: number } =>
  port === 0 ? { receive: 0, transmit: 1 } : { receive: 2 + 2 * port, transmit: 3 + 2 * port }

/** 5.3.6.2 Multiport: control messages, eight bytes of port, event, value. */
export const CONTROL_EVENT = 4
export const CONTROL_VALUE = 6
export const CONTROL_BYTES = 8
export const EVENT_DEVICE_READY = 0
export const EVENT_DEVICE_ADD = 1
export const EVENT_PORT_READY = 3
export const EVENT_CONSOLE_PORT = 4
export const EVENT_RESIZE = 5
export const EVENT_PORT_OPEN = 6
export const EVENT_PORT_NAME = 7
