/** Lets pending input, timers and promises of the host run. Node's setImmediate, a message in browsers. */
export const yieldToHost: () => Promise<void> = ((): (() => Promise<void>) => {
  const immediate = (globalThis as { setImmediate?: (callback: () => void) => void }).setImmediate
  if (immediate) return () => new Promise((resolve) => immediate(resolve))
  const channel = new MessageChannel()
  const waiting: (() => void)[] = []
  channel.port1.onmessage = () => waiting.shift()?.()
  return () => new Promise((resolve) => {
    waiting.push(resolve)
    channel.port2.postMessage(0)
  })
})()
