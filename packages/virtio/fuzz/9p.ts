// 9P clients that want to do harm, on a tree in memory and on a folder of the host: node fuzz/9p.ts --seconds 600 --seed 1
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CodedError } from '@entresol/kit'
import { MemoryFileTree, NinePServer } from '../src/9p/index.ts'
import type { FileTree } from '../src/9p/index.ts'
import { HostFileTree } from '../src/9p/node/index.ts'
import { TATTACH, TVERSION, VERSION_9P2000_L } from '../src/9p/spec.ts'
import { MessageWriter } from '../src/9p/wire.ts'
import { Choice } from './choice.ts'
import { ninepMessage } from './requests.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } } })
const MESSAGES = 300
/** A client is through in milliseconds; one that is not hangs. */
const PATIENCE = 60_000
const LIMITS = { fids: 32, openFiles: 16, locks: 16 }
const MESSAGE_SIZE = 8192

function required(holds: boolean, what: string): void {
  if (!holds) throw new CodedError('fuzz-failure', what)
}

async function ask(server: NinePServer, message: Uint8Array): Promise<void> {
  const answer = await server.handle(message)
  required(answer.length <= MESSAGE_SIZE && new DataView(answer.buffer, answer.byteOffset).getUint32(0, true) === answer.length, 'the answer has a wrong size')
  required(message.length < 7 || (answer[5] === message[5] && answer[6] === message[6]), 'the answer has another tag')
}

async function client(tree: FileTree, choice: Choice): Promise<void> {
  const server = new NinePServer(tree, { messageSize: MESSAGE_SIZE, limits: LIMITS, readOnly: choice.once(8) })
  await ask(server, new MessageWriter(TVERSION, 0).u32(MESSAGE_SIZE).string(VERSION_9P2000_L).finish())
  await ask(server, new MessageWriter(TATTACH, 0).u32(0).u32(0xffff_ffff).string('').string('').u32(0).finish())
  const together = choice.once(2)
  const running: Promise<void>[] = []
  for (let n = 0; n < MESSAGES; n++) {
    const asked = ask(server, ninepMessage(choice))
    if (together) running.push(asked)
    else await asked
    required(server.fids <= LIMITS.fids, 'too many fids')
  }
  await Promise.all(running)
  await server.reset()
}

/** Fails when `work` does not end. */
async function ending(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const hang = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new CodedError('fuzz-failure', 'a client hangs')), PATIENCE) })
  await Promise.race([work, hang]).finally(() => clearTimeout(timer))
}

const base = await mkdtemp(join(tmpdir(), 'entresol-9p-fuzz-'))
await writeFile(join(base, 'a'), 'not shared')
const outside = async (): Promise<string> => `${(await readdir(base)).join()} ${await readFile(join(base, 'a'), 'utf8')}`
const end = performance.now() + 1000 * Number(values.seconds)
let seed = Number(values.seed)
for (; performance.now() < end; seed++) {
  const choice = new Choice(seed)
  const folder = join(base, 'shared')
  await mkdir(folder)
  const before = await outside()
  try {
    await ending(client(new MemoryFileTree({ capacity: 1 << 20, maxFiles: 100 }), choice))
    const tree = await HostFileTree.open(folder, { wallClock: () => Date.now(), descriptors: 1 + choice.below(20), access: choice.once(2) ? 'paths' : 'descriptors' })
    await ending(client(tree, choice))
    tree.close()
    required(await outside() === before, 'the folder was left')
  } catch (error) {
    console.error(`--seed ${seed} fails:`, error)
    process.exitCode = 1
    break
  }
  await rm(folder, { recursive: true, force: true })
}
await rm(base, { recursive: true, force: true })
console.log(`9p: seeds ${values.seed} to ${seed - 1}, ${2 * MESSAGES} messages each`)
// A client that hangs would keep the process alive.
process.exit()
