/** Byte stream of a character device: serial ports, debug consoles. The device pushes with `write`; the host side pushes with the callback. */
export interface CharacterPort {
  /** Guest → host. */
  write(bytes: Uint8Array): void
  /** Host → guest: the device takes what it has room for and returns the count; the port keeps the rest until `onReadable` is called by the device. */
  onData(listener: (bytes: Uint8Array) => number): void
  /** The device has room again: the port offers what it kept. */
  resume(): void
}

/** What a display shows: the device redraws into `pixels` on request. */
export interface FramebufferSource {
  /** Size in pixels of the current mode. */
  readonly width: number
  readonly height: number
  /** Text mode cells when the display is in a text mode: columns × rows of (character, attribute) pairs. */
  text(): { columns: number; rows: number; cells: Uint8Array; cursor: number } | undefined
  /** Renders into RGBA bytes (width × height × 4). */
  render(into: Uint8ClampedArray): void
}
