export { VirtioKeyboard, VirtioMouse, VirtioTablet } from './kinds.ts'
export type { PointerButton, PointerUpdate } from './kinds.ts'
export { VirtioInput } from './virtio-input.ts'
export type { InputEvent, InputIdentity, VirtioInputState } from './virtio-input.ts'
