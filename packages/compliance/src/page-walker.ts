import { ACCESS_AC, ACCESS_FETCH, ACCESS_PROBE, ACCESS_USER, ACCESS_WRITE, RIGHT_EXECUTE, RIGHT_READ, RIGHT_WRITE } from '@entresol/interfaces'
import type { Gpa, GuestMemory, PageWalker } from '@entresol/interfaces'
import { CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER_NXE, Tables } from './page-tables.ts'
import type { Law, Suite } from './suite.ts'
import { hex } from './support.ts'

export interface PageWalkerSubject {
  walker: PageWalker
  /** The guest's memory: at least 64 KiB of untouched RAM at address 0, none from 0xe0000000 to 0xe0200000. */
  memory: GuestMemory
}

const READ = 0
const ALL = RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE
const P = 1n
const RW = 2n
const US = 4n
const A = 0x20n
const D = 0x40n
const PS = 0x80n
const G = 0x100n
const NX = 1n << 63n
const KERNEL = P | RW
const USER = P | RW | US

type Report = (detail: string) => void

/** Expects a fault with this error code. */
function faults(subject: PageWalkerSubject, linear: bigint, access: number, code: number, violated: Report, what = ''): void {
  const result = subject.walker.walk(Number(linear & 0xffffffffn) | 0, Number(linear >> 32n) | 0, access)
  if (result !== code) violated(`${what} linear ${linear.toString(16)} access ${access}: ${result}, not fault ${code}`)
}

/** Expects success and the physical address. */
function reaches(subject: PageWalkerSubject, linear: bigint, access: number, physical: bigint, violated: Report, what = ''): void {
  const { walker } = subject
  const result = walker.walk(Number(linear & 0xffffffffn) | 0, Number(linear >> 32n) | 0, access)
  if (result !== -1) return violated(`${what} linear ${linear.toString(16)} access ${access}: fault ${result}`)
  const found = (BigInt(walker.physicalHigh) << 32n) | BigInt(walker.physicalLow)
  if (found !== physical) violated(`${what} linear ${linear.toString(16)} reached ${found.toString(16)}, not ${physical.toString(16)}`)
}

const laws: Law<PageWalkerSubject>[] = [
  {
    name: 'with paging off, linear addresses are physical (5.1.1)',
    check(subject, violated) {
      const ok = subject.walker.configure({ cr0: 1, cr3Low: 0, cr3High: 0, cr4: 0, efer: 0, physicalAddressBits: 40 })
      if (!ok) violated('configure refused')
      reaches(subject, 0x1234n, ACCESS_USER | ACCESS_WRITE, 0x1234n, violated)
      if (subject.walker.rights !== ALL || subject.walker.pageShift !== 12 || subject.walker.global !== 0) violated('rights, size or global')
      reaches(subject, 0xe0001234n, READ, 0xe0001234n, violated)
      if (subject.walker.physicalLow !== 0xe0001234 || subject.walker.frame !== -1) violated('MMIO is not at an unsigned address with frame -1')
    },
  },
  {
    name: '32-bit paging maps 4 KiB and, with PSE, 4 MiB pages of up to 40 bits (5.3)',
    check(subject, violated) {
      const t = new Tables(subject)
      t.put32(0x1000, 0x2000n | USER)
      t.put32(0x2004, 0x3000n | USER)
      t.put32(0x1004, 0x00800000n | USER | PS)
      t.put32(0x1008, 0x00c00000n | (0x12n << 13n) | USER | PS)
      t.put32(0x100c, (1n << 21n) | USER | PS)
      t.configure(32, 0x1000, { cr4: CR4_PSE })
      reaches(subject, 0x1abcn, READ, 0x3abcn, violated)
      if (subject.walker.pageShift !== 12) violated(`page shift ${subject.walker.pageShift}`)
      reaches(subject, 0x4abcden, READ, 0x8abcden, violated)
      if (subject.walker.pageShift !== 22) violated(`page shift ${subject.walker.pageShift}`)
      reaches(subject, 0x800004n, READ, 0x1200c00004n, violated, 'PSE-36:')
      faults(subject, 0xc00000n, READ, 9, violated, 'reserved bit 21:')
      t.configure(32, 0x1000, { cr4: CR4_PSE, bits: 36 })
      faults(subject, 0x800004n, READ, 9, violated, 'address bit 36 with a width of 36:')
      t.configure(32, 0x1000, {})
      reaches(subject, 0x1abcn, READ, 0x3abcn, violated)
      if (subject.walker.walk(0x800000, 0, READ) === -1 && subject.walker.pageShift === 22) violated('PS counts without CR4.PSE')
    },
  },
  {
    name: 'PAE walks from its four registers, loaded by configure (5.4)',
    check(subject, violated) {
      const t = new Tables(subject)
      t.put64(0x1028, 0x2000n | P)
      t.put64(0x2000, 0x3000n | USER)
      t.put64(0x2008, 0x600000n | USER | PS)
      t.put64(0x3008, 0x1_2345_6000n | USER)
      t.configure('pae', 0x1020, {})
      reaches(subject, 0x40001007n, READ, 0x1_2345_6007n, violated)
      reaches(subject, 0x4021abcdn, READ, 0x61abcdn, violated)
      if (subject.walker.pageShift !== 21) violated(`page shift ${subject.walker.pageShift}`)
      faults(subject, 0n, READ, 0, violated, 'absent PDPTE:')
      t.put64(0x1028, 0n)
      reaches(subject, 0x40001007n, READ, 0x1_2345_6007n, violated, 'after the PDPTE changed in memory only:')
      t.put64(0x1020, P | RW)
      const cr = { cr0: 0x80000001 | 0, cr3Low: 0x1020, cr3High: 0, cr4: CR4_PAE, efer: 0, physicalAddressBits: 40 }
      if (subject.walker.configure(cr)) violated('a PDPTE with reserved bit 1 was loaded')
      reaches(subject, 0x40001007n, READ, 0x1_2345_6007n, violated, 'after a refused load:')
      t.put64(0x3010, (1n << 52n) | USER)
      faults(subject, 0x40002000n, READ, 9, violated, 'PAE bit 52:')
    },
  },
  {
    name: '4-level and 5-level paging map 4 KiB, 2 MiB and 1 GiB pages (5.5)',
    check(subject, violated) {
      const t = new Tables(subject)
      t.put64(0x1000 + 0x1ab * 8, 0x2000n | USER)
      t.put64(0x2000 + 3 * 8, 0x3000n | USER)
      t.put64(0x2000 + 4 * 8, 0x7_4000_1000n | USER | PS)
      t.put64(0x3000 + 5 * 8, 0x4000n | USER)
      t.put64(0x3000 + 6 * 8, 0x12_3460_1000n | USER | PS)
      t.put64(0x4000 + 7 * 8, 0x0_1234_5000n | USER | PS)
      const base = 0xffff_d580_0000_0000n
      for (const mode of [4, 5] as const) {
        if (mode === 5) t.put64(0x5000 + 0x1ff * 8, 0x1000n | USER)
        t.configure(mode, mode === 5 ? 0x5000 : 0x1000, {})
        reaches(subject, base + 0xc0a07abcn, READ, 0x12345abcn, violated, 'bit 7 of a PTE is PAT:')
        reaches(subject, base + 0xc0cabcden, READ, 0x12_346a_bcden, violated)
        if (subject.walker.pageShift !== 21) violated(`page shift ${subject.walker.pageShift}`)
        reaches(subject, base + 0x1_2345_6789n, READ, 0x7_6345_6789n, violated)
        if (subject.walker.pageShift !== 30) violated(`page shift ${subject.walker.pageShift}`)
        faults(subject, base, READ, 0, violated)
      }
    },
  },
  {
    name: 'tables and pages above 4 GiB are reached with the high half',
    check(subject, violated) {
      const t = new Tables(subject)
      t.chain([USER, USER, USER, 0xab_cdef_0000n | USER])
      t.configure(4, 0x1000, { bits: 40 })
      reaches(subject, 0x123n, READ, 0xab_cdef_0123n, violated)
      t.put64(0x1000, 0x80_0000_2000n | USER)
      if (subject.walker.walk(0, 0, READ) === -1 && subject.walker.physicalLow === 0xcdef0000) violated('a table address was cut to 32 bits')
    },
  },
  {
    name: 'error codes say present, write, user; instruction fetch only with NXE or SMEP (5.7)',
    check(subject, violated) {
      const t = new Tables(subject)
      t.chain([USER, USER, USER, 0n])
      t.configure(4, 0x1000, {})
      faults(subject, 0n, READ, 0, violated)
      faults(subject, 0n, ACCESS_WRITE, 2, violated)
      faults(subject, 0n, ACCESS_USER, 4, violated)
      faults(subject, 0n, ACCESS_USER | ACCESS_WRITE, 6, violated)
      faults(subject, 0n, ACCESS_FETCH, 0, violated, 'neither:')
      t.configure(4, 0x1000, { efer: EFER_NXE })
      faults(subject, 0n, ACCESS_FETCH | ACCESS_USER, 20, violated, 'NXE:')
      t.configure(4, 0x1000, { cr4: CR4_SMEP })
      faults(subject, 0n, ACCESS_FETCH, 16, violated, 'SMEP:')
      t.configure(32, 0x8000, { efer: EFER_NXE })
      faults(subject, 0n, ACCESS_FETCH, 0, violated, '32-bit paging with NXE:')
    },
  },
  {
    name: 'user accesses need U/S, and R/W to write, in every entry (5.6)',
    check(subject, violated) {
      const t = new Tables(subject)
      for (let level = 0; level < 4; level++) {
        t.chain([USER, USER, USER, 0x9000n | USER].map((flags, index) => (index === level ? flags & ~US : flags)))
        t.configure(4, 0x1000, {})
        faults(subject, 0n, ACCESS_USER, 5, violated, `U/S at level ${4 - level}:`)
        reaches(subject, 0n, ACCESS_WRITE, 0x9000n, violated)
        t.chain([USER, USER, USER, 0x9000n | USER].map((flags, index) => (index === level ? flags & ~RW : flags)))
        reaches(subject, 0n, ACCESS_USER, 0x9000n, violated)
        faults(subject, 0n, ACCESS_USER | ACCESS_WRITE, 7, violated, `R/W at level ${4 - level}:`)
      }
    },
  },
  {
    name: 'CR0.WP decides whether supervisor writes obey R/W (5.6)',
    check(subject, violated) {
      const t = new Tables(subject)
      t.chain([USER, KERNEL, KERNEL, 0x9000n | P])
      t.configure(4, 0x1000, {})
      reaches(subject, 0n, ACCESS_WRITE, 0x9000n, violated, 'WP=0:')
      t.configure(4, 0x1000, { cr0: CR0_WP })
      faults(subject, 0n, ACCESS_WRITE, 3, violated, 'WP=1:')
      reaches(subject, 0n, READ, 0x9000n, violated, 'WP=1:')
    },
  },
  {
    name: 'SMAP stops supervisor data accesses to user pages unless AC, SMEP stops fetches (5.6)',
    check(subject, violated) {
      const t = new Tables(subject)
      t.chain([USER, USER, USER, 0x9000n | USER])
      t.configure(4, 0x1000, { cr4: CR4_SMAP })
      faults(subject, 0n, READ, 1, violated)
      faults(subject, 0n, ACCESS_WRITE, 3, violated)
      reaches(subject, 0n, ACCESS_AC | ACCESS_WRITE, 0x9000n, violated)
      reaches(subject, 0n, ACCESS_FETCH, 0x9000n, violated, 'SMAP does not concern fetches:')
      reaches(subject, 0n, ACCESS_USER, 0x9000n, violated)
      t.configure(4, 0x1000, { cr4: CR4_SMEP })
      faults(subject, 0n, ACCESS_FETCH, 17, violated)
      reaches(subject, 0n, READ, 0x9000n, violated)
      reaches(subject, 0n, ACCESS_USER | ACCESS_FETCH, 0x9000n, violated)
      t.chain([USER, USER, USER, 0x9000n | KERNEL])
      t.configure(4, 0x1000, { cr4: CR4_SMAP | CR4_SMEP })
      reaches(subject, 0n, ACCESS_FETCH, 0x9000n, violated, 'supervisor page:')
      reaches(subject, 0n, ACCESS_WRITE, 0x9000n, violated, 'supervisor page:')
    },
  },
  {
    name: 'XD in any entry stops fetches with NXE and is reserved without (5.6, 5.7)',
    check(subject, violated) {
      const t = new Tables(subject)
      for (let level = 0; level < 4; level++) {
        t.chain([USER, USER, USER, 0x9000n | USER].map((flags, index) => (index === level ? flags | NX : flags)))
        t.configure(4, 0x1000, { efer: EFER_NXE })
        faults(subject, 0n, ACCESS_FETCH | ACCESS_USER, 21, violated, `level ${4 - level}:`)
        faults(subject, 0n, ACCESS_FETCH, 17, violated, `level ${4 - level}:`)
        reaches(subject, 0n, ACCESS_USER, 0x9000n, violated)
        if ((subject.walker.rights & RIGHT_EXECUTE) !== 0) violated('rights say execute')
        t.configure(4, 0x1000, {})
        faults(subject, 0n, READ, 9, violated, `level ${4 - level}, no NXE:`)
      }
    },
  },
  {
    name: 'reserved bits of present entries fault with RSVD, ignored bits do not (5.5)',
    check(subject, violated) {
      const t = new Tables(subject)
      const cases: [number, bigint, boolean][] = [
        [0, 1n << 40n, true], [1, 1n << 51n, true], [2, 1n << 40n, true], [3, 1n << 51n, true], [0, PS, true], [3, PS, false],
        [0, 1n << 52n, false], [3, 1n << 62n, false], [1, 1n << 11n, false], [2, D, false], [3, G, false],
        [1, PS | (1n << 13n), true], [1, PS | (1n << 29n), true], [1, PS | (1n << 12n), false],
        [2, PS | (1n << 13n), true], [2, PS | (1n << 20n), true], [2, PS | (1n << 12n), false],
      ]
      for (const [level, bit, reserved] of cases) {
        const flags = [USER, USER, USER, 0x9000n | USER]
        if ((bit & PS) !== 0n && level > 0) flags[level] = USER | PS
        flags[level]! |= bit
        t.chain(flags, (bit & PS) !== 0n && level > 0 ? level : 3)
        t.configure(4, 0x1000, { bits: 40 })
        const what = `bit ${bit.toString(16)} at level ${4 - level}`
        const result = subject.walker.walk(0, 0, ACCESS_USER | ACCESS_WRITE)
        if (result !== (reserved ? 15 : -1)) violated(`${what}: ${result}`)
        if (level === 3) {
          t.put64(0x4000, bit & ~P)
          faults(subject, 0n, READ, 0, violated, `${what}, not present:`)
        }
      }
    },
  },
  {
    name: 'a successful walk sets A in every entry and, for a write, D in the leaf; others set nothing (5.8)',
    check(subject, violated) {
      const t = new Tables(subject)
      const flags = [USER, USER, USER, 0x9000n | USER]
      t.chain(flags)
      t.configure(4, 0x1000, { cr0: CR0_WP })
      subject.walker.walk(0, 0, READ | ACCESS_PROBE)
      subject.walker.walk(0, 0, ACCESS_WRITE | ACCESS_PROBE)
      t.expectChain([0n, 0n, 0n, 0n], 'after probes', violated)
      reaches(subject, 0n, READ, 0x9000n, violated)
      if ((subject.walker.rights & RIGHT_WRITE) !== 0) violated('a clean page may be written without another walk')
      t.expectChain([A, A, A, A], 'after a read', violated)
      reaches(subject, 0n, ACCESS_WRITE, 0x9000n, violated)
      if ((subject.walker.rights & RIGHT_WRITE) === 0) violated('a written page may not be written again')
      t.expectChain([A, A, A, A | D], 'after a write', violated)
      t.chain([USER, USER, USER, 0x9000n | P | US])
      faults(subject, 0n, ACCESS_WRITE, 3, violated)
      if ((t.get64(0x4000) & D) !== 0n) violated('a refused write set D')
    },
  },
  {
    name: 'G makes a translation global only with CR4.PGE and only in the leaf (5.10.2.4)',
    check(subject, violated) {
      const t = new Tables(subject)
      t.chain([USER, USER, USER, 0x9000n | USER | G])
      for (const [cr4, global] of [[CR4_PGE, 1], [0, 0]] as const) {
        t.configure(4, 0x1000, { cr4 })
        subject.walker.walk(0, 0, READ)
        if (subject.walker.global !== global) violated(`CR4 ${hex(cr4)}: global ${subject.walker.global}`)
      }
      t.chain([USER, USER, USER | G, 0x9000n | USER])
      t.configure(4, 0x1000, { cr4: CR4_PGE })
      subject.walker.walk(0, 0, READ)
      if (subject.walker.global !== 0) violated('G of a directory entry counted')
    },
  },
  {
    name: 'rights are those of the same privilege and the frame holds the page’s bytes',
    check(subject, violated) {
      const t = new Tables(subject)
      t.chain([USER, USER, USER, 0x9000n | P | US | D])
      t.configure(4, 0x1000, { efer: EFER_NXE })
      subject.memory.writeU8(0x9abc as Gpa, 1)
      for (const [access, rights] of [[ACCESS_USER, RIGHT_READ | RIGHT_EXECUTE], [READ, ALL]] as const) {
        reaches(subject, 0xabcn, access, 0x9abcn, violated)
        if (subject.walker.rights !== rights) violated(`access ${access}: rights ${subject.walker.rights}, not ${rights}`)
        if (!(subject.walker.frame >= 0) || subject.walker.frame % 4096 !== 0) violated(`frame ${subject.walker.frame}`)
      }
    },
  },
  {
    name: 'tables that are not in memory never map anything, and never throw',
    check(subject, violated) {
      const t = new Tables(subject)
      for (const mode of [32, 'pae', 4, 5] as const) {
        t.configure(mode, 0xe0000000, {})
        for (const access of [READ, ACCESS_WRITE, ACCESS_PROBE]) {
          if (subject.walker.walk(0x12345678, 0, access) === -1 && subject.walker.frame >= 0) violated(`mode ${mode} reached memory`)
        }
      }
    },
  },
]

/** Laws of PageWalker, for any paging technique. References: Intel SDM vol. 3A, chapter 5. */
export const pageWalkerSuite: Suite<PageWalkerSubject> = { name: 'PageWalker', laws }

