import type { Command } from '../command.ts'
import { benchCommand } from './bench.ts'
import { checkCommand } from './check.ts'
import { commitCommand } from './commit.ts'
import { compareCommand } from './compare.ts'
import { convertCommand } from './convert.ts'
import { createCommand } from './create.ts'
import { ddCommand } from './dd.ts'
import { infoCommand } from './info.ts'
import { mapCommand } from './map.ts'
import { measureCommand } from './measure.ts'
import { rebaseCommand } from './rebase.ts'
import { resizeCommand } from './resize.ts'
import { snapshotCommand } from './snapshot.ts'

export const commands: readonly Command[] = [
  benchCommand, checkCommand, commitCommand, compareCommand, convertCommand, createCommand, ddCommand, infoCommand, mapCommand, measureCommand,
  rebaseCommand, resizeCommand, snapshotCommand,
]
