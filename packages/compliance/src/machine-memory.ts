import type { MachineMemory, Mfn } from '@entresol/interfaces'
import type { Law, Suite } from './suite.ts'
import { codeOf, seededRandom, thrownBy } from './support.ts'

export interface MachineMemorySubject {
  /** Fresh, of 8 to 64 MiB: the suite fills it. */
  memory: MachineMemory
}

const laws: Law<MachineMemorySubject>[] = [
  {
    name: 'the views cover the whole memory',
    check({ memory }, violated) {
      if (memory.u8.buffer !== memory.wasm.buffer || memory.u32.buffer !== memory.wasm.buffer) violated('a view is of another buffer')
      if (memory.u8.length !== memory.frames * 4096 || memory.u32.length !== memory.frames * 1024) violated('a view has another length')
    },
  },
  {
    name: 'blocks are aligned, zeroed, inside the memory and disjoint, through any history',
    check({ memory }, violated) {
      const random = seededRandom(5)
      const owner = new Uint8Array(memory.frames)
      const live: { mfn: Mfn; order: number }[] = []
      for (let step = 0; step < 2000; step++) {
        if (live.length > 0 && random(5) < 2) {
          const [block] = live.splice(random(live.length), 1)
          owner.fill(0, block!.mfn, block!.mfn + 2 ** block!.order)
          memory.free(block!.mfn, block!.order)
          continue
        }
        const order = random(20) === 0 ? 9 : random(4)
        let mfn: Mfn
        try {
          mfn = memory.allocate(order)
        } catch (error) {
          if (codeOf(error) !== 'machine-memory-exhausted') return violated(`threw ${String(error)}`)
          for (const block of live.splice(0, live.length / 2)) {
            owner.fill(0, block.mfn, block.mfn + 2 ** block.order)
            memory.free(block.mfn, block.order)
          }
          continue
        }
        const size = 2 ** order
        if (mfn % size !== 0 || mfn < 0 || mfn + size > memory.frames) return violated(`order ${order} at frame ${mfn}`)
        if (owner.subarray(mfn, mfn + size).some((taken) => taken !== 0)) return violated(`frame ${mfn} handed out twice`)
        owner.fill(1, mfn, mfn + size)
        const words = memory.u32.subarray(mfn * 1024, (mfn + size) * 1024)
        if (words.some((word) => word !== 0)) return violated(`order ${order} at frame ${mfn} is not zero`)
        words.fill(0xdeadbeef)
        live.push({ mfn, order })
      }
    },
  },
  {
    name: 'everything freed can be handed out again, as one block too',
    check({ memory }, violated) {
      const before = memory.framesUsed
      const block = memory.allocate(3)
      if (memory.framesUsed !== before + 8) violated(`8 frames were counted as ${memory.framesUsed - before}`)
      memory.free(block, 3)
      if (memory.framesUsed !== before) violated('a freed block of 8 frames still counts')
      const frames: Mfn[] = []
      while (thrownBy(() => frames.push(memory.allocate(0))) === undefined);
      if (memory.framesUsed !== before + frames.length) violated(`${frames.length} frames were counted as ${memory.framesUsed - before}`)
      for (const mfn of frames) memory.free(mfn, 0)
      if (memory.framesUsed !== before) violated('the count of used frames did not come back')
      const error = thrownBy(() => memory.allocate(9))
      if (error !== undefined) violated(`no 2 MiB block after all was freed: ${String(error)}`)
    },
  },
  {
    name: 'when it is exhausted it says so with a code, and goes on',
    check({ memory }, violated) {
      let last: Mfn | undefined
      let error: unknown
      do error = thrownBy(() => (last = memory.allocate(0)))
      while (error === undefined)
      if (codeOf(error) !== 'machine-memory-exhausted') violated(`threw ${String(error)}`)
      if (last === undefined) return violated('nothing could be allocated')
      memory.free(last, 0)
      if (thrownBy(() => memory.allocate(0)) !== undefined) violated('a freed frame could not be allocated')
    },
  },
  {
    name: 'reserved memory is frame-aligned, contiguous, zero and nobody else’s',
    check({ memory }, violated) {
      const sizes = [1, 4096, 5 * 4096 + 1, 300_000]
      const ranges = sizes.map((bytes) => ({ start: memory.reserve(bytes) as number, bytes }))
      for (const { start, bytes } of ranges) {
        if (start % 4096 !== 0 || start + bytes > memory.u8.length) violated(`${bytes} bytes at ${start}`)
        if (memory.u8.subarray(start, start + bytes).some((byte) => byte !== 0)) violated(`${bytes} bytes at ${start} are not zero`)
        memory.u8.fill(1, start, start + bytes)
      }
      while (thrownBy(() => {
        const mfn = memory.allocate(0)
        if (ranges.some((r) => mfn * 4096 + 4095 >= r.start && mfn * 4096 < r.start + r.bytes)) violated(`frame ${mfn} is reserved`)
      }) === undefined);
    },
  },
]

/** Laws of MachineMemory. */
export const machineMemorySuite: Suite<MachineMemorySubject> = { name: 'MachineMemory', laws }
